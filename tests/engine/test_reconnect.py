"""A connection on a fresh transport after the old one is gone: what starts again, what stays, what is never said.

The rule above all: a message that the peer has not settled or accepted is never reported as such, and none goes out
twice, wherever the stream was cut.
"""

import random

import pytest

from proton import Delivery, Endpoint
from tests.support.engines import Peer, accept, frame, linked, pump, put, read, step, take

ACCEPTED = Delivery.ACCEPTED


def reconnected(a, credit=10):
    """The client on a new transport, with a new server that accepts everything."""
    a, b = a.rebind(), Peer("server 2", 2).bind()
    b.connection.open()
    pump(a, b)
    receiver = accept(b, credit)
    pump(a, b)
    return a, b, receiver


def test_unbind_forgets_what_belonged_to_the_transport():
    a, b, sender, receiver = linked()
    a.connection.remote_condition = None
    assert a.connection.remote_container == "server"
    put(receiver.session.sender("x"), b"ignored")
    a.transport.unbind()
    assert a.connection.remote_container is None and a.connection.remote_properties is None
    assert a.connection.transport is None and sender.transport is None
    assert sender.state == sender.session.state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
    assert a.events() == "CONNECTION_UNBOUND TRANSPORT"


def test_everything_open_is_announced_again():
    a, b, sender, _ = linked()
    other = sender.session.receiver("R")
    other.open()
    other.flow(7)
    pump(a, b)
    a, b, _ = reconnected(a)
    accept(b)
    pump(a, b)
    assert [(f.name, f["name"], f["handle"]) for f in a.sent()] == [
        ("open", None, None),
        ("begin", None, None),
        ("attach", "L", 0),
        ("attach", "R", 1),  # after the peer's begin: its handle-max may be another one (2.7.2)
        ("flow", None, 1),
    ]
    assert sender.state == other.state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE


@pytest.mark.parametrize("kind", ["link", "detached link", "session"])
def test_what_was_closed_stays_closed(kind):
    a, b, sender, _ = linked()
    {"link": sender.close, "detached link": sender.detach, "session": sender.session.close}[kind]()
    pump(a, b)
    a, b, _ = reconnected(a)
    expected = ["open"] if kind == "session" else ["open", "begin"]
    assert [frame.name for frame in a.sent()] == expected
    assert list(b.connection.links(0)) == []


def test_a_closed_connection_can_be_opened_again():
    a, b, _, _ = linked()
    a.connection.close()
    b.connection.close()
    pump(a, b)
    a.transport.unbind()
    a.connection.open()
    a, b, _ = reconnected(a)
    assert a.sent()[0].name == "open" and b.connection.state & Endpoint.REMOTE_ACTIVE


def test_credit_of_a_sender_restarts_from_zero():
    a, _, sender, _ = linked(credit=10)
    put(sender, b"waits")
    a.transport.unbind()
    assert (sender.credit, sender.queued) == (-1, 1)
    a, b, receiver = reconnected(a, credit=0)
    assert (sender.credit, sender.queued) == (-1, 1) and b.connection.transport.condition is None
    receiver.flow(3)
    pump(a, b)
    assert (sender.credit, sender.queued, receiver.queued) == (2, 0, 1)


def test_credit_of_a_receiver_is_granted_again():
    a, b, _, receiver = linked(credit=10)
    b, c = b.rebind(), Peer("sender 2").bind()
    c.connection.open()
    pump(b, c)
    accept(c)
    pump(b, c)
    sender = c.connection.link_head(0)
    assert (sender.name, sender.credit, receiver.credit) == ("L", 10, 10)
    for _ in range(10):
        put(sender, b"m")
    pump(b, c)
    assert receiver.queued == 10 and b.transport.condition is None


def test_unsent_messages_go_out_once_and_in_order():
    a, b, sender, receiver = linked(credit=2)
    deliveries = [put(sender, b"%d" % n) for n in range(5)]
    pump(a, b)
    assert [read(receiver)[0] for _ in range(2)] == [b"0", b"1"]
    a, b, receiver = reconnected(a)
    assert [read(receiver)[0] for _ in range(3)] == [b"2", b"3", b"4"]
    assert receiver.current is None and sender.queued == 0
    transfers = [frame for frame in a.sent() if frame.name == "transfer"]
    assert [frame["delivery_id"] for frame in transfers] == [0, 1, 2]
    assert not any(x.settled or x.updated or x.remote_state for x in deliveries)
    assert sender.unsettled == 5


def test_messages_made_while_unbound_go_out():
    a, _, sender, _ = linked()
    a.transport.unbind()
    put(sender, b"made offline")
    a, b, receiver = reconnected(a)
    assert read(receiver)[0] == b"made offline" and receiver.current is None


@pytest.mark.parametrize("complete", [True, False])
def test_a_partly_sent_message_is_not_continued(complete):
    a, b, sender, receiver = linked(server={"max_frame_size": 512})
    delivery = sender.delivery("t")
    sender.stream(b"x" * 2000)
    if complete:
        sender.advance()
    data = take(a.transport, 1000)
    b.transport.push(data)
    b.transport.close_tail()
    assert receiver.current.partial or receiver.current.aborted
    a, b, receiver = reconnected(a)
    assert (delivery.settled, delivery.updated, int(delivery.remote_state)) == (False, False, 0)
    put(sender, b"next")
    pump(a, b)
    assert read(receiver)[0] == b"next" and receiver.current is None


