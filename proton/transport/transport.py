"""`Transport`: the public names of one end of a network connection; all that it does is in `transport_state.py`.

Keep true: no socket, clock or logger in here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from proton.endpoints.arguments import NotCopied, check_count, check_seconds
from proton.endpoints.endpoint import endpoint_state
from proton.endpoints.events import identity
from proton.exceptions import SessionException, TransportException
from proton.transport import timeouts, trace
from proton.transport.bounds import Limits
from proton.transport.sasl.layer import SASL
from proton.transport.tls import layer as tls_layer
from proton.transport.transport_state import MAX_CHANNEL, TransportState

if TYPE_CHECKING:
    from proton.endpoints.condition import Condition
    from proton.endpoints.connection import Connection
    from proton.transport.tls.domain import SSLDomain
    from proton.transport.tls.layer import SSLSessionDetails

__all__ = ["Transport"]

_UINT32 = 0xFFFFFFFF


class Transport(Limits, NotCopied):
    """One end of a network connection, without the network (2.2 to 2.4).

    Bind a `Connection` to it, give it the bytes that come from the peer, and send what it has pending.

    :param mode: `Transport.CLIENT` (or None) speaks first, `Transport.SERVER` answers.
    :raises TransportException: another mode.
    """

    CLIENT = 1
    SERVER = 2
    wrap: staticmethod[[Any], Any] = staticmethod(identity)
    TRACE_OFF = trace.TRACE_OFF
    TRACE_RAW = trace.TRACE_RAW
    TRACE_FRM = trace.TRACE_FRM
    TRACE_DRV = trace.TRACE_DRV
    #: the `proton.driver.Driver` that moves the bytes of this transport, None without one
    driver: Any = None

    def __init__(self, mode: int | None = None) -> None:
        if mode not in (None, self.CLIENT, self.SERVER) or isinstance(mode, bool):
            raise TransportException(f"Cannot initialise Transport from mode: {mode}")
        self._state = TransportState(self, mode == self.SERVER)

    # -- what is known -------------------------------------------------------------------------------------------

    @property
    def connection(self) -> Connection | None:
        """The bound connection, or None."""
        return self._state.connection

    @property
    def condition(self) -> Condition | None:
        """Why the transport failed, a `Condition` or None. Set it before `close_tail` to say why no bytes came."""
        return self._state.condition

    @condition.setter
    def condition(self, condition: Condition | None) -> None:
        self._state.condition = condition

    @property
    def tracer(self) -> Callable[[Transport, str], object] | None:
        """Called with the transport and a line of text for each thing traced; None for standard error."""
        return self._state.tracer

    @tracer.setter
    def tracer(self, tracer: Callable[[Transport, str], object] | None) -> None:
        self._state.tracer = tracer

    @property
    def frames_output(self) -> int:
        """AMQP and SASL frames written so far, heartbeats included."""
        return self._state.frames_output

    @property
    def frames_input(self) -> int:
        """AMQP and SASL frames read so far, heartbeats included."""
        return self._state.frames_input

    @property
    def authenticated(self) -> bool:
        """True once SASL has succeeded."""
        return self._state.authenticated

    @property
    def encrypted(self) -> bool:
        """True while TLS is in use."""
        return self._state.encrypted

    @property
    def remote_channel_max(self) -> int:
        """The highest channel that the peer's open allows."""
        return self._state.remote_channel_max

    # -- settings ------------------------------------------------------------------------------------------------

    @property
    def max_frame_size(self) -> int:
        """The largest frame in bytes to accept, 0 for no limit. At least 512; fixed once the open is sent (2.7.1).

        :raises OverflowError: not in 0 to 2**32 - 1.
        """
        return self._state.max_frame_size

    @max_frame_size.setter
    def max_frame_size(self, size: int) -> None:
        _check_uint("max_frame_size", size, _UINT32)
        state = self._state
        if state.open_sent:
            state.warn(f"max_frame_size is fixed at {state.max_frame_size} once the open is sent, got {size}")
            return
        state.set_max_frame_size(size)

    @property
    def remote_max_frame_size(self) -> int:
        """The largest frame in bytes that the peer accepts; 0 for no limit."""
        return self._state.remote_max_frame_size

    @property
    def channel_max(self) -> int:
        """The highest channel that both ends allow (2.7.1).

        :raises OverflowError: not in 0 to 65535.
        :raises SessionException: the open is sent already.
        """
        return self._state.channel_max

    @channel_max.setter
    def channel_max(self, number: int) -> None:
        _check_uint("channel_max", number, 65535)
        if self._state.open_sent:
            raise SessionException("Too late to change channel max.")
        self._state.local_channel_max = min(number, MAX_CHANNEL)

    @property
    def idle_timeout(self) -> float:
        """Seconds without input after which the peer counts as gone, 0 for never; half of it is announced (2.4.5).

        :raises OverflowError: not in 0 to 2**32 - 1 milliseconds.
        """
        return self._state.idle_timeout_ms / 1000.0

    @idle_timeout.setter
    def idle_timeout(self, seconds: float) -> None:
        milliseconds = int(check_seconds("idle_timeout", seconds) * 1000)
        _check_uint("idle_timeout in milliseconds", milliseconds, _UINT32)
        self._state.idle_timeout_ms = milliseconds

    @property
    def remote_idle_timeout(self) -> float:
        """Seconds without output after which the peer gives up, as it announced; 0 for never."""
        return self._state.remote_idle_timeout_ms / 1000.0

    @property
    def handshaken(self) -> bool:
        """True once the peer is known: for a server when its open has come, for a client after TLS and SASL."""
        return self._state.handshaken

    @property
    def user(self) -> str | None:
        """A client's user name; on a server the user that has authenticated, None before its AMQP header came."""
        state = self._state
        if state.is_server and not state.amqp_started:
            return None
        if state.sasl is not None and state.sasl.installed:
            return state.sasl.user
        return state.peer_subject() if state.encrypted and state.is_server else "anonymous"

    def require_auth(self, bool: bool) -> None:
        """Have a server refuse clients that skip authentication.

        :param bool: True to refuse them.
        """
        self._state.require_auth = bool

    def require_encryption(self, bool: bool) -> None:
        """Have a server refuse clients that do not encrypt.

        :param bool: True to refuse them.
        """
        self._state.require_encryption = bool

    def sasl(self) -> SASL:
        """The SASL layer of this transport, made on the first call. To be called before the first bytes move.

        Once the transport has begun without one, what is returned says that there is none, and changes nothing.
        """
        return SASL(self)

    def ssl(self, domain: SSLDomain | None = None, session_details: SSLSessionDetails | None = None) -> tls_layer.SSL:
        """The TLS layer of this transport, made on the first call. To be called before the first bytes move.

        :param domain: the `SSLDomain` with the settings; not looked at when there is a layer.
        :param session_details: the `SSLSessionDetails` of a session to resume.
        :raises SSLException: no domain, one of the other side, or the transport has begun without TLS.
        """
        return self._state.ssl if self._state.ssl is not None else tls_layer.SSL(self, domain, session_details)

    def trace(self, n: int) -> None:
        """Choose what is traced.

        :param n: any of `TRACE_RAW`, `TRACE_FRM`, `TRACE_DRV`, or `TRACE_OFF`.
        """
        self._state.trace_flags = n
        self._state.tracing = bool(n)

    def log(self, message: str) -> None:
        """Write a line where the traces go.

        :param message: the text of the line.
        """
        trace.write_line(self._state, "*ALL*", "TRACE", message)

    # -- binding -------------------------------------------------------------------------------------------------

    def bind(self, connection: Connection) -> None:
        """Join a connection to this transport.

        :param connection: the `Connection` to join.
        :raises TransportException: one of the two is bound already.
        """
        if self.connection is not None or connection.transport is not None:
            raise TransportException("[-5]: expected an unbound connection and transport, got a bound one")
        if (connection.user or connection.authorization) and not self._state.is_server:
            sasl = self._state.ensure_sasl()
            sasl.user, sasl.password = connection.user, connection._password
            sasl.authorization = connection.authorization
        bound = endpoint_state(connection)
        self._state.connection, self._state.bound = connection, bound
        bound.bind(connection, self, self._state)
        self._state.take_held()

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
        self._state.connection = self._state.bound = None
        self._state.remote_channels = {}
        endpoint_state(connection).unbind()

    @property
    def closed(self) -> bool:
        """True when neither input is taken nor output given any more."""
        return self._state.closed

    # -- input ---------------------------------------------------------------------------------------------------

    def capacity(self) -> int:
        """Bytes of input that can be taken now; -1 when no more will be taken.

        0 while events or output have to be taken first, see `max_waiting_events` and `max_waiting_answers`.
        """
        return self._state.capacity()

    def push(self, binary: bytes) -> None:
        """Take bytes that came from the peer; any division of the stream is good.

        :param binary: the bytes, any bytes-like object.
        :raises TransportException: the input is closed.
        :raises OverflowError: more than `capacity`, while no connection is bound that could take it.
        :raises TypeError: not bytes.
        """
        self._state.push(binary)

    def close_tail(self) -> None:
        """Say that no more input will come. An error if the peer has not closed the connection before."""
        self._state.close_tail()

    # -- output --------------------------------------------------------------------------------------------------

    def pending(self) -> int:
        """Bytes that wait to be sent; -1 when there will be no more output."""
        return self._state.pending()

    def peek(self, size: int) -> bytes | None:
        """The first bytes that wait to be sent; None when there will be no more output.

        :param size: bytes at most.
        """
        return self._state.peek(size)

    def pop(self, size: int) -> None:
        """Drop bytes that were sent.

        :param size: bytes, as many as `peek` has shown at most.
        :raises TypeError: not an integer; nothing is dropped.
        """
        self._state.pop(size)

    def close_head(self) -> None:
        """Say that no more output will be taken; what waits is dropped."""
        self._state.close_head()

    # -- time ----------------------------------------------------------------------------------------------------

    def tick(self, now: float) -> float:
        """Let time pass: notice a silent peer, and have a heartbeat sent to one that wants them (2.4.5).

        :param now: seconds on any clock that does not go back.
        :return: when to call again, in seconds on that clock; 0.0 for no need to.
        """
        return timeouts.tick(self._state, now)


def _check_uint(name: str, value: int, most: int) -> None:
    if not 0 <= check_count(name, value) <= most:
        raise OverflowError(f"{name} takes 0 to {most}, got {value}")
