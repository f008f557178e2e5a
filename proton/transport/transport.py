"""`Transport`: bytes in (`push`), bytes out (`pending`, `peek`, `pop`), time (`tick`), and the layers between.

The machine is the pair of installed functions: `_input` takes the bytes that came, from an offset on, and
returns how far it got; `_output` writes what there is to write. What is legal now is what is installed: a
protocol header, SASL frames, AMQP frames, nothing. To change state is to install another function; no flag says
which one runs. They are plain functions: a bound method stored on its own object would be a reference cycle, and
keep sockets alive until the collector runs.

Rules for editors:
1. Bytes from the network never raise out of `push` (`protocol.py`).
2. Everything that fails goes through `_fail`: condition, event, close frame, no more input. If our own code raises,
   `failure.contain` does it: one connection ends, its traceback is logged. No socket, clock or logger in this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from proton.endpoints.arguments import NotCopied, check_count, check_seconds
from proton.endpoints.condition import Condition
from proton.endpoints.events import Event, given_back
from proton.endpoints.printable import condition_text
from proton.endpoints.session import Session
from proton.exceptions import SessionException, TransportException
from proton.transport import failure, io_layers, protocol_header, timeouts, trace
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
from proton.transport.sasl import layer as sasl_layer
from proton.transport.tls import layer as tls_layer
from proton.transport.transfers import MAX_OUTPUT

if TYPE_CHECKING:
    from proton.endpoints.connection import Connection
    from proton.transport.tls.domain import SSLDomain
    from proton.transport.tls.layer import SSLSessionDetails

__all__ = ["Transport"]

_UINT32 = 0xFFFFFFFF
# Bytes to offer to one read, some 200 small messages: the peer's next credit leaves while it still has some. With
# 65536 a sender with a credit of 500 stood still in between: 59,000 against 86,000 messages a second.
_READ = 32768
# With frames of this size coming, more is offered: fewer of them are cut in two and have to be put together.
_LARGE_FRAME = 16384
_BULK_READ = 131072
_LONGEST_READ = 1 << 20  # a reader makes a buffer of what is offered, and a frame may claim 4 GiB
_MIN_FRAME_SIZE = 512  # 2.8.19
_CHANNEL_MAX = 32767
#: frames to write to a peer that names no limit of its own, when we have none either
_OUTPUT_FRAME_SIZE = 65536
#: a peer's limit beyond this is not made use of: a frame is in memory as a whole
_MAX_OUTPUT_FRAME = 1 << 20


class Transport(Limits, NotCopied):
    """One end of a network connection, without the network (2.2 to 2.4).

    Bind a `Connection` to it, give it the bytes that come from the peer, and send what it has pending.

    :param mode: `Transport.CLIENT` (or None) speaks first, `Transport.SERVER` answers.
    :raises TransportException: another mode.
    """

    CLIENT = 1
    SERVER = 2
    wrap: staticmethod[[Any], Any] = staticmethod(given_back)
    TRACE_OFF = trace.TRACE_OFF
    TRACE_RAW = trace.TRACE_RAW
    TRACE_FRM = trace.TRACE_FRM
    TRACE_DRV = trace.TRACE_DRV
    #: the `proton.driver.Driver` that moves the bytes of this transport, None without one
    driver: Any = None

    _lost = False  # this end had not closed the connection when its input ended
    _failure_told = False  # the log has a line with the condition

    def __init__(self, mode: int | None = None) -> None:
        if mode not in (None, self.CLIENT, self.SERVER) or isinstance(mode, bool):
            raise TransportException(f"Cannot initialise Transport from mode: {mode}")
        #: the bound connection, or None
        self.connection: Connection | None = None
        #: why the transport failed, a `Condition` or None
        self.condition: Condition | None = None
        #: called with the transport and a line of text for each thing traced; None for standard error
        self.tracer: Callable[[Any, str], Any] | None = None
        #: AMQP and SASL frames written and read so far, heartbeats included
        self.frames_output = 0
        self.frames_input = 0
        #: True once SASL has succeeded; True while TLS is in use
        self.authenticated = False
        self.encrypted = False
        #: the highest channel that the peer's open allows
        self.remote_channel_max = 65535

        self._is_server = mode == self.SERVER
        self._input: Input = server_header_input if self._is_server else client_header_input
        self._output: Output = no_output if self._is_server else client_output
        self._seen_layers: set[str] = set()  # what a client has begun with so far
        self._sasl: sasl_layer.SASL | None = None
        self._ssl: tls_layer.SSL | None = None
        self._filters: tuple[Any, ...] = ()  # between the socket and the layers, see transport/io_layers.py
        self._wrapped = 0  # pieces of `_out` that have gone through them
        self._require_auth = False
        self._require_encryption = False

        self._partial: list[bytes] = []  # input that does not yet make up a frame
        self._partial_size = 0
        self._needed = 0  # bytes from which on it may make sense to look again
        self._tail_closed = False
        self._held_open: list[Any] | None = None  # the peer's open, come before a connection was bound

        self._out: list[bytes] = []  # output in pieces, behind `_head`
        self._out_size = 0  # bytes of both that are not yet popped
        self._head: bytes = b""  # the pieces that peek has joined, and how much of that is popped
        self._head_offset = 0
        self._head_closed = False

        self._header_sent = False  # the AMQP header
        self._open_sent = False
        self._open_received = False
        self._close_sent = False
        self._close_received = False
        self._failed = False
        self._source_error: Exception | None = None  # what the source of a body has raised
        self._remote_channels: dict[int, Session] = {}
        self._told: set[Any] | None = None  # deliveries with an event waiting, while one push runs and asks for it

        self._max_frame_size = 32768
        self._remote_max_frame_size = _UINT32
        self._output_frame_size = 32768
        self._channel_max = _CHANNEL_MAX
        self._idle_timeout_ms = 0
        self._remote_idle_timeout_ms = 0
        self._bytes_in = self._bytes_out = 0  # counted for tick
        self._ticked_in = self._ticked_out = 0  # as they were when a deadline was last moved
        self._dead_at = 0.0  # local idle timeout; 0 when the count has not started
        self._keepalive_at = 0.0
        self._handshake_by = 0.0
        self._give_up_at = 0.0  # when a failed transport stops trying to send its last words
        self._began = False  # a client was asked for output, or a server has seen a header: time counts from then on
        self._amqp_began = False  # the AMQP layer exists

        self._trace_flags = trace.DEFAULT_FLAGS
        self._tracing = bool(self._trace_flags)

    # -- settings ------------------------------------------------------------------------------------------------

    @property
    def max_frame_size(self) -> int:
        """The largest frame in bytes to accept, 0 for no limit. At least 512; fixed once the open is sent (2.7.1).

        :raises OverflowError: not in 0 to 2**32 - 1.
        """
        return self._max_frame_size

    @max_frame_size.setter
    def max_frame_size(self, size: int) -> None:
        _check_uint("max_frame_size", size, _UINT32)
        if self._open_sent:
            self._warn(f"max_frame_size is fixed at {self._max_frame_size} once the open is sent, got {size}")
            return
        self._max_frame_size = max(size, _MIN_FRAME_SIZE) if size else 0
        self._choose_output_frame_size()

    @property
    def remote_max_frame_size(self) -> int:
        """The largest frame in bytes that the peer accepts; 0 for no limit."""
        return self._remote_max_frame_size

    def _set_remote_max_frame_size(self, size: int) -> None:
        if 0 < size < _MIN_FRAME_SIZE:
            self._warn(f"Peer advertised bad max-frame ({size}), forcing to {_MIN_FRAME_SIZE}")
            size = _MIN_FRAME_SIZE
        self._remote_max_frame_size = size
        self._choose_output_frame_size()

    def _choose_output_frame_size(self) -> None:
        remote = self._remote_max_frame_size
        if remote in (0, _UINT32):
            remote = self._max_frame_size or _OUTPUT_FRAME_SIZE
        self._output_frame_size = min(remote, _MAX_OUTPUT_FRAME)

    @property
    def channel_max(self) -> int:
        """The highest channel that both ends allow (2.7.1).

        :raises OverflowError: not in 0 to 65535.
        :raises SessionException: the open is sent already.
        """
        return min(self._channel_max, self.remote_channel_max)

    @channel_max.setter
    def channel_max(self, number: int) -> None:
        _check_uint("channel_max", number, 65535)
        if self._open_sent:
            raise SessionException("Too late to change channel max.")
        self._channel_max = min(number, _CHANNEL_MAX)

    @property
    def idle_timeout(self) -> float:
        """Seconds without input after which the peer counts as gone, 0 for never; half of it is announced (2.4.5).

        :raises OverflowError: not in 0 to 2**32 - 1 milliseconds.
        """
        return self._idle_timeout_ms / 1000.0

    @idle_timeout.setter
    def idle_timeout(self, seconds: float) -> None:
        milliseconds = int(check_seconds("idle_timeout", seconds) * 1000)
        _check_uint("idle_timeout in milliseconds", milliseconds, _UINT32)
        self._idle_timeout_ms = milliseconds

    @property
    def remote_idle_timeout(self) -> float:
        """Seconds without output after which the peer gives up, as it announced; 0 for never."""
        return self._remote_idle_timeout_ms / 1000.0

    @property
    def handshaken(self) -> bool:
        """True once the peer is known: for a server when its open has come, for a client after TLS and SASL."""
        if self._is_server:
            return self._open_received or self._held_open is not None
        return self._input in (amqp_input, held_input)

    @property
    def user(self) -> str | None:
        """A client's user name; on a server the user that has authenticated, None before its AMQP header came."""
        if self._is_server and not self._amqp_began:
            return None
        if self._sasl is not None and self._sasl._installed:
            return self._sasl.user
        return self._peer_subject() if self.encrypted and self._is_server else "anonymous"

    def _peer_subject(self) -> str | None:
        """The subject of the peer's certificate."""
        return self._ssl.remote_subject if self._ssl is not None else None

    def require_auth(self, bool: bool) -> None:
        """Have a server refuse clients that skip authentication.

        :param bool: True to refuse them.
        """
        self._require_auth = bool

    def require_encryption(self, bool: bool) -> None:
        """Have a server refuse clients that do not encrypt.

        :param bool: True to refuse them.
        """
        self._require_encryption = bool

    def sasl(self) -> sasl_layer.SASL:
        """The SASL layer of this transport, made on the first call. To be called before the first bytes move.

        Once the transport has begun without one, what is returned says that there is none, and changes nothing.
        """
        return self._sasl if self._sasl is not None else sasl_layer.SASL(self)

    def ssl(self, domain: SSLDomain | None = None, session_details: SSLSessionDetails | None = None) -> tls_layer.SSL:
        """The TLS layer of this transport, made on the first call. To be called before the first bytes move.

        :param domain: the `SSLDomain` with the settings; not looked at when there is a layer.
        :param session_details: the `SSLSessionDetails` of a session to resume.
        :raises SSLException: no domain, one of the other side, or the transport has begun without TLS.
        """
        return self._ssl if self._ssl is not None else tls_layer.SSL(self, domain, session_details)

    def trace(self, n: int) -> None:
        """Choose what is traced.

        :param n: any of `TRACE_RAW`, `TRACE_FRM`, `TRACE_DRV`, or `TRACE_OFF`.
        """
        self._trace_flags = n
        self._tracing = bool(n)

    def log(self, message: str) -> None:
        """Write a line where the traces go.

        :param message: the text of the line.
        """
        trace.write_line(self, "*ALL*", "TRACE", message)

    def _warn(self, message: str) -> None:
        trace.write_line(self, "AMQP", "WARNING", message)

    def _trace_frame(self, channel: int, direction: str, body: bytes, subsystem: str = "AMQP") -> None:
        trace.trace_frame(self, channel, direction, body, subsystem)

    def _trace_header(self, direction: str, name: str) -> None:
        trace.trace_header(self, direction, name)

    # -- binding -------------------------------------------------------------------------------------------------

    def bind(self, connection: Connection) -> None:
        """Join a connection to this transport.

        :param connection: the `Connection` to join.
        :raises TransportException: one of the two is bound already.
        """
        if self.connection is not None or connection.transport is not None:
            raise TransportException("[-5]: expected an unbound connection and transport, got a bound one")
        if (connection._user or connection._authorization) and not self._is_server:
            layer = self.sasl()
            layer._user, layer._password = connection._user, connection._password
            layer._authorization = connection._authorization
        self.connection = connection
        connection._bind(self)
        if self._held_open is not None:
            held, self._held_open = self._held_open, None
            try:
                on_open(self, 0, held, b"")
                self._input = amqp_input
                data, self._partial, self._partial_size = b"".join(self._partial), [], 0
                if data:
                    self._process(data, 0)
            except Exception as error:
                failure.contain(self, error, "taking input")

    def bind_nothrow(self, connection: Connection) -> None:
        """As `bind`, but do nothing where one of the two is bound already.

        :param connection: the `Connection` to join.
        """
        if self.connection is None and connection.transport is None:
            self.bind(connection)

    def unbind(self) -> None:
        """Part from the connection; it may be bound to another transport then. Does nothing when unbound."""
        connection = self.connection
        if connection is None:
            return
        self.connection = None
        self._remote_channels = {}
        connection._unbind()

    @property
    def closed(self) -> bool:
        """True when neither input is taken nor output given any more."""
        return self._head_closed and self._tail_closed

    def _emit(self, etype: Any) -> None:
        if self.connection is not None:
            self.connection._collector.emit(etype, self)

    # -- input ---------------------------------------------------------------------------------------------------

    def capacity(self) -> int:
        """Bytes of input that can be taken now; -1 when no more will be taken.

        0 while events or output have to be taken first, see `max_waiting_events` and `max_waiting_answers`.
        """
        if self._tail_closed:
            return -1
        connection = self.connection
        events = connection._collector.events if connection is not None else ()
        if len(events) > self.max_waiting_events and self._has_many_events():
            return 0
        if self._out_size >= MAX_OUTPUT and answers_wait(connection, self.max_waiting_answers):
            return 0
        if self._held_open is not None:
            return max(0, _READ - self._partial_size)
        if self._needed >= _LARGE_FRAME:
            return max(_BULK_READ, min(self._needed - self._partial_size, _LONGEST_READ))
        return _READ

    def push(self, binary: bytes) -> None:
        """Take bytes that came from the peer; any division of the stream is good.

        :param binary: the bytes, any bytes-like object.
        :raises TransportException: the input is closed.
        :raises OverflowError: more than `capacity`, while no connection is bound that could take it.
        :raises TypeError: not bytes.
        """
        if self._tail_closed:
            condition = self.condition
            raise TransportException(f"[-1]: {condition_text(condition) or 'the input is closed'}")
        data = binary if binary.__class__ is bytes else bytes(memoryview(binary))
        size = len(data)
        if not size:
            return
        self._bytes_in += size
        if self._held_open is not None and not self._filters and self._partial_size + size > _READ:
            raise OverflowError(f"unable to process all bytes: {_READ - self._partial_size}, {size}")
        try:
            if self._filters:
                io_layers.received(self, data)
            else:
                self._take(data)
        except Exception as error:
            failure.contain(self, error, "taking input")
        self._told = None

    def _has_many_events(self) -> bool:
        connection, most = self.connection, self.max_waiting_events
        if connection is None or not most:
            return False
        return len(connection._collector.events) > max(most, LOOP_EVENTS)

    def _take(self, data: bytes) -> None:
        """Bytes for the layers, behind those that were not enough before."""
        size = len(data)
        start = 0
        if self._partial:
            start = self._needed - self._partial_size
            if start > size:
                self._partial.append(data)
                self._partial_size += size
                return
            # What was begun is made whole by itself: the rest need not be copied for it.
            start = max(0, start)
            self._partial.append(data[:start] if start else data)
            begun = b"".join(self._partial)
            self._partial = []
            self._partial_size = 0
            known = self._filters
            self._process(begun, 0)
            if not start or start == size or self._tail_closed:
                return
            if self._filters is not known:  # what was begun has brought one, which the rest has gone through
                io_layers.received(self, data[start:], len(known))
                return
            if self._partial:  # it was less than a frame after all: the first bytes of one, for instance
                data = self._partial[0] + data[start:]
                self._partial = []
                self._partial_size = start = 0
        self._process(data, start)

    def _process(self, data: bytes, position: int) -> None:
        """Gives bytes to the installed layers, from a position on, until they make no more progress; keeps the rest."""
        size = len(data)
        self._needed = 0
        while position < size and not self._tail_closed:
            layer = self._input
            reached = layer(self, data, position)
            if reached == position and self._input is layer:
                break
            position = reached
        if position < size and not self._tail_closed:
            self._partial = [data[position:] if position else data]
            self._partial_size = size - position

    def close_tail(self) -> None:
        """Say that no more input will come. An error if the peer has not closed the connection before."""
        if not self._tail_closed:
            try:
                failure.end_of_stream(self)
            except Exception as error:
                failure.contain(self, error, "ending its input")

    def _end_input(self) -> None:
        """No more input is taken."""
        failure.end_input(self)

    def _hold(self, fields: list[Any]) -> None:
        """The peer's open has come, but no connection is bound: everything waits for that."""
        self._held_open = fields
        self._input = held_input

    def _fail(self, name: str, description: str, info: Any = None, silent: bool = False) -> None:
        """The end of this transport: condition, event, a close frame unless `silent`, and no more input."""
        failure.fail(self, name, description, info, silent)

    # -- output --------------------------------------------------------------------------------------------------

    def pending(self) -> int:
        """Bytes that wait to be sent; -1 when there will be no more output."""
        if self._head_closed:
            return -1
        try:
            if not self._filters:
                self._produce()
            else:
                if io_layers.may_write(self):
                    self._produce()
                io_layers.wrap_output(self)
            if not self._out_size and self._output_is_over() and not io_layers.finish(self):
                self._close_head()
        except Exception as error:
            failure.contain(self, error, "making output")
        if self._source_error is not None:  # the program's own
            raised, self._source_error = self._source_error, None
            raise raised
        return -1 if self._head_closed else self._out_size

    def _produce(self) -> None:
        """Writes what there is to write."""
        if self._sasl is not None and (self._sasl._replies or self._sasl._header_due):
            sasl_layer.write_replies(self, self._sasl, protocol_header.SASL_HEADER)
        output = self._output
        output(self)
        if self._output is not output:  # what it wrote led to another layer: an open to an error, for example
            self._output(self)

    def peek(self, size: int) -> bytes | None:
        """The first bytes that wait to be sent; None when there will be no more output.

        :param size: bytes at most.
        """
        return self._unsent(size) if self.pending() >= 0 else None

    def _unsent(self, size: int) -> bytes:
        """The first bytes of what is written and not yet sent."""
        if self._out and size > len(self._head) - self._head_offset:
            self._join()
        start = self._head_offset
        if not start and size >= len(self._head):
            return self._head
        return self._head[start : start + size]

    def _join(self) -> None:
        rest = self._head[self._head_offset :] if self._head_offset else self._head
        self._head = b"".join([rest, *self._out]) if rest else b"".join(self._out)
        self._head_offset = 0
        self._out = []
        self._wrapped = 0

    def pop(self, size: int) -> None:
        """Drop bytes that were sent.

        :param size: bytes, as many as `peek` has shown at most.
        :raises TypeError: not an integer; nothing is dropped.
        """
        if size.__class__ is not int:
            size = check_count("size", size)
        try:
            if self._filters:
                io_layers.wrap_output(self)
            size = min(size, self._out_size)
            if self._head_closed or size <= 0:
                return
            if self._out and size > len(self._head) - self._head_offset:
                self._join()
            self._head_offset += size
            self._bytes_out += size
            self._out_size -= size
            if self._head_offset >= len(self._head):
                self._head = b""
                self._head_offset = 0
                if not self._out_size and self._output_is_over() and not io_layers.finish(self):
                    self._close_head()
        except Exception as error:
            failure.contain(self, error, "ending its output")

    def _output_is_over(self) -> bool:
        return self._close_sent or self._output is final_output

    def close_head(self) -> None:
        """Say that no more output will be taken; what waits is dropped."""
        if not self._head_closed:
            self._out = []
            self._out_size = self._wrapped = 0
            self._head = b""
            self._head_offset = 0
            self._close_head()

    def _close_head(self) -> None:
        self._head_closed = True
        if self._tracing:
            self._trace_header("->", "EOS")
        self._emit(Event.TRANSPORT_HEAD_CLOSED)
        if self._tail_closed:
            self._emit(Event.TRANSPORT_CLOSED)

    def _write_header(self, data: bytes, name: str) -> None:
        self._out.append(data)
        self._out_size += len(data)
        if self._tracing:
            self._trace_header("->", name)

    def _install_sasl(self) -> bool:
        """Whether it is not too late for a SASL layer."""
        if self._is_server:
            return not self._amqp_began
        if self._output is not client_output or self._input is not client_header_input:
            return False
        self._output = client_sasl_output
        self._input = client_sasl_header_input
        return True

    def _sasl_succeeded(self) -> None:
        """The SASL exchange is over: the AMQP header comes next (5.3.2)."""
        if self._is_server:
            self._input = server_header_input
        else:
            self._input = client_header_input
            self._output = client_output

    # -- time ----------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> float:
        """Let time pass: notice a silent peer, and have a heartbeat sent to one that wants them (2.4.5).

        :param now: seconds on any clock that does not go back.
        :return: when to call again, in seconds on that clock; 0.0 for no need to.
        """
        return timeouts.tick(self, now)


def _check_uint(name: str, value: int, most: int) -> None:
    if not 0 <= check_count(name, value) <= most:
        raise OverflowError(f"{name} takes 0 to {most}, got {value}")
