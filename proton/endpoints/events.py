"""Event types, events, and the `Collector`, the queue in which the engine reports what happened.

The collector drops an engine event that equals the last one queued: many changes of one object between
two looks give one event. Only the tail is compared, so the order of events never changes.
Each event type names the class of its events; a class knows how to find delivery, link, session,
connection and transport from its kind of context. To add an event: a row in `_CORE` or `_EXTENDED`.
"""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from proton.endpoints.handler import dispatch

if TYPE_CHECKING:
    from proton.endpoints.connection import Connection
    from proton.endpoints.delivery import Delivery
    from proton.endpoints.link import Link
    from proton.endpoints.receiver import Receiver
    from proton.endpoints.sender import Sender
    from proton.endpoints.session import Session
    from proton.reactor.container import Container
    from proton.transport.transport import Transport

__all__ = ["EventType", "EventBase", "Event", "Collector"]


_T = TypeVar("_T")


def identity(impl: _T) -> _T:
    """What `wrap` gives of an object: itself, as there is no other one behind it to be wrapped."""
    return impl


class EventType:
    """Joins the number of an event to its name and to the handler method it calls.

    :param name: the name; required for types that a program defines.
    :param number: the number; the next free one from 10000 up when left out.
    :param method: the handler method, ``"on_" + name`` when left out.
    :raises TypeError: neither name nor number given.
    """

    TYPES: ClassVar[dict[int, EventType]] = {}
    _numbers = itertools.count(10000)

    def __init__(self, name: str | None = None, number: int | None = None, method: str | None = None) -> None:
        if name is None and number is None:
            raise TypeError("extended events require a name")
        if number is None:
            number = next(EventType._numbers)  # one C call, hence safe between threads
        if name is None:
            known = EventType.TYPES.get(number)
            name = "PN_UNKNOWN" if known is None else known.name
        self.name: str = name
        self.number = number
        self.method: str = "on_" + name if method is None else method
        self.event_class: type[Event] = Event
        EventType.TYPES[number] = self

    def __reduce__(self) -> Any:  # types are compared by identity: a copy has to be the same object
        return _known_type, (self.name, self.number, self.method)

    def __repr__(self) -> str:
        return f"EventType(name={self.name}, number={self.number})"

    def __str__(self) -> str:
        return self.name


def _known_type(name: str, number: int, method: str) -> EventType:
    known = EventType.TYPES.get(number)
    return known if known is not None and known.name == name else EventType(name, number, method)


class EventBase:
    """The base of events that a program defines itself.

    :param type: the `EventType`; its method is what handlers are asked for.
    """

    # Application events always go to the container's own handlers, whatever they carry.
    handler: Any = None
    context: Any
    if TYPE_CHECKING:
        #: the container that this event belongs to; None at run time where there is none
        container: Container
    else:
        container = None

    def __init__(self, type: EventType) -> None:
        self.type = type

    def __repr__(self) -> str:
        return f"{self.type}({self.context!r})"

    def dispatch(self, handler: object, type: EventType | None = None) -> None:
        """Give this event to a handler and its children.

        :param handler: any object; its method named like the event type is called.
        :param type: dispatch under this type's method instead of the event's own.
        """
        dispatch(handler, (type or self.type).method, self)


