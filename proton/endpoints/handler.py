"""`Handler`, the base of what programs are made of, and `dispatch`, the only walker over handlers.

Whatever delivers events calls `dispatch`. Nothing else in the package walks handler chains, so any caching of look-ups
belongs into this file (`HandlerGroup`).
"""

from __future__ import annotations

import functools
import itertools
import types
import weakref
from typing import TYPE_CHECKING, Any, Callable, TypeVar

if TYPE_CHECKING:
    from proton.endpoints.events import EventBase

__all__ = [
    "HandlerGroup",
    "Handler",
    "GroupedHandler",
    "as_handler",
    "check_result",
    "dispatch",
    "event_methods",
    "for_receivers",
    "for_senders",
    "inspect",
    "is_heard",
]

_Method = TypeVar("_Method", bound=Callable[..., Any])

#: Objects of these classes have no event methods, and no program can give them any.
_NO_HANDLERS = (
    *(str, bytes, bytearray, int, float, list, tuple, dict, set, frozenset),
    *(types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial, types.ModuleType),
)

#: Called with each object that becomes a handler, in Python's development mode: see `proton/handlers/misnamed.py`.
inspector: Callable[[Any], None] | None = None


def inspect(handler: object) -> None:
    """Look at an object that becomes the handler of some scope.

    :param handler: the object, or None.
    :raises TypeError: a class, whose methods would miss their first argument when the first event comes; or a list, a
        function, a text and the like, which have no event methods.
    """
    if isinstance(handler, type):
        name = handler.__name__
        raise TypeError(f"expected a handler object, got the class {name}: did you mean {name}()?")
    if type(handler) in _NO_HANDLERS:
        if isinstance(handler, (list, tuple, set, frozenset)):
            hint = ": give each handler by itself, or make them children of one with Handler.add"
        elif callable(handler):
            hint = ": expected an object with a method such as on_message or on_timer_task"
        else:
            hint = ""
        raise TypeError(f"expected a handler object, got {type(handler).__name__} {handler!r:.50}{hint}")
    if inspector is not None and handler is not None:
        inspector(handler)


class _Children:
    """Makes the list of child handlers on first use, so that subclasses need not call `__init__`."""

    def __get__(self, handler: Any, owner: type) -> Any:
        if handler is None:
            return self
        children: list[Any] = []
        # In the instance, where it hides this descriptor: the second look costs no call. Not in its `__dict__`: once
        # that was asked for, CPython 3.11 looks at all attributes of the instance without its caches.
        object.__setattr__(handler, "handlers", children)
        return children


class Handler:
    """A receiver of events: define a method named like the event, for example ``on_link_flow(event)``.

    A handler may have children in `handlers`; they get each event after it, in order, whether or not
    it has a method for it. Any object may serve as a handler: this base class is a convenience.
    """

    handlers: list[Any] = _Children()  # type: ignore[assignment]

    def add(self, handler: object, on_error: object = None) -> None:
        """Append a child handler.

        :param handler: any object with event methods.
        :param on_error: ignored; kept for programs that pass it.
        :raises TypeError: a class in place of an object.
        """
        inspect(handler)
        self.handlers.append(handler)

    def on_unhandled(self, method: str, *args: EventBase) -> None:
        """Called in place of a missing event method; does nothing.

        :param method: the name of the method that was looked for.
        :param args: the event.
        """


def as_handler(handler: object) -> Handler | None:
    """An object as the handler of a scope: one that is no `Handler` is wrapped in one, None stays None.

    :param handler: any object with event methods, or None.
    """
    if handler is None or isinstance(handler, Handler):
        inspect(handler)
        return handler
    wrapper = Handler()
    wrapper.add(handler)
    return wrapper


def event_methods(kind: type) -> frozenset[str]:
    """The names of the event methods that a class of handlers has now."""
    return _event_methods(kind, *[len(vars(base)) for base in kind.__mro__])


@functools.lru_cache(maxsize=64)
def _event_methods(kind: type, *sizes: int) -> frozenset[str]:  # a class that was given a method has grown
    return frozenset(name for name in dir(kind) if name.startswith("on_") and name != "on_unhandled")


class GroupedHandler(Handler):
    """A handler for a `HandlerGroup`, which hears of event methods and children that it is given later."""

    _group: Any = None

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        group = self._group and self._group()
        if group is not None and (name == "handlers" or name.startswith("on_")):
            group.plan = None


def for_receivers(method: _Method) -> _Method:
    """Marks an event method of links or deliveries that does nothing for those of senders."""
    vars(method)["_is_for_receivers"] = True
    return method


