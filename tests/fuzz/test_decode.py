"""Arbitrary bytes for `pure-proton decode`, in each format: it ends with 0 or 5 at a bounded cost, and never raises."""

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proton.cli.decode import FORMATS
from tests.support import captures as made
from tests.support.fuzzing import fuzz

SAID = made.recorded()
CONTENTS = made.segments(SAID, 400)
CONTENTS6 = made.segments(SAID, 400, ends=(made.CLIENT6, made.SERVER6))
SEEDS = {
    "raw": made.joined(SAID, 0),
    "hex": made.joined(SAID, 1).hex(" ").encode(),
    "pcap": made.pcap([made.packet(each) for each in CONTENTS]),
    "pcap, raw IP": made.pcap(CONTENTS6, made.RAW),
    "pcap, VLAN": made.pcap([made.packet(each, vlans=[0x8100]) for each in CONTENTS], order=">", nanoseconds=True),
    "pcapng": made.pcapng([made.packet(each, made.COOKED2) for each in CONTENTS], made.COOKED2),
    "pcapng, big": made.pcapng([made.packet(each, made.COOKED) for each in CONTENTS], made.COOKED, ">"),
}
ways = st.sampled_from([(), ("--json",), ("--diagram",), ("--messages",), ("--json", "--show-secrets")])
DIGITS = "0123456789abcdefABCDEF  \n\n:*x|<>-/\\0"


def check(data, *words):
    code, out, err = made.decoded(data, *words)
    assert code in (0, 5)
    assert code == 5 or out
    if "--json" in words:
        for line in out.splitlines():
            json.loads(line)
    # Nothing that steers a terminal comes through.
    assert all(letter.isprintable() or letter == "\n" for letter in out + err)
    return out


@given(st.binary(max_size=300), st.sampled_from(FORMATS), ways)
@example(b"\x00" * 300, "raw", ())
@example(b"\0\0\0\5\2\0\0\0\0\x53\x10" * 20, "raw", ())
@fuzz
def test_any_bytes_in_any_format(data, form, how):
    check(data, "--format", form, *how)


@given(st.binary(max_size=300) | st.text(DIGITS, max_size=300).map(str.encode), ways)
@fuzz
def test_any_bytes_with_the_format_recognised(data, how):
    check(data, *how)


@given(st.text(DIGITS, max_size=300), st.sampled_from(["hex", "base64", "trace"]))
@fuzz
def test_any_digits(text, form):
    check(text.encode(), "--format", form)


@pytest.mark.parametrize("seed", SEEDS.values(), ids=SEEDS)
@given(st.data())
@fuzz
def test_conversations_that_are_spoiled(seed, data):
    spoiled = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(spoiled)))
        size = data.draw(st.integers(0, 8))
        spoiled[at : at + size] = data.draw(st.binary(max_size=8))
    out = check(bytes(spoiled), *data.draw(ways))
    assert out


@given(st.permutations(CONTENTS), st.lists(st.integers(0, len(CONTENTS) - 1), max_size=5), st.integers(20, 500))
@fuzz
def test_segments_that_are_spoiled(contents, missing, snap):
    kept = [each for number, each in enumerate(contents) if number not in missing]
    check(made.pcap(kept, made.RAW, snap=snap))


MIB = 1 << 20
COSTLY = {
    "zeros": bytes(4 * MIB),
    "what looks like frames": (b"\0\xff\xff\xff\2\0\0\0\0\x53\x10" * (MIB // 11)),
    "frames of five bytes": (b"\0\0\0\5\2\0\0\0\0\x53\x10" * 20000),
    "frames that are wrong": b"AMQP\0\1\0\0" + b"\0\0\0\x0c\2\0\0\0\0\x53\x10\x46" * 20000,
    "half headers": b"AMQP" * MIB,
    "zero-width elements": b"AMQP\0\1\0\0"
    + (b"\0\0\0\x1f\2\0\0\0\0\x53\x10\xd0\0\0\0\x0e\0\0\0\1\xf0\0\0\0\5\0\0\xff\xff\x45" * 500),
    "one long line of digits": b"41" * (2 * MIB),
    "many short lines": b"41\n" * (MIB // 8),
    "one long line of base64": b"QUJD" * MIB,
    "rows that repeat": b"00000000  41 41\n*\n00ffffff  41\n",
}


@pytest.mark.parametrize("data", COSTLY.values(), ids=COSTLY)
def test_the_cost_is_that_of_the_length(data):
    start = time.process_time()
    check(data)
    # Some microseconds for a byte: what searches the same bytes again and again would take hours.
    assert time.process_time() - start < 60.0