class Event(EventBase):
    """Something that happened to an endpoint, a delivery or a transport.

    An attribute that the event does not have is looked for on its context: the context itself when its class is
    named so (``event.task``), else the context's attribute, else None.
    """

    wrap: staticmethod[[Any], Any] = staticmethod(identity)
    clazz: str = "pn_pyref"

    # Core types, numbered as programs know them; filled in below from _CORE and _EXTENDED.
    TIMER_TASK: ClassVar[EventType]
    CONNECTION_INIT: ClassVar[EventType]
    CONNECTION_BOUND: ClassVar[EventType]
    CONNECTION_UNBOUND: ClassVar[EventType]
    CONNECTION_LOCAL_OPEN: ClassVar[EventType]
    CONNECTION_REMOTE_OPEN: ClassVar[EventType]
    CONNECTION_LOCAL_CLOSE: ClassVar[EventType]
    CONNECTION_REMOTE_CLOSE: ClassVar[EventType]
    CONNECTION_FINAL: ClassVar[EventType]
    SESSION_INIT: ClassVar[EventType]
    SESSION_LOCAL_OPEN: ClassVar[EventType]
    SESSION_REMOTE_OPEN: ClassVar[EventType]
    SESSION_LOCAL_CLOSE: ClassVar[EventType]
    SESSION_REMOTE_CLOSE: ClassVar[EventType]
    SESSION_FINAL: ClassVar[EventType]
    LINK_INIT: ClassVar[EventType]
    LINK_LOCAL_OPEN: ClassVar[EventType]
    LINK_REMOTE_OPEN: ClassVar[EventType]
    LINK_LOCAL_CLOSE: ClassVar[EventType]
    LINK_REMOTE_CLOSE: ClassVar[EventType]
    LINK_LOCAL_DETACH: ClassVar[EventType]
    LINK_REMOTE_DETACH: ClassVar[EventType]
    LINK_FLOW: ClassVar[EventType]
    LINK_FINAL: ClassVar[EventType]
    DELIVERY: ClassVar[EventType]
    TRANSPORT: ClassVar[EventType]
    TRANSPORT_ERROR: ClassVar[EventType]
    TRANSPORT_HEAD_CLOSED: ClassVar[EventType]
    TRANSPORT_TAIL_CLOSED: ClassVar[EventType]
    TRANSPORT_CLOSED: ClassVar[EventType]
    REACTOR_INIT: ClassVar[EventType]
    REACTOR_QUIESCED: ClassVar[EventType]
    REACTOR_FINAL: ClassVar[EventType]
    SELECTABLE_INIT: ClassVar[EventType]
    SELECTABLE_UPDATED: ClassVar[EventType]
    SELECTABLE_READABLE: ClassVar[EventType]
    SELECTABLE_WRITABLE: ClassVar[EventType]
    SELECTABLE_EXPIRED: ClassVar[EventType]
    SELECTABLE_ERROR: ClassVar[EventType]
    SELECTABLE_FINAL: ClassVar[EventType]
    LINK_FLOW_PROPERTIES: ClassVar[EventType]
    RECONNECTING: ClassVar[EventType]
    GAVE_UP: ClassVar[EventType]

    def __init__(self, type: EventType, context: object) -> None:
        self.type = type
        self.context = context

    if TYPE_CHECKING:
        # What events of one kind have; proton/handlers/events.py has them with their types. Checkers find no others.
        message: Any
        transaction: Any
        task: Any
        selectable: Any
        attempt: Any
        delay: Any
        address: Any
        reason: Any
    else:

        def __getattr__(self, name):
            # Copying and pickling ask for dunder names: an answer of None would be called.
            if name.startswith("__"):
                raise AttributeError(name)
            # Read past `__getattr__`: an event that is half made has none yet, and would ask itself without end.
            context = self.__dict__.get("context")
            kind = context.__class__
            if name == kind.__name__.lower() or any(name == base.__name__.lower() for base in kind.__bases__):
                return context
            return getattr(context, name, None)

    @property
    def reactor(self) -> Container:
        """The container; kept under its old name."""
        return self.container

    @property
    def delivery(self) -> Delivery | None:
        """The delivery of this event, or None."""
        return None

    @property
    def link(self) -> Link | None:
        """The link of this event, or None."""
        return None

    @property
    def sender(self) -> Sender | None:
        """The link of this event when it is a sender, else None."""
        link = self.link
        return link if link is not None and link.is_sender else None  # type: ignore[return-value]

    @property
    def receiver(self) -> Receiver | None:
        """The link of this event when it is a receiver, else None."""
        link = self.link
        return link if link is not None and link.is_receiver else None  # type: ignore[return-value]

    @property
    def session(self) -> Session | None:
        """The session of this event, or None."""
        return None

    @property
    def connection(self) -> Connection | None:
        """The connection of this event, or None."""
        return None

    @property
    def transport(self) -> Transport | None:
        """The transport of this event, or None."""
        connection = self.connection
        return connection.transport if connection is not None else None

    @property
    def handler(self) -> object:
        """The handler of the nearest scope that has one: link, session, connection, then the context itself."""
        return getattr(self.context, "handler", None)


