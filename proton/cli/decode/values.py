"""AMQP values as a person reads them and as JSON has them, with secrets hidden.

Both forms take the values of the codec, name the fields of composites and the choices of the specification, and show
nothing that could steer a terminal. Keep true: a secret is replaced before either form sees it (`secrets.hide`).
"""

from __future__ import annotations

import datetime
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from proton.cli.decode.secrets import Hidden
from proton.codec.composites import Composite, Field, composite_of
from proton.codec.text import quote
from proton.codec.types import Array, Described, decimal32, decimal64, decimal128, float32, symbol, timestamp
from proton.endpoints.printable import printable

#: characters of one text, bytes of one binary, elements of one list that the readable form shows
MAX_TEXT = 1000
MAX_BINARY = 64
MAX_ELEMENTS = 50

# The choices of the specification by the type of the field (2.8.1 to 2.8.3, 3.5.5, 5.3.3.6).
_CHOICES: dict[str, tuple[str, ...]] = {
    "role": ("sender", "receiver"),
    "sender-settle-mode": ("unsettled", "settled", "mixed"),
    "receiver-settle-mode": ("first", "second"),
    "terminus-durability": ("none", "configuration", "unsettled-state"),
    "sasl-code": ("ok", "auth", "sys", "sys-perm", "sys-temp"),
}
_PLAIN_SYMBOL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/+@-]*")


def named_fields(composite: Composite, values: Sequence[Any]) -> dict[str, Any]:
    """The fields of a composite by name, without those that are null; further ones are called `field-N`."""
    fields: dict[str, Any] = {}
    for at, value in enumerate(values):
        if value is not None:
            known = composite.fields[at] if at < len(composite.fields) else None
            fields[known.name if known else f"field-{at}"] = _chosen(known, value)
    return fields


def _chosen(field: Field | None, value: Any) -> Any:
    """The word of the specification for a value of one of its restricted types."""
    choices = _CHOICES.get(field.type) if field is not None else None
    if choices and isinstance(value, int) and 0 <= value < len(choices):
        return symbol(choices[value])
    return value


# -- for a person -----------------------------------------------------------------------------------------------------


def text_of(value: Any) -> str:
    """A value in one line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        plain = isinstance(value, symbol) and _PLAIN_SYMBOL.fullmatch(value)
        return printable(value, MAX_TEXT) if plain else quoted(value)
    if isinstance(value, decimal128):
        return f"decimal128({value.hex()})"
    if isinstance(value, bytes):
        return f'b"{quote(value, MAX_BINARY)}"'
    if isinstance(value, timestamp):
        return moment(value)
    if isinstance(value, (decimal32, decimal64)):
        return f"{type(value).__name__}({int(value):#x})"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:.9g}" if isinstance(value, float32) else repr(float(value))
    if isinstance(value, dict):
        pairs = (f"{text_of(key)}={text_of(item)}" for key, item in value.items())
        return "{" + _joined(pairs, len(value)) + "}"
    if isinstance(value, Array):
        value = value.elements
    if isinstance(value, (list, tuple)):
        return "[" + _joined(map(text_of, value), len(value)) + "]"
    if isinstance(value, Described):
        known = composite_of(value)
        if known is None:
            return f"@{text_of(value.descriptor)} {text_of(value.value)}"
        return f"{known[0].name}({fields_text(named_fields(*known))})"
    return str(value)


def quoted(text: str) -> str:
    """Text in double quotes, without anything that is not printable."""
    escaped = printable(text[:MAX_TEXT].replace("\\", "\\\\").replace('"', '\\"'), 12 * MAX_TEXT)
    more = len(text) - MAX_TEXT
    return f'"{escaped}"... ({more} more)' if more > 0 else f'"{escaped}"'


def fields_text(fields: dict[str, Any], separator: str = ", ") -> str:
    """Fields of a composite as `name=value`."""
    return separator.join(f"{name}={text_of(value)}" for name, value in fields.items())


def _joined(texts: Iterator[str], count: int) -> str:
    """The first of `count` elements, and how many there are beside them."""
    shown = list(itertools.islice(texts, MAX_ELEMENTS))
    more = count - len(shown)
    return ", ".join(shown) + (f", ... ({more} more)" if more else "")


def moment(milliseconds: int) -> str:
    """A timestamp (1.6.17) in UTC; as a number where no calendar has it."""
    try:
        point = datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=int(milliseconds))
    except OverflowError:
        return str(int(milliseconds))
    return point.isoformat(timespec="milliseconds") + "Z"


# -- for programs -----------------------------------------------------------------------------------------------------


def json_of(value: Any) -> Any:
    """A value as JSON has it.

    Texts, symbols, characters and UUIDs become strings, timestamps milliseconds; bytes `{"binary": hexadecimal}`, with
    `"text"` where they are printable ASCII; a composite an object with its name as `"type"`; another described value
    `{"descriptor", "value"}`; a map whose keys are not all texts `{"map": [[key, value], ...]}`.
    """
    if isinstance(value, Hidden):
        return repr(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (str, UUID)):
        return str(value)
    if isinstance(value, decimal128):
        return {"decimal128": value.hex()}
    if isinstance(value, bytes):
        return _json_bytes(value)
    if isinstance(value, (decimal32, decimal64)):
        return {type(value).__name__: f"{int(value):#x}"}
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))  # JSON has no infinity
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {str(key): json_of(item) for key, item in value.items()}
        return {"map": [[json_of(key), json_of(item)] for key, item in value.items()]}
    if isinstance(value, (list, tuple, Array)):
        return [json_of(item) for item in value]
    if isinstance(value, Described):
        known = composite_of(value)
        if known is None:
            return {"descriptor": json_of(value.descriptor), "value": json_of(value.value)}
        return {"type": known[0].name, **json_fields(named_fields(*known))}
    return str(value)


def json_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of a composite for JSON."""
    return {name: json_of(value) for name, value in fields.items()}


def _json_bytes(value: bytes) -> dict[str, str]:
    found = {"binary": value.hex()}
    if value and all(0x20 <= octet < 0x7F or octet in (9, 10, 13) for octet in value):
        found["text"] = value.decode("ascii")
    return found
