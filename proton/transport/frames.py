"""Frames on their way out: the header, and the body of a performative that goes through its table (2.3)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

from proton.codec.composites import CLOSE, OPEN, Composite, encode_composite

if TYPE_CHECKING:
    from proton.transport.transport import Transport

FRAME_HEADER = Struct(">IBBH")  # 2.3.1: size, data offset, type, channel

SMALL_UINTS = [b"\x43"] + [b"\x52%c" % n for n in range(1, 256)]


class FrameTooLarge(Exception):
    """What is to be said does not fit into a frame that the peer takes; the transport cannot go on without it."""


def encode_number(number: int) -> bytes:
    """A uint in its smallest form."""
    return SMALL_UINTS[number] if number < 256 else b"\x70" + number.to_bytes(4, "big")


def write_frame(transport: Transport, channel: int, composite: Composite, fields: Any) -> None:
    body = encode_composite(composite, fields)
    most = transport._remote_max_frame_size
    if len(body) + 8 > most > 0 and composite not in (OPEN, CLOSE):  # without those two no error could be told
        raise FrameTooLarge(f"{composite.name}: the peer takes frames of {most} bytes, got one of {len(body) + 8}")
    write_body(transport, channel, body)


def write_body(transport: Transport, channel: int, body: bytes) -> None:
    """A frame whose performative is encoded; of a size that every peer takes."""
    size = len(body) + 8
    transport._out.append(FRAME_HEADER.pack(size, 2, 0, channel) + body)
    transport._out_size += size
    transport.frames_output += 1
    if transport._tracing:
        transport._trace_frame(channel, "->", body)
