"""Each blocking operation that waits when the end comes, and each that is called afterwards.

An operation raises the reason within a second of the peer's frame, with and without a time-out; `Timeout` says that
time ran out, never that something ended.
"""

import contextlib
import time

import pytest

from proton import ConnectionException, LinkException, Message, Timeout
from proton.utils import BlockingConnection, LinkDetached, SyncRequestResponse
from tests.support.auto_peer import WITHIN, at_once, auto_peer, begin, connect, mirrored
from tests.support.engines import frame
from tests.support.stage import error

GONE = error("amqp:not-found", "the queue is gone")


@pytest.fixture(autouse=True)
def nothing_is_logged_as_an_error_that_is_raised(caplog):
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= 40] == []


# -- what ends -------------------------------------------------------------------------------------------------------


def detach(**fields):
    return lambda peer, channel, handle: peer.detach(channel, handle, **fields)


def end(**fields):
    return lambda peer, channel, handle: peer.end(channel, **fields)


def shut(**fields):
    return lambda peer, channel, handle: peer.shut(**fields)


def vanish(peer, channel, handle):
    return None


#: what the peer says; what is raised for it, and its condition
LINK_ENDS = {
    "detach, closed, with an error": (detach(closed=True, error=GONE), LinkDetached, "amqp:not-found"),
    "detach, closed": (detach(closed=True), LinkDetached, None),
    "detach, not closed, with an error": (detach(error=GONE), LinkDetached, "amqp:not-found"),
    "detach, not closed": (detach(), LinkDetached, None),
}
SESSION_ENDS = {
    "end with an error": (end(error=GONE), LinkException, "amqp:not-found"),
    "end": (end(), LinkException, None),
}
CONNECTION_ENDS = {
    "close with an error": (shut(error=GONE), ConnectionException, "amqp:not-found"),
    "close": (shut(), ConnectionException, None),
    "end of the stream": (vanish, ConnectionException, None),
}
ENDS = {**LINK_ENDS, **SESSION_ENDS, **CONNECTION_ENDS}


def by_ends(*tables):
    rows = {name: row for table in tables for name, row in table.items()}
    return pytest.mark.parametrize(("what", "expected", "condition"), rows.values(), ids=rows)


timeouts = pytest.mark.parametrize(
    "timeout", [None, 15, False], ids=["no time-out", "a time-out", "the usual time-out"]
)


def named(name, role=None):
    """True for a frame of that name, and of a link's role if one is given."""

    def matches(part):
        return part.name == name and (role is None or bool(part["role"]) == role)

    return matches


def flow_with_credit(part):
    return part.name == "flow" and part["handle"] is not None and part["link_credit"]


@contextlib.contextmanager
def raises(peer, expected, condition):
    """The block raises the reason within its time after the peer has said it."""
    try:
        with pytest.raises(expected) as caught:
            yield
        took = time.monotonic() - (peer.ended_at or time.monotonic())
    finally:
        peer.over.set()
    assert took < WITHIN
    reason = caught.value
    assert not isinstance(reason, Timeout)
    assert getattr(reason, "condition", None) == condition
    if condition is not None:
        assert condition in str(reason) and "the queue is gone" in str(reason)


def afterwards(connection, link, use, expected, condition, what):
    """What is called later raises the same reason, however often; the rest of the connection goes on."""
    for _ in range(2):
        with pytest.raises(expected) as caught:
            at_once(use)
        assert getattr(caught.value, "condition", None) == condition
    if expected is ConnectionException:
        for create in (connection.create_sender, connection.create_receiver):
            with pytest.raises(ConnectionException):
                at_once(lambda create=create: create("q"))
    else:
        at_once(lambda: connection.create_sender("q")).send(Message("goes on"))
        at_once(lambda: connection.create_receiver("q"))
    with contextlib.suppress(ConnectionException):
        assert at_once(link.close) is None
    at_once(connection.close)


# -- the operations --------------------------------------------------------------------------------------------------


@by_ends(LINK_ENDS)
@pytest.mark.parametrize("role", [True, False], ids=["receive", "send"])
def test_a_connection_with_several_addresses_ends_its_waits_alike(what, expected, condition, role):
    """The end of a link is not a loss: nothing is made again for it."""
    with auto_peer() as peer:
        connection = BlockingConnection(urls=[peer.url, peer.url], timeout=20, sasl_enabled=False, reconnect=[0, 1])
        link = connection.create_receiver("q") if role else connection.create_sender("q")
        peer.on(flow_with_credit if role else named("transfer"), lambda peer, part: what(peer, *peer.link(role)))
        with raises(peer, expected, condition):
            link.receive(timeout=None) if role else link.send(Message("x"), timeout=None)
        at_once(lambda: connection.create_sender("q")).send(Message("goes on"))
        at_once(connection.close)


