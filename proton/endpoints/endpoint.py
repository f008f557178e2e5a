"""`Endpoint`: the local and the remote state of a connection, session or link, and every change of them.

1. `state` is one plain int with exactly one local and one remote bit. It changes in this file only.
2. A local change acts at once and puts its event; on the wire it only marks (`mark_dirty`).
3. An endpoint is freed when the application says so (`free`), and final when in addition nothing on the
   wire refers to it any more; `finish_if_done` is called wherever one of the two becomes true.
4. The endpoint has what programs read and set (`credit`, `queued`, `current`). Its `EndpointState` has what the engine
   keeps of it, from creation on, under public names, out of `dir()` of the endpoint. The `binding` of that state has
   what belongs to one begin or attach (channel, handle, windows, ids, credit that was told): a new one is a new object.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from proton.codec.composites import encode_symbol_map
from proton.codec.encode import PreEncoded, encode
from proton.codec.types import PropertyDict, SymbolList
from proton.endpoints.arguments import NotCopied
from proton.endpoints.condition import Condition, encode_condition, shortened
from proton.endpoints.events import EventType, identity
from proton.endpoints.handler import as_handler
from proton.endpoints.shared import Shared
from proton.exceptions import DataException

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proton.codec.types import AMQPValue
    from proton.endpoints.connection import Connection
    from proton.endpoints.handler import Handler
    from proton.transport.transport import Transport

_Contained = TypeVar("_Contained", bound="ContainedEndpoint")

__all__ = ["Endpoint", "EndpointState", "endpoint_state", "matches"]

LOCAL_UNINIT = 1
LOCAL_ACTIVE = 2
LOCAL_CLOSED = 4
REMOTE_UNINIT = 8
REMOTE_ACTIVE = 16
REMOTE_CLOSED = 32
LOCAL_MASK = LOCAL_UNINIT | LOCAL_ACTIVE | LOCAL_CLOSED
REMOTE_MASK = REMOTE_UNINIT | REMOTE_ACTIVE | REMOTE_CLOSED


def matches(state: int, mask: int) -> bool:
    """Whether a state is meant by a mask: local or remote bits alone mean "any of these", both mean "exactly"."""
    if not mask:
        return True
    if mask & LOCAL_MASK and mask & REMOTE_MASK:
        return state == mask
    return bool(state & mask)


#: of an endpoint that says nothing of itself when it opens, as most do
_NO_FIELDS = (None, None, None)

_STATES = {LOCAL_UNINIT: "new", LOCAL_ACTIVE: "open", LOCAL_CLOSED: "closed"}


def state_text(state: int) -> str:
    """Both ends' states in words, for `repr`."""
    return f"{_STATES[state & LOCAL_MASK]} here, {_STATES[(state & REMOTE_MASK) >> 3]} at the peer"


