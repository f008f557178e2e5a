"""`EventType`, `Event`, `Collector`, dispatch to handlers; which events exist and what each can tell."""

import pytest

from proton import Collector, Connection, Event, EventType, Handler
from proton.endpoints.events import EventBase
from proton.endpoints.handler import GroupedHandler, HandlerGroup
from tests.support.engines import Peer, linked, names, pump, put

CORE = {
    4: "TIMER_TASK",
    **dict(enumerate(["CONNECTION_INIT", "CONNECTION_BOUND", "CONNECTION_UNBOUND", "CONNECTION_LOCAL_OPEN"], 5)),
    **dict(enumerate(["CONNECTION_REMOTE_OPEN", "CONNECTION_LOCAL_CLOSE", "CONNECTION_REMOTE_CLOSE"], 9)),
    12: "CONNECTION_FINAL",
    **dict(enumerate(["SESSION_INIT", "SESSION_LOCAL_OPEN", "SESSION_REMOTE_OPEN", "SESSION_LOCAL_CLOSE"], 13)),
    **dict(enumerate(["SESSION_REMOTE_CLOSE", "SESSION_FINAL", "LINK_INIT", "LINK_LOCAL_OPEN"], 17)),
    **dict(enumerate(["LINK_REMOTE_OPEN", "LINK_LOCAL_CLOSE", "LINK_REMOTE_CLOSE", "LINK_LOCAL_DETACH"], 21)),
    **dict(enumerate(["LINK_REMOTE_DETACH", "LINK_FLOW", "LINK_FINAL", "DELIVERY", "TRANSPORT"], 25)),
    **dict(enumerate(["TRANSPORT_ERROR", "TRANSPORT_HEAD_CLOSED", "TRANSPORT_TAIL_CLOSED", "TRANSPORT_CLOSED"], 31)),
}
EXTENDED = [
    *("reactor_init", "reactor_quiesced", "reactor_final", "selectable_init", "selectable_updated"),
    *("selectable_readable", "selectable_writable", "selectable_expired", "selectable_error", "selectable_final"),
]


@pytest.mark.parametrize("number, name", sorted(CORE.items()))
def test_core_types(number, name):
    etype = getattr(Event, name)
    assert (etype.number, etype.name, str(etype)) == (number, "PN_" + name, "PN_" + name)
    assert etype.method == "on_" + name.lower()
    assert repr(etype) == f"EventType(name=PN_{name}, number={number})"
    assert EventType.TYPES[number] is etype


@pytest.mark.parametrize("offset, name", list(enumerate(EXTENDED)))
def test_extended_types(offset, name):
    etype = getattr(Event, name.upper())
    assert (etype.number, str(etype), etype.method) == (10000 + offset, name, "on_" + name)


def test_types_of_programs():
    first, second = EventType("one"), EventType("two", method="do_two")
    assert second.number == first.number + 1 > 10009
    assert (first.method, second.method) == ("on_one", "do_two")
    assert EventType.TYPES[first.number] is first
    assert EventType(number=9999).name == "PN_UNKNOWN" and EventType(number=28).name == "PN_DELIVERY"
    EventType("PN_DELIVERY", 28, "on_delivery")  # replaces an entry of the table, not the attribute
    EventType.TYPES[28] = Event.DELIVERY
    with pytest.raises(TypeError):
        EventType()


def test_collector_is_first_in_first_out():
    collector = Collector()
    assert collector.peek() is None and collector.pop() is None and not collector.more()
    kinds = [EventType(name) for name in ("a", "b", "c")]
    for kind in kinds:
        collector.put(None, kind)
    seen = []
    while collector.peek() is not None:
        seen.append((collector.peek().type, collector.more()))
        collector.pop()
    assert seen == [(kinds[0], True), (kinds[1], True), (kinds[2], False)]


def test_engine_events_merge_with_the_last_one_only():
    a, b, sender, receiver = linked()
    put(sender, b"1")
    put(sender, b"2")
    assert a.events() == "TRANSPORT"
    receiver.flow(1)
    pump(a, b)
    receiver.flow(1)
    put(sender, b"3")
    assert b.events() == "TRANSPORT DELIVERY DELIVERY TRANSPORT"  # A B A stays


def test_application_events_do_not_merge():
    collector, kind, thing = Collector(), EventType("PN_again"), object()
    for _ in range(3):
        collector.put(thing, kind)
    assert names(collector) == ["again"] * 3


