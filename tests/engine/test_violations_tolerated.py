"""What a peer may not do and is let through all the same: nothing depends on it, and an error would not help.

The others are in `test_violations.py`. Each case is fed whole and byte by byte, and everything goes on afterwards.
"""

from __future__ import annotations

import pytest

from tests.support.engines import frame
from tests.support.violations import BOTH, Stage, attach, begin, flow, transfer

FIRST = transfer(0, payload=b"one", delivery_id=0, delivery_tag=b"a", more=True)

TOLERATED = {
    # 2.8.7 has 32 bytes at most; the tag is only handed to the program
    "delivery-tag of 200 bytes": transfer(0, delivery_id=0, delivery_tag=b"t" * 200),
    "no delivery-tag at first": transfer(0, delivery_id=0, delivery_tag=None),
    "delivery-tag twice among the unsettled": transfer(0, delivery_id=0) + transfer(0, delivery_id=1),
    "another delivery-tag in a continuation": FIRST + transfer(0, delivery_tag=b"b"),
    "another message-format in a continuation": FIRST + transfer(0, delivery_tag=b"a", message_format=9),
    "no message-format at first": transfer(0, delivery_id=0, message_format=None),
    "aborted and more": FIRST + transfer(0, delivery_tag=b"a", aborted=True, more=True),
    "aborted with bytes": FIRST + transfer(0, delivery_tag=b"a", aborted=True, payload=b"x"),
    "resumed delivery that nobody knows": transfer(0, delivery_id=0, resume=True),
    "attach of a sender without initial-delivery-count": attach(0, name="n", handle=5, initial_delivery_count=None),
    "attach without termini": attach(0, name="n", handle=5, source=None, target=None),
    "flow of a sender without delivery-count": flow(0, handle=0, link_credit=None),
    "flow that asks for an echo": flow(0, handle=0, delivery_count=0, echo=True),
    "disposition of deliveries that were never made": frame(0, "disposition", role=True, first=7, last=9, settled=True),
    "settled once more": frame(0, "disposition", role=False, first=0, settled=True),
    "begin with a handle-max of 0": begin(5, handle_max=0),
    "empty frames": b"\x00\x00\x00\x08\x02\x00\x00\x05" * 3,
    "extended header": b"\x00\x00\x00\x0c\x03\x00\x00\x00junk",
}


@pytest.mark.parametrize("chunk", list(BOTH.values()), ids=list(BOTH))
@pytest.mark.parametrize("case", TOLERATED)
def test_it_is_let_through_and_everything_goes_on(case, chunk):
    engine = Stage().linked()
    engine.feed(TOLERATED[case], chunk)
    assert not (engine.written("close") or engine.written("end") or engine.written("detach"))
    engine.check_sender_works(next(link for link in engine.connection.links() if link.name == "S"))
    engine.check_link_works(1, "R1")
    engine.check_clean_close()
