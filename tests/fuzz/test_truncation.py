"""A valid conversation that stops at each of its bytes: a condition, a clean end, and no message taken for accepted."""

from __future__ import annotations

import pytest

from tests.support.engines import frame, take
from tests.support.fuzzing import SERVER, check_end, conversation, engine, feed

SASL_OUTCOME = frame(0, "sasl-outcome", kind=1, code=0)
CONVERSATIONS = {sasl: conversation(sasl) for sasl in (False, True)}


@pytest.mark.parametrize("sasl", [False, True], ids=["plain", "sasl"])
@pytest.mark.parametrize("mode", [None, SERVER], ids=["client", "server"])
def test_stop_at_every_byte(mode, sasl):
    client_wrote, server_wrote = CONVERSATIONS[sasl]
    heard = client_wrote if mode == SERVER else server_wrote
    for size in range(len(heard)):
        peer, app = engine(mode, sasl, max_frame_size=512)
        written = take(peer.transport)
        # A client begins its sessions when SASL is over: before that nothing can have been a reply to them.
        written += feed(peer, app, heard[:size], [heard.rfind(SASL_OUTCOME) + len(SASL_OUTCOME)] if sasl else ())
        assert peer.transport.condition is None, f"the first {size} bytes are good"
        written = check_end(peer, app, written)
        assert peer.transport.condition.name == "amqp:connection:framing-error"
        closes = [part for part in written if getattr(part, "name", None) == "close"]
        assert len(closes) <= 1


def test_no_outcome_is_made_up():
    """A sender that loses its peer at any byte knows only the outcomes that had come."""
    _, server_wrote = CONVERSATIONS[False]
    known = set()
    for size in range(len(server_wrote)):
        peer, app = engine(None, max_frame_size=512)
        take(peer.transport)
        feed(peer, app, server_wrote[:size])
        sender = next(link for link in peer.connection.links() if link.is_sender)
        delivery = sender.delivery("late")
        sender.stream(b"x")
        sender.advance()
        take(peer.transport)
        app.run()
        peer.transport.close_tail()
        app.run()
        known.add((delivery.remote_state, delivery.settled, delivery.updated))
    assert known == {(0, False, False)}
