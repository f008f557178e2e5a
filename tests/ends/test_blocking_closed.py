"""After its own close a blocking program is told that it is closed, and a time-out is a time-out."""

import contextlib

import pytest

from proton import ConnectionException, LinkException, Message, Timeout
from proton.utils import SyncRequestResponse
from tests.support.auto_peer import at_once, auto_peer, connect

USES = {
    "receive": lambda connection, sender, receiver, client: receiver.receive(timeout=None),
    "send": lambda connection, sender, receiver, client: sender.send(Message("x"), timeout=None),
    "call": lambda connection, sender, receiver, client: client.call(Message("x"), timeout=None),
    "create_sender": lambda connection, sender, receiver, client: connection.create_sender("q"),
    "create_receiver": lambda connection, sender, receiver, client: connection.create_receiver("q"),
    "a new client": lambda connection, sender, receiver, client: SyncRequestResponse(connection, "q"),
    "wait": lambda connection, sender, receiver, client: connection.wait(lambda: False, timeout=None),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_after_close_each_operation_says_that_it_is_closed(use):
    with auto_peer() as peer:
        connection = connect(peer)
        objects = (connection.create_sender("q"), connection.create_receiver("q"), SyncRequestResponse(connection, "q"))
        connection.close()
        for _ in range(2):
            with pytest.raises((ConnectionException, LinkException), match="closed"):
                at_once(lambda: use(connection, *objects))
        for link in objects[:2]:
            with contextlib.suppress(ConnectionException, LinkException):
                at_once(link.close)
        at_once(connection.close)


def test_after_close_a_loop_over_the_messages_ends():
    with auto_peer() as peer:
        connection = connect(peer)
        receiver, other = connection.create_receiver("q"), connection.create_receiver("q")
        other.close()
        assert at_once(lambda: list(other)) == []
        connection.close()
        assert at_once(lambda: list(receiver)) == at_once(lambda: list(other)) == []


@pytest.mark.parametrize("use", ["receive", "send"])
def test_after_the_close_of_a_link_it_says_that_it_is_closed(use):
    with auto_peer() as peer:
        connection = connect(peer)
        sender, receiver = connection.create_sender("q"), connection.create_receiver("q")
        sender.close()
        receiver.close()
        with pytest.raises(LinkException, match="closed"):
            at_once(lambda: USES[use](connection, sender, receiver, None))
        at_once(sender.close)
        at_once(connection.close)


def test_a_time_out_is_a_time_out_and_leaves_the_link_in_use():
    with auto_peer() as peer:
        connection = connect(peer)
        receiver = connection.create_receiver("q")
        with pytest.raises(Timeout):
            receiver.receive(timeout=0.05)
        connection.create_sender("q").send(Message("x"))
        with pytest.raises(Timeout):
            receiver.receive(timeout=0.05)
        connection.close()
