"""What decoding may cost: nesting depth, element counts, memory, keys that share a hash, elements without bytes.

No decoding here, only the limits and the faults that name them. Keep true: the chain of `DecodeLimits` is built
once, so going a level down is one attribute read; the count of zero-width elements is per buffer and thread.
"""

from __future__ import annotations

import threading
from typing import Any

from proton.exceptions import DataException

__all__ = ["DEFAULT_LIMITS", "DecodeLimits"]

# The interpreter's own stack bounds the depth: a level costs at most three Python calls.
_MAX_DEPTH = 128

#: keys of a map that share a hash; of the numbers of AMQP no more than this do unless they were chosen so
MAX_EQUAL_HASHES = 40


# What values take in memory, with some room: an element 57 to 105 bytes on CPython 3.9 to 3.15, that which holds
# others, a `Described` or an `Array` above all, up to 200 more (measured; an empty symbol is the dearest byte).
_ELEMENT_COST = 100
_COMPOUND_COST = 200
# Nothing that is smaller than the memory limit by this factor can exceed it: its elements need not be counted.
_MAX_EXPANSION = 128


def _take_over(level: DecodeLimits, limits: DecodeLimits, depth: int) -> None:
    """Makes the limits of a deeper level from those of the whole."""
    level.depth, level.nesting = depth, limits.nesting
    level.elements, level.zero_width = limits.elements, limits.zero_width
    level.memory, level.unmetered = limits.memory, limits.unmetered


class DecodeLimits:
    """How much decoding may cost: a few bytes can claim deep nesting or billions of elements.

    `inner` holds the limits one level down, or `None` when the depth is used up.

    :param depth: how many compound or described values may be inside one another, 0 to 128.
    :param elements: how many elements one list, map or array may have. A sixteenth of it is how many zero-width
        array elements, and levels of description of array elements, one buffer may hold in total, because these cost
        the sender no bytes.
    :param memory: bytes, about, that the values of one message or frame may take once decoded, beside the bytes of
        its texts and binaries: one byte, that of an empty list, can become a hundred.
    """

    __slots__ = ("depth", "elements", "inner", "memory", "nesting", "unmetered", "zero_width")

    def __init__(self, depth: int = 64, elements: int = 1_048_576, memory: int = 1 << 30) -> None:
        if not 0 <= depth <= _MAX_DEPTH:
            raise ValueError(f"depth limit must be 0 to {_MAX_DEPTH}, not {depth}")
        if elements < 0:
            raise ValueError(f"element limit must not be negative: {elements}")
        if memory < 0:
            raise ValueError(f"memory limit must not be negative: {memory}")
        self.inner: DecodeLimits | None = None
        self.depth: int = depth
        self.nesting: int = depth  # the depth of the whole chain, for the fault's text
        self.elements: int = elements
        self.memory: int = memory
        #: the size in bytes up to which a buffer cannot exceed `memory`; above it `metered` is to be used
        self.unmetered: int = memory // _MAX_EXPANSION
        self.zero_width: int = elements // 16
        # From the innermost level outwards: each level is made once and shared, and `inner` of this one is the next.
        for level in range(depth):
            outer = DecodeLimits.__new__(DecodeLimits)
            _take_over(outer, self, level)
            outer.inner = self.inner
            self.inner = outer

    def metered(self) -> DecodeLimits:
        """The same limits for decoding one large buffer, which keep count of the memory that its values take."""
        meter = _Meter(self)
        below: _Metered | None = None
        for level in range(self.depth + 1):
            limits = _Metered.__new__(_Metered)
            _take_over(limits, self, level)
            # Below every count, so that the fast comparison of the decoders fails, and they call `check_count`.
            limits.elements = -1
            limits.meter, limits.below = meter, below
            below = limits
        assert below is not None
        return below

    def __repr__(self) -> str:
        return f"DecodeLimits(depth={self.depth}, elements={self.elements}, memory={self.memory})"


