"""Dispositions: which frames tell of updates and settling, and what they do (2.6.12, 2.7.6, 3.4.2 to 3.4.5)."""

import pytest

from proton import Condition, Delivery, Disposition, TransactionalDisposition, symbol, ulong
from tests.support.engines import Script, linked, pump, put, read, state

ACCEPTED, RELEASED, REJECTED, MODIFIED = Delivery.ACCEPTED, Delivery.RELEASED, Delivery.REJECTED, Delivery.MODIFIED
STATE_NAMES = {ACCEPTED: "accepted", RELEASED: "released", REJECTED: "rejected", MODIFIED: "modified"}


def delivered(count):
    """Messages at the receiver, by number, all advanced past."""
    a, b, sender, receiver = linked(credit=count)
    sent = [put(sender, b"m") for _ in range(count)]
    pump(a, b)
    got = [read(receiver)[1] for _ in range(count)]
    a.events(), b.events(), a.sent()
    return a, b, sent, got


def told(peer):
    """The dispositions that a peer sent, as (first, last, state, settled)."""
    told = []
    for frame in peer.sent():
        assert frame.name == "disposition" and frame["role"] is True
        last = frame["first"] if frame["last"] is None else frame["last"]
        name = STATE_NAMES[frame["state"].descriptor] if frame["state"] is not None else None
        told.append((frame["first"], last, name, bool(frame["settled"])))
    return told


MERGES = [
    # updates in order, the frames that they make
    ("accept 0,1,2,3", [(n, ACCEPTED) for n in (0, 1, 2, 3)], [(0, 3, "accepted")]),
    ("accept 3,2,1,0", [(n, ACCEPTED) for n in (3, 2, 1, 0)], [(0, 3, "accepted")]),
    ("accept 1,0,2,3", [(n, ACCEPTED) for n in (1, 0, 2, 3)], [(0, 3, "accepted")]),
    ("accept 0,1,3", [(n, ACCEPTED) for n in (0, 1, 3)], [(0, 1, "accepted"), (3, 3, "accepted")]),
    ("accept 0,2,1,3", [(n, ACCEPTED) for n in (0, 2, 1, 3)], [(0, 0, "accepted"), (1, 3, "accepted")]),
    (
        "accept 0, release 1,2, accept 3",
        [(0, ACCEPTED), (1, RELEASED), (2, RELEASED), (3, ACCEPTED)],
        [(0, 0, "accepted"), (1, 2, "released"), (3, 3, "accepted")],
    ),
    (
        "accept 0, reject 1, accept 2,3",
        [(0, ACCEPTED), (1, REJECTED), (2, ACCEPTED), (3, ACCEPTED)],
        [(1, 1, "rejected"), (0, 0, "accepted"), (2, 3, "accepted")],
    ),
    (
        "modify each for itself",
        [(0, MODIFIED), (1, MODIFIED)],
        [(0, 0, "modified"), (1, 1, "modified")],
    ),
    ("last of several updates", [(0, REJECTED), (0, RELEASED), (0, ACCEPTED)], [(0, 0, "accepted")]),
    ("nothing said", [(0, 0)], []),
]


@pytest.mark.parametrize("row", MERGES, ids=[row[0] for row in MERGES])
def test_merging(row):
    _, updates, frames = row
    a, b, sent, got = delivered(4)
    for number, value in updates:
        got[number].update(value)
    pump(a, b)
    assert told(b) == [(*frame, False) for frame in frames]
    final = dict(updates)
    assert [delivery.remote_state for delivery in sent] == [final.get(n, 0) for n in range(4)]
    assert [delivery.updated for delivery in sent] == [bool(final.get(n)) for n in range(4)]


@pytest.mark.parametrize("settled", [True, False])
def test_large_range(settled):
    a, b, sent, got = delivered(3000)
    for delivery in got:
        delivery.update(ACCEPTED)
        if settled:
            delivery.settle()
    pump(a, b)
    assert told(b) == [(0, 2999, "accepted", settled)]
    assert all(x.remote_state == ACCEPTED and x.settled is settled and x.updated for x in sent)
    assert a.events() == " ".join(["DELIVERY"] * 3000)


def test_settling_and_not_settling_do_not_merge():
    a, b, _, got = delivered(3)
    for delivery in got:
        delivery.update(ACCEPTED)
    got[1].settle()
    pump(a, b)
    assert told(b) == [(0, 0, "accepted", False), (1, 1, "accepted", True), (2, 2, "accepted", False)]


def test_settling_without_a_state_is_one_frame_each():
    a, b, sent, got = delivered(3)
    for delivery in got:
        delivery.settle()
        delivery.settle()
    pump(a, b)
    assert told(b) == [(n, n, None, True) for n in range(3)]
    assert all(x.settled and x.updated and not x.remote_state for x in sent)


