"""Values that cost more than they say: descriptors of array elements, keys that share a hash, bytes that become large.

Each attack comes in several forms; processor time is held against harmless values of the same size, memory against
their bytes.
"""

from __future__ import annotations

import struct
import sys
from uuid import UUID

import pytest

from proton import Data, Described, Message, MessageException, symbol, ulong
from proton.codec.decode import decode_value
from proton.codec.encode import encode
from proton.codec.limits import MAX_EQUAL_HASHES, DecodeLimits
from proton.endpoints.connection import Connection
from proton.exceptions import DataException
from tests.support.costs import check_cost, peak
from tests.support.violations import Stage, frame

PRIME = (1 << 61) - 1  # numbers that differ by it share a hash
NULL = b"\x40"


def list32(*items):
    content = b"".join(items)
    return b"\xd0" + struct.pack(">II", 4 + len(content), len(items)) + content


def map32(*items):
    return b"\xd1" + list32(*items)[1:]


def array32(count, constructor, content=b""):
    return b"\xf0" + struct.pack(">II", 4 + len(constructor) + len(content), count) + constructor + content


def tree(encoded):
    """What programs do with `Data`: decode, and take the objects."""
    data = Data()
    data.decode(encoded)
    data.rewind()
    while data.next():
        data.get_object()


def message(encoded):
    Message().decode(b"\x00\x53\x77" + encoded)


DECODERS = {"value": decode_value, "message": message, "tree": tree}
REFUSED = (DataException, MessageException)


def attempt(decode, encoded):
    try:
        decode(encoded)
    except REFUSED:
        return False
    return True


