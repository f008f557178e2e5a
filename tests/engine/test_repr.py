"""The `repr` of connections, sessions, links, deliveries and outcomes: enough to find them, and no password."""

import pytest

from proton import (
    Condition,
    Connection,
    Delivery,
    Endpoint,
    ModifiedDisposition,
    RejectedDisposition,
    TransactionalDisposition,
    Url,
)
from tests.support.engines import linked, pump, put


@pytest.fixture
def sending():
    """A connection with a sender of 9 credits, one of whose messages was released, and one is settled by both."""
    a, b, sender, receiver = linked()
    sender.target.address = "q"
    receiver.flow(10)
    pump(a, b)
    released, accepted = put(sender, b"x", "t1"), put(sender, b"y", "t2")
    pump(a, b)
    receiver.current.update(Delivery.RELEASED)
    receiver.advance()
    receiver.current.update(Delivery.ACCEPTED)
    receiver.current.settle()
    pump(a, b)
    accepted.settle()
    return a, sender, receiver, released, accepted


def opened(url):
    connection = Connection()
    connection.url = url
    connection.open()
    return connection


def named(name):
    connection = Connection()
    connection.hostname = name
    return connection


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (Connection, "<proton.Connection: new here, new at the peer, 0 sessions, 0 links>"),
        (lambda: named("h"), "<proton.Connection to 'h': new here, new at the peer, 0 sessions, 0 links>"),
        (
            lambda: opened(Url("amqp://user:secret@h:1/q")),
            "<proton.Connection to 'amqp://user@h:1/q': open here, new at the peer, 0 sessions, 0 links>",
        ),
        (lambda: Connection().session(), "<proton.Session: new here, new at the peer, 0 links>"),
        (
            lambda: Connection().session().receiver("r"),
            "<proton.Receiver 'r': new here, new at the peer, credit 0, 0 queued>",
        ),
        (
            lambda: Connection().session().sender("a\nb"),
            "<proton.Sender 'a\\\\nb': new here, new at the peer, credit 0, 0 queued>",
        ),
        (lambda: RejectedDisposition(Condition("x:y")), "RejectedDisposition(condition=Condition('x:y'))"),
        (
            lambda: ModifiedDisposition(True, True),
            "ModifiedDisposition(annotations=None, failed=True, undeliverable=True)",
        ),
        (
            lambda: TransactionalDisposition(b"1", Delivery.ACCEPTED),
            "TransactionalDisposition(id=b'1', outcome_type=ACCEPTED)",
        ),
    ],
)
def test_repr(make, text):
    assert repr(make()) == text


def test_an_open_connection_counts_its_sessions_and_links(sending):
    a, sender, receiver, _released, _accepted = sending
    assert ": open here, open at the peer, 1 session, 1 link>" in repr(a.connection)
    assert repr(sender.session) == "<proton.Session: open here, open at the peer, 1 link>"
    assert f"{sender!r}".endswith(
        f" to 'q': open here, open at the peer, credit {sender.credit}, {sender.queued} queued>"
    )
    assert f"{receiver!r}".startswith("<proton.Receiver ")
    receiver.close()
    assert ": closed here, open at the peer, " in repr(receiver)
    assert receiver.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_ACTIVE


def test_a_delivery_tells_what_each_end_has_said(sending):
    _a, _sender, _receiver, released, accepted = sending
    assert repr(released) == "<proton.Delivery b't1': EMPTY here, RELEASED at the peer>"
    assert repr(accepted) == "<proton.Delivery b't2': EMPTY, settled here, ACCEPTED, settled at the peer>"


def test_the_tag_of_a_delivery_is_cut():
    delivery = Connection().session().sender("s").delivery("t" * 100)
    assert len(repr(delivery)) < 100
