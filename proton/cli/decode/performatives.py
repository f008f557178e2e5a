"""Composites and messages read field by field, so that what is broken is named and what stands before it is shown.

The values are read by the codec of the package. Keep true: nothing here raises for any bytes; a fault is a text with
the offset in the buffer that was given, what was expected, and what came.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from proton.codec.composites import BY_CODE, BY_SYMBOL, Composite, check_fields
from proton.codec.decode import DECODE_ERRORS, DEFAULT_LIMITS, DecodeLimits, decode_value
from proton.codec.sections import section_code
from proton.codec.types import symbol, ulong
from proton.exceptions import DataException


class Read(NamedTuple):
    """A composite as far as it could be read.

    :ivar composite: None where the bytes are not a known one.
    :ivar values: the fields that were read, in order.
    :ivar end: the position behind it; where the fault is, if there is one.
    :ivar faults: what is wrong, in words.
    """

    composite: Composite | None
    values: list[Any]
    end: int
    faults: list[str]


class Section(NamedTuple):
    """A section of a message (3.2): its name, and its value; the fields of a header or properties as a list."""

    name: str
    composite: Composite | None
    value: Any


def limits_for(size: int) -> DecodeLimits:
    """The limits for a buffer: what is large is counted as it is decoded."""
    return DEFAULT_LIMITS if size <= DEFAULT_LIMITS.unmetered else DEFAULT_LIMITS.metered()


def fault_text(error: Exception, pos: int, end: int) -> str:
    """The text of what the codec raised for the value at `pos`."""
    if isinstance(error, DataException):
        return str(error)
    if isinstance(error, UnicodeDecodeError):
        return f"expected {error.encoding} text at offset {pos}, got the byte 0x{error.object[error.start]:02x} in it"
    return f"expected a whole value at offset {pos}, got the {end - pos} bytes that are left"


def read_performative(buf: bytes, pos: int) -> Read:
    """The described list at `pos`."""
    if buf[pos : pos + 1] != b"\x00":
        return Read(None, [], pos, [_expected("a performative, which begins with 0x00,", buf, pos)])
    start = pos + 1
    try:
        descriptor, pos = decode_value(buf, start, DEFAULT_LIMITS)
    except DECODE_ERRORS as error:
        return Read(None, [], start, [fault_text(error, start, len(buf))])
    composite = None
    if type(descriptor) is ulong:
        composite = BY_CODE.get(descriptor)
    elif type(descriptor) is symbol:
        composite = BY_SYMBOL.get(descriptor)
    if composite is None:
        return Read(None, [], start, [f"expected the descriptor of a performative at offset {start}, got another one"])
    values, end, faults = read_fields(buf, pos, composite)
    if not faults:
        try:
            check_fields(composite, values)
        except DataException as error:
            faults.append(str(error))
    return Read(composite, values, end, faults)


def _expected(what: str, buf: bytes, pos: int) -> str:
    came = f"0x{buf[pos]:02x}" if pos < len(buf) else "the end"
    return f"expected {what} at offset {pos}, got {came}"


def read_fields(buf: bytes, pos: int, composite: Composite) -> tuple[list[Any], int, list[str]]:
    """The list at `pos` as fields of a composite: those that can be read, where it ends, and what is wrong."""
    code = buf[pos] if pos < len(buf) else -1
    if code == 0x45:
        return [], pos + 1, []
    width = {0xC0: 1, 0xD0: 4}.get(code)
    if width is None:
        return [], pos, [_expected(f"the list of {composite.name}", buf, pos)]
    first = pos + 1 + 2 * width
    stop = pos + 1 + width + int.from_bytes(buf[pos + 1 : pos + 1 + width], "big")
    count = int.from_bytes(buf[pos + 1 + width : first], "big")
    faults: list[str] = []
    if not first <= stop <= len(buf):
        faults.append(
            f"{composite.name}: expected a list that ends between {first} and {len(buf)}, got one at offset {pos} "
            f"that says {stop}"
        )
        stop = len(buf)
    values: list[Any] = []
    limits = limits_for(stop - pos).inner or DEFAULT_LIMITS
    at = first
    while len(values) < count and at < stop:
        try:
            value, behind = decode_value(buf, at, limits)
        except DECODE_ERRORS as error:
            return values, at, [*faults, f"{_field_name(composite, len(values))}: {fault_text(error, at, stop)}"]
        values.append(value)
        at = behind
    if (len(values) != count or at != stop) and not faults:
        faults.append(
            f"{composite.name}: expected {count} fields up to offset {stop}, got {len(values)} up to offset {at}"
        )
    return values, stop, faults


def _field_name(composite: Composite, at: int) -> str:
    return f"{composite.name}: field {composite.fields[at].name if at < len(composite.fields) else at}"


def read_message(buf: bytes) -> tuple[list[Section], str]:
    """The sections of a message, up to the first that cannot be read, and what is wrong with that."""
    sections: list[Section] = []
    limits = limits_for(len(buf))
    pos = 0
    while pos < len(buf):
        try:
            code, at = section_code(buf, pos, limits)
        except DECODE_ERRORS as error:
            return sections, f"section at offset {pos}: {fault_text(error, pos, len(buf))}"
        composite = BY_CODE.get(code)
        name = composite.name if composite is not None else "unknown section"
        if composite is not None and composite.fields and buf[at : at + 1] != b"\x40":
            values, end, faults = read_fields(buf, at, composite)
            sections.append(Section(name, composite, values))
            if faults:
                return sections, f"section at offset {pos}: {'; '.join(faults)}"
        else:
            try:
                value, end = decode_value(buf, at, limits)
            except DECODE_ERRORS as error:
                return sections, f"{name} section at offset {pos}: {fault_text(error, at, len(buf))}"
            sections.append(Section(name, composite, value))
        pos = end
    return sections, ""
