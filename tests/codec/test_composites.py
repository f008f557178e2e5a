"""The tables of composite types, and the generic codec on them (1.4, 1.5, 2.8)."""

from __future__ import annotations

from typing import Any

import pytest

from proton.codec import composites as c
from proton.codec.composites import BY_CODE, BY_SYMBOL, check_fields, composite_of, encode_composite
from proton.codec.decode import decode_fields, decode_value
from proton.codec.encode import PreEncoded, encode
from proton.codec.types import (
    TYPE_STRING,
    TYPE_SYMBOL,
    UNDESCRIBED,
    Array,
    Described,
    SymbolList,
    decimal32,
    int32,
    symbol,
    timestamp,
    uint,
    ulong,
    ushort,
)
from proton.exceptions import DataException

ALL = sorted(BY_CODE.values(), key=lambda composite: composite.code)

# Code, name and number of fields as the specification has them, written down a second time (2.7.1 to 2.7.9, 2.8.14,
# 3.2.1 to 3.2.9, 3.4.1 to 3.4.5, 3.5.3, 3.5.4, 3.5.10 to 3.5.13, 4.5.1 to 4.5.6, 5.3.3.1 to 5.3.3.5).
EXPECTED = """
10 open 10, 11 begin 8, 12 attach 14, 13 flow 11, 14 transfer 11, 15 disposition 6, 16 detach 3, 17 end 1, 18 close 1,
1d error 3, 23 received 2, 24 accepted 0, 25 rejected 1, 26 released 0, 27 modified 3, 28 source 11, 29 target 7,
2b delete-on-close 0, 2c delete-on-no-links 0, 2d delete-on-no-messages 0, 2e delete-on-no-links-or-messages 0,
30 coordinator 1, 31 declare 1, 32 discharge 2, 33 declared 1, 34 transactional-state 2, 40 sasl-mechanisms 1,
41 sasl-init 3, 42 sasl-challenge 1, 43 sasl-response 1, 44 sasl-outcome 2, 70 header 5, 71 delivery-annotations 0,
72 message-annotations 0, 73 properties 13, 74 application-properties 0, 75 data 0, 76 amqp-sequence 0,
77 amqp-value 0, 78 footer 0
"""


def test_the_tables_have_every_composite() -> None:
    found = [f"{composite.code:02x} {composite.name} {len(composite.fields)}" for composite in ALL]
    assert found == [entry.strip() for entry in EXPECTED.replace("\n", " ").split(",")]


@pytest.mark.parametrize(
    ("symbolic", "composite"),
    [
        ("amqp:open:list", c.OPEN),
        ("amqp:sasl-outcome:list", c.SASL_OUTCOME),
        ("amqp:delivery-annotations:map", c.DELIVERY_ANNOTATIONS),
        ("amqp:data:binary", c.DATA),
        ("amqp:amqp-sequence:list", c.AMQP_SEQUENCE),
        ("amqp:amqp-value:*", c.AMQP_VALUE),
        ("amqp:footer:map", c.FOOTER),
    ],
)
def test_symbolic_descriptors(symbolic: str, composite: c.Composite) -> None:
    assert BY_SYMBOL[symbolic] is composite
    assert BY_SYMBOL[symbol(symbolic)] is composite


# -- writing ------------------------------------------------------------------------------------------------------