def test_release_drops_everything_for_good():
    peer = Peer()
    peer.connection.session()
    peer.collector.release()
    assert peer.collector.peek() is None
    peer.connection.session()
    peer.collector.put(None, EventType("late"))
    assert peer.collector.peek() is None


def test_collect_reports_what_is_there_each_time():
    connection, collector = Connection(), Collector()
    session = connection.session()
    session.sender("L"), connection.session()
    for _ in range(2):
        connection.collect(collector)
        assert names(collector) == ["CONNECTION_INIT", "SESSION_INIT", "LINK_INIT", "SESSION_INIT"]
    with pytest.raises(TypeError):
        connection.collect(None)


def test_without_a_collector_events_are_lost():
    connection = Connection()
    connection.open()
    connection.session().open()
    assert connection.state == 10


def first_events():
    """One event of each kind of context."""
    a, b, sender, receiver = linked()
    put(sender, b"m")
    sender.session.close()
    pump(a, b)
    found = {}
    for peer in (a, b):
        while peer.collector.peek() is not None:
            event = peer.collector.peek()
            found.setdefault(event.clazz, event)
            peer.collector.pop()
    peer = Peer()
    found["pn_connection"] = peer.collector.peek()
    linked_peer = Peer().bind()
    names(linked_peer.collector)
    linked_peer.connection.session().sender("L")
    linked_peer.collector.pop()
    found.setdefault("pn_link", linked_peer.collector.peek())
    return found


CONTEXTS = [
    ("pn_connection", "connection", ["connection"]),
    ("pn_session", "session", ["connection", "session"]),
    ("pn_link", "link", ["connection", "session", "link"]),
    ("pn_delivery", "delivery", ["connection", "session", "link", "delivery"]),
    ("pn_transport", "transport", ["connection", "transport"]),
]


@pytest.mark.parametrize("clazz, name, known", CONTEXTS)
def test_events_lead_upwards_from_their_context(clazz, name, known):
    event = first_events()[clazz]
    assert getattr(event, name) == event.context and event.clazz == clazz
    for attribute in ("connection", "session", "link", "delivery"):
        assert (getattr(event, attribute) is not None) is (attribute in known)
    link = event.link
    assert event.sender == (link if link is not None and link.is_sender else None)
    assert event.receiver == (link if link is not None and link.is_receiver else None)
    assert event.container is None and event.reactor is None
    assert repr(event) == f"{event.type}({event.context!r})"


def test_other_attributes_are_those_of_the_context_or_none():
    class Task:
        number = 5

    collector = Collector()
    task = Task()
    collector.put(task, EventType("tick"))
    event = collector.peek()
    assert event.clazz == "pn_pyref"
    assert (event.task, event.number, event.nothing, event.link, event.connection) == (task, 5, None, None, None)


def test_an_event_stays_valid_after_pop():
    a, b, sender, _ = linked()
    put(sender, b"m")
    pump(a, b)
    event = b.collector.peek()
    b.collector.pop()
    assert event.delivery.link.name == "L" and event.transport == b.transport


def test_events_of_a_program_are_queued_as_they_are():
    class Mine(EventBase):
        context = "mine"

    collector, event = Collector(), Mine(EventType("mine"))
    collector.put(event, Event.DELIVERY)
    assert collector.peek() is event and event.handler is None
    assert repr(event) == "mine('mine')"


HANDLERS = [
    # which of the three have a handler, whose it is
    ("", None),
    ("connection", "connection"),
    ("connection session", "session"),
    ("connection link", "link"),
    ("connection session link", "link"),
]


@pytest.mark.parametrize("given, expected", HANDLERS)
def test_the_handler_of_an_event_is_the_nearest(given, expected):
    a, b, sender, receiver = linked()
    scopes = {"connection": receiver.connection, "session": receiver.session, "link": receiver}
    handlers = {}
    for name in given.split():
        handlers[name] = scopes[name].handler = Handler()
    put(sender, b"m")
    pump(a, b)
    assert b.collector.peek().type is Event.DELIVERY
    assert b.collector.peek().handler is handlers.get(expected)


def test_setting_a_handler():
    connection = Connection()
    assert connection.handler is None
    mine, thing = Handler(), object()
    connection.handler = mine
    assert connection.handler is mine
    connection.handler = thing
    assert isinstance(connection.handler, Handler) and list(connection.handler.handlers) == [thing]
    connection.handler = None
    assert connection.handler is None


class Recorder:
    """Any object may handle events: no base class."""

    def __init__(self, name, log, *methods, **attributes):
        self.name, self.log = name, log
        for method in methods:
            setattr(self, method, lambda event, method=method: log.append((name, method)))
        self.__dict__.update(attributes)


