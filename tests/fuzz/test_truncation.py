"""A valid conversation that stops at each of its bytes: a condition, a clean end, and no message taken for accepted."""

from __future__ import annotations

import itertools

import pytest

from proton import Delivery
from tests.support.engines import frame, take
from tests.support.fuzzing import SERVER, check_end, conversation, engine, feed, parts_of

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
    """A sender that loses its peer at any byte knows the outcomes that had come by then, and no other."""
    heard = CONVERSATIONS[False][1]
    parts = parts_of(heard)
    ends = list(itertools.accumulate(map(len, parts)))
    told = [end for part, end in zip(parts, ends) if part[10:11] == b"\x15"]
    assert told, "the conversation has dispositions"
    counts = set()
    for size in range(len(heard)):
        peer, app = engine(None, max_frame_size=512)
        written = take(peer.transport)
        written += feed(peer, app, heard[:size], ends)
        check_end(peer, app, written)
        counts.add((len(app.outcomes), sum(end <= size for end in told)))
        assert set(app.outcomes) <= {Delivery.ACCEPTED}
    assert all(outcomes <= frames for outcomes, frames in counts)
    assert (0, 0) in counts and (1, 1) in counts