@by_ends(ENDS)
@timeouts
def test_receive(what, expected, condition, timeout):
    with auto_peer() as peer:
        connection = connect(peer)
        receiver = connection.create_receiver("q")
        peer.on(flow_with_credit, lambda peer, part: what(peer, *peer.link(True)))
        with raises(peer, expected, condition):
            receiver.receive(timeout=timeout)
        afterwards(connection, receiver, lambda: receiver.receive(timeout=None), expected, condition, what)


@by_ends(ENDS)
@timeouts
def test_send(what, expected, condition, timeout):
    with auto_peer() as peer:
        connection = connect(peer)
        sender = connection.create_sender("q")
        peer.on(named("transfer"), lambda peer, part: what(peer, *peer.link(False)))
        with raises(peer, expected, condition):
            sender.send(Message("x"), timeout=timeout)
        afterwards(connection, sender, lambda: sender.send(Message("y"), timeout=None), expected, condition, what)


PASSING = ["amqp:connection:forced", "amqp:internal-error", "amqp:resource-limit-exceeded", "com.microsoft:timeout"]


@pytest.mark.parametrize("name", PASSING)
@pytest.mark.parametrize("kind", ["detach", "end", "shut"])
@pytest.mark.parametrize("role", [True, False], ids=["receive", "send"])
def test_a_condition_that_can_pass_is_an_end_where_no_reconnect_was_asked_for(name, kind, role):
    reason = error(name, "the queue is gone")
    ends = {
        "detach": (detach(closed=True, error=reason), LinkDetached),
        "end": (end(error=reason), LinkException),
        "shut": (shut(error=reason), ConnectionException),
    }
    what, expected = ends[kind]
    with auto_peer() as peer:
        connection = connect(peer)
        link = connection.create_receiver("q") if role else connection.create_sender("q")
        trigger = flow_with_credit if role else named("transfer")
        peer.on(trigger, lambda peer, part: what(peer, *peer.link(role)))
        with raises(peer, expected, name):
            link.receive(timeout=None) if role else link.send(Message("x"), timeout=None)
        at_once(connection.close)


@by_ends(ENDS)
def test_send_that_waits_for_credit(what, expected, condition):
    with auto_peer(credit=0) as peer:
        connection = connect(peer)
        sender = connection.create_sender("q")
        peer.on(None, lambda peer, part: what(peer, *peer.link(False)))
        peer.go.set()
        with raises(peer, expected, condition):
            sender.send(Message("x"), timeout=None)
        connection.close()


@by_ends(ENDS)
@pytest.mark.parametrize("role", [True, False], ids=["receive", "send"])
def test_an_end_that_came_while_no_operation_waited(what, expected, condition, role):
    with auto_peer() as peer:
        connection = connect(peer)
        link = connection.create_receiver("q") if role else connection.create_sender("q")
        peer.on(None, lambda peer, part: what(peer, *peer.link(role)))
        peer.go.set()
        assert peer.acted.wait(WITHIN)
        use = (lambda: link.receive(timeout=None)) if role else (lambda: link.send(Message("y"), timeout=None))
        with raises(peer, expected, condition):
            use()
        afterwards(connection, link, use, expected, condition, what)


def refused(what, peer, part):
    """The attach is answered, and the link ended at once (2.6.3)."""
    nothing = {"source": None} if part["role"] else {"target": None}
    return mirrored(part, **nothing) + what(peer, part.channel, part["handle"])


@by_ends(LINK_ENDS)
@pytest.mark.parametrize("role", [True, False], ids=["create_receiver", "create_sender"])
def test_create_of_a_link_that_is_refused(what, expected, condition, role):
    with auto_peer() as peer:
        connection = connect(peer)
        create = connection.create_receiver if role else connection.create_sender
        peer.on(named("attach"), lambda peer, part: refused(what, peer, part))
        with raises(peer, expected, condition):
            create("q")
        at_once(lambda: connection.create_sender("q")).send(Message("goes on"))
        at_once(connection.close)


@by_ends(SESSION_ENDS, CONNECTION_ENDS)
@pytest.mark.parametrize("role", [True, False], ids=["create_receiver", "create_sender"])
@pytest.mark.parametrize("early", ["attach", "begin"])
def test_create_of_a_link_whose_session_or_connection_ends(what, expected, condition, role, early):
    """Also in one read with the answer to the begin, before the attach is answered."""

    def answer(peer, part):
        first = begin(part.channel) if early == "begin" else b""
        last = what(peer, part.channel, 0)
        return None if last is None else first + last

    with auto_peer() as peer:
        connection = connect(peer)
        create = connection.create_receiver if role else connection.create_sender
        peer.on(named(early), answer)
        with raises(peer, expected, condition):
            create("q")
        if expected is not ConnectionException:
            at_once(lambda: connection.create_sender("q")).send(Message("goes on"))
        at_once(connection.close)