def event():
    collector = Collector()
    collector.put("context", Event.LINK_FLOW)
    return collector.peek()


def test_dispatch_goes_to_parents_first_and_deep_before_wide():
    log = []
    method = "on_link_flow"
    leaf = Recorder("leaf", log, method)
    middle = Recorder("middle", log, handlers=[leaf])  # has no method itself
    root = Recorder("root", log, method, handlers=[middle, None, Recorder("last", log, method)])
    event().dispatch(root)
    assert log == [("root", method), ("leaf", method), ("last", method)]
    event().dispatch(None)


def test_dispatch_of_another_type():
    log = []
    event().dispatch(Recorder("x", log, "on_link_flow", "on_delivery"), Event.DELIVERY)
    assert log == [("x", "on_delivery")]


def test_unhandled_events_are_told():
    log = []

    class Curious(Handler):
        def on_unhandled(self, method, event):
            log.append((method, event.context))

        def on_delivery(self, event):
            log.append("delivery")

    parent, child = Curious(), Curious()
    parent.add(child)
    event().dispatch(parent)
    assert log == [("on_link_flow", "context")] * 2
    del log[:]
    event().dispatch(parent, Event.DELIVERY)
    assert log == ["delivery"] * 2


def test_an_exception_ends_the_walk():
    log = []

    class Broken:
        def on_link_flow(self, event):
            raise ValueError("stop")

    root = Handler()
    root.add(Broken())
    root.add(Recorder("after", log, "on_link_flow"), on_error=print)
    with pytest.raises(ValueError, match="stop"):
        event().dispatch(root)
    assert log == []


def test_handlers_are_lists_of_their_own():
    first, second = Handler(), Handler()
    first.add(second)
    assert (list(first.handlers), list(second.handlers)) == ([second], [])
    assert first.on_unhandled("on_x", None) is None


class Part(GroupedHandler):
    def __init__(self, log):
        self.log = log

    def on_delivery(self, event):
        self.log.append(self)


CHANGES = {
    "append": lambda group, late: group.append(late),
    "insert": lambda group, late: group.insert(0, late),
    "extend": lambda group, late: group.extend([late]),
    "iadd": lambda group, late: group.__iadd__([late]),
    "setitem": lambda group, late: group.__setitem__(0, late),
    "slice": lambda group, late: group.__setitem__(slice(0, 1), [late]),
    "nested": lambda group, late: group[1].add(late),
    "children": lambda group, late: setattr(group[1], "handlers", [late]),
    "method": lambda group, late: setattr(group[1], "on_link_flow", late.on_link_flow),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_group_of_handlers_that_has_changed_is_walked_as_a_whole(change):
    log = []
    parent = Handler()
    parent.handlers = group = HandlerGroup([Part(log), Part(log)])
    event().dispatch(parent)
    event().dispatch(parent, Event.DELIVERY)
    assert log == list(group)
    del log[:]
    change(group, Recorder("late", log, "on_link_flow"))
    event().dispatch(parent)
    assert log == [("late", "on_link_flow")]


def test_what_leaves_a_group_is_called_no_more():
    log = []
    root, parent = Handler(), Handler()
    root.add(parent)
    parent.handlers = group = HandlerGroup([Part(log) for _ in range(5)])
    group.remove(group[0])
    group.pop()
    del group[0]
    event().dispatch(root, Event.DELIVERY)
    assert log == list(group) and len(group) == 2
    group *= 2
    event().dispatch(root, Event.DELIVERY)
    assert len(log) == 6
    group.clear()
    event().dispatch(root, Event.DELIVERY)
    assert len(log) == 6


def test_an_event_for_none_of_a_group_looks_at_none_of_its_members():
    looked = []

    class Watched(Part):
        def __getattribute__(self, name):
            looked.append(name)
            return super().__getattribute__(name)

    root, parent = Handler(), Handler()
    root.add(parent)
    parent.handlers = HandlerGroup([Watched([]), Watched([])])
    del looked[:]
    event().dispatch(root)
    event().dispatch(parent)
    assert looked == []
    event().dispatch(root, Event.DELIVERY)
    assert looked.count("on_delivery") == 2


def test_a_method_that_a_class_was_given_is_known_to_later_families():
    class Patched(Part):
        pass

    log = []
    HandlerGroup([Patched(log)])
    Patched.on_link_flow = lambda self, event: log.append("patched")
    parent = Handler()
    parent.handlers = HandlerGroup([Patched(log)])
    event().dispatch(parent)
    assert log == ["patched"]
