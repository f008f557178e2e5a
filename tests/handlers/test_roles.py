"""Which handlers of a family are asked for an event: those with a method for it, and for its kind of link."""

import pytest

from proton import Delivery, Event, Handler, Message
from proton.endpoints.handler import GroupedHandler, HandlerGroup, is_heard
from proton.handlers import IncomingMessageHandler, MessagingHandler, OutgoingMessageHandler
from tests.support.engines import linked, pump


class Senders(GroupedHandler):
    _is_for_receivers = False

    def __init__(self, log):
        self.log = log

    def on_delivery(self, event):
        self.log.append((type(self).__name__, event.link.is_sender))


class Receivers(Senders):
    _is_for_receivers = True


class Both(Senders):
    _is_for_receivers = None


class Derived(Senders):
    """What derives from a class may have methods for the other kind of link."""


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