#: bytes for 65,536 described values, or nodes of a tree
ALLOWANCE = 65_536 * 256
DESCRIPTOR = b"\x00\x53\x01"
BYTES = bytes(32_000)
# 32 kB of each, as those of one read.
DESCRIBED = {
    "59 descriptors over numbers": array32(31_800, DESCRIPTOR * 59 + b"\x50", BYTES[:31_800]),
    "59 descriptors over strings": array32(31_800, DESCRIPTOR * 59 + b"\xa1", BYTES[:31_800]),
    "a large descriptor, copied": array32(
        10_000, DESCRIPTOR + b"\x00" + list32(*[NULL] * 20_000) + b"\x50", BYTES[:10_000]
    ),
    "many arrays of nulls, described": list32(*[array32(1000, DESCRIPTOR * 20 + NULL)] * 440),
    "nested arrays, each described": list32(*[array32(60, DESCRIPTOR * 60 + b"\x50", BYTES[:60])] * 120),
}


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("case", DESCRIBED)
def test_descriptors_of_array_elements_cost_in_proportion(case, decoder):
    attack = DESCRIBED[case]
    decode = DECODERS[decoder]
    harmless = list32(*[b"\x54\x01"] * (len(attack) // 2))
    # 65,536 objects, or nodes of a tree, may be had for no bytes, whatever the size.
    check_cost(lambda: attempt(decode, attack), lambda: decode(harmless), len(attack), memory=ALLOWANCE)


def test_descriptors_count_as_elements_without_bytes_do():
    with pytest.raises(DataException, match="to 127200, above the limit of 65536"):
        decode_value(array32(31_800, DESCRIPTOR * 5 + b"\x50", BYTES[:31_800]))


def test_a_described_array_is_as_large_as_one_without_descriptor():
    found, _ = decode_value(array32(100_000, DESCRIPTOR + b"\x50", bytes(100_000)))
    assert found.descriptor == 1 and len(found.elements) == 100_000


def test_an_attach_with_such_an_array_ends_the_connection_at_once():
    engine = Stage(max_frame_size=65536).opened()
    attack = DESCRIBED["59 descriptors over numbers"]
    body = b"\x00\x53\x10" + list32(b"\xa1\x01p", *[NULL] * 8, map32(b"\xa3\x01k", attack))
    data = struct.pack(">IBBH", len(body) + 8, 2, 0, 0) + body
    assert peak(lambda: engine.feed(data)) < 128 * len(data)
    assert engine.transport.condition.name == "amqp:decode-error"


def uuids(count):
    return [b"\x98" + UUID(int=PRIME * n + 7).bytes for n in range(count)]


def ulongs(count):
    return [b"\x80" + struct.pack(">Q", 7 + n % 8 * PRIME + n // 8) for n in range(count)]


def doubles(count):
    """The powers of two repeat their hashes after 61."""
    return [b"\x82" + struct.pack(">d", (1.0 + n // 30 / 4096) * 2.0 ** (n % 30 * 61 - 900)) for n in range(count)]


def mixed(count):
    return [key for pair in zip(uuids(count // 2), ulongs(count // 2)) for key in pair]


def harmless_uuids(count):
    return [b"\x98" + UUID(int=n).bytes for n in range(1, count + 1)]


def keyed(keys):
    return map32(*[item for key in keys for item in (key, NULL)])


KEYS = {"uuids": uuids, "ulongs": ulongs, "doubles": doubles, "mixed": mixed}


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("kind", KEYS)
def test_keys_that_share_a_hash_cost_no_more_than_others_or_are_refused(kind, decoder):
    attack, harmless = keyed(KEYS[kind](8000)), keyed(harmless_uuids(8000))
    decode = DECODERS[decoder]
    memory = 1024 * len(attack) if decoder == "tree" else None
    check_cost(lambda: attempt(decode, attack), lambda: decode(harmless), len(attack), factor=5, memory=memory)


def test_many_small_maps_of_such_keys():
    attack, harmless = list32(*[keyed(uuids(16))] * 500), list32(*[keyed(harmless_uuids(16))] * 500)
    check_cost(lambda: decode_value(attack), lambda: decode_value(harmless), len(attack), factor=5)


def test_the_error_says_that_keys_share_a_hash():
    with pytest.raises(DataException, match=f"more than {MAX_EQUAL_HASHES} keys that share a hash"):
        decode_value(keyed(uuids(100)))


@pytest.mark.parametrize("kind", ["ulongs", "doubles"])
def test_numbers_that_share_a_hash_by_their_nature_are_taken(kind):
    assert len(decode_value(keyed(KEYS[kind](2000)))[0]) == 2000


REPEATED = {
    "strings": (b"\xa1\x01a", b"\xa1\x01a"),
    "symbols": (b"\xa3\x01a", b"\xb3\0\0\0\1a"),
    "a long in two widths": (b"\x55\x01", b"\x81\0\0\0\0\0\0\0\1"),
    "nulls": (NULL, NULL),
    "uuids": (b"\x98" + bytes(16), b"\x98" + bytes(16)),
}


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("case", REPEATED)
def test_a_map_with_the_same_key_twice_is_malformed(case, decoder):
    first, second = REPEATED[case]
    values = (list32(NULL, list32()), map32(NULL, array32(1, b"\x00\xa3\x01x\x71", bytes(4))))
    encoded = map32(
        b"\xa1\x01b", b"\x60\0\1", first, values[0], b"\x00\x53\x01\x94" + bytes(16), NULL, second, values[1]
    )
    if decoder != "tree":  # a described key cannot be a key of a dict
        encoded = map32(
            b"\xa1\x01b", b"\x60\0\1", first, values[0], b"\x41", b"\xd1\0\0\0\4\0\0\0\0", second, values[1]
        )
    with pytest.raises(REFUSED, match="twice"):
        DECODERS[decoder](encoded)


def test_keys_that_only_python_takes_for_equal_are_merged():
    """A documented limit: the value of the last one stays."""
    encoded = map32(b"\x55\x01", b"\xa1\x01l", b"\x41", b"\xa1\x01t", b"\x82\x3f\xf0\0\0\0\0\0\0", b"\xa1\x01d")
    assert decode_value(encoded)[0] == {1: "d"}
    message(encoded)


def test_merged_keys_in_nested_maps_cost_in_proportion():
    """Looking at the keys again must not look into their values again, level by level."""
    encoded = NULL
    for _ in range(60):
        encoded = map32(b"\x55\x01", NULL, b"\x41", encoded)
    harmless = NULL
    for _ in range(60):
        harmless = map32(b"\x55\x01", NULL, b"\x42", harmless)
    check_cost(lambda: decode_value(encoded), lambda: decode_value(harmless), len(encoded))


def test_a_close_with_the_same_key_twice_is_a_decode_error():
    info = b"\xd1" + struct.pack(">II", 12, 4) + b"\xa3\x01k\x40\xa3\x01k\x40"
    body = b"\x00\x53\x18" + list32(b"\x00\x53\x1d" + list32(b"\xa3\x01c", NULL, info))
    engine = Stage().opened()
    engine.feed(struct.pack(">IBBH", len(body) + 8, 2, 0, 0) + body)
    assert engine.transport.condition.name == "amqp:decode-error"
    assert "has the key symbol('k') twice" in engine.transport.condition.description


MEMORY = 4 << 20
LARGE = {
    "empty lists": lambda n: list32(*[b"\x45"] * n),
    "arrays of bytes": lambda n: list32(*[array32(1000, b"\x50", bytes(1000))] * (n // 1000)),
    "empty maps": lambda n: list32(*[b"\xc1\x01\x00"] * (n // 3)),
    "described values": lambda n: list32(*[b"\x00\x43\x45"] * (n // 3)),
    "empty symbols in an array": lambda n: array32(n, b"\xa3", bytes(n)),
    "lists of one list": lambda n: list32(*[b"\xc0\x02\x01\x45"] * (n // 4)),
}


@pytest.mark.parametrize("case", LARGE)
def test_decoded_values_take_no_more_memory_than_the_limit(case):
    limits = DecodeLimits(memory=MEMORY)
    encoded = LARGE[case](400_000)

    def attack():
        with pytest.raises(MessageException, match=f"more memory than the limit of {MEMORY} bytes"):
            Message().decode(b"\x00\x53\x77" + encoded, limits)

    # Besides what is decoded there are the bytes, and lists grow by an eighth more than they need.
    assert peak(attack) < 1.5 * MEMORY + 2 * len(encoded)


@pytest.mark.parametrize("case", LARGE)
def test_what_is_within_the_limit_is_decoded(case):
    encoded = LARGE[case](30_000)
    limits = DecodeLimits(memory=200 * len(encoded))
    body = Message()
    body.decode(b"\x00\x53\x77" + encoded, limits)
    again = Message()
    again.decode(b"\x00\x53\x77" + encoded)
    assert body.body == again.body


def test_text_and_binaries_are_their_own_measure():
    limits = DecodeLimits(memory=1000)
    body = Message()
    body.decode(Message(body=bytes(100_000)).encode(), limits)
    assert len(body.body) == 100_000


def test_the_memory_of_a_large_frame_is_limited_too():
    engine = Stage(max_frame_size=1 << 20, decode_limits=DecodeLimits(memory=MEMORY)).opened()
    body = b"\x00\x53\x10" + list32(b"\xa1\x01p", *[NULL] * 8, map32(b"\xa3\x01k", LARGE["empty lists"](400_000)))
    engine.feed(struct.pack(">IBBH", len(body) + 8, 2, 0, 0) + body)
    assert "more memory than the limit" in engine.transport.condition.description


def test_many_small_frames_in_one_large_read_are_taken():
    engine = Stage(max_frame_size=1 << 20, decode_limits=DecodeLimits(memory=1 << 16)).linked()
    engine.feed(frame(0, "flow", next_incoming_id=0, incoming_window=9, next_outgoing_id=0, outgoing_window=9) * 5000)
    engine.check_clean_close()


def test_limits_say_what_they_are():
    assert repr(DecodeLimits(3, 4, 5)) == "DecodeLimits(depth=3, elements=4, memory=5)"
    with pytest.raises(ValueError, match="memory limit must not be negative: -1"):
        DecodeLimits(memory=-1)


DEPTH = sys.getrecursionlimit() * 2


def deep(wrap):
    value = None
    for _ in range(DEPTH):
        value = wrap(value)
    return value


LOOP: list = []
LOOP.append(LOOP)
DEEP = {
    "lists": deep(lambda value: [value]),
    "maps": deep(lambda value: {"k": value}),
    "described": deep(lambda value: Described(ulong(1), value)),
    "itself": LOOP,
}


@pytest.mark.parametrize("case", DEEP)
@pytest.mark.parametrize("put", ["put_object", "put_dict", "put_sequence", "put_py_described"])
def test_values_nested_too_deep_are_refused_as_data(case, put):
    wrap = {
        "put_dict": lambda v: {"k": v},
        "put_sequence": lambda v: [v],
        "put_py_described": lambda v: Described(1, v),
    }
    with pytest.raises(DataException, match="nested too deep, or contains itself"):
        getattr(Data(), put)(wrap.get(put, lambda v: v)(DEEP[case]))


def test_a_tree_built_too_deep_by_hand_is_refused_when_it_is_used():
    data = Data()
    for _ in range(DEPTH):
        data.put_list()
        data.enter()
    for use in (data.encode, data.format):
        with pytest.raises(DataException, match="nested too deep"):
            use()
    assert data.encoded_size() == -2
    with pytest.raises(DataException, match="nested too deep"):
        Data().copy(data)
    data.rewind()
    data.next()
    with pytest.raises(DataException, match="nested too deep"):
        data.get_object()


def test_properties_nested_too_deep_are_refused_at_the_open():
    connection = Connection()
    connection.properties = {symbol("k"): DEEP["lists"]}
    with pytest.raises(TypeError, match="properties takes a dict of AMQP values"):
        connection.open()
    assert connection.state & Connection.LOCAL_UNINIT


def test_what_may_be_decoded_may_be_encoded_again():
    value = None
    for _ in range(63):
        value = [value]
    assert decode_value(encode(value))[0] == value