def for_senders(method: _Method) -> _Method:
    """Marks an event method of links or deliveries that does nothing for those of receivers."""
    vars(method)["_is_for_receivers"] = False
    return method


#: the event methods that may be marked; the same name as that of an `ApplicationEvent`, which has no link, may not
_OF_LINKS = ("on_link_local_open", "on_link_remote_open", "on_link_flow", "on_delivery")


def _changing(change: Callable[..., Any]) -> Any:
    """A method of lists that changes one, for a `HandlerGroup`: from then on any event may be for a child."""

    @functools.wraps(change)
    def changing(self: HandlerGroup, *args: Any, **kwargs: Any) -> Any:
        self.plan = None
        return change(self, *args, **kwargs)

    return changing


class HandlerGroup(list[Any]):
    """Child handlers that always go together, and which events they have methods for.

    `dispatch` passes by all of them at once when an event is for none, as most events of the loop are, and asks only
    those that have a method: of a message's 201,000 instructions that takes 5,000 less (benchmarks/instructions.py).
    It notices what is done to the list and to its members; what it does not notice is a method that the class of a
    member is given when the group is there already.

    :param children: the members.
    """

    def __init__(self, children: list[GroupedHandler]) -> None:
        super().__init__(children)
        self.members: dict[str, _Members] = {}  # of the plan, as far as it was used
        # See `_plan`; None if the group has changed, and all are to be asked.
        self.plan: _Plan | None = _plan(
            tuple([tuple([getattr(type(child), method, None) for method in _OF_LINKS]) for child in children]),
            *[(kind, len(vars(kind))) for child in children for kind in type(child).__mro__],
        )
        self.nested: list[list[Any]] = [child.handlers for child in children]
        for child in children:
            # Weak, or handler and group would be a cycle that only the garbage collector ends.
            child._group = weakref.ref(self)

    def gather(self, plan: _Plan, method: str) -> _Members:
        """The members of a plan for an event method, with their places; they are kept.

        :param plan: that of this group.
        :param method: a name that is in the plan.
        """
        senders, receivers = plan[method]
        ours = tuple([(number, self[number]) for number in senders])
        theirs = ours if receivers is senders else tuple([(number, self[number]) for number in receivers])
        self.members[method] = ours, theirs
        return ours, theirs

    append = _changing(list.append)
    clear = _changing(list.clear)
    extend = _changing(list.extend)
    insert = _changing(list.insert)
    pop = _changing(list.pop)
    remove = _changing(list.remove)
    reverse = _changing(list.reverse)
    sort = _changing(list.sort)
    __delitem__ = _changing(list.__delitem__)
    __iadd__ = _changing(list.__iadd__)
    __imul__ = _changing(list.__imul__)
    __setitem__ = _changing(list.__setitem__)


#: for the links of senders, and of receivers: members with their places
_Members = tuple[tuple[tuple[int, Any], ...], tuple[tuple[int, Any], ...]]
#: which members to ask, by their places, by the name of an event method: for the links of senders, and of receivers
_Plan = dict[str, tuple[tuple[int, ...], tuple[int, ...]]]


@functools.lru_cache(maxsize=64)
def _plan(methods: tuple[tuple[Any, ...], ...], *bases: tuple[Any, int]) -> _Plan:
    """The plan of groups of such members.

    :param methods: what each has for the names in `_OF_LINKS`, or None: another method makes another plan.
    :param bases: the classes of the method resolution order of each member, up to `object`; a class that was given a
        method has grown.
    """
    kinds = [kind for place, (kind, _) in enumerate(bases) if place == 0 or bases[place - 1][0] is object]
    plan: _Plan = {}
    for method in frozenset().union(*map(event_methods, kinds)):
        asked = tuple(
            number
            for number, kind in enumerate(kinds)
            if hasattr(kind, method) or kind.on_unhandled is not Handler.on_unhandled
        )
        plan[method] = asked, asked
        if method in _OF_LINKS:
            marks = [getattr(getattr(kinds[number], method, None), "_is_for_receivers", None) for number in asked]
            if any(mark is not None for mark in marks):
                senders = tuple(number for number, mark in zip(asked, marks) if mark is not True)
                receivers = tuple(number for number, mark in zip(asked, marks) if mark is not False)
                plan[method] = senders, receivers
    return plan


#: What functions return whose body has not run yet: no loop of this package would ever run it.
_NOT_RUN: dict[type, str] = {
    types.CoroutineType: "async def, which nothing awaits",
    types.AsyncGeneratorType: "an async generator, which nothing iterates over",
    types.GeneratorType: "a generator, which nothing iterates over",
}


