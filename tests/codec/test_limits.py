"""A few bytes may not cost much: nesting, element counts, and array elements that take no bytes."""

from __future__ import annotations

import threading
from typing import Callable

import pytest

from proton.codec.decode import DEFAULT_LIMITS, DecodeLimits, decode_fields, decode_value
from proton.exceptions import DataException

Nest = Callable[[int], bytes]


def nested_lists(depth: int) -> bytes:
    encoded = b"\x45"
    for _ in range(depth - 1):
        encoded = b"\xd0" + (len(encoded) + 4).to_bytes(4, "big") + b"\0\0\0\1" + encoded
    return encoded


def nested_maps(depth: int) -> bytes:
    encoded = b"\xc1\x01\x00"
    for _ in range(depth - 1):
        encoded = b"\xd1" + (len(encoded) + 5).to_bytes(4, "big") + b"\0\0\0\2\x40" + encoded
    return encoded


def nested_descriptions(depth: int) -> bytes:
    return b"\x00\x40" * depth + b"\x40"


def nested_descriptors(depth: int) -> bytes:
    return b"\x00" * depth + b"\x40" * (depth + 1)


def nested_arrays(depth: int) -> bytes:
    content = b"\0\0\0\1\x40"
    for _ in range(depth - 1):
        content = b"\0\0\0\1\xf0" + len(content).to_bytes(4, "big") + content
    return b"\xf0" + len(content).to_bytes(4, "big") + content


def described_array(depth: int) -> bytes:
    content = b"\0\0\0\1" + b"\x00\x40" * (depth - 1) + b"\x50\x01"
    return b"\xf0" + len(content).to_bytes(4, "big") + content


NESTINGS = [nested_maps, nested_descriptions, nested_descriptors, nested_arrays, described_array]


@pytest.mark.parametrize("nest", NESTINGS)
@pytest.mark.parametrize("depth", [1, 2, 64])
def test_nesting_up_to_the_limit_is_decoded(nest: Nest, depth: int) -> None:
    encoded = nest(depth)
    assert decode_value(encoded, 0, DecodeLimits(depth=depth))[1] == len(encoded)
    with pytest.raises(DataException, match=f"nested deeper than the limit of {depth - 1}"):
        decode_value(encoded, 0, DecodeLimits(depth=depth - 1))


@pytest.mark.parametrize("nest", [nested_lists, *NESTINGS])
def test_nesting_far_beyond_the_limit_is_a_fault_of_the_data(nest: Nest) -> None:
    with pytest.raises(DataException, match="nested deeper than the limit of 64"):
        decode_value(nest(3000))


@pytest.mark.parametrize("nest", NESTINGS)
def test_the_greatest_depth_leaves_room_on_the_stack(nest: Nest) -> None:
    encoded = nest(128)
    assert decode_value(encoded, 0, DecodeLimits(depth=128))[1] == len(encoded)


def test_the_chain_of_limits_ends_with_the_depth() -> None:
    limits: DecodeLimits | None = DecodeLimits(depth=2, elements=5)
    depths = []
    while limits is not None:
        depths.append((limits.depth, limits.elements))
        limits = limits.inner
    assert depths == [(2, 5), (1, 5), (0, 5)]


@pytest.mark.parametrize(("depth", "elements"), [(-1, 1), (129, 1), (1, -1)])
def test_impossible_limits_are_refused(depth: int, elements: int) -> None:
    with pytest.raises(ValueError, match="limit must"):
        DecodeLimits(depth, elements)


@pytest.mark.parametrize(
    ("kind", "encoded"),
    [
        ("list", "c00403404040"),
        ("map", "c10604a100404040"),
        ("array", "e0050350010203"),
        ("array", "e0020340"),
        ("array", "e00503a1000000"),
    ],
)
def test_counts_above_the_limit_name_it(kind: str, encoded: str) -> None:
    data = bytes.fromhex(encoded)
    limits = DecodeLimits(elements=2)
    with pytest.raises(DataException, match=f"{kind} at offset 1 has . elements, above the limit of 2"):
        decode_value(data, 0, limits)


def zero_width_array(count: int, constructor: int = 0x40) -> bytes:
    return b"\xf0\0\0\0\x05" + count.to_bytes(4, "big") + bytes([constructor])


ZERO_WIDTH = [0x40, 0x41, 0x42, 0x43, 0x44, 0x45]


@pytest.mark.parametrize("constructor", ZERO_WIDTH)
@pytest.mark.parametrize("count", [2**32 - 1, 10**9, 1_048_577])
def test_a_billion_elements_in_ten_bytes(constructor: int, count: int) -> None:
    with pytest.raises(DataException, match="above the limit of 1048576"):
        decode_value(zero_width_array(count, constructor))


@pytest.mark.parametrize("constructor", ZERO_WIDTH)
def test_zero_width_elements_up_to_their_limit(constructor: int) -> None:
    limit = DEFAULT_LIMITS.elements // 16
    value, _ = decode_value(zero_width_array(limit, constructor))
    assert len(value.elements) == limit
    with pytest.raises(DataException, match=f"zero-width array elements .* above the limit of {limit}"):
        decode_value(zero_width_array(limit + 1, constructor))


def list_of(elements: list[bytes]) -> bytes:
    content = b"".join(elements)
    return b"\xd0" + (len(content) + 4).to_bytes(4, "big") + len(elements).to_bytes(4, "big") + content


def test_many_zero_width_arrays_share_the_limit_of_their_buffer() -> None:
    with pytest.raises(DataException, match="of its buffer to 80000, above the limit of 65536"):
        decode_value(list_of([zero_width_array(20_000)] * 1000))


def test_zero_width_arrays_of_small_counts_share_the_limit_too() -> None:
    with pytest.raises(DataException, match="of its buffer to 65790, above the limit of 65536"):
        decode_value(list_of([b"\xe0\x02\xff\x40"] * 1000))


def test_zero_width_arrays_in_an_array_share_the_limit_too() -> None:
    inner = (b"\0\0\0\x05" + (20_000).to_bytes(4, "big") + b"\x40") * 10
    content = b"\0\0\0\x0a\xf0" + inner
    with pytest.raises(DataException, match="of its buffer to 80000"):
        decode_value(b"\xf0" + len(content).to_bytes(4, "big") + content)


def test_zero_width_arrays_in_fields_share_the_limit_too() -> None:
    encoded = list_of([zero_width_array(20_000)] * 4)
    with pytest.raises(DataException, match="of its buffer to 80000"):
        decode_fields(encoded, 0, len(encoded))


def test_another_buffer_and_another_decoding_start_afresh() -> None:
    twice = list_of([zero_width_array(30_000)] * 2)
    other = list_of([zero_width_array(30_001)] * 2)
    for _ in range(3):
        for encoded in (twice, twice, other):
            assert len(decode_value(encoded)[0]) == 2


def test_other_threads_have_their_own_count() -> None:
    encoded = list_of([zero_width_array(60_000)])
    found: list[int] = []
    decode_value(encoded)
    thread = threading.Thread(target=lambda: found.append(len(decode_value(encoded)[0])))
    thread.start()
    thread.join()
    assert found == [1]


def test_a_message_sized_list_of_nulls_is_within_the_limits() -> None:
    assert len(decode_value(list_of([b"\x40"] * 100_000))[0]) == 100_000
