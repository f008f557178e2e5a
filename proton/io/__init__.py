"""Sockets and selectors, and nothing of AMQP.

`sockets` makes and connects them, `selectable` watches them. This floor must not know a frame, an
endpoint or a handler; what it reaches upwards comes through attributes that the floors above set.
"""