def check_result(handler: Any, method: str, result: Any) -> None:
    """Look at what a callback has returned, if that is not None; other results are ignored.

    :raises TypeError: the callback is a coroutine function or a generator, of which nothing has run.
    """
    kind = _NOT_RUN.get(type(result))
    if kind is not None:
        if not isinstance(result, types.AsyncGeneratorType):
            result.close()  # without the warning of Python, which comes later and names no place
        raise TypeError(
            f"{method} of {handler.__class__.__name__} is {kind}: expected a plain def. proton.asyncio is for "
            "programs of asyncio, see docs/asyncio.md"
        )


def dispatch(handler: object, method: str, event: EventBase) -> None:
    """Give `event` to `handler` and then to its children, parents first, depth first.

    An exception ends the walk at once.
    """
    bound = getattr(handler, method, None)
    if bound:
        result = bound(event)
        if result is not None:
            check_result(handler, method, result)
    elif handler.__class__ not in _QUIET:
        _unhandled(handler, method, event)
    # Asked after the call: a handler may add children while it handles the event, and they get it too.
    children = getattr(handler, "handlers", None)
    if children:
        # Read once: another thread may add a handler.
        plan = children.plan if children.__class__ is HandlerGroup else None
        if plan is not None and not any(children.nested):
            if method in plan:
                _tell(children, plan, method, event)
        else:
            _descend(children, method, event)


_NO_METHODS = {"handlers"}


def is_heard(handler: Any, methods: tuple[str, ...]) -> bool:
    """Whether a handler or a child of it has one of some event methods now, or an `on_unhandled` of its own."""
    # A plain one has no methods but those that it was given itself; the container's nearly always is, and is asked in
    # each turn of the loop.
    if handler.__class__ is not Handler or not vars(handler).keys() <= _NO_METHODS:
        for method in methods:
            if getattr(handler, method, None):
                return True
        if handler.__class__ not in _QUIET and _has_unhandled(handler):
            return True
    children = getattr(handler, "handlers", None)
    if not children:
        return False
    plan = children.plan if children.__class__ is HandlerGroup else None
    if plan is not None and not any(children.nested):
        for method in methods:
            if method in plan:
                break
        else:
            return False
    for child in children:  # noqa: SIM110 -- a generator would be a call more for each turn of the loop
        if is_heard(child, methods):
            return True
    return False


def _descend(children: Any, method: str, event: Any) -> None:
    # Whether there is anything to descend to is asked where it would be called: most events of the loop need no call.
    for child in children:
        bound = getattr(child, method, None)
        if bound:
            result = bound(event)
            if result is not None:
                check_result(child, method, result)
        elif child.__class__ not in _QUIET:
            _unhandled(child, method, event)
        nested = getattr(child, "handlers", None)
        if nested:
            # As in `dispatch`.
            plan = nested.plan if nested.__class__ is HandlerGroup else None
            if plan is not None and not any(nested.nested):
                if method in plan:
                    _tell(nested, plan, method, event)
            else:
                _descend(nested, method, event)


def _tell(group: HandlerGroup, plan: _Plan, method: str, event: Any) -> None:
    """Gives an event to those members of a group that its plan has for it.

    Once one of them has changed the group, or was given a child, the rest is asked as it is then.
    """
    senders, receivers = group.members.get(method) or group.gather(plan, method)
    for place, child in senders if senders is receivers or event.link.is_sender else receivers:
        bound = getattr(child, method, None)
        if bound:
            result = bound(event)
            if result is not None:
                check_result(child, method, result)
        elif child.__class__ not in _QUIET:
            _unhandled(child, method, event)
        if group.plan is not plan or any(group.nested):
            nested = getattr(child, "handlers", None)
            if nested:
                _descend(nested, method, event)
            _descend(itertools.islice(group, place + 1, None), method, event)
            return


# Classes whose `on_unhandled` is the one that does nothing: it need not be called to do nothing. Without this a
# message costs three more calls and 0.9 microseconds (CPython 3.11, benchmarks/run.py).
_QUIET: set[type] = set()


def _has_unhandled(handler: Any) -> bool:
    unhandled = getattr(handler, "on_unhandled", None)
    if getattr(unhandled, "__func__", None) is Handler.on_unhandled:
        _QUIET.add(handler.__class__)
        return False
    return unhandled is not None


def _unhandled(handler: Any, method: str, event: Any) -> None:
    if _has_unhandled(handler):
        result = handler.on_unhandled(method, event)
        if result is not None:
            check_result(handler, "on_unhandled", result)
