"""Callers' mistakes: each raises at the call, before anything changed, and says what was expected and what came."""

import pytest

from proton import UNDESCRIBED, Array, Connection, Data, Described, LinkException, Message, Terminus, Transport, symbol
from tests.support.engines import connected, linked, pump

SEND = r"send\(\) expects a Message \(or bytes for the current delivery\), got "
STREAM = r"stream\(\) expects bytes, got "
NOT_SENT = [("text", "str 'text'"), (5, "int 5"), (None, "NoneType None"), ({"a": 1}, r"dict {'a': 1}")]


@pytest.mark.parametrize("current", [False, True], ids=["no delivery", "a current delivery"])
@pytest.mark.parametrize(("value", "came"), NOT_SENT, ids=[came for _, came in NOT_SENT])
def test_only_messages_and_bytes_are_sent(value, came, current):
    a, b, sender, receiver = linked()
    delivery = sender.delivery("t") if current else None
    with pytest.raises(TypeError, match=f"^{SEND}{came}$"):
        sender.send(value)
    with pytest.raises(TypeError, match=f"^{STREAM}{came}$"):
        sender.stream(value)
    assert sender.current is delivery and sender.queued == 0
    assert delivery is None or delivery.pending == 0


def test_a_long_value_is_not_shown_whole():
    sender = linked()[2]
    with pytest.raises(TypeError) as caught:
        sender.send("x" * 1000)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), memoryview(b"abc")], ids=["bytes", "bytearray", "view"])
def test_bytes_need_a_current_delivery(data):
    a, b, sender, receiver = linked()
    with pytest.raises(LinkException, match=r"send\(\) of bytes needs a current delivery, got 3 bytes and no delivery"):
        sender.send(data)
    with pytest.raises(LinkException, match=r"stream\(\) needs a current delivery, got none"):
        sender.stream(data)
    assert (sender.unsettled, sender.queued, sender.session.outgoing_bytes) == (0, 0, 0)
    sender.delivery("t")
    assert sender.send(data) == 3
    sender.advance()
    sender.send(Message(body=1))
    pump(a, b)
    assert receiver.recv(10) == b"abc"


PROPERTIES = [
    (5, TypeError, "properties takes a dict or None, got int 5"),
    ("", TypeError, "properties takes a dict or None, got str ''"),
    ([("a", 1)], TypeError, "properties takes a dict or None, got list"),
    ({"a": object()}, TypeError, "properties takes a dict of AMQP values: .*'object'"),
    ({"a": [{"b": object()}]}, TypeError, "properties takes a dict of AMQP values: .*'object'"),
    ({object(): 1}, TypeError, "properties takes a dict of AMQP values: expected symbols as keys of a map, got object"),
    ({5: 1}, TypeError, "properties takes a dict of AMQP values: expected symbols as keys of a map, got int 5"),
    ({"a": 1 << 70}, OverflowError, "long out of range"),
    ({"a": "\ud800"}, UnicodeEncodeError, "surrogates"),
    ({"ä": 1}, UnicodeEncodeError, "ascii"),
]


def endpoints():
    """A connection, a session and a link, none of them open."""
    connection = Connection()
    session = connection.session()
    return connection, session, session.sender("L")


@pytest.mark.parametrize(("properties", "error", "text"), PROPERTIES, ids=[case[2] for case in PROPERTIES])
@pytest.mark.parametrize("which", [0, 1, 2], ids=["connection", "session", "link"])
def test_properties_that_cannot_be_sent_are_told_by_open(which, properties, error, text):
    endpoint = endpoints()[which]
    endpoint.properties = properties
    with pytest.raises(error, match=text):
        endpoint.open()
    assert endpoint.state == endpoint.LOCAL_UNINIT | endpoint.REMOTE_UNINIT
    endpoint.properties = {"a": 1}
    endpoint.open()
    assert endpoint.state & endpoint.LOCAL_ACTIVE


@pytest.mark.parametrize("name", ["offered_capabilities", "desired_capabilities"])
def test_capabilities_that_cannot_be_sent_are_told_by_open(name):
    for endpoint in endpoints():
        setattr(endpoint, name, ["ä"])
        with pytest.raises(UnicodeEncodeError):
            endpoint.open()
        assert endpoint.state & endpoint.LOCAL_UNINIT


