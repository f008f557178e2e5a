"""Typed dispositions: values for `update`, their wire form, and what the peer sees (3.4.1 to 3.4.5)."""

import re

import pytest

from proton import (
    Condition,
    CustomDisposition,
    DataException,
    DeclaredDisposition,
    Delivery,
    DispositionType,
    ModifiedDisposition,
    ReceivedDisposition,
    RejectedDisposition,
    TransactionalDisposition,
)
from tests.support.engines import linked, pump, put

WHY = Condition("example:why", "because", {"n": 1})
TYPED = {
    # the disposition, the fields on the wire, what the peer sees
    "received": (ReceivedDisposition(2, 7), [2, 7], {"type": 0x23, "section_number": 2, "section_offset": 7}),
    "received, empty": (ReceivedDisposition(), [0, 0], {"section_number": 0, "section_offset": 0}),
    "rejected": (RejectedDisposition(WHY), None, {"type": 0x25, "condition": WHY}),
    "rejected, empty": (RejectedDisposition(), [], {"type": 0x25, "condition": None}),
    "modified": (ModifiedDisposition(), [True, False], {"type": 0x27, "failed": True, "undeliverable": False}),
    "modified, all": (
        ModifiedDisposition(False, True, {"x": 1}),
        [False, True, {"x": 1}],
        {"failed": False, "undeliverable": True, "annotations": {"x": 1}},
    ),
    "declared": (DeclaredDisposition("tx1"), [b"tx1"], {"type": 0x33, "id": b"tx1"}),
    "declared, bytes": (DeclaredDisposition(b"\0\xff"), [b"\0\xff"], {"id": b"\0\xff"}),
    "custom": (CustomDisposition(0x77777, {"a": 1}), {"a": 1}, {"type": 0x77777, "data": {"a": 1}}),
    "custom, empty": (CustomDisposition(99), [], {"type": 99, "data": None}),
    "custom, a known state": (CustomDisposition(0x24), [], {"type": Delivery.ACCEPTED}),
}


def told(disposition):
    """The delivery state that the frame carried, and what the peer's delivery says."""
    a, b, sender, receiver = linked()
    sent = put(sender, b"x")
    pump(a, b)
    receiver.current.update(disposition)
    pump(a, b)
    (frame,) = (frame for frame in b.sent() if frame.name == "disposition")
    return frame["state"], sent


@pytest.mark.parametrize("case", TYPED)
def test_typed_disposition_goes_over_the_wire(case):
    disposition, fields, seen = TYPED[case]
    state, sent = told(disposition)
    assert int(state.descriptor) == disposition.type
    assert fields is None or state.value == fields
    assert {name: getattr(sent.remote, name) for name in seen} == seen
    assert sent.remote_state == disposition.type and not sent.settled