class _ConnectionEvent(Event):
    clazz = "pn_connection"

    @property
    def connection(self) -> Connection | None:
        return self.context  # type: ignore[no-any-return]


class _SessionEvent(Event):
    clazz = "pn_session"

    @property
    def session(self) -> Session | None:
        return self.context  # type: ignore[no-any-return]

    @property
    def connection(self) -> Connection | None:
        return self.context.connection  # type: ignore[no-any-return]

    @property
    def handler(self) -> object:
        session = self.context
        return session.handler or session.connection.handler


def _nearest_handler(event: _LinkEvent | _DeliveryEvent) -> object:
    # Each event looks here once: the fields behind the properties `handler` save two calls for each message.
    link = event.link
    return link._handler or link.session._handler or link.connection._handler


class _LinkEvent(Event):
    """What a program reads while it sends, `sender` above all, are plain attributes."""

    clazz = "pn_link"

    link: Any = None
    sender: Any = None
    receiver: Any = None

    def __init__(self, type: EventType, context: Link) -> None:
        self.type = type
        self.context = self.link = context
        if context.is_sender:
            self.sender = context
        else:
            self.receiver = context

    @property
    def session(self) -> Session | None:
        return self.context.session  # type: ignore[no-any-return]

    @property
    def connection(self) -> Connection | None:
        return self.context.session.connection  # type: ignore[no-any-return]

    handler = property(_nearest_handler)


class _DeliveryEvent(Event):
    """One of these is made for each message: what handlers read first are plain attributes."""

    clazz = "pn_delivery"

    delivery: Any = None
    link: Any = None

    def __init__(self, type: EventType, context: Delivery) -> None:
        self.type = type
        self.context = context
        self.delivery = context
        self.link = context.link

    @property
    def session(self) -> Session | None:
        return self.context.link.session  # type: ignore[no-any-return]

    @property
    def connection(self) -> Connection | None:
        return self.context.link.connection  # type: ignore[no-any-return]

    handler = property(_nearest_handler)


class _TransportEvent(Event):
    clazz = "pn_transport"

    @property
    def connection(self) -> Connection | None:
        return self.context.connection  # type: ignore[no-any-return]

    @property
    def transport(self) -> Transport | None:
        return self.context  # type: ignore[no-any-return]

    @property
    def handler(self) -> object:
        connection = self.context.connection
        return connection._handler if connection is not None else None


class _OutputEvent(_TransportEvent):
    """There is something to write: the driver of the transport is told when the event is made, not when it is handled.

    A program may make output while no event is being handled, which nothing else would tell its loop.
    """

    def __init__(self, type: EventType, context: Transport) -> None:
        self.type = type
        self.context = context
        driver = context.driver
        if driver is not None and driver.on_output is not None:
            driver.announce_output()


