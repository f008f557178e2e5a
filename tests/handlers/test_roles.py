"""Which handlers of a family are asked for an event: those with a method for it, and for its kind of link."""

import sys
import threading

import pytest

from proton import Delivery, Event, Handler, Message
from proton.endpoints.handler import GroupedHandler, HandlerGroup, for_receivers, for_senders, is_heard
from proton.handlers import IncomingMessageHandler, MessagingHandler, OutgoingMessageHandler
from proton.reactor import ApplicationEvent
from tests.support.engines import linked, pump


class Both(GroupedHandler):
    def __init__(self, log):
        self.log = log

    def note(self, event):
        self.log.append((type(self).__name__, event.link is not None and event.link.is_sender))

    def on_delivery(self, event):
        self.note(event)

    def on_settled(self, event):
        self.note(event)


class Senders(Both):
    @for_senders
    def on_delivery(self, event):
        self.note(event)


class Receivers(Both):
    @for_receivers
    def on_delivery(self, event):
        self.note(event)


class Derived(Senders):
    def on_delivery(self, event):
        self.note(event)


class Adds(Both):
    """Does something to its group, or to a member, when an event comes."""

    def __init__(self, log, change):
        super().__init__(log)
        self.change = change

    def on_delivery(self, event):
        super().on_delivery(event)
        self.change()


def delivery_events():
    """A delivery that has arrived, and its acceptance, as events."""
    client, server, sender, receiver = linked(credit=1)
    sender.send(Message())
    pump(client, server)
    [arrived] = [event for event in server.collector.events if event.type is Event.DELIVERY]
    receiver.current.update(Delivery.ACCEPTED)
    receiver.current.settle()
    pump(client, server)
    [accepted] = [event for event in client.collector.events if event.type is Event.DELIVERY]
    return arrived, accepted


def test_members_are_asked_for_their_kind_of_link_in_order():
    log = []
    parent = Handler()
    parent.handlers = HandlerGroup([kind(log) for kind in (Receivers, Senders, Both, Derived)])
    arrived, accepted = delivery_events()
    arrived.dispatch(parent)
    assert log == [("Receivers", False), ("Both", False), ("Derived", False)]
    del log[:]
    accepted.dispatch(parent)
    assert log == [("Senders", True), ("Both", True), ("Derived", True)]


def test_an_event_without_a_link_is_for_all():
    log = []
    parent = Handler()
    parent.handlers = HandlerGroup([kind(log) for kind in (Receivers, Senders, Both)])
    ApplicationEvent("settled").dispatch(parent)
    assert [name for name, _ in log] == ["Receivers", "Senders", "Both"]


CHANGES = {
    "a child of the group": lambda group, log: group.append(Both(log)),
    "a child of a member that was asked": lambda group, log: group[0].add(Both(log)),
    "a child of a member that comes": lambda group, log: group[3].add(Both(log)),
    "a child of a member that is not asked": lambda group, log: group[2].add(Both(log)),
    "children in place of those of a member": lambda group, log: setattr(group[3], "handlers", [Both(log)]),
    "a method of a member that is not asked": lambda group, log: setattr(group[2], "on_delivery", Both(log).note),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_added_during_an_event_hears_of_it(change):
    log = []
    parent = Handler()
    group = HandlerGroup([Both(log), Adds(log, lambda: CHANGES[change](group, log)), Senders(log), Derived(log)])
    parent.handlers = group
    arrived, _ = delivery_events()
    arrived.dispatch(parent)
    names = [name for name, _ in log]
    # What was asked before is not asked again.
    assert names.count("Both") == (1 if change == "a child of a member that was asked" else 2)
    assert names[:2] == ["Both", "Adds"] and names.count("Adds") == names.count("Derived") == 1
    del log[:]
    group[1].change = lambda: None
    arrived.dispatch(parent)
    assert [name for name, _ in log].count("Both") == 2


@pytest.mark.parametrize("change", ["reverse", "sort"])
def test_a_group_in_another_order_is_asked_in_that(change):
    log = []
    parent = Handler()
    parent.handlers = HandlerGroup([Both(log), Derived(log)])
    arrived, _ = delivery_events()
    arrived.dispatch(parent)
    getattr(parent.handlers, change)(**({"key": lambda member: type(member) is Both} if change == "sort" else {}))
    arrived.dispatch(parent)
    assert [name for name, _ in log] == ["Both", "Derived", "Derived", "Both"]


def test_a_method_that_a_class_is_given_before_hears_of_both_kinds(monkeypatch):
    heard = []
    MessagingHandler()  # as it was is known
    monkeypatch.setattr(IncomingMessageHandler, "on_delivery", lambda self, event: heard.append(event))
    handler = MessagingHandler()
    events = delivery_events()
    for event in events:
        event.dispatch(handler)
    assert heard == list(events)


def test_a_handler_may_be_added_by_a_thread_while_events_are_dispatched():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    arrived, _ = delivery_events()
    try:
        for _ in range(300):
            handler = Handler()
            handler.handlers = HandlerGroup([Both([]) for _ in range(4)])
            adding = threading.Thread(target=lambda added=handler: added.handlers.append(Handler()))
            adding.start()
            while adding.is_alive():
                arrived.dispatch(handler)
            adding.join()
            assert len(handler.handlers) == 5
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("kind", [IncomingMessageHandler, OutgoingMessageHandler])
def test_a_method_that_a_member_is_given_hears_of_both_kinds(kind):
    handler = MessagingHandler()
    [member] = [child for child in handler.handlers if type(child) is kind]
    heard = []
    member.on_delivery = heard.append
    events = delivery_events()
    for event in events:
        event.dispatch(handler)
    assert heard == list(events)


def test_a_plain_handler_is_heard_by_the_methods_that_it_was_given():
    handler = Handler()
    assert not is_heard(handler, ("on_transport",))
    handler.on_transport = print
    assert is_heard(handler, ("on_transport",))
    handler.add(Handler())
    assert is_heard(handler, ("on_transport",))
    del handler.on_transport
    assert not is_heard(handler, ("on_transport",))