def test_what_is_nested_in_properties_is_sent_as_it_was_when_opened():
    a, b = connected()
    inner = {"n": 1}
    session = a.connection.session()
    session.properties = {"inner": inner}
    session.open()
    inner["n"] = object()
    pump(a, b)
    assert b.connection.session_head(0).remote_properties == {symbol("inner"): {"n": 1}}


@pytest.mark.parametrize("properties", [5, {"a": object()}], ids=["no dict", "no AMQP value"])
def test_flow_properties_that_cannot_be_sent_are_told_when_set(properties):
    a, b, sender, receiver = linked()
    with pytest.raises(TypeError, match="flow_properties takes a dict"):
        receiver.flow_properties = properties
    assert receiver.flow_properties is None
    before = sender.credit
    receiver.flow(1)
    pump(a, b)
    assert sender.credit == before + 1


ONE, TWO = symbol("one"), symbol("two")
BOTH = Array(UNDESCRIBED, Data.SYMBOL, ONE, TWO)


def told(field, *values, terminus="source"):
    """The attach with a terminus in whose field these values were put, one behind the other."""
    a, b = connected()
    session = a.connection.session()
    session.open()
    link = session.receiver("L")
    for value in values:
        getattr(getattr(link, terminus), field).put_object(value)
    link.open()
    pump(a, b)
    assert b.transport.condition is None
    return next(frame for frame in a.sent() if frame.name == "attach"), b.connection.link_head(0)


SYMBOLS = {
    "two": ([ONE, TWO], BOTH),
    "a text and a symbol": (["one", TWO], BOTH),
    "a list": ([[ONE, TWO]], BOTH),
    "an array and one": ([Array(UNDESCRIBED, Data.SYMBOL, ONE), TWO], BOTH),
    "an array of texts": ([Array(UNDESCRIBED, Data.STRING, "one", "two")], BOTH),
    "one": ([ONE], Array(UNDESCRIBED, Data.SYMBOL, ONE)),
    "a text": (["one"], Array(UNDESCRIBED, Data.SYMBOL, ONE)),
    "an array": ([BOTH], BOTH),
    "an array of one": ([Array(UNDESCRIBED, Data.SYMBOL, ONE)], Array(UNDESCRIBED, Data.SYMBOL, ONE)),
    "null": ([None], None),
    "an empty list": ([[]], None),
}


@pytest.mark.parametrize("case", SYMBOLS)
@pytest.mark.parametrize(
    ("terminus", "field"), [("source", "capabilities"), ("source", "outcomes"), ("target", "capabilities")]
)
def test_symbols_of_a_terminus_are_one_field_however_they_were_put(terminus, field, case):
    values, expected = SYMBOLS[case]
    link = told(field, *values, terminus=terminus)[1]
    tree = getattr(getattr(link, f"remote_{terminus}"), field)
    assert (tree.get_object() if tree.next() else None) == expected
    assert tree.next() is None


def test_symbols_of_a_coordinator_are_one_field():
    a, b = connected()
    session = a.connection.session()
    session.open()
    link = session.sender("L")
    link.target.type = Terminus.COORDINATOR
    link.target.capabilities.put_symbol("one")
    link.target.capabilities.put_symbol("two")
    link.open()
    pump(a, b)
    tree = b.connection.link_head(0).remote_target.capabilities
    assert tree.next() == Data.ARRAY and tree.get_object() == BOTH


NO_FIELDS = [
    ("capabilities", [5], "takes symbols, got 5"),
    ("capabilities", [ONE, 5], "takes symbols, got :one, 5"),
    ("outcomes", [{ONE: 1}], "takes symbols, got {:one=1}"),
    ("outcomes", [[ONE, None]], "takes symbols"),
    ("capabilities", [Array(ONE, Data.SYMBOL, TWO)], "takes symbols, got @PN_SYMBOL"),
    ("capabilities", [Array(UNDESCRIBED, Data.INT, 1)], "takes symbols"),
    ("filter", [5], "takes one map, got 5"),
    ("filter", [Described(ONE, {})], "takes one map, got @:one {}"),
    ("properties", [5], "takes one map, got 5"),
    ("properties", [{ONE: 1}, {TWO: 2}], "takes one map, got {:one=1}, {:two=2}"),
    ("filter", [{ONE: 1}, None], "takes one map, got {:one=1}, null"),
    ("filter", [[ONE, 1]], r"takes one map, got \[:one, 1\]"),
]


