"""`for message in receiver`, by what ends while it waits or before."""

import pytest

from proton import Message, Timeout
from proton.testing import Broker
from proton.utils import BlockingConnection
from tests.ends.test_blocking import ENDS, afterwards, by_ends, flow_with_credit, raises
from tests.support.auto_peer import WITHIN, auto_peer, connect


@by_ends(ENDS)
@pytest.mark.parametrize("timeout", [None, 15], ids=["no time-out", "a time-out"])
@pytest.mark.parametrize("is_waiting", [True, False], ids=["waiting", "later"])
def test_for_message_in_receiver(what, expected, condition, timeout, is_waiting):
    """A loop over messages raises what `receive` does: an end of the peer's is not the end of its work."""
    with auto_peer() as peer:
        connection = connect(peer)
        receiver = connection.create_receiver("q")
        peer.on(flow_with_credit if is_waiting else None, lambda peer, part: what(peer, *peer.link(True)))
        if not is_waiting:
            peer.go.set()
            assert peer.acted.wait(WITHIN)
        with raises(peer, expected, condition):
            list(receiver.messages(timeout=timeout))
        afterwards(connection, receiver, lambda: list(receiver), expected, condition, what)


def test_a_loop_that_times_out_without_a_connection_raises():
    """An empty node ends the loop, and a broker that is down does not."""
    with Broker() as broker, BlockingConnection(broker.url, timeout=WITHIN, reconnect=True) as connection:
        broker.put("q", Message(body="before"))
        receiver = connection.create_receiver("q")
        for message in receiver.messages(timeout=0.5):
            assert message.body == "before"
            receiver.accept()
        broker.stop("amqp:connection:forced")
        with pytest.raises(Timeout, match="Receiving on receiver .*: not connected, last attempt: "):
            list(receiver.messages(timeout=0.3))
        broker.start()
        broker.put("q", Message(body="after"))
        assert [message.body for message in receiver.messages(limit=1, timeout=WITHIN)] == ["after"]