ERROR = PreEncoded(encode_composite(c.ERROR, ["amqp:not-found"]))
WRITTEN = [
    (c.ACCEPTED, [], "005324 45"),
    (c.CLOSE, [None], "005318 45"),
    (c.FLOW, [None, 1, 2, 300, None], "005313 c00b04 40 5201 5202 700000012c"),
    # Peers that read fields by index find a null there (see docs/differences.md).
    (c.BEGIN, [None, 1, 2, 300, None], "005311 c00f08 40 5201 5202 700000012c" + "40" * 4),
    (c.ATTACH, ["l", 0, True], "005312 c0110e a1016c 43 41" + "40" * 11),
    (c.TRANSFER, [0], "005314 c00706 43" + "40" * 5),
    (c.TRANSFER, [0, 1, b"t", 0, None, True], "005314 c00a06 43 5201 a00174 43 40 41"),
    (c.TRANSFER, [0, None, None, None, None, None, None, None, True], "005314 c00a09 43" + "40" * 7 + "41"),
    (c.OPEN, ["c"], "005310 c00d0a a10163" + "40" * 9),
    (c.OPEN, ["c", None, 0, 0, 0], "005310 c00f0a a10163 40 43 600000 43" + "40" * 5),
    (c.DETACH, [0, True, ERROR], "005316 c01903 43 41 00531d c01101 a30e" + b"amqp:not-found".hex()),
    (c.RECEIVED, [1, 2], "005323 c00502 5201 5302"),
    (c.MODIFIED, [True, False, {"a": 1}], "005327 c00b03 41 42 c10602 a30161 5501"),
    (c.TARGET, ["q", 0, "never", 5], "005329 c00e04 a10171 43 a3056e65766572 5205"),
    (c.SASL_MECHANISMS, [["PLAIN", "X"]], "005340 c00d01 e00a02a3 05504c41494e 0158"),
    (c.SASL_MECHANISMS, [[]], "005340 c00501 e00200a3"),
    (c.SASL_INIT, ["PLAIN", b"\0u\0p", "h"], "005341 c01103 a305504c41494e a00400750070 a10168"),
    (c.COORDINATOR, [[]], "005330 45"),
    (c.COORDINATOR, [SymbolList(["a"])], "005330 c00701 e00401a30161"),
    (c.COORDINATOR, [Array(UNDESCRIBED, TYPE_SYMBOL)], "005330 45"),
    (c.COORDINATOR, [Array(UNDESCRIBED, TYPE_SYMBOL, "a")], "005330 c00701 e00401a30161"),
    (c.COORDINATOR, ["a"], "005330 c00401 a30161"),
    (c.TRANSACTIONAL_STATE, [b"t", PreEncoded(b"\x00\x53\x24\x45")], "005334 c00802 a00174 00532445"),
]


@pytest.mark.parametrize(("composite", "values", "expected"), WRITTEN)
def test_written(composite: c.Composite, values: list[Any], expected: str) -> None:
    assert encode_composite(composite, values).hex() == bytes.fromhex(expected).hex()


@pytest.mark.parametrize("composite", [composite for composite in ALL if composite.fields], ids=repr)
def test_every_field_has_a_form_of_its_own_and_comes_back(composite: c.Composite) -> None:
    samples: dict[int | None, Any] = {
        2: True,
        3: 255,
        5: 65535,
        7: 2**32 - 1,
        10: 2**64 - 1,
        12: -1,
        19: b"x",
        20: "text",
        21: symbol("sym"),
        25: {symbol("key"): [1]},
        None: Described(ulong(c.ERROR.code), [symbol("amqp:x")]),
    }
    values = [
        [samples[field.number], samples[field.number]] if field.multiple else samples[field.number]
        for field in composite.fields
    ]
    encoded = encode_composite(composite, values)
    described = composite_of(decode_value(encoded)[0])
    assert described is not None
    assert described[0] is composite
    assert check_fields(*described) == values
    fields, end = decode_fields(encoded, 3, len(encoded))
    assert end == len(encoded)
    assert check_fields(composite, fields) == values


@pytest.mark.parametrize("size", [180, 250, 251, 252, 253, 254, 255])
def test_the_list_is_as_small_as_its_content_allows(size: int) -> None:
    encoded = encode_composite(c.SASL_CHALLENGE, [b"x" * size])
    assert encoded[3] == (0xC0 if size + 2 <= 254 else 0xD0)
    assert check_fields(c.SASL_CHALLENGE, decode_fields(encoded, 3, len(encoded))[0]) == [b"x" * size]


@pytest.mark.parametrize(
    ("composite", "values", "text"),
    [
        (c.OPEN, ["x"] * 11, "open has 10 fields, got 11 values"),
        (c.OPEN, [5], "open: field container-id must be string, got int"),
        (c.FLOW, ["x"], "flow: field next-incoming-id must be transfer-number, got str"),
        (c.SASL_RESPONSE, ["secret"], "sasl-response: field response must be binary, got str"),
        (c.SASL_RESPONSE, [5], "sasl-response: field response must be binary, got int"),
        (c.COORDINATOR, [[5]], "array of symbol has an element of class int"),
    ],
)
def test_values_that_do_not_fit_are_refused(composite: c.Composite, values: list[Any], text: str) -> None:
    with pytest.raises(DataException, match=text) as caught:
        encode_composite(composite, values)
    assert "secret" not in str(caught.value)


def test_values_out_of_range_overflow() -> None:
    with pytest.raises(OverflowError, match="ushort out of range"):
        encode_composite(c.OPEN, ["c", None, None, 65536])


# -- reading ------------------------------------------------------------------------------------------------------


def test_missing_fields_are_null_and_unknown_ones_are_cut() -> None:
    assert check_fields(c.DETACH, [1]) == [1, None, None]
    assert check_fields(c.DETACH, [1, None, None, "new", 5]) == [1, None, None]


