"""The limits of a transport: attributes that a program may set, on one transport or, on the class, for all.

Each bounds what a peer can cost with few bytes; `docs/differences.md` says which attack or cost that is. Keep true: a
limit of 0 does not limit.
"""

from __future__ import annotations

from proton.codec.limits import DEFAULT_LIMITS, DecodeLimits

__all__ = ["LOOP_EVENTS", "Limits"]


#: a loop has some events of its own waiting: no fewer than these count as many
LOOP_EVENTS = 16


class Limits:
    """What a peer may cost, with the defaults."""

    #: bytes of messages received and not yet read, over the whole connection, before it is closed
    max_buffered_delivery_bytes = 1 << 28
    #: bytes of one message at most on receivers that set no `max_message_size` of their own (2.7.3)
    max_message_size = 0
    #: seconds from the first `tick` until the peer has to be known (`handshaken`)
    handshake_timeout: float = 0.0
    #: bounds on depth, number of elements and memory of received values
    decode_limits: DecodeLimits = DEFAULT_LIMITS
    #: sessions of the connection at most when the peer begins one; those count too whose end we have still to write
    max_sessions = 4096
    #: links of the connection at most when the peer attaches one; those count too whose detach we have still to write
    max_links = 16384
    #: seconds: the least idle-time-out that the peer may ask for (2.4.5)
    min_remote_idle_timeout: float = 0.02
    #: how often, on average, ranges of dispositions may name a delivery again
    max_repeated_dispositions = 16
    #: events that may wait to be handled; `Transport.capacity` is 0 while there are more
    max_waiting_events = 65536
    #: sessions and links that wait for the answer to their begin, attach, end or detach; `Transport.capacity` is 0
    #: while there are so many and the output that was written before is not taken
    max_waiting_answers = 1000
