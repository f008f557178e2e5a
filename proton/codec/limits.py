"""What decoding may cost: nesting depth, element counts, and array elements that take no bytes.

No decoding here, only the limits and the faults that name them. Keep true: the chain of `DecodeLimits` is built
once, so going a level down is one attribute read; the count of zero-width elements is per buffer and thread.
"""

from __future__ import annotations

import threading

from proton.exceptions import DataException

__all__ = ["DEFAULT_LIMITS", "DecodeLimits"]

# The interpreter's own stack bounds the depth: a level costs at most three Python calls.
_MAX_DEPTH = 128


class DecodeLimits:
    """How much decoding may cost: a few bytes can claim deep nesting or billions of elements.

    `inner` holds the limits one level down, or `None` when the depth is used up.

    :param depth: how many compound or described values may be inside one another, 0 to 128.
    :param elements: how many elements one list, map or array may have. A sixteenth of it is how many zero-width
        array elements one buffer may hold in total, because these cost the sender no bytes.
    """

    __slots__ = ("depth", "elements", "inner", "nesting", "zero_width")

    def __init__(self, depth: int = 64, elements: int = 1_048_576) -> None:
        if not 0 <= depth <= _MAX_DEPTH:
            raise ValueError(f"depth limit must be 0 to {_MAX_DEPTH}, not {depth}")
        if elements < 0:
            raise ValueError(f"element limit must not be negative: {elements}")
        self.inner: DecodeLimits | None = None
        self.depth = depth
        self.nesting = depth  # the depth of the whole chain, for the fault's text
        self.elements = elements
        self.zero_width = elements // 16
        for level in range(depth):
            outer = DecodeLimits.__new__(DecodeLimits)
            outer.inner, outer.depth = self.inner, level
            outer.nesting, outer.elements, outer.zero_width = depth, elements, self.zero_width
            self.inner = outer

    def __repr__(self) -> str:
        return f"DecodeLimits(depth={self.depth}, elements={self.elements})"


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


def bad_count(what: str, pos: int, count: int, room: int, limits: DecodeLimits) -> DataException:
    """The fault of a count above the limit, or above what the bytes can hold."""
    if count > limits.elements:
        return DataException(f"{what} at offset {pos} has {count} elements, above the limit of {limits.elements}")
    return DataException(f"{what} at offset {pos} claims {count} elements in {room} bytes")