def test_dispositions_go_after_the_transfers_and_in_one_flush():
    a, b, sender, receiver = linked()
    put(sender, b"m")
    pump(a, b)
    back = receiver.session.sender("back")
    back.open()
    pump(a, b)
    link = next(x for x in a.connection.links(0) if x.name == "back")
    link.open()
    link.flow(1)
    pump(a, b)
    b.sent()
    receiver.current.update(ACCEPTED)
    put(back, b"reply")
    pump(a, b)
    assert [frame.name for frame in b.sent()] == ["transfer", "disposition"]


def test_the_settlement_of_the_peer_does_not_settle_here():
    a, b, sent, got = delivered(1)
    got[0].settle()
    pump(a, b)
    sender = sent[0].link
    assert sent[0].settled and sender.unsettled == 1 and list(sender.unsettled_deliveries) == sent
    b.sent()
    sent[0].settle()
    pump(a, b)
    assert sender.unsettled == 0 and a.sent() == []  # the peer wants to hear no more of it


def test_unsettled_deliveries_oldest_first():
    _, _, sent, _ = delivered(4)
    sender = sent[0].link
    sent[1].settle()
    assert list(sender.unsettled_deliveries) == [sent[0], sent[2], sent[3]]
    assert sender.unsettled_head == sent[0] and sent[0].unsettled_next == sent[2] and sent[3].unsettled_next is None


def test_the_sender_may_tell_a_state_and_settle_too():
    a, b, sent, got = delivered(2)
    sent[0].update(RELEASED)
    sent[1].update(ACCEPTED)
    sent[1].settle()
    pump(a, b)
    assert [(f["role"], f["first"], f["settled"] or False) for f in a.sent()] == [(False, 0, False), (False, 1, True)]
    assert [x.remote_state for x in got] == [RELEASED, ACCEPTED] and [x.settled for x in got] == [False, True]


def test_update_after_settle_before_output_still_counts():
    a, b, sent, got = delivered(1)
    got[0].settle()
    got[0].update(ACCEPTED)
    pump(a, b)
    assert told(b) == [(0, 0, "accepted", True)]
    assert sent[0].remote_state == ACCEPTED and sent[0].settled


def test_unknown_ids_are_ignored_and_a_wide_range_costs_little():
    script = Script()
    sender = script.sender()
    deliveries = [put(sender, b"m") for _ in range(3)]
    script.received()
    script.peer.events()
    script.send("disposition", role=True, first=7, last=9, settled=True, state=state(0x24))
    script.send("disposition", role=False, first=0, last=2, settled=True, state=state(0x24))  # not what we received
    assert script.peer.events() == "" and not any(x.updated for x in deliveries)
    script.send("disposition", role=True, first=0, last=0x7FFFFFFF, settled=True, state=state(0x24))
    assert script.peer.events() == "DELIVERY DELIVERY DELIVERY"
    assert all(x.settled and x.remote_state == ACCEPTED for x in deliveries)


def test_a_disposition_without_state_keeps_the_state():
    script = Script()
    delivery = put(script.sender(), b"m")
    script.received()
    script.send("disposition", role=True, first=0, state=state(0x24))
    script.send("disposition", role=True, first=0, settled=True)
    assert delivery.remote_state == ACCEPTED and delivery.settled


FIELDS = [
    # state, fields of local, the value on the wire, what `remote` shows of it
    (ACCEPTED, {}, [], {"data": None}),
    (RELEASED, {}, [], {"data": None}),
    (Delivery.RECEIVED, {"section_number": 3, "section_offset": 1 << 40}, [3, 1 << 40], {}),
    (Delivery.RECEIVED, {}, [0, 0], {"section_number": 0, "section_offset": 0}),
    (REJECTED, {}, [], {"condition": None}),
    (REJECTED, {"condition": Condition("a:b", "why", {"k": 1})}, None, {}),
    (MODIFIED, {}, [False, False], {"failed": False, "undeliverable": False, "annotations": None}),
    (MODIFIED, {"failed": True}, [True, False], {"undeliverable": False}),
    (MODIFIED, {"failed": True, "undeliverable": True}, [True, True], {}),
    (MODIFIED, {"annotations": {symbol("x"): 5}}, [False, False, {"x": 5}], {"failed": False}),
    (0x1234, {"data": [1, "two"]}, [1, "two"], {}),
    (0x1234, {"data": {"a": 1}}, {"a": 1}, {}),
    (0x1234, {"data": "text"}, "text", {}),
    (0x1234, {}, [], {"data": None}),
    (Disposition.DECLARED, {"data": [b"txn"]}, [b"txn"], {}),
]


