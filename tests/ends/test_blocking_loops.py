"""`for message in receiver`, by what ends while it waits or before."""

import pytest

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