def count_text(count: int, what: str) -> str:
    """A number of things in words, for `repr`."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def encoded_properties(name: str, properties: Any) -> PreEncoded | None:
    """The properties as they will stand in a frame: what cannot be sent is told to the caller, not to the loop."""
    if properties is None:
        return None
    if not isinstance(properties, dict):
        raise TypeError(f"{name} takes a dict or None, got {type(properties).__name__} {properties!r:.50}")
    pieces: list[bytes] = []
    try:
        encode_symbol_map(pieces, properties)
    except (DataException, RecursionError) as error:
        raise TypeError(f"{name} takes a dict of AMQP values: {error}") from error
    return PreEncoded(b"".join(pieces))


def _symbol_list(name: str, capabilities: Any) -> SymbolList:
    try:
        return SymbolList(capabilities)
    except TypeError:
        came = f"{type(capabilities).__name__} {capabilities!r:.50}"
        raise TypeError(f"{name} takes a str or an iterable of str, got {came}") from None


def _encoded_symbols(symbols: SymbolList | None) -> PreEncoded | None:
    return PreEncoded(encode(symbols.to_array())) if symbols else None


@functools.cache
def _slots_of(kind: type[EndpointState]) -> tuple[str, ...]:
    return tuple(name for base in kind.__mro__ for name in vars(base).get("__slots__", ()))


class EndpointState:
    """What the engine keeps of an endpoint, from its creation on."""

    __slots__ = (
        "close_condition",
        "endpoint",
        "failed",
        "final",
        "following",
        "freed",
        "is_dirty",
        "local_end",
        "losses",
        "opened",
        "previous",
        "remote_end",
        "restarting",
        "retired",
        "sent_fields",
        "series",
        "shared",
    )

    #: the event types of each kind of endpoint
    local_open_event: ClassVar[EventType]
    local_close_event: ClassVar[EventType]
    remote_open_event: ClassVar[EventType]
    remote_close_event: ClassVar[EventType]
    final_event: ClassVar[EventType]

    def __init__(self, endpoint: Any, shared: Shared) -> None:
        #: the endpoint; None in the state that a final endpoint is left with
        self.endpoint: Any = endpoint
        self.shared: Shared = shared
        self.close_condition: Condition | None = None  # the condition as it was when close was called
        # When and why this end and the peer's ended; a serial number of the connection tells which end came first.
        self.local_end: tuple[int, Condition | None] | None = None
        self.remote_end: tuple[int, Condition | None] | None = None
        self.opened: bool = False  # open() was called
        # Its capabilities and properties as they were then.
        self.sent_fields: tuple[PreEncoded | None, PreEncoded | None, PreEncoded | None] = _NO_FIELDS
        self.failed: bool = False  # the engine ended it: the peer broke a rule, or has set a limit
        self.is_dirty: bool = False  # on the connection's list of endpoints that have something to send
        self.freed: bool = False  # the application will not use it any more
        self.final: bool = False  # the final event was put
        self.retired: bool = False  # closed at both ends, and the program has heard of it
        self.restarting: bool = False  # ended by the peer, and to be made again
        self.losses: int = 0  # how often the peer has ended it, and it was to be made again
        self.series: Any = None  # of its retries: a `Series` if the peer has ended it with what can pass
        # Neighbours in the connection's chain of sessions and links, in order of creation.
        self.previous: EndpointState | None = None
        self.following: EndpointState | None = None

    def mark_dirty(self, wake: bool = False) -> None:
        """Puts an endpoint that was opened or closed on the list of those that have something to send.

        :param wake: True outside of the transport's own functions, see `Shared.wake`.
        """
        endpoint = self.endpoint
        if not self.is_dirty and endpoint is not None and not endpoint.state & LOCAL_UNINIT:
            self.is_dirty = True
            self.shared.dirty.append(self)
        if wake:
            self.shared.wake()

    def fail(self, name: str, description: str) -> None:
        """Ends the endpoint for a reason of the engine: the peer broke a rule, or its limits leave no room."""
        endpoint = self.endpoint
        if endpoint is not None and not endpoint.state & LOCAL_CLOSED:
            self.failed = True
            endpoint.condition = shortened(Condition(name, description))
            endpoint.close()

    def ended_here_first(self) -> bool:
        """Whether this end was closed or detached, and before the peer's end."""
        local, remote = self.local_end, self.remote_end
        return local is not None and (remote is None or local[0] < remote[0])

    def remote_opened(self) -> None:
        endpoint = self.endpoint
        self.remote_end = None
        endpoint.state = endpoint.state & LOCAL_MASK | REMOTE_ACTIVE
        self.shared.collector.emit(self.remote_open_event, endpoint)

    def remote_closed(self, condition: Condition | None) -> None:
        endpoint = self.endpoint
        endpoint.remote_condition = condition
        self.remote_end = self.shared.number_end(condition)
        endpoint.state = endpoint.state & LOCAL_MASK | REMOTE_CLOSED
        if self.shared.reconnect is not None:  # it may be made again; the C binding keeps the number
            self.revoke_credit()
        self.shared.collector.emit(self.remote_close_event, endpoint)

    def revoke_credit(self) -> None:
        """Nothing more can be sent before this is made again: senders have no credit from now on."""

    def restart(self) -> None:
        """The peer has ended it with what can pass: our end answers, and then it is made again."""
        self.restarting = True
        self.losses += 1
        self.mark_dirty(wake=True)

    def unbind(self) -> None:
        """Ends the binding: the transport has gone, or the peer has ended it and it is to be made again."""
        endpoint = self.endpoint
        if self.restarting:
            self.await_again(endpoint)
        self.restarting = False
        endpoint.remote_condition = None

    def await_again(self, endpoint: Any) -> None:
        """The peer's end is over and will be made again: it counts as not yet opened."""
        self.remote_end = None
        endpoint.remote_condition = None
        endpoint.state = endpoint.state & LOCAL_MASK | REMOTE_UNINIT

    def finish_if_done(self) -> None:
        """Ends the life of an endpoint that was freed, or retired, if the wire does not refer to it any more."""
        if self.freed and not self.final and not self.is_mapped():
            self.final = True
            self.shared.collector.emit(self.final_event, self.endpoint)
            self.dispose()
        elif self.retired and not self.freed and not self.is_mapped():
            self.leave()

    def retire(self) -> None:
        """Takes a closed link or session off the lists of its connection, when nothing on the wire refers to it.

        A program that holds it has it whole. For loops alone, after the program has seen it closed: it may look for it
        there.
        """
        self.retired = True
        if self.endpoint is not None:
            self.finish_if_done()

    def part(self) -> None:
        """Leaves a final endpoint with a state that does not lead back to it: reference counting frees the endpoint.

        The transport may have this one still, on a list of what is to be written.
        """
        kind: Any = type(self)
        state = object.__new__(kind)
        # By hand, in 3.1 us: `copy.copy` takes 9.7, a fifth of what the detach of a link costs one end.
        for name in _slots_of(kind):
            setattr(state, name, getattr(self, name))
        state.endpoint = None
        self.endpoint._state = state

    def tell_loss(self) -> None:
        """The transport of what waits for the peer's end has gone, and that end with it."""

    def leave(self) -> None:
        """Goes off the lists."""

    def has_deliveries(self) -> bool:
        """Whether it has deliveries that are not settled, not sent or not read."""
        return False

    def is_mapped(self) -> bool:
        """Whether something on the wire still refers to this endpoint."""
        raise NotImplementedError

    def dispose(self) -> None:
        """Lets go of what the final endpoint held."""
        raise NotImplementedError


