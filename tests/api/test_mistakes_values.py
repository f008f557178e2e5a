"""Values of programs: copies are equal, sentinels stay what they are, and a symbol has the characters of any text."""

import copy
import enum
import pickle
import uuid

import pytest

from proton import (
    UNDESCRIBED,
    AnnotationDict,
    Array,
    Condition,
    Data,
    Delivery,
    Described,
    Event,
    Message,
    PropertyDict,
    SymbolList,
    Url,
    byte,
    char,
    decimal32,
    decimal64,
    decimal128,
    float32,
    int32,
    short,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
    ushort,
)
from proton.reactor import DynamicNodeProperties, Filter, Selector
from tests.support.engines import connected, pump

COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {n}": lambda value, n=n: pickle.loads(pickle.dumps(value, n))
        for n in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
}
VALUES = [
    Array(UNDESCRIBED, Data.INT, 1, 2),
    Array(symbol("d"), Data.LIST, [1], [{"a": uint(1)}]),
    Array(None, Data.NULL, None),
    Described(symbol("d"), Array(UNDESCRIBED, Data.SYMBOL, symbol("x"))),
    {"nested": [Array(UNDESCRIBED, Data.STRING, "x")]},
    *(kind(1) for kind in (ubyte, ushort, uint, ulong, byte, short, int32, timestamp, decimal32, decimal64)),
    decimal128(b"d" * 16),
    float32(1.5),
    char("c"),
    symbol("s"),
    uuid.UUID(int=5),
    AnnotationDict({"a": 1, ulong(2): Array(UNDESCRIBED, Data.INT)}),
    PropertyDict({"a": [1]}),
    SymbolList(["a", "b"]),
    Condition("amqp:not-found", "text", {symbol("a"): 1}),
    Url("amqp://user:password@host/path"),
]


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__} {value!r:.30}")
def test_a_copy_is_equal_and_of_the_same_class(value, how):
    made = COPIES[how](value)
    assert made == value and type(made) is type(value) and repr(made) == repr(value)
    if not isinstance(value, (Condition, Url)):
        assert Message(body=made).encode() == Message(body=value).encode()


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize(
    "sentinel", [UNDESCRIBED, Delivery.ACCEPTED, Event.TRANSPORT, Event.DELIVERY], ids=lambda value: str(value)
)
def test_a_sentinel_stays_itself(sentinel, how):
    assert COPIES[how](sentinel) is sentinel
    assert COPIES[how]([sentinel])[0] is sentinel


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_a_message_says_the_same(how):
    message = Message(
        body={"array": Array(UNDESCRIBED, Data.INT, 1)},
        id=1,
        ttl=5,
        subject="s",
        annotations={"a": Array(UNDESCRIBED, Data.SYMBOL, symbol("x"))},
        properties={"p": 1},
    )
    assert COPIES[how](message).encode() == message.encode()


class Text(str):
    """Its `str()` is something else than its characters."""

    def __str__(self):
        return "what str() says"


class Key(str, enum.Enum):
    A = "a"


TEXTS = [Key.A, Text("a")]
texts = pytest.mark.parametrize("text", TEXTS, ids=["an enumeration", "a subclass"])


@texts
@pytest.mark.parametrize("kind", [symbol, char])
def test_a_symbol_has_the_characters_of_the_text(text, kind):
    made = kind(text)
    assert type(made) is kind and str.__str__(made) == "a" and made == kind("a")


@texts
def test_what_makes_symbols_takes_the_characters(text):
    assert PropertyDict({text: 1}) == AnnotationDict({text: 1}) == {symbol("a"): 1}
    assert SymbolList(text) == SymbolList([text]) == [symbol("a")]
    assert all(type(element) is symbol for element in SymbolList([text]))
    data = Data()
    data.put_symbol(text)
    assert data.get_object() == "a"
    message = Message(content_type=text, content_encoding=text, annotations={text: 1})
    assert (message.content_type, message.content_encoding) == (symbol("a"), symbol("a"))
    assert message.encode() == Message(content_type="a", content_encoding="a", annotations={"a": 1}).encode()


@texts
def test_the_wire_has_the_characters(text):
    a, b = connected()
    session = a.connection.session()
    session.offered_capabilities = text
    session.properties = {text: 1}
    session.open()
    link = session.receiver("L")
    link.source.address = text
    link.source.capabilities.put_symbol(text)
    Filter({text: Described(text, text)}).apply(link)
    Selector("x", name=text).apply(link)
    link.open()
    link.condition = Condition(text, text, {text: text})
    link.close()
    pump(a, b)
    remote = b.connection.session_head(0)
    assert remote.remote_offered_capabilities == ["a"] and remote.remote_properties == {symbol("a"): 1}
    peer = b.connection.link_head(0)
    assert peer.remote_source.address == "a"
    capabilities = peer.remote_source.capabilities
    assert capabilities.next() == Data.ARRAY and capabilities.get_object() == Array(
        UNDESCRIBED, Data.SYMBOL, symbol("a")
    )
    assert peer.remote_condition == Condition("a", "a", {symbol("a"): "a"})


def filter_of(*options):
    """The filter set that the peer receives."""
    a, b = connected()
    session = a.connection.session()
    session.open()
    link = session.receiver("L")
    for option in options:
        option.apply(link)
    link.open()
    pump(a, b)
    tree = b.connection.link_head(0).remote_source.filter
    tree.rewind()
    tree.next()
    return tree.get_dict()


def test_keys_of_a_filter_are_sent_as_symbols():
    value = Described(symbol("x:y"), "v")
    found = filter_of(Filter({"a": value, symbol("b"): value, Key.A: value}), Filter({"c": value}))
    assert found == {symbol("a"): value, symbol("b"): value, symbol("c"): value}
    assert {type(key) for key in found} == {symbol}


@pytest.mark.parametrize("option", [Filter, DynamicNodeProperties])
@pytest.mark.parametrize(
    ("given", "text"),
    [
        (5, "takes a dict or None, got int 5"),
        ("a=1", "takes a dict or None, got str 'a=1'"),
        ([("a", 1)], r"takes a dict or None, got list \[\('a', 1\)\]"),
        ({5: 1}, "takes a dict with symbols as keys, got int 5"),
    ],
)
def test_an_option_with_a_map_says_what_is_wrong_with_it_at_once(option, given, text):
    with pytest.raises(TypeError, match=f"^{option.__name__} {text}$"):
        option(given)