_CORE = (
    (4, "TIMER_TASK", Event),
    (5, "CONNECTION_INIT", _ConnectionEvent),
    (6, "CONNECTION_BOUND", _ConnectionEvent),
    (7, "CONNECTION_UNBOUND", _ConnectionEvent),
    (8, "CONNECTION_LOCAL_OPEN", _ConnectionEvent),
    (9, "CONNECTION_REMOTE_OPEN", _ConnectionEvent),
    (10, "CONNECTION_LOCAL_CLOSE", _ConnectionEvent),
    (11, "CONNECTION_REMOTE_CLOSE", _ConnectionEvent),
    (12, "CONNECTION_FINAL", _ConnectionEvent),
    (13, "SESSION_INIT", _SessionEvent),
    (14, "SESSION_LOCAL_OPEN", _SessionEvent),
    (15, "SESSION_REMOTE_OPEN", _SessionEvent),
    (16, "SESSION_LOCAL_CLOSE", _SessionEvent),
    (17, "SESSION_REMOTE_CLOSE", _SessionEvent),
    (18, "SESSION_FINAL", _SessionEvent),
    (19, "LINK_INIT", _LinkEvent),
    (20, "LINK_LOCAL_OPEN", _LinkEvent),
    (21, "LINK_REMOTE_OPEN", _LinkEvent),
    (22, "LINK_LOCAL_CLOSE", _LinkEvent),
    (23, "LINK_REMOTE_CLOSE", _LinkEvent),
    (24, "LINK_LOCAL_DETACH", _LinkEvent),
    (25, "LINK_REMOTE_DETACH", _LinkEvent),
    (26, "LINK_FLOW", _LinkEvent),
    (27, "LINK_FINAL", _LinkEvent),
    (28, "DELIVERY", _DeliveryEvent),
    (29, "TRANSPORT", _OutputEvent),
    (31, "TRANSPORT_ERROR", _TransportEvent),
    (32, "TRANSPORT_HEAD_CLOSED", _TransportEvent),
    (33, "TRANSPORT_TAIL_CLOSED", _TransportEvent),
    (34, "TRANSPORT_CLOSED", _TransportEvent),
)
_EXTENDED = (
    "reactor_init",
    "reactor_quiesced",
    "reactor_final",
    "selectable_init",
    "selectable_updated",
    "selectable_readable",
    "selectable_writable",
    "selectable_expired",
    "selectable_error",
    "selectable_final",
    "link_flow_properties",
    "reconnecting",
    "gave_up",
)


def _define_types() -> None:
    for number, name, event_class in _CORE:
        core = EventType("PN_" + name, number, "on_" + name.lower())
        core.event_class = event_class
        setattr(Event, name, core)
    for extended in _EXTENDED:
        setattr(Event, extended.upper(), EventType(extended))
    Event.LINK_FLOW_PROPERTIES.event_class = _LinkEvent
    Event.RECONNECTING.event_class = Event.GAVE_UP.event_class = _ConnectionEvent


_define_types()


class Collector:
    """A queue of events, first in, first out. Give it to `Connection.collect`."""

    def __init__(self) -> None:
        #: the queued events, the oldest first
        self.events: deque[Any] = deque()
        #: the container that the events belong to
        self.container: Any = None
        self._released = False

    def put(self, obj: object, etype: EventType) -> None:
        """Append an event that the application made; it is never merged with another.

        :param obj: the context of the event; an `EventBase` is queued as it is.
        :param etype: the type of the event.
        """
        # A released collector takes nothing: what still holds the connection may go on without a reader.
        if self._released:
            return
        if isinstance(obj, EventBase):
            with contextlib.suppress(AttributeError):  # a class of the program's own may have it read-only
                obj.container = self.container
            self.events.append(obj)
            return
        try:
            event = etype.event_class(etype, obj)
        except AttributeError:  # not the context that the engine gives to this type
            event = Event(etype, obj)
        event.container = self.container
        self.events.append(event)

    def emit(self, etype: EventType, context: object) -> object:
        """Append an event of the engine, unless it equals the last one queued.

        :param etype: the type of the event.
        :param context: the object that it happened to.
        :return: the event that is queued last now; None if the collector takes nothing.
        """
        events = self.events
        if events:
            last = events[-1]
            # Identity and no `==`: the context may be any object of a program, with an `__eq__` of its own.
            if last.context is context and last.type is etype:
                return last
        # Asked only if the queue is empty, as it is after `release`: one test less for most events.
        elif self._released:
            return None
        event_class = etype.event_class  # a call of the attribute would have it looked up as a method first
        event = event_class(etype, context)
        event.container = self.container
        events.append(event)
        return event

    def peek(self) -> Event | None:
        """The oldest event, or None; it stays in the queue."""
        return self.events[0] if self.events else None

    def pop(self) -> None:
        """Drop the oldest event, if there is one."""
        if self.events:
            self.events.popleft()

    def more(self) -> bool:
        """True when at least two events are queued."""
        return len(self.events) > 1

    def release(self) -> None:
        """Drop every event, and every later one."""
        self._released = True
        self.events.clear()