class Endpoint(NotCopied):
    """What `Connection`, `Session` and `Link` have in common: their states, condition and handler."""

    LOCAL_UNINIT = LOCAL_UNINIT
    LOCAL_ACTIVE = LOCAL_ACTIVE
    LOCAL_CLOSED = LOCAL_CLOSED
    REMOTE_UNINIT = REMOTE_UNINIT
    REMOTE_ACTIVE = REMOTE_ACTIVE
    REMOTE_CLOSED = REMOTE_CLOSED
    wrap: staticmethod[[Any], Any] = staticmethod(identity)

    #: the connection that this endpoint belongs to; the connection itself for a connection
    connection: Connection
    _offered_capabilities: SymbolList | None = None
    _desired_capabilities: SymbolList | None = None
    _properties: dict[Any, Any] | None = None
    # What the engine keeps of it; set by the subclasses, which have a class of states each.
    _state: EndpointState

    def __init__(self) -> None:
        #: the local and the remote state, one bit of each (`LOCAL_ACTIVE | REMOTE_UNINIT` and so on)
        self.state: int = LOCAL_UNINIT | REMOTE_UNINIT
        #: the local error, a `Condition` or None; `close` sends it
        self.condition: Condition | None = None
        #: what the peer gave as its reason for closing, a `Condition` or None
        self.remote_condition: Condition | None = None
        # Here, though the class could have their defaults: an attribute that comes later may cost an object of CPython
        # 3.11 and newer the compact form of all its attributes, 1,000 bytes.
        #: what the peer offers and wants, `SymbolList` or None, and its properties, a dict or None; as of its open,
        #: begin or attach (2.7.1, 2.7.2, 2.7.3)
        self.remote_offered_capabilities: SymbolList | None = None
        self.remote_desired_capabilities: SymbolList | None = None
        self.remote_properties: dict[Any, Any] | None = None
        self._handler: Handler | None = None

    @property
    def handler(self) -> Handler | None:
        """The handler for the events of this endpoint, or None.

        An object that is no `Handler` is wrapped in one. A handler here takes the place of the
        handlers of the wider scopes.
        """
        return self._handler

    @handler.setter
    def handler(self, handler: object) -> None:
        self._handler = as_handler(handler)

    @property
    def offered_capabilities(self) -> SymbolList | None:
        """The capabilities to offer, a `SymbolList` or None; a str or an iterable of str is converted.

        Sent when this end is opened (2.7.1, 2.7.2, 2.7.3).

        :raises TypeError: an element is not a str.
        """
        return self._offered_capabilities

    @offered_capabilities.setter
    def offered_capabilities(self, capabilities: str | Iterable[str] | None) -> None:
        self._offered_capabilities = _symbol_list("offered_capabilities", capabilities)

    @property
    def desired_capabilities(self) -> SymbolList | None:
        """The capabilities to ask for, a `SymbolList` or None; a str or an iterable of str is converted.

        Sent when this end is opened (2.7.1, 2.7.2, 2.7.3).

        :raises TypeError: an element is not a str.
        """
        return self._desired_capabilities

    @desired_capabilities.setter
    def desired_capabilities(self, capabilities: str | Iterable[str] | None) -> None:
        self._desired_capabilities = _symbol_list("desired_capabilities", capabilities)

    @property
    def properties(self) -> dict[AMQPValue, AMQPValue] | None:
        """The properties to send when this end is opened: a dict with symbol keys, or None (2.7.1, 2.7.2, 2.7.3)."""
        return self._properties

    @properties.setter
    def properties(self, properties: dict[AMQPValue, AMQPValue] | None) -> None:
        if isinstance(properties, dict):
            properties = PropertyDict(properties, raise_on_error=False)
        self._properties = properties

    def open(self) -> None:
        """Open this end; the frame is sent when the transport is next asked for output.

        Does nothing when it is open already.

        :raises TypeError: `properties` is neither a dict nor None, or a value in it has no AMQP type.
        :raises OverflowError, UnicodeEncodeError: a number or a text in it, or a capability, cannot be sent.
        """
        if self.state & LOCAL_ACTIVE:
            return
        self._look_for_ended_parent()
        self._prepare_open()
        state = self._state
        state.opened = True
        state.failed = False
        state.local_end = None
        self.state = self.state & REMOTE_MASK | LOCAL_ACTIVE
        state.shared.collector.emit(state.local_open_event, self)
        state.mark_dirty(wake=True)

    def close(self) -> None:
        """Close this end, with `condition` as the reason if it is set.

        Does nothing when it is closed already. An end that was never opened is opened and closed on the wire; a link
        that the peer has attached is refused in this way: our attach has no terminus of its own then (2.6.3).

        :raises AttributeError: `condition` is neither None nor a `Condition`.
        :raises DataException, UnicodeEncodeError: a field of it cannot be sent; and, for an end that was never opened,
            what `open` raises.
        """
        condition = self._checked_condition()
        if self.state & LOCAL_CLOSED:
            return
        encode_condition(condition)  # what cannot be sent is to be raised here, and nothing changed by it
        state = self._state
        if self.state & LOCAL_UNINIT and not state.failed:
            self._prepare_open()
        state.close_condition = condition
        if state.local_end is None:  # else the link was detached before
            state.local_end = state.shared.number_end(condition)
        self.state = self.state & REMOTE_MASK | LOCAL_CLOSED
        state.shared.collector.emit(state.local_close_event, self)
        state.mark_dirty(wake=True)

    def _checked_condition(self) -> Condition | None:
        """A copy of `condition`: later changes have no effect.

        :raises AttributeError: it is neither None nor a `Condition`.
        """
        condition = self.condition
        return None if condition is None else Condition(condition.name, condition.description, condition.info)

    def _prepare_open(self) -> None:
        """Makes what the opening frame will carry: later changes have no effect, and mistakes show here."""
        fields = (
            _encoded_symbols(self._offered_capabilities),
            _encoded_symbols(self._desired_capabilities),
            encoded_properties("properties", self._properties),
        )
        self._state.sent_fields = _NO_FIELDS if fields == _NO_FIELDS else fields

    def _look_for_ended_parent(self) -> None:
        """Warns of an open that will not be sent, because what carries this endpoint has ended."""


class ContainedEndpoint(Endpoint):
    """What `Session` and `Link` have in common: they belong to a connection, which lists them."""

    @property
    def transport(self) -> Transport | None:
        """The transport that the connection is bound to, or None."""
        return self.connection.transport

    def _next(self, kind: type[_Contained], mask: int) -> _Contained | None:
        """The next endpoint of a kind, in order of creation over all sessions, whose state matches."""
        following = self._state.following
        while following is not None:
            endpoint = following.endpoint
            if isinstance(endpoint, kind) and matches(endpoint.state, mask):
                return endpoint
            following = following.following
        return None


def endpoint_state(endpoint: Any) -> Any:
    """The state of a `Connection`, `Session` or `Link`: the way of the floors above to what the engine keeps of it."""
    return endpoint._state