LENIENT = [
    (c.OPEN, [symbol("c")], 0, "c", str),
    (c.OPEN, ["c", None, ulong(5)], 2, 5, int),
    (c.OPEN, ["c", None, int32(5)], 2, 5, int),
    (c.OPEN, ["c", None, None, uint(65535)], 3, 65535, int),
    (c.OPEN, ["c"] + [None] * 6 + ["bare"], 7, ["bare"], list),
    (c.OPEN, ["c"] + [None] * 6 + [["a", symbol("b")]], 7, ["a", "b"], list),
    (c.OPEN, ["c"] + [None] * 6 + [Array(UNDESCRIBED, TYPE_STRING, "a")], 7, ["a"], list),
    (c.ERROR, ["amqp:x"], 0, symbol("amqp:x"), symbol),
    (c.PROPERTIES, [None] * 8 + [timestamp(5)], 8, 5, int),
]


@pytest.mark.parametrize(("composite", "fields", "position", "expected", "kind"), LENIENT)
def test_what_is_harmless_is_accepted(
    composite: c.Composite, fields: list[Any], position: int, expected: Any, kind: type
) -> None:
    found = check_fields(composite, fields)[position]
    assert found == expected
    assert type(found) is kind


def test_multiple_symbols_come_as_symbols() -> None:
    fields = check_fields(c.SASL_MECHANISMS, [Array(UNDESCRIBED, TYPE_STRING, "PLAIN")])
    assert [type(mechanism) for mechanism in fields[0]] == [symbol]


REFUSED = [
    (c.OPEN, [], "open: mandatory field container-id is null"),
    (c.ATTACH, ["l", 0], "attach: mandatory field role is null"),
    (c.SASL_MECHANISMS, [None], "sasl-mechanisms: mandatory field sasl-server-mechanisms is null"),
    (c.OPEN, [b"c"], "open: field container-id must be string, received binary"),
    (c.OPEN, ["c", None, True], "open: field max-frame-size must be uint, received bool"),
    (c.OPEN, ["c", None, -1], "open: field max-frame-size must be uint, received the integer -1"),
    (c.OPEN, ["c", None, 2**32], "open: field max-frame-size must be uint, received the integer 4294967296"),
    (c.OPEN, ["c", None, decimal32(1)], "open: field max-frame-size must be uint, received decimal32"),
    (c.OPEN, ["c", None, 1.0], "open: field max-frame-size must be uint, received double"),
    (c.OPEN, ["c", None, None, 65536], "field channel-max must be ushort, received the integer 65536"),
    (c.OPEN, ["c"] + [None] * 6 + [[5]], "field offered-capabilities must be symbol, received list"),
    (c.OPEN, ["c"] + [None] * 6 + [Array(UNDESCRIBED, 8, 1)], "must be symbol, received array of int"),
    (c.OPEN, ["c"] + [None] * 8 + [[]], "open: field properties must be fields, received list"),
    (c.FLOW, [ushort(1), 1, 1, 1, "x"], "flow: field handle must be handle, received string"),
    (c.TRANSFER, [0, 0, "tag"], "transfer: field delivery-tag must be delivery-tag, received string"),
    (c.DETACH, [0, 1], "detach: field closed must be boolean, received the integer 1"),
    (c.CLOSE, ["oops"], "close: field error must be error, received string"),
    (c.CLOSE, [Described(ulong(0x24), [])], "close: field error must be error, received described"),
]


@pytest.mark.parametrize(("composite", "fields", "text"), REFUSED)
def test_wrong_fields_are_named(composite: c.Composite, fields: list[Any], text: str) -> None:
    with pytest.raises(DataException, match=text):
        check_fields(composite, fields)


@pytest.mark.parametrize("value", ["x", [], Described(ulong(1), []), Described(symbol("x"), [])], ids=repr)
def test_other_values_are_not_composite(value: Any) -> None:
    assert composite_of(value) is None


@pytest.mark.parametrize(
    "value", [Described(0x10, ["c"]), Described("amqp:open:list", ["c"]), Described(ulong(0x10), {})], ids=repr
)
def test_only_ulong_and_symbol_descriptors_of_lists_count(value: Any) -> None:
    assert composite_of(value) is None


@pytest.mark.parametrize("descriptor", [ulong(0x10), symbol("amqp:open:list")], ids=repr)
def test_both_descriptors_of_a_composite_are_known(descriptor: Any) -> None:
    value, _ = decode_value(encode(Described(descriptor, ["c"])))
    assert composite_of(value) == (c.OPEN, ["c"])


def test_fields_and_composites_name_themselves() -> None:
    assert repr(c.OPEN) == "<Composite open 0x10>"
    assert repr(c.OPEN.fields[0]) == "Field('container-id', 'string', mandatory=True, multiple=False)"