@by_ends(ENDS)
@pytest.mark.parametrize("role", [True, False], ids=["receiver", "sender"])
def test_close_of_a_link_that_ends_otherwise(what, expected, condition, role):
    """The answer to our detach is another end: `close` returns at once; where the connection is gone it may say so."""
    with auto_peer() as peer:
        connection = connect(peer)
        link = connection.create_receiver("q") if role else connection.create_sender("q")
        peer.on(named("detach"), lambda peer, part: what(peer, part.channel, part["handle"]))
        try:
            link.close()
        except ConnectionException as reason:
            assert expected is ConnectionException and not isinstance(reason, Timeout)
        took = time.monotonic() - peer.ended_at
        peer.over.set()
        assert took < WITHIN
        if expected is not ConnectionException:
            at_once(lambda: connection.create_sender("q")).send(Message("goes on"))
        use = (lambda: link.receive(timeout=None)) if role else (lambda: link.send(Message("y"), timeout=None))
        with pytest.raises((LinkException, ConnectionException)):
            at_once(use)
        at_once(connection.close)


@by_ends(ENDS)
@timeouts
@pytest.mark.parametrize("role", [True, False], ids=["with a receiver", "with a sender"])
def test_wait(what, expected, condition, timeout, role):
    """A wait whose thread has made a link ends with it, too."""
    with auto_peer() as peer:
        connection = connect(peer)
        link = connection.create_receiver("q") if role else connection.create_sender("q")
        peer.on(None, lambda peer, part: what(peer, *peer.link(role)))
        peer.go.set()
        with raises(peer, expected, condition):
            connection.wait(lambda: False, timeout=timeout)
        if expected is ConnectionException:
            with pytest.raises(ConnectionException):
                at_once(lambda: connection.wait(lambda: False, timeout=None))
        else:
            with pytest.raises(Timeout):
                at_once(lambda: connection.wait(lambda: False, timeout=0.05))
        with contextlib.suppress(ConnectionException, LinkDetached):  # as the first operation on the link it says so
            at_once(link.close)
        at_once(connection.close)


def test_a_wait_whose_condition_is_true_says_so_whatever_has_ended():
    with auto_peer() as peer:
        connection = connect(peer)
        receiver = connection.create_receiver("q")
        peer.on(None, lambda peer, part: peer.detach(*peer.link(True), closed=True, error=GONE))
        peer.go.set()
        closed = receiver.link.REMOTE_CLOSED
        assert at_once(lambda: connection.wait(lambda: receiver.link.state & closed, timeout=None)) is None
        peer.over.set()
        at_once(connection.close)


@by_ends(CONNECTION_ENDS)
def test_close_of_a_connection_that_ends_otherwise(what, expected, condition):
    with auto_peer() as peer:
        connection = connect(peer)
        connection.create_sender("q")
        peer.on(named("close"), lambda peer, part: what(peer, 0, 0))
        with contextlib.suppress(ConnectionException):
            connection.close()
        took = time.monotonic() - peer.ended_at
        peer.over.set()
        assert took < WITHIN


@by_ends(ENDS)
@timeouts
@pytest.mark.parametrize("role", [True, False], ids=["the link for responses", "the link for requests"])
def test_call(what, expected, condition, timeout, role):
    with auto_peer() as peer:
        connection = connect(peer)
        client = SyncRequestResponse(connection, "service")
        peer.on(named("transfer"), lambda peer, part: what(peer, *peer.link(role)))
        with raises(peer, expected, condition):
            client.call(Message("x"), timeout=timeout)
        for _ in range(2):
            with pytest.raises(expected) as caught:
                at_once(lambda: client.call(Message("y"), timeout=None))
            assert getattr(caught.value, "condition", None) == condition
        at_once(connection.close)


@by_ends(ENDS)
@pytest.mark.parametrize("role", [True, False], ids=["the link for responses", "the link for requests"])
def test_call_whose_request_was_accepted_before_the_end(what, expected, condition, role):
    def answer(peer, part):
        last = what(peer, *peer.link(role))
        return None if last is None else b"".join(peer._on_transfer(part)) + last

    with auto_peer() as peer:
        connection = connect(peer)
        client = SyncRequestResponse(connection, "service")
        peer.on(named("transfer"), answer)
        with raises(peer, expected, condition):
            client.call(Message("x"), timeout=None)
        at_once(connection.close)


@timeouts
def test_receive_of_a_message_that_breaks_a_rule(timeout):
    """We end the link (2.6.5): the reason is ours."""

    class Small:
        def test(self, link):
            return True

        def apply(self, link):
            link.max_message_size = 50

    def answer(peer, part):
        body = Message("x" * 200).encode()
        return frame(part.channel, "transfer", body, handle=part["handle"], delivery_id=0, delivery_tag=b"1")

    with auto_peer() as peer:
        connection = connect(peer)
        receiver = connection.create_receiver("q", options=Small())
        peer.on(flow_with_credit, answer)
        with pytest.raises(LinkDetached) as caught:
            receiver.receive(timeout=timeout)
        assert time.monotonic() - peer.ended_at < WITHIN
        assert caught.value.condition == "amqp:link:message-size-exceeded" and "50 bytes" in str(caught.value)
        with pytest.raises(LinkDetached):
            at_once(lambda: receiver.receive(timeout=None))
        at_once(lambda: connection.create_sender("q")).send(Message("goes on"))
        at_once(connection.close)
