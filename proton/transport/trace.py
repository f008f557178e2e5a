"""What PN_TRACE_*, PN_LOG and a tracer show: lines about headers, frames and errors.

The engine calls in here only when tracing is on, which each transport keeps as one boolean. Lines go to the
transport's tracer, or to standard error.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from proton.codec.text import trace_performative
from proton.logs import write_stderr
from proton.transport.frames import FRAME_HEADER

if TYPE_CHECKING:
    from proton.transport.transport_state import TransportState

TRACE_OFF = 0
TRACE_RAW = 1
TRACE_FRM = 2
TRACE_DRV = 4

MAX_LINE_LENGTH = 1023  # characters; a large message must not fill the log
_TRUE = ("1", "true", "yes", "on")
_ON_FOR = {"PN_TRACE_RAW": TRACE_RAW, "PN_TRACE_FRM": TRACE_FRM, "PN_TRACE_DRV": TRACE_DRV}


def flags_of(environment: Mapping[str, str]) -> int:
    """The trace flags that the environment asks for."""
    flags = TRACE_OFF
    for name, flag in _ON_FOR.items():
        if environment.get(name, "").lower() in _TRUE:
            flags |= flag
    wanted = re.findall("[a-z]+", environment.get("PN_LOG", "").lower())
    if "frame" in wanted or "all" in wanted:
        flags |= TRACE_FRM
    if "raw" in wanted or "all" in wanted:
        flags |= TRACE_RAW
    return flags


#: those of a new transport: the environment is read once, as the program starts
DEFAULT_FLAGS = flags_of(os.environ)


@contextlib.contextmanager
def traced_by_default(flags: int) -> Iterator[None]:
    """Each transport that is made within traces these too."""
    global DEFAULT_FLAGS
    before = DEFAULT_FLAGS
    DEFAULT_FLAGS |= flags
    try:
        yield
    finally:
        DEFAULT_FLAGS = before


def write_line(transport: TransportState, subsystem: str, level: str, text: str) -> None:
    """One line to the tracer, or to standard error."""
    if len(text) > MAX_LINE_LENGTH:
        text = text[: MAX_LINE_LENGTH - 16] + " ... (truncated)"
    tracer, owner = transport.tracer, transport.transport()
    if tracer is None:
        write_stderr(f"[{id(owner):#x}]:{subsystem:>5}:{level:>5}:{text}")
        return
    try:
        tracer(owner, f"{level}: {text}")
    except Exception as error:  # a tracer must not break the connection that it watches
        write_stderr(f"[{id(owner):#x}]:*ALL*:ERROR:tracer raised {error!r}")


def trace_header(transport: TransportState, direction: str, name: str) -> None:
    if transport.trace_flags & TRACE_FRM:
        write_line(transport, "AMQP" if name == "AMQP" else "SASL", "FRAME", f"  {direction} {name}")


def trace_frame(transport: TransportState, channel: int, direction: str, body: bytes, subsystem: str = "AMQP") -> None:
    if transport.trace_flags & TRACE_RAW:
        header = FRAME_HEADER.pack(len(body) + 8, 2, subsystem == "SASL", channel)
        trace_raw(transport, direction, header + body)
    if transport.trace_flags & TRACE_FRM:
        text = trace_performative(body, 0, len(body)) if body else "(EMPTY FRAME)"
        write_line(transport, subsystem, "FRAME", f"{channel} {direction} {text}")


def trace_raw(transport: TransportState, direction: str, data: bytes) -> None:
    for offset in range(0, len(data), 16):
        row = data[offset : offset + 16]
        shown = " ".join(f"{byte:02x}" for byte in row).ljust(47)
        text = "".join(chr(byte) if 0x20 < byte < 0x80 else "." for byte in row)
        write_line(transport, "IO", "RAW", f"{direction}{offset:04x}/{len(data):04x}: {shown} {text}")