@pytest.mark.parametrize("call", ["open", "close"])
@pytest.mark.parametrize(("field", "values", "text"), NO_FIELDS, ids=[f"{case[0]} {case[2]}" for case in NO_FIELDS])
def test_what_is_not_field_of_a_terminus_is_told_by_open_and_close(field, values, text, call):
    """A link that is closed and was never opened is attached too (2.6.3)."""
    a, b = connected()
    session = a.connection.session()
    session.open()
    link = session.receiver("L")
    tree = getattr(link.source, field)
    for value in values:
        tree.put_object(value)
    with pytest.raises(TypeError, match=f"{field} of a terminus {text}"):
        getattr(link, call)()
    assert link.state == link.LOCAL_UNINIT | link.REMOTE_UNINIT
    pump(a, b)
    assert "attach" not in [frame.name for frame in a.sent()]
    tree.clear()
    link.open()
    pump(a, b)
    assert [frame.name for frame in a.sent()] == ["attach"]


WRONG = [
    ("snd_settle_mode", "settled", TypeError, "snd_settle_mode takes an integer, got 'settled'"),
    ("snd_settle_mode", 3, OverflowError, "snd_settle_mode takes 0 to 2, got 3"),
    ("rcv_settle_mode", None, TypeError, "rcv_settle_mode takes an integer, got None"),
    ("rcv_settle_mode", 2, OverflowError, "rcv_settle_mode takes 0 to 1, got 2"),
    ("name", 5, TypeError, "the name of a link is a str, got int 5"),
    ("source.durability", "x", TypeError, "durability of a terminus takes an integer, got str 'x'"),
    ("target.expiry_policy", "never", TypeError, "expiry_policy of a terminus takes an integer, got str 'never'"),
    ("source.distribution_mode", "copy", TypeError, "distribution_mode of a terminus takes an integer, got str 'copy'"),
]


@pytest.mark.parametrize("call", ["open", "close"])
@pytest.mark.parametrize(("field", "value", "error", "text"), WRONG, ids=[f"{case[0]}={case[1]}" for case in WRONG])
def test_a_field_of_an_attach_of_a_wrong_type_is_told_by_open_and_close(field, value, error, text, call):
    a, b = connected()
    session = a.connection.session()
    session.open()
    link = session.receiver("L")
    holder = link
    for name in field.split(".")[:-1]:
        holder = getattr(holder, name)
    before = getattr(holder, field.split(".")[-1])
    setattr(holder, field.split(".")[-1], value)
    with pytest.raises(error, match=f"^{text}$"):
        getattr(link, call)()
    assert link.state == link.LOCAL_UNINIT | link.REMOTE_UNINIT
    setattr(holder, field.split(".")[-1], before)
    getattr(link, call)()
    pump(a, b)
    assert b.transport.condition is None and "attach" in [frame.name for frame in a.sent()]


def test_what_is_put_after_the_open_becomes_no_malformed_frame(internal_errors):
    """It shows only when the frame is made, where nothing may raise any more: the connection ends for it."""
    a, b = connected()
    session = a.connection.session()
    session.open()
    link = session.receiver("L")
    link.open()
    link.source.filter.put_object(5)
    pump(a, b)
    assert b.connection.remote_condition.name == "amqp:internal-error"
    assert b.transport.condition is None
    (record,) = internal_errors
    assert "filter of a terminus takes one map, got 5" in str(record.exc_info[1])
    internal_errors.clear()


def test_null_for_a_map_of_a_terminus_says_nothing():
    frame, link = told("filter", None)
    assert link.remote_source.filter.next() is None


@pytest.mark.parametrize("size", ["5", None, 1.5, b"5"], ids=repr)
def test_a_size_to_pop_of_a_wrong_type_drops_nothing(size):
    transport = Transport()
    pending = transport.pending()
    with pytest.raises(TypeError, match=f"size takes an integer, got {type(size).__name__}"):
        transport.pop(size)
    assert transport.pending() == pending and transport.condition is None