class _Meter:
    """What one buffer may still cost."""

    __slots__ = ("elements", "left", "memory")

    def __init__(self, limits: DecodeLimits) -> None:
        self.elements = limits.elements
        self.left = self.memory = limits.memory

    def charge(self, cost: int) -> None:
        self.left -= cost
        if self.left < 0:
            raise DataException(f"the values take more memory than the limit of {self.memory} bytes")


class _Metered(DecodeLimits):
    """A level of limits that counts: decoders read `inner` once for everything that holds something."""

    __slots__ = ("below", "meter")

    below: _Metered | None
    meter: _Meter

    # A property over the slot of the base: unmetered limits, those of nearly all messages, read a plain slot.
    @property
    def inner(self) -> DecodeLimits | None:  # type: ignore[override]
        self.meter.charge(_COMPOUND_COST)
        return self.below


DEFAULT_LIMITS = DecodeLimits()


class _Spent(threading.local):
    """How many zero-width elements the buffer being decoded has cost this thread so far."""

    buffer = 0
    pos = 0
    total = 0


_spent = _Spent()


def charge_zero_width(buf: bytes, pos: int, count: int, limits: DecodeLimits) -> None:
    """Counts an array of zero-width elements at `pos` against its buffer; `DataException` above the limit.

    Twelve bytes can claim four billion elements, and a buffer can hold many such arrays. Decoders keep no state
    from call to call, so the buffer is known by its hash (`bytes` caches it) and by offsets that only grow: an
    offset that does not grow is another decoding.
    """
    # Thread-local, since decoders of several threads may be in the middle of different buffers at once.
    spent = _spent
    key = hash(buf)
    if key != spent.buffer or pos <= spent.pos:
        spent.buffer = key
        spent.total = 0
    spent.pos = pos
    spent.total += count
    if spent.total > limits.zero_width:
        raise DataException(
            f"array at offset {pos} brings the zero-width array elements of its buffer to {spent.total}, "
            f"above the limit of {limits.zero_width}"
        )


def too_deep(what: str, pos: int, limits: DecodeLimits) -> DataException:
    """The fault of a compound that is nested too deep."""
    return DataException(f"{what} at offset {pos} is nested deeper than the limit of {limits.nesting}")


def check_count(what: str, pos: int, count: int, room: int, limits: DecodeLimits) -> None:
    """A count that is above the limit, above what the bytes can hold, or to be counted on a meter.

    :param room: the bytes that are there for the elements; -1 where elements may take none.
    :raises DataException: unless it was only to be counted.
    """
    if isinstance(limits, _Metered):
        meter = limits.meter
        if count <= meter.elements and (room < 0 or count <= room):
            meter.charge(_ELEMENT_COST * count)
            return
        # `limits.elements` is -1 on a meter, so the text takes the number that the program has set.
        if count > meter.elements:
            raise DataException(f"{what} at offset {pos} has {count} elements, above the limit of {meter.elements}")
    raise bad_count(what, pos, count, room, limits)


def bad_count(what: str, pos: int, count: int, room: int, limits: DecodeLimits) -> DataException:
    """The fault of a count above the limit, or above what the bytes can hold."""
    if count > limits.elements >= 0:
        return DataException(f"{what} at offset {pos} has {count} elements, above the limit of {limits.elements}")
    return DataException(f"{what} at offset {pos} claims {count} elements in {room} bytes")


class KeyHashes:
    """Counts the keys of one map that share a hash.

    The hash of a number, and of a UUID, is its value modulo 2**61 - 1, so a peer can choose keys that all fall into
    one place of a `dict`, and each would be compared with all those before it. Texts and binaries are hashed with a
    secret.
    """

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def add(self, key: Any, pos: int) -> None:
        """One more key, of the map at `pos`; `DataException` when too many others have its hash."""
        # The hash, as `dict` compares it first: equal hashes are what makes an insertion walk over all earlier keys.
        number = hash(key)
        count = self._seen[number] = self._seen.get(number, 0) + 1
        if count > MAX_EQUAL_HASHES:
            raise DataException(f"map at offset {pos} has more than {MAX_EQUAL_HASHES} keys that share a hash")
