"""AMQP values and their bytes (specification part 1), and the tables of its composite types.

What lives here turns Python values into bytes and back. It knows no frame, no endpoint and no socket.
Nothing is re-exported: callers import from the module that owns the name.
"""

from __future__ import annotations
