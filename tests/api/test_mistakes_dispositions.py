"""What an end says about a delivery or at its close: wrong types raise at the call, and nothing is sent."""

import pytest

from proton import (
    Condition,
    CustomDisposition,
    DataException,
    Delivery,
    Message,
    ModifiedDisposition,
    ReceivedDisposition,
    RejectedDisposition,
)
from tests.support.engines import linked, pump

DECLARED, TRANSACTIONAL = 0x33, 0x34
NOTHING = object()
INFO = "expected symbols as keys of a map, got int 5"
FIELDS = [
    (Delivery.REJECTED, "condition", 5, AttributeError, "condition takes a Condition or None, got int 5"),
    (Delivery.REJECTED, "condition", "no", AttributeError, "condition takes a Condition or None, got str 'no'"),
    (Delivery.REJECTED, "condition", Condition(5), DataException, "error: field condition must be symbol, got int"),
    (Delivery.REJECTED, "condition", Condition("ä"), UnicodeEncodeError, "'ascii' codec"),
    (Delivery.REJECTED, "condition", Condition("a:b", 5), DataException, "field description must be string, got int"),
    (Delivery.REJECTED, "condition", Condition("a:b", "\ud800"), UnicodeEncodeError, "surrogates not allowed"),
    (Delivery.REJECTED, "condition", Condition("a:b", "", [1]), DataException, "field info must be fields, got list"),
    (Delivery.REJECTED, "condition", Condition("a:b", "", {5: 1}), DataException, INFO),
    (Delivery.REJECTED, "condition", Condition("a:b", "", {"a": {1}}), DataException, "no AMQP type .*'set'"),
    (Delivery.MODIFIED, "failed", "no", TypeError, "failed takes a bool, got str 'no'"),
    (Delivery.MODIFIED, "undeliverable", [], TypeError, r"undeliverable takes a bool, got list \[\]"),
    (Delivery.MODIFIED, "annotations", 5, DataException, "field message-annotations must be fields, got int"),
    (Delivery.MODIFIED, "annotations", [1], DataException, "field message-annotations must be fields, got list"),
    (Delivery.MODIFIED, "annotations", {5: 1}, DataException, INFO),
    (Delivery.MODIFIED, "annotations", {"a": 1 << 70}, OverflowError, "long out of range"),
    (Delivery.RECEIVED, "section_number", "1", DataException, "field section-number must be uint, got str"),
    (Delivery.RECEIVED, "section_number", -1, OverflowError, "uint out of range"),
    (Delivery.RECEIVED, "section_offset", 1.5, DataException, "field section-offset must be ulong, got float"),
    (Delivery.RECEIVED, "section_offset", 1 << 64, OverflowError, "ulong out of range"),
    (DECLARED, "id", 5, TypeError, "the id of a transaction is bytes or str, got 5"),
    (DECLARED, "data", 5, DataException, "expected a list as the value of delivery state 51, got 5"),
    (DECLARED, "data", [None], DataException, "mandatory field txn-id is null"),
    (DECLARED, "id", None, DataException, "mandatory field txn-id is null"),
    (TRANSACTIONAL, "id", 5, TypeError, "the id of a transaction is bytes or str, got 5"),
    (TRANSACTIONAL, "data", 5, DataException, "expected a list as the value of delivery state 52, got 5"),
    (0x99, "data", NOTHING, DataException, "no AMQP type .*'object'"),
]
SHOWN = [f"{int(state):x} {name}={value!r:.30}" for state, name, value, _, _ in FIELDS]
fields = pytest.mark.parametrize(("state", "name", "value", "error", "text"), FIELDS, ids=SHOWN)


def received():
    """Two engines, and a delivery at its receiver."""
    a, b, sender, receiver = linked()
    receiver.flow(10)
    pump(a, b)
    sender.send(Message(body=1))
    pump(a, b)
    a.sent(), b.sent()
    return a, b, receiver.current


def says_nothing(a, b, delivery):
    """Nothing has changed, nothing is sent, and the delivery can be answered still."""
    assert delivery.local_state == 0 and delivery.link.unsettled == 1
    assert b.transport.pending() == 0
    delivery.link.advance()
    pump(a, b)
    assert "disposition" not in [frame.name for frame in b.sent()]
    delivery.update(Delivery.ACCEPTED)
    delivery.settle()
    pump(a, b)
    assert a.transport.condition is None and b.transport.condition is None
    assert a.connection.link_head(0).unsettled_head.remote_state == Delivery.ACCEPTED


@fields
@pytest.mark.parametrize("given", ["to update", "in local"])
def test_a_field_of_a_wrong_type_is_told_by_update(state, name, value, error, text, given):
    a, b, delivery = received()
    setattr(delivery.local, name, value)
    if given == "in local":
        delivery.local.type = state
    with pytest.raises(error, match=text):
        delivery.update(*[state] * (given == "to update"))
    says_nothing(a, b, delivery)


TYPED = [
    (lambda: RejectedDisposition(5), AttributeError, "condition takes a Condition or None, got int 5"),
    (lambda: RejectedDisposition(Condition("a:b", 5)), DataException, "field description must be string, got int"),
    (lambda: ReceivedDisposition("1", 2), DataException, "field section-number must be uint, got str"),
    (lambda: ModifiedDisposition(annotations={5: 1}), DataException, INFO),
    (lambda: CustomDisposition(0x99, NOTHING), DataException, "no AMQP type .*'object'"),
    (lambda: CustomDisposition(DECLARED, 5), DataException, "expected a list as the value of delivery state 51"),
]


@pytest.mark.parametrize(("make", "error", "text"), TYPED, ids=[case[2] for case in TYPED])
@pytest.mark.parametrize("how", ["update", "local"])
def test_a_typed_disposition_with_a_wrong_field_is_told(make, error, text, how):
    a, b, delivery = received()
    with pytest.raises(error, match=text):
        if how == "update":
            delivery.update(make())
        else:
            delivery.local = make()
    says_nothing(a, b, delivery)


@pytest.mark.parametrize("flags", [{"failed": "no"}, {"undeliverable": "no"}])
def test_a_flag_that_is_not_a_truth_value_is_told_when_it_is_given(flags):
    with pytest.raises(TypeError, match="takes a bool, got str 'no'"):
        ModifiedDisposition(**flags)


def test_a_field_that_was_not_set_is_its_default():
    a, b, delivery = received()
    delivery.local.section_number = None
    delivery.update(Delivery.RECEIVED)
    pump(a, b)
    assert a.connection.link_head(0).unsettled_head.remote.section_number == 0
    assert a.transport.condition is None


CLOSING = [case for case in FIELDS if case[1] == "condition"]


@pytest.mark.parametrize("which", ["link", "session", "connection"])
@pytest.mark.parametrize(("_state", "_name", "value", "error", "_text"), CLOSING, ids=[repr(c[2]) for c in CLOSING])
def test_a_condition_that_cannot_be_sent_is_told_by_close(which, _state, _name, value, error, _text):
    a, b, sender, _ = linked()
    endpoint = {"link": sender, "session": sender.session, "connection": sender.connection}[which]
    endpoint.condition = value
    with pytest.raises(error):
        endpoint.close()
    assert endpoint.state == endpoint.LOCAL_ACTIVE | endpoint.REMOTE_ACTIVE
    pump(a, b)
    assert a.sent() == []
    endpoint.condition = Condition("a:b", "said")
    endpoint.close()
    pump(a, b)
    assert b.transport.condition is None and [frame["error"].value for frame in a.sent()] == [["a:b", "said"]]
