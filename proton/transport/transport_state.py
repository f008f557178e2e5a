"""`TransportState`: what a `Transport` is inside. Input not yet taken, output not yet sent, how far the connection is.

The machine is the pair of installed functions: `input` takes the bytes that came, from an offset on, and returns how
far it got; `output` writes what there is to write. What is legal now is what is installed: a protocol header, SASL
frames, AMQP frames, nothing. To change state is to install another function; no flag says which one runs. They are
plain functions: a bound method stored on its own object would be a reference cycle, and keep sockets alive until the
collector runs. For the same reason the state refers to its transport weakly.

The functions of this room take a state. Its names are public for them; `Transport` has those that programs see.
Rules for editors:
1. Bytes from the network never raise out of `push` (`protocol.py`).
2. Everything that fails goes through `fail`: condition, event, close frame, no more input. If our own code raises,
   `failure.contain` does it: one connection ends, its traceback is logged. No socket, clock or logger in this file.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Callable

from proton.endpoints.arguments import check_count
from proton.endpoints.events import Event
from proton.endpoints.printable import condition_text
from proton.exceptions import TransportException
from proton.transport import failure, io_layers, trace
from proton.transport.bounds import LOOP_EVENTS, Limits
from proton.transport.inbound import on_open
from proton.transport.outbound import answers_wait
from proton.transport.protocol import (
    Input,
    Output,
    amqp_input,
    client_header_input,
    client_output,
    client_sasl_header_input,
    client_sasl_output,
    final_output,
    held_input,
    no_output,
    server_header_input,
)
from proton.transport.sasl import negotiation
from proton.transport.sasl.sasl_state import SASLState
from proton.transport.transfers import MAX_OUTPUT

if TYPE_CHECKING:
    from proton.endpoints.condition import Condition
    from proton.endpoints.connection import Connection, ConnectionState
    from proton.endpoints.session import SessionState
    from proton.transport.io_layers import IOLayer
    from proton.transport.sasl.layer import SASL
    from proton.transport.tls.layer import SSL
    from proton.transport.tls.stream import TLSStream
    from proton.transport.transport import Transport

__all__ = ["MIN_FRAME_SIZE", "TransportState", "state_of"]

_UINT32 = 0xFFFFFFFF
# Bytes to offer to one read, some 200 small messages: the peer's next credit leaves while it still has some. With
# 65536 a sender with a credit of 500 stood still in between: 59,000 against 86,000 messages a second.
_READ = 32768
# With frames of this size coming, more is offered: fewer of them are cut in two and have to be put together.
_LARGE_FRAME = 16384
_BULK_READ = 131072
_MAX_READ = 1 << 20  # a reader makes a buffer of what is offered, and a frame may claim 4 GiB
MIN_FRAME_SIZE = 512  # 2.8.19
MAX_CHANNEL = 32767
#: frames to write to a peer that names no limit of its own, when we have none either
_OUTPUT_FRAME_SIZE = 65536
#: a peer's limit beyond this is not made use of: a frame is in memory as a whole
_MAX_OUTPUT_FRAME = 1 << 20


class _Owner(weakref.ref):  # type: ignore[type-arg]  # CPython 3.9 has no weakref.ref[...] to derive from
    """A reference of its own: Python shares plain ones, and those of others could not be counted."""


class TransportState:
    """The state of one transport.

    :param transport: whose state it is.
    :param is_server: True for the end that answers.
    """

    def __init__(self, transport: Transport, is_server: bool) -> None:
        self.transport: weakref.ref[Transport] = _Owner(transport)
        #: the limits that the program has set, on the transport or on its class
        self.limits: Limits = weakref.proxy(transport)
        self.connection: Connection | None = None
        self.bound: ConnectionState | None = None  # its state, at hand for each read
        self.condition: Condition | None = None
        self.tracer: Callable[[Any, str], object] | None = None
        self.frames_output = 0
        self.frames_input = 0
        self.authenticated = False
        self.encrypted = False

        self.is_server = is_server
        self.input: Input = server_header_input if is_server else client_header_input
        self.output: Output = no_output if is_server else client_output
        self.seen_protocols: set[str] = set()  # what a client has begun with so far
        self.sasl: SASLState | None = None
        self.sasl_object: SASL | None = None  # what the program has of it
        self.ssl: SSL | None = None
        self.tls: TLSStream | None = None  # what `ssl` stands for; a server's takes part once the client begins TLS
        self.io_layers: tuple[IOLayer, ...] = ()  # between the network and the frames, the one next to it first
        self.wrapped: int = 0  # pieces of `out` that have gone through them
        self.require_auth = False
        self.require_encryption = False

        self.partial: list[bytes] = []  # input that does not yet make up a frame
        self.partial_size: int = 0
        self.needed: int = 0  # bytes from which on it may make sense to look again
        self.message_limit: int = 0  # `limits.max_message_size` and `limits.max_buffered_delivery_bytes`, as of a read
        self.buffer_limit: int = 0
        self.tail_closed: bool = False
        self.held_open: list[Any] | None = None  # the peer's open, come before a connection was bound

        self.out: list[bytes] = []  # output in pieces, behind `head`
        self.out_size: int = 0  # bytes of both that are not yet popped
        self.head: bytes = b""  # the pieces that peek has joined, and how much of that is popped
        self.head_offset: int = 0
        self.head_closed: bool = False

        self.header_sent = False  # the AMQP header
        self.open_sent = False
        self.open_received = False
        self.close_sent = False
        self.close_received = False
        self.failed = False
        self.lost = False  # this end had not closed the connection when its input ended
        self.failure_told = False  # the log has a line with the condition
        self.source_error: Exception | None = None  # what the source of a body has raised
        self.remote_channels: dict[int, SessionState] = {}
        self.told: set[Any] | None = None  # deliveries with an event waiting, while one push runs and asks for it

        self.max_frame_size: int = 32768
        self.remote_max_frame_size: int = _UINT32
        self.output_frame_size: int = 32768
        self.local_channel_max = MAX_CHANNEL
        self.remote_channel_max = 65535
        self.idle_timeout_ms = 0
        self.remote_idle_timeout_ms = 0
        self.bytes_in: int = 0  # counted for tick
        self.bytes_out: int = 0
        self.ticked_in = self.ticked_out = 0  # as they were when a deadline was last moved
        self.dead_at: float = 0.0  # local idle timeout; 0 when the count has not started
        self.keepalive_at: float = 0.0
        self.handshake_by: float = 0.0
        self.give_up_at: float = 0.0  # when a failed transport stops trying to send its last words
        self.started = False  # a client was asked for output, or a server has seen a header: time counts from then on
        self.amqp_started = False  # AMQP frames are what comes next

        self.trace_flags: int = trace.DEFAULT_FLAGS
        self.tracing: bool = bool(self.trace_flags)

    # -- what is agreed on ---------------------------------------------------------------------------------------

    @property
    def channel_max(self) -> int:
        """The highest channel that both ends allow (2.7.1)."""
        return min(self.local_channel_max, self.remote_channel_max)

    @property
    def handshaken(self) -> bool:
        """True once the peer is known: for a server when its open has come, for a client after TLS and SASL."""
        if self.is_server:
            return self.open_received or self.held_open is not None
        return self.input in (amqp_input, held_input)

    @property
    def closed(self) -> bool:
        """True when neither input is taken nor output given any more."""
        return self.head_closed and self.tail_closed

    def set_max_frame_size(self, size: int) -> None:
        self.max_frame_size = max(size, MIN_FRAME_SIZE) if size else 0
        self.choose_output_frame_size()

    def set_remote_max_frame_size(self, size: int) -> None:
        if 0 < size < MIN_FRAME_SIZE:
            self.warn(f"Peer advertised bad max-frame ({size}), forcing to {MIN_FRAME_SIZE}")
            size = MIN_FRAME_SIZE
        self.remote_max_frame_size = size
        self.choose_output_frame_size()

    def choose_output_frame_size(self) -> None:
        remote = self.remote_max_frame_size
        if remote in (0, _UINT32):
            remote = self.max_frame_size or _OUTPUT_FRAME_SIZE
        self.output_frame_size = min(remote, _MAX_OUTPUT_FRAME)

    def warn(self, message: str) -> None:
        trace.write_line(self, "AMQP", "WARNING", message)

    def trace_frame(self, channel: int, direction: str, body: bytes, subsystem: str = "AMQP") -> None:
        trace.trace_frame(self, channel, direction, body, subsystem)

    def trace_header(self, direction: str, name: str) -> None:
        trace.trace_header(self, direction, name)

    def peer_subject(self) -> str | None:
        """The subject of the peer's certificate."""
        return self.tls.peer_subject() if self.tls is not None else None

    def ensure_sasl(self) -> SASLState:
        """The SASL layer of this transport, made on the first call."""
        if self.sasl is None:
            self.sasl = SASLState(self.install_sasl(), not self.is_server)
        return self.sasl

    # -- binding -------------------------------------------------------------------------------------------------

    def take_held(self) -> None:
        """A connection is bound: the open that has waited for it, and what has come behind it, are taken."""
        held, self.held_open = self.held_open, None
        if held is None:
            return
        try:
            on_open(self, 0, held, b"")
            self.input = amqp_input
            data, self.partial, self.partial_size = b"".join(self.partial), [], 0
            if data:
                self.process(data, 0)
        except Exception as error:
            failure.contain(self, error, "taking input")

    def emit(self, etype: Any) -> None:
        """Puts an event of the transport, if a connection is bound."""
        if self.bound is not None:
            self.bound.shared.collector.emit(etype, self.bound.shared.transport)

    # -- input ---------------------------------------------------------------------------------------------------

    def capacity(self) -> int:
        """Bytes of input that can be taken now; -1 when no more will be taken.

        0 while events or output have to be taken first, see `max_waiting_events` and `max_waiting_answers`.
        """
        if self.tail_closed:
            return -1
        connection = self.connection
        events = self.bound.shared.collector.events if self.bound is not None else ()
        # The second test alone would say it: the first one costs no look at the limits, twice a turn.
        if len(events) > LOOP_EVENTS and self.has_many_events():
            return 0
        if self.out_size >= MAX_OUTPUT and answers_wait(connection, self.limits.max_waiting_answers):
            return 0
        if self.held_open is not None:
            return max(0, _READ - self.partial_size)
        if self.needed >= _LARGE_FRAME:
            return max(_BULK_READ, min(self.needed - self.partial_size, _MAX_READ))
        return _READ

    def push(self, binary: bytes) -> None:
        """Take bytes that came from the peer; any division of the stream is good.

        :param binary: the bytes, any bytes-like object.
        :raises TransportException: the input is closed.
        :raises OverflowError: more than `capacity`, while no connection is bound that could take it.
        :raises TypeError: not bytes.
        """
        if self.tail_closed:
            condition = self.condition
            raise TransportException(f"[-1]: {condition_text(condition) or 'the input is closed'}")
        data = binary if binary.__class__ is bytes else bytes(memoryview(binary))
        size = len(data)
        if not size:
            return
        self.bytes_in += size
        if self.held_open is not None and not self.io_layers and self.partial_size + size > _READ:
            raise OverflowError(f"unable to process all bytes: {_READ - self.partial_size}, {size}")
        try:
            if self.io_layers:
                io_layers.unwrap_input(self, data, self.io_layers)
            elif self.partial:
                self.feed(data)
            else:
                self.process(data, 0)
        except Exception as error:
            failure.contain(self, error, "taking input")
        self.told = None

    def has_many_events(self) -> bool:
        bound, most = self.bound, self.limits.max_waiting_events
        if bound is None or not most:
            return False
        return len(bound.shared.collector.events) > max(most, LOOP_EVENTS)

    def feed(self, data: bytes) -> None:
        """Bytes for the input functions, behind those that were not enough before."""
        size = len(data)
        start = 0
        if self.partial:
            start = self.needed - self.partial_size
            if start > size:
                self.partial.append(data)
                self.partial_size += size
                return
            # What was begun is made whole by itself: the rest need not be copied for it. But before the open it may
            # bring an I/O layer (5.2.1, 5.3.2), which the rest has to go through: then all is looked at as one.
            start = max(0, start) if self.input is amqp_input else size
            self.partial.append(data[:start] if start else data)
            begun = b"".join(self.partial)
            self.partial = []
            self.partial_size = 0
            self.process(begun, 0)
            if not start or start == size or self.tail_closed:
                return
            if self.partial:  # it was less than a frame after all: the first bytes of one, for instance
                data = self.partial[0] + data[start:]
                self.partial = []
                self.partial_size = start = 0
        self.process(data, start)

    def process(self, data: bytes, position: int) -> None:
        """Gives bytes to the input functions, from a position on, until they make no more progress; keeps the rest."""
        size = len(data)
        self.needed = 0
        # Looked up once a read: through the weak reference each message would pay 350 instructions for each of the two.
        limits = self.limits
        self.message_limit, self.buffer_limit = limits.max_message_size, limits.max_buffered_delivery_bytes
        while position < size and not self.tail_closed:
            function = self.input
            reached = function(self, data, position)
            if reached == position and self.input is function:
                break
            position = reached
        if position < size and not self.tail_closed:
            self.partial = [data[position:] if position else data]
            self.partial_size = size - position

    def close_tail(self) -> None:
        """Say that no more input will come. An error if the peer has not closed the connection before."""
        if not self.tail_closed:
            try:
                failure.end_of_stream(self)
            except Exception as error:
                failure.contain(self, error, "ending its input")

    def end_input(self) -> None:
        """No more input is taken. Without the peer's flows there is no credit either, which matters to a reconnect."""
        if not self.tail_closed:
            self.tail_closed = True
            self.partial, self.partial_size = [], 0
            if self.tracing:
                self.trace_header("<-", "EOS")
            if self.bound is not None and self.bound.shared.reconnect is not None:
                self.bound.revoke_credit()
            self.emit(Event.TRANSPORT_TAIL_CLOSED)
            if self.head_closed:
                self.emit(Event.TRANSPORT_CLOSED)

    def hold(self, fields: list[Any]) -> None:
        """The peer's open has come, but no connection is bound: everything waits for that."""
        self.held_open = fields
        self.input = held_input

    def fail(self, name: str, description: str, info: Any = None, silent: bool = False) -> None:
        """The end of this transport: condition, event, a close frame unless `silent`, and no more input."""
        failure.fail(self, name, description, info, silent)

    # -- output --------------------------------------------------------------------------------------------------

    def pending(self) -> int:
        """Bytes that wait to be sent; -1 when there will be no more output."""
        if self.head_closed:
            return -1
        try:
            if not self.io_layers:
                self.produce()
            else:
                if io_layers.may_write(self):
                    self.produce()
                io_layers.wrap_output(self)
            if not self.out_size and (self.close_sent or self.output is final_output):
                self.finish_output()
        except Exception as error:
            failure.contain(self, error, "making output")
        if self.source_error is not None:  # the program's own
            raised, self.source_error = self.source_error, None
            raise raised
        return -1 if self.head_closed else self.out_size

    def produce(self) -> None:
        """Writes what there is to write."""
        if self.sasl is not None and (self.sasl.replies or self.sasl.header_due):
            negotiation.write_replies(self, self.sasl)
        output = self.output
        output(self)
        if self.output is not output:  # what it wrote led to another one: an open to an error, for example
            self.output(self)

    def peek(self, size: int) -> bytes | None:
        """The first bytes that wait to be sent; None when there will be no more output.

        :param size: bytes at most.
        """
        return self.unsent(size) if self.pending() >= 0 else None

    def unsent(self, size: int) -> bytes:
        """The first bytes of what is written and not yet sent."""
        if self.out and size > len(self.head) - self.head_offset:
            self.join()
        head, start = self.head, self.head_offset
        if not start and size >= len(head):
            return head
        return head[start : start + size]

    def join(self) -> None:
        rest = self.head[self.head_offset :] if self.head_offset else self.head
        self.head = b"".join([rest, *self.out]) if rest else b"".join(self.out)
        self.head_offset = 0
        self.out = []
        self.wrapped = 0

    def pop(self, size: int) -> None:
        """Drop bytes that were sent.

        :param size: bytes, as many as `peek` has shown at most.
        :raises TypeError: not an integer; nothing is dropped.
        """
        if size.__class__ is not int:
            size = check_count("size", size)
        try:
            if self.io_layers:
                io_layers.wrap_output(self)
            if size > self.out_size:
                size = self.out_size
            if self.head_closed or size <= 0:
                return
            if self.out and size > len(self.head) - self.head_offset:
                self.join()
            self.bytes_out += size
            self.out_size -= size
            offset = self.head_offset + size
            if offset < len(self.head):
                self.head_offset = offset
                return
            self.head = b""
            self.head_offset = 0
            if not self.out_size and (self.close_sent or self.output is final_output):
                self.finish_output()
        except Exception as error:
            failure.contain(self, error, "ending its output")

    def finish_output(self) -> None:
        """The last frame is sent: the I/O layers have the last word."""
        if not io_layers.finish(self):
            self.end_output()

    def close_head(self) -> None:
        """Say that no more output will be taken; what waits is dropped."""
        if not self.head_closed:
            self.out = []
            self.out_size = self.wrapped = 0
            self.head = b""
            self.head_offset = 0
            self.end_output()

    def end_output(self) -> None:
        """No more output is given."""
        self.head_closed = True
        if self.tracing:
            self.trace_header("->", "EOS")
        self.emit(Event.TRANSPORT_HEAD_CLOSED)
        if self.tail_closed:
            self.emit(Event.TRANSPORT_CLOSED)

    def write_header(self, data: bytes, name: str) -> None:
        self.out.append(data)
        self.out_size += len(data)
        if self.tracing:
            self.trace_header("->", name)

    def install_sasl(self) -> bool:
        """Whether it is not too late for a SASL layer."""
        if self.is_server:
            return not self.amqp_started
        if self.output is not client_output or self.input is not client_header_input:
            return False
        self.output = client_sasl_output
        self.input = client_sasl_header_input
        return True

    def sasl_succeeded(self) -> None:
        """The SASL exchange is over: the AMQP header comes next (5.3.2)."""
        if self.is_server:
            self.input = server_header_input
        else:
            self.input = client_header_input
            self.output = client_output


def state_of(transport: Transport) -> TransportState:
    """The state of a transport, for the rooms above this one."""
    return transport._state