def test_what_is_settled_late_is_not_told_to_the_new_peer():
    a, b, sender, receiver = linked()
    old = put(sender, b"old")
    pump(a, b)
    a, b, _ = reconnected(a)
    new = put(sender, b"new")
    pump(a, b)
    a.sent()
    old.update(ACCEPTED)
    old.settle()
    pump(a, b)
    assert a.sent() == [] and not b.connection.link_head(0).current.settled
    # Nor is what the new peer says about its first delivery meant for the old one.
    b.connection.link_head(0).current.update(ACCEPTED)
    pump(a, b)
    assert new.remote_state == ACCEPTED and not old.remote_state


def test_what_was_received_stays_readable_and_what_was_arriving_is_aborted():
    a, b, sender, receiver = linked()
    put(sender, b"whole")
    sender.delivery("t")
    sender.stream(b"part")
    pump(a, b)
    b.events()
    b.transport.unbind()
    data, whole = read(receiver)
    assert data == b"whole" and not whole.aborted
    assert receiver.current.aborted and not receiver.current.partial
    assert "DELIVERY" in b.events()
    whole.update(ACCEPTED)
    whole.settle()
    receiver.current.settle()
    assert receiver.session.incoming_bytes == 0 and receiver.unsettled == 0


@pytest.mark.parametrize("ending", ["transport", "close_tail", "unbind", "end", "detach", "close"])
def test_a_message_without_an_answer_is_never_reported_as_accepted(ending):
    a, b, sender, receiver = linked()
    delivery = put(sender, b"m")
    pump(a, b)
    receiver.current.update(ACCEPTED)  # said, but it never leaves the peer
    {
        "transport": lambda: a.transport.push(b"\0\0\0\1"),
        "close_tail": a.transport.close_tail,
        "unbind": a.transport.unbind,
        "end": lambda: None,
        "detach": lambda: None,
        "close": lambda: None,
    }[ending]()
    if ending in ("end", "detach", "close"):
        a.transport.push(frame(0, ending, **({"handle": 0, "closed": True} if ending == "detach" else {})))
    take(a.transport)
    a.transport.unbind()
    assert (int(delivery.remote_state), delivery.settled, delivery.updated) == (0, False, False)
    assert sender.unsettled == 1


@pytest.mark.parametrize("seed", range(60))
def test_wherever_the_stream_is_cut(seed):
    """Three connections one after the other, each cut after a random number of bytes."""
    chance = random.Random(seed)
    a, b, sender, receiver = linked(credit=5, server={"max_frame_size": 512})
    deliveries, accepted, arrived = {}, set(), []
    for _ in range(3):
        receivers = [receiver]
        for _ in range(chance.randrange(4, 12)):
            number = b"%d" % len(deliveries)
            deliveries[number] = put(sender, number.ljust(chance.choice((10, 300, 900)), b"."))
        for _ in range(chance.randrange(1, 60)):
            step(a, b, chance.randrange(1, 200))
            step(b, a, chance.randrange(1, 200))
            for link in receivers:
                if link.current is not None and not link.current.partial and chance.random() < 0.5:
                    data, delivery = read(link)
                    arrived.append(data.rstrip(b"."))
                    if chance.random() < 0.7:
                        accepted.add(data.rstrip(b"."))
                        delivery.update(ACCEPTED)
                    delivery.settle()
                    link.flow(1)
        for link in receivers:  # what has arrived whole, but was not looked at yet
            while link.current is not None and not link.current.partial and not link.current.aborted:
                arrived.append(read(link)[0].rstrip(b"."))
        reported = {number for number, delivery in deliveries.items() if delivery.remote_state == ACCEPTED}
        assert reported <= accepted
        assert {number for number, delivery in deliveries.items() if delivery.settled} <= set(arrived)
        assert len(set(arrived)) == len(arrived), "nothing arrives twice"
        a, b, receiver = reconnected(a, credit=5)
    deliveries[b"last"] = put(sender, b"last")
    receiver.flow(1000)
    pump(a, b)
    ended = set()
    while receiver.current is not None:
        data, delivery = read(receiver)
        ended.add(data.rstrip(b"."))
        arrived.append(data.rstrip(b"."))
        delivery.update(ACCEPTED)
        delivery.settle()
    pump(a, b)
    assert ended >= {b"last"}
    assert {number for number in ended if deliveries[number].remote_state == ACCEPTED} == ended
    assert len(set(arrived)) == len(arrived)
    assert sender.queued == 0 and sender.current is None and sender.session.outgoing_bytes == 0
    lost = set(deliveries) - set(arrived)
    # What did not arrive was on its way when the stream was cut, and the application can see that: it is unsettled.
    assert all(
        not deliveries[number].settled and deliveries[number] in list(sender.unsettled_deliveries) for number in lost
    )