@pytest.mark.parametrize("settle", [True, False], ids=["settled", "unsettled"])
@pytest.mark.parametrize("row", FIELDS, ids=lambda row: f"{row[0]!r} {row[1]}")
def test_state_and_its_fields(row, settle):
    value, local, wire, remote = row
    a, b, sent, got = delivered(1)
    for name, field in local.items():
        setattr(got[0].local, name, field)
        assert getattr(got[0].local, name) == field
    got[0].update(value)
    assert got[0].local_state == got[0].local.type == value
    if settle:
        got[0].settle()
    pump(a, b)
    (frame,) = b.sent()
    assert frame["state"].descriptor == ulong(value) and bool(frame["settled"]) is settle
    if wire is not None:
        assert frame["state"].value == wire
    assert sent[0].remote_state == sent[0].remote.type == value
    for name, field in {**local, **remote}.items():
        assert getattr(sent[0].remote, name) == field


@pytest.mark.parametrize("name", ["data", "annotations", "condition"])
def test_the_remote_disposition_cannot_be_assigned(name):
    _, _, sent, _ = delivered(1)
    with pytest.raises(AttributeError):
        setattr(sent[0].remote, name, None)


@pytest.mark.parametrize(
    "value, error", [("x", TypeError), (1.5, TypeError), (-1, OverflowError), (1 << 64, OverflowError)]
)
def test_update_refuses_what_is_not_state(value, error):
    a, b, _, got = delivered(1)
    with pytest.raises(error):
        got[0].update(value)
    pump(a, b)
    assert b.sent() == []


def test_defaults_of_a_delivery():
    _, _, sent, got = delivered(1)
    for delivery in (sent[0], got[0]):
        assert delivery.local_state == delivery.remote_state == 0
        assert (delivery.updated, delivery.settled, delivery.aborted, delivery.partial) == (False, False, False, False)
        link = delivery.link
        assert (delivery.session, delivery.connection) == (link.session, link.connection)
        assert delivery.transport == link.transport
    assert [int(x) for x in (Delivery.RECEIVED, ACCEPTED, REJECTED, RELEASED, MODIFIED)] == [35, 36, 37, 38, 39]
    assert repr(ACCEPTED) == "<DispositionType.ACCEPTED: 36>"


def test_readable_and_writable_follow_the_current_delivery():
    a, b, sender, receiver = linked(credit=1)
    first, second = sender.delivery("1"), sender.delivery("2")
    assert (first.writable, second.writable, first.readable) == (True, False, False)
    sender.advance()
    assert not second.writable  # no credit is left
    pump(a, b)
    assert receiver.current.readable and not receiver.current.writable


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_deliveries_are_settled_in_any_order(order):
    a, b, sent, got = delivered(3)
    for number in order:
        got[number].update(ACCEPTED)
        got[number].settle()
        pump(a, b)
    assert all(x.settled and x.remote_state == ACCEPTED for x in sent)
    assert got[0].link.unsettled == 0


def test_settling_the_current_delivery_advances():
    a, b, sender, receiver = linked()
    for data in (b"1", b"2"):
        put(sender, data)
    pump(a, b)
    receiver.current.settle()
    assert read(receiver)[0] == b"2" and receiver.session.incoming_bytes == 0


def test_settling_a_partial_delivery_frees_what_is_still_to_come():
    a, b, sender, receiver = linked()
    sender.delivery("t")
    sender.stream(b"part")
    pump(a, b)
    receiver.current.settle()
    sender.stream(b"rest")
    sender.advance()
    put(sender, b"next")
    pump(a, b)
    assert read(receiver)[0] == b"next" and receiver.session.incoming_bytes == 0


@pytest.mark.parametrize("settled", [False, True])
def test_answers_of_a_transaction_go_before_the_transfers_that_may_end_it(settled):
    a, b, sent, got = delivered(3)
    session = got[0].link.session
    control = session.sender("txn-ctrl")
    control.open()
    pump(a, b)
    peer = a.connection.link_head(0)
    while peer.name != "txn-ctrl":
        peer = peer.next(0)
    peer.open()
    peer.flow(1)
    pump(a, b)
    b.sent()
    got[0].update(ACCEPTED)
    got[0].settle()
    got[1].update(TransactionalDisposition(b"id", ACCEPTED))
    if settled:
        got[1].settle()
    put(control, b"discharge")
    got[2].update(TransactionalDisposition(b"id", REJECTED))
    pump(a, b)
    frames = [(frame.name, frame["first"] if frame.name == "disposition" else None) for frame in b.sent()]
    assert frames == [("disposition", 1), ("disposition", 2), ("transfer", None), ("disposition", 0)]
    assert [int(delivery.remote_state) for delivery in sent] == [int(ACCEPTED), 0x34, 0x34]
