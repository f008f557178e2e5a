"""The text forms: `quote`, `Data.format`, and frame traces, broken ones and those with passwords included."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proton.codec.composites import BY_CODE
from proton.codec.data import Data
from proton.codec.encode import encode
from proton.codec.text import quote, trace_performative
from proton.codec.types import (
    UNDESCRIBED,
    Array,
    Described,
    byte,
    char,
    decimal32,
    decimal64,
    decimal128,
    float32,
    int32,
    symbol,
    timestamp,
    ubyte,
    uint,
    ulong,
)


def undescribed(kind: int, *elements: object) -> Array:
    return Array(UNDESCRIBED, kind, *elements)


@pytest.mark.parametrize(
    "data, limit, text",
    [
        (b"", None, ""),
        (b"AMQP \x00\xff", None, r"AMQP \x00\xff"),
        (b"\"'\\~\x7f\n", None, r"\x22\x27\x5c~\x7f\x0a"),
        (b"abcd", 4, "abcd"),
        (b"abcdef", 4, "abcd... (2 more)"),
        (b"abc", 0, "... (3 more)"),
    ],
)
def test_quote(data, limit, text):
    assert quote(data, limit) == text


# value, its text in Data.format, its text in a trace
TEXTS = [
    (None, "null", "null"),
    (True, "true", "true"),
    (False, "false", "false"),
    (ubyte(5), "5", "0x5"),
    (uint(0), "0", "0x0"),
    (uint(2**32 - 1), "4294967295", "0xffffffff"),
    (ulong(2**64 - 1), "18446744073709551615", "0xffffffffffffffff"),
    (byte(-1), "-1", "-1"),
    (int32(-(2**31)), "-2147483648", "-2147483648"),
    (-5, "-5", "-5"),
    (timestamp(-1), "-1", "-1"),
    (1.0, "1", "1"),
    (0.1, "0.1", "0.1"),
    (1e20, "1e+20", "1e+20"),
    (1234567.0, "1.23457e+06", "1.23457e+06"),
    (-0.0, "-0", "-0"),
    (float("inf"), "inf", "inf"),
    (float("nan"), "nan", "nan"),
    (float32(0.1), "0.1", "0.1"),
    (char("A"), "A", "A"),
    (char("é"), "é", "é"),
    (char("\n"), "\\n", "\\n"),
    (char("\u2028"), "\\u2028", "\\u2028"),
    (decimal32(10), "D32(10)", "D32(000a)"),
    (decimal64(10), "D64(10)", "D64(0000000a)"),
    (decimal128(bytes(range(16))), *["D128(000102030405060708090a0b0c0d0e0f)"] * 2),
    (uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"), *["UUID(00112233-4455-6677-8899-aabbccddeeff)"] * 2),
    (b"AB \x00\xff", *[r'b"AB \x00\xff"'] * 2),
    ("a\u00e9\"'\\\n", *[r'"a\xc3\xa9\x22\x27\x5c\x0a"'] * 2),
    ("", '""', '""'),
    (symbol("abc"), ":abc", ":abc"),
    (symbol("ab-1"), ':"ab-1"', ":ab-1"),
    (symbol("amqp:x"), ':"amqp:x"', ':"amqp:x"'),
    (symbol("a_b"), ':"a_b"', ':"a_b"'),
    (symbol("1a"), ':"1a"', ':"1a"'),
    (symbol("-a"), ':"-a"', ':"-a"'),
    (symbol('a"'), r':"a\x22"', r':"a\x22"'),
    (symbol(""), ":", ':""'),
    ([1, "a", None], '[1, "a", null]', '[1, "a", null]'),
    ([], "[]", "[]"),
    ({1: 2, "a": None}, '{1=2, "a"=null}', '{1=2, "a"=null}'),
    ({}, "{}", "{}"),
    (undescribed(Data.INT, 1, 2), "@PN_INT[1, 2]", "@<int>[1, 2]"),
    (undescribed(Data.SYMBOL, "a", "b"), "@PN_SYMBOL[:a, :b]", "@<symbol>[:a, :b]"),
    (undescribed(Data.NULL, None, None), "@PN_NULL[null, null]", "@<null>[null, ...(1 more)]"),
    (undescribed(Data.NULL, None), "@PN_NULL[null]", "@<null>[null]"),
    (undescribed(Data.UINT), "@PN_UINT[]", "@<uint>[]"),
    (Array(symbol("d"), Data.INT, 1), "@PN_INT[:d, 1]", "@<int>[1]"),
    (undescribed(Data.LIST, [1, None], []), "@PN_LIST[[1, null], []]", "@<list>[[1, null], []]"),
    (undescribed(Data.MAP, {1: 2}), "@PN_MAP[{1=2}]", "@<map>[{1=2}]"),
    (undescribed(Data.ARRAY, undescribed(Data.INT, 1)), "@PN_ARRAY[@PN_INT[1]]", "@<array>[@<int>[1]]"),
    (Described(symbol("x"), [1, None]), "@:x [1, null]", "@:x [1, null]"),
    (Described("x", None), '@"x" null', '@"x" null'),
    (Described(5, 6), "@5 6", "@5 6"),
    (Described(uint(16), [1]), "@16 [1]", "@0x10 [1]"),
    (Described(Described(1, 2), 3), "@@1 2 3", "@@1 2 3"),
    (Described(ulong(99), [None, 1]), "@99 [null, 1]", "@99 [1]"),
    (Described(ulong(99), {1: None}), "@99 {1=null}", "@99 {1=null}"),
    (Described(ulong(16), ["c", None, uint(5)]), *['@open(16) [container-id="c", max-frame-size=%s]'] * 2),
    (Described(ulong(36), []), "@accepted(36) []", "@accepted(36) []"),
    (Described(ulong(36), [None, 1]), "@accepted(36) [1]", "@accepted(36) [1]"),
    (Described(ulong(119), "v"), '@amqp-value(119) "v"', '@amqp-value(119) "v"'),
    (Described(symbol("amqp:open:list"), ["c"]), *['@:"amqp:open:list" ["c"]'] * 2),
]


@pytest.mark.parametrize("value, formatted, traced", TEXTS, ids=[repr(row[0])[:40] for row in TEXTS])
def test_both_forms(value, formatted, traced):
    if "%s" in traced:
        formatted, traced = formatted % 5, traced % "0x5"
    data = Data()
    data.put_object(value)
    assert data.format() == formatted
    raw = encode(value)
    assert trace_performative(raw, 0, len(raw)) == traced
    nested = encode([value, Described(1, value)])
    assert trace_performative(nested, 0, len(nested)) == f"[{traced}, @1 {traced}]"


def test_top_level_values_are_separated():
    data = Data()
    for value in (1, "a", [None]):
        data.put_object(value)
    assert data.format() == '1, "a", [null]'


UNFINISHED = [
    (["put_described"], "@"),
    (["put_described", "enter", ("put_ulong", 16)], "@open(16)"),
    (["put_described", "enter", *[("put_int", 1)] * 3], "@1 1, 1"),
    (["put_map", "enter", ("put_int", 1)], "{1}"),
    (["put_map", "enter", *[("put_int", 1)] * 3], "{1=1, 1}"),
    ([("put_array", True, Data.INT)], "@PN_INT[]"),
    ([("put_array", False, 99)], "@<UNKNOWN>[]"),
]


@pytest.mark.parametrize("calls, text", UNFINISHED)
def test_unfinished_values_have_a_text(calls, text):
    data = Data()
    for call in calls:
        name, *arguments = [call] if isinstance(call, str) else call
        getattr(data, name)(*arguments)
    assert data.format() == text


def test_every_composite_is_shown_by_name():
    for code, composite in BY_CODE.items():
        values = [True] * len(composite.fields)
        fields = ", ".join(f"{field.name}=true" for field in composite.fields)
        data = Data()
        data.put_object(Described(ulong(code), values))
        assert data.format() == f"@{composite.name}({code}) [{fields}]"


# -- traces of frames ---------------------------------------------------------------------------------------------

FRAMES = [
    (
        Described(ulong(0x14), [uint(0), uint(0), b"t1", uint(0)]),
        b"hello",
        '@transfer(20) [handle=0x0, delivery-id=0x0, delivery-tag=b"t1", message-format=0x0] (5) hello',
    ),
    (Described(ulong(0x14), []), b'\x00\xff"', r"@transfer(20) [] (3) \x00\xff\x22"),
    (
        Described(ulong(0x15), [True, uint(0), uint(3), True, Described(ulong(0x24), [])]),
        b"",
        "@disposition(21) [role=true, first=0x0, last=0x3, settled=true, state=@accepted(36) []]",
    ),
    (
        Described(ulong(0x18), [Described(ulong(0x1D), [symbol("amqp:not-allowed"), "no"])]),
        b"",
        '@close(24) [error=@error(29) [condition=:"amqp:not-allowed", description="no"]]',
    ),
    (
        Described(ulong(0x12), ["L", uint(0), False, ubyte(2), None, Described(ulong(0x28), ["src", uint(0)])]),
        b"",
        '@attach(18) [name="L", handle=0x0, role=false, snd-settle-mode=0x2, '
        'source=@source(40) [address="src", durable=0x0]]',
    ),
    (True, b"A", "true (1) A"),
]


@pytest.mark.parametrize("value, payload, text", FRAMES)
def test_a_frame_at_an_offset(value, payload, text):
    raw = encode(value)
    end = 3 + len(raw) + len(payload)
    assert trace_performative(b"xyz" + raw + payload + b"next frame", 3, end) == text


BROKEN = [
    ("", "!!"),
    ("00", "@!!"),
    ("00 53", "@!!"),
    ("00 53 10", "@open(16) !!"),
    ("00 c1 01", "@{!!}"),
    ("00 53 11 01", "@begin(17) !!"),
    ("00 53 11 ff", "@begin(17) !!"),
    ("00 53 11 c0", "@begin(17) [!!]"),
    ("00 53 11 c0 00", "@begin(17) [!!]"),
    ("00 53 11 c0 05 04", "@begin(17) [!!]"),
    ("00 53 11 d0 00000003 00000001 40", "@begin(17) [!!]"),
    ("00 53 11 c0 02 04 40", "@begin(17) []<1!=4>"),
    ("00 53 11 c0 03 01 41 41", "@begin(17) [remote-channel=true, next-outgoing-id=true]<2!=1>"),
    ("00 53 11 c0 05 04 40 52 01 52", "@begin(17) [next-outgoing-id=0x1, incoming-window=!!]<3!=4>"),
    ("00 53 11 c0 04 02 41 01 41", "@begin(17) [remote-channel=true, next-outgoing-id=!!]"),
    ("00 53 11 c0 04 02 41 a1 05", "@begin(17) [remote-channel=true, next-outgoing-id=!!]"),
    ("00 53 11 c0 06 02 c0 03 05 41 41", "@begin(17) [remote-channel=[true, true]<2!=5>]<1!=2>"),
    ("00 53 11 c0 02 01 40 68 69", "@begin(17) [] (2) hi"),
    ("00 53 11 c1 02 02 41", "@begin(17) {true}<1!=2>"),
    ("00 53 11 c1 04 02 41 01 41", "@begin(17) {true=!!}"),
    ("00 53 11 e0 01 00", "@begin(17) @<!!>[!!]"),
    ("00 53 11 e0 03 01 57 00", "@begin(17) @<!!>[!!]"),
    ("00 53 11 e0 04 03 60 0001", "@begin(17) @<ushort>[0x1]<1!=3>"),
    ("00 53 11 e0 05 01 60 0001 01", "@begin(17) @<ushort>[0x1, !!]<2!=1>"),
    ("00 53 11 f0 00000005 ffffffff 40", "@begin(17) @<null>[null, ...(4294967294 more)]"),
    ("00 53 77 a1 05 6162", "@amqp-value(119) !!"),
    ("00 53 77 b1 000000", "@amqp-value(119) !!"),
    ("00 53 77 a1 02 c328", r'@amqp-value(119) "\xc3("'),
    ("00 53 77 a3 02 e961", r'@amqp-value(119) :"\xe9a"'),
    ("00 53 77 73 00110000", "@amqp-value(119) !!"),
    ("00 53 77 94 00", "@amqp-value(119) !!"),
    ("00 80 0000", "@!!"),
]


@pytest.mark.parametrize("raw, text", BROKEN)
def test_broken_frames_are_marked(raw, text):
    raw = bytes.fromhex(raw)
    assert trace_performative(raw, 0, len(raw)) == text


def test_nothing_behind_the_end_is_shown():
    raw = encode(Described(ulong(0x10), ["container"])) + b"secret"
    for end in range(len(raw) - 6):
        assert "!!" in trace_performative(raw, 0, end)
    assert "secret" not in trace_performative(raw, 0, len(raw) - 6)
    assert trace_performative(raw, 0, len(raw) + 100) == '@open(16) [container-id="container"] (6) secret'


def test_deep_nesting_is_cut():
    raw = b"\x40"
    for _ in range(70):
        raw = b"\xd0" + (len(raw) + 4).to_bytes(4, "big") + b"\0\0\0\1" + raw
    assert trace_performative(raw, 0, len(raw)) == "[" * 64 + "[!!]" + "]" * 64
    assert trace_performative(b"\x00" * 1000, 0, 1000) == "@" * 64 + "!!" + " !!" * 63


PLAIN = b"\x00user\x00pa55word"


@pytest.mark.parametrize("descriptor", [ulong(0x41), symbol("amqp:sasl-init:list")])
def test_the_response_of_sasl_init_is_hidden(descriptor):
    raw = encode(Described(descriptor, [symbol("PLAIN"), PLAIN, "host"]))
    text = trace_performative(raw, 0, len(raw))
    assert "pa55word" not in text
    assert "***" in text
    assert ":PLAIN" in text and '"host"' in text


def test_sasl_frames_by_number():
    raw = encode(Described(ulong(0x41), [symbol("PLAIN"), PLAIN]))
    assert trace_performative(raw, 0, len(raw)) == "@sasl-init(65) [mechanism=:PLAIN, initial-response=***]"
    raw = encode(Described(ulong(0x43), [PLAIN]))
    assert trace_performative(raw, 0, len(raw)) == "@sasl-response(67) [response=***]"
    raw = encode(Described(ulong(0x42), [b"step"]))
    assert trace_performative(raw, 0, len(raw)) == '@sasl-challenge(66) [challenge=b"step"]'


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x53\x41\xa0\x0e" + PLAIN,
        b"\x00\x53\x41\xc0\x03\x01\xa1\x00" + PLAIN,
        b"\x00\x53\x43\xc0\x11\x03\xa0\x0e" + PLAIN,
        b"\x00\x53\x43\xc1\x11\x01\xa0\x0e" + PLAIN,
    ],
)
def test_the_response_of_broken_sasl_frames_is_hidden(raw):
    text = trace_performative(raw, 0, len(raw))
    assert text.startswith("@sasl-")
    assert "pa55word" not in text


@given(st.binary(max_size=60), st.integers(0, 10))
@example(b"\x00\x53\x10\xe0\x10\x02\x00", 0)
def test_any_bytes_have_a_text(raw, pos):
    assert isinstance(trace_performative(raw, pos, len(raw)), str)
    described = b"\x00\x53\x14" + raw
    assert trace_performative(described, 0, len(described)).startswith("@transfer(20)")
