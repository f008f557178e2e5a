"""Serial numbers of 32 bits, as RFC 1982 defines them: delivery-ids, transfer-ids and delivery-counts (2.8.10)."""

from __future__ import annotations

__all__ = ["HALF", "SERIAL", "ahead"]

#: the largest serial number: the number after it is 0. Hot functions add inline: ``number + 1 & SERIAL``
SERIAL = 0xFFFFFFFF
#: a number is ahead of another one if it is reached by fewer steps than these
HALF = 0x80000000


def ahead(number: int, other: int) -> int:
    """How far a serial number is ahead of another, less than 0 if it is behind."""
    distance = number - other & SERIAL
    return distance if distance < HALF else distance - (1 << 32)