OUTCOMES = {
    "none": (None, None, 0),
    "number": (Delivery.ACCEPTED, 0x24, 0x24),
    "disposition": (RejectedDisposition(WHY), 0x25, 0x25),
    "modified counts as a failed attempt": (Delivery.MODIFIED, 0x27, 0x27),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_transactional_state_carries_an_outcome(case):
    outcome, code, seen = OUTCOMES[case]
    state, sent = told(TransactionalDisposition(b"T", outcome))
    assert state.value[0] == b"T"
    if code is not None:
        assert state.value[1].descriptor == code
        assert state.value[1].value == ([True, False] if code == 0x27 else [])
    assert (sent.remote.id, sent.remote.outcome_type) == (b"T", seen)
    assert sent.remote.data == state.value  # without fields that were left out
    assert sent.remote_state is DispositionType.TRANSACTIONAL_STATE


def test_remote_disposition_cannot_be_assigned_nor_sent_as_it_is():
    _, sent = told(RejectedDisposition(WHY))
    with pytest.raises(AttributeError, match="condition attribute is read-only"):
        sent.remote.condition = None
    with pytest.raises(TypeError, match="expected a disposition of this end"):
        sent.update(sent.remote)
    sent.local = sent.remote
    assert (sent.local.type, sent.local.condition) == (Delivery.REJECTED, WHY)
    assert sent.local_state == Delivery.REJECTED


def test_one_typed_disposition_takes_the_place_of_another():
    a, b, sender, receiver = linked()
    sent = put(sender, b"x")
    pump(a, b)
    delivery = receiver.current
    delivery.update(ModifiedDisposition(True, True, {"x": 1}))
    delivery.update(RejectedDisposition(WHY))
    pump(a, b)
    assert (sent.remote.type, sent.remote.condition, sent.remote.failed) == (Delivery.REJECTED, WHY, False)
    delivery.update(ModifiedDisposition())
    assert (delivery.local.condition, delivery.local.failed) == (None, True)


def test_update_without_a_state_sends_what_local_says():
    a, b, sender, receiver = linked()
    sent = put(sender, b"x")
    pump(a, b)
    delivery = receiver.current
    delivery.local = ReceivedDisposition(1, 2)
    pump(a, b)
    assert sent.remote_state == 0, "assigning does not send"
    delivery.update()
    delivery.settle()
    pump(a, b)
    assert (sent.remote.section_number, sent.remote.section_offset, sent.settled) == (1, 2, True)


def test_state_set_before_sending_travels_in_the_transfer():
    a, b, sender, receiver = linked()
    sent = sender.delivery("tag")
    sent.update(TransactionalDisposition("T"))
    sender.stream(b"x")
    sender.advance()
    pump(a, b)
    assert [frame.name for frame in a.sent() if frame.name in ("transfer", "disposition")] == ["transfer"]
    assert (receiver.current.remote_state, receiver.current.remote.id) == (0x34, b"T")


@pytest.mark.parametrize("disposition", [ModifiedDisposition(), CustomDisposition(5), RejectedDisposition()])
def test_repr_shows_what_was_set(disposition):
    assert repr(disposition).startswith(type(disposition).__name__ + "(")


@pytest.mark.parametrize("value", [5, None, 1.5, [b"T"], True], ids=repr)
def test_an_id_that_is_invalid_is_told_at_once(value):
    expected = re.escape(f"the id of a transaction is bytes or str, got {value!r}")
    for make in (TransactionalDisposition, DeclaredDisposition):
        with pytest.raises(TypeError, match=f"^{expected}$"):
            make(value)


@pytest.mark.parametrize(
    "value", [b"T", "T", bytearray(b"T"), memoryview(b"T")], ids=lambda value: type(value).__name__
)
def test_an_id_may_be_any_bytes_or_text(value):
    state, sent = told(TransactionalDisposition(value))
    assert state.value == [b"T"]
    assert sent.remote.id == b"T"


def with_field(disposition, name, value):
    setattr(disposition, name, value)
    return disposition


WRONG = {
    # what is handed to `update`, and what it raises
    "id, set later": (with_field(TransactionalDisposition(b"T"), "id", 5), TypeError),
    "no id any more": (with_field(TransactionalDisposition(b"T"), "id", None), TypeError),
    "declared id, set later": (with_field(DeclaredDisposition(b"T"), "id", 5), TypeError),
    "condition": (RejectedDisposition(5), AttributeError),
    "condition of no type": (RejectedDisposition(Condition("x", info={"a": object()})), DataException),
    "annotations": (ModifiedDisposition(annotations={"a": object()}), DataException),
    "section": (ReceivedDisposition("one"), DataException),
    "data": (CustomDisposition(99, object()), DataException),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_field_of_a_wrong_type_is_told_before_anything_changed(case):
    wrong, error = WRONG[case]
    a, b, sender, receiver = linked()
    sent = put(sender, b"x")
    pump(a, b)
    got = receiver.current
    got.update(RejectedDisposition(WHY))
    with pytest.raises(error):
        got.update(wrong)
    with pytest.raises(error):
        got.local = wrong
    assert got.local_state == got.local.type == Delivery.REJECTED
    assert got.local.condition == WHY and got.local.id is None
    pump(a, b)
    assert sent.remote_state == Delivery.REJECTED and sent.remote.condition == WHY


@pytest.mark.parametrize("said", [DispositionType.TRANSACTIONAL_STATE, 0x34, None])
def test_a_wrong_id_of_the_local_disposition_is_told_by_update(said):
    a, b, sender, receiver = linked()
    put(sender, b"x")
    pump(a, b)
    got = receiver.current
    got.local.id = 5
    if said is None:
        got.local.type = DispositionType.TRANSACTIONAL_STATE
    with pytest.raises(TypeError, match="the id of a transaction is bytes or str, got 5"):
        got.update(said)
    assert got.local_state == 0
    got.update(Delivery.ACCEPTED)  # which has no id
    pump(a, b)
    assert b.sent()[-1]["state"].descriptor == Delivery.ACCEPTED


def test_states_and_outcomes_are_numbers():
    with pytest.raises(TypeError, match="a state is a number, got 'x'"):
        CustomDisposition("x")
    with pytest.raises(TypeError, match="an outcome is a state number or a disposition, got 'accepted'"):
        TransactionalDisposition(b"T", "accepted")
