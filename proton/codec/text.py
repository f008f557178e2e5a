"""The text of AMQP values: what `Data.format` gives, and what a frame trace shows.

One formatter serves both, told apart by `trace`: traces write unsigned numbers in hexadecimal, leave out the
nulls of described lists, name array types differently, and never show a SASL response, which holds a password.
Traces are read straight from the bytes, because they must show broken frames too: `trace_performative` never
raises, and marks with `!!` what it cannot read.
"""

from __future__ import annotations

import re
from typing import Any, Callable

from proton.codec import types as t
from proton.codec.composites import BY_CODE, BY_SYMBOL, SASL_INIT, SASL_RESPONSE, Composite
from proton.codec.decode import DECODE, DECODE_ERRORS
from proton.codec.limits import DEFAULT_LIMITS
from proton.codec.nodes import CONSTRUCTOR_TYPES, Node

__all__ = ["format_value", "quote", "trace_performative"]

# A table over bytes: what a peer sends cannot put control characters into a log, and costs one lookup a byte.
_QUOTED = tuple(
    chr(octet) if 0x20 <= octet < 0x7F and chr(octet) not in "\"'\\" else f"\\x{octet:02x}" for octet in range(256)
)

# The position of the field that may hold a password (5.3.3.2, 5.3.3.4).
_SECRETS = {SASL_INIT.code: 1, SASL_RESPONSE.code: 0}
_HIDDEN = "***"

# Kinds beside the type numbers, in trees read for a trace: plain text such as `!!`.
_MARK = -1
_BROKEN = "!!"
_BROKEN_COMPOUNDS = {t.TYPE_LIST: "[!!]", t.TYPE_MAP: "{!!}", t.TYPE_ARRAY: "@<!!>[!!]"}


def quote(data: bytes, limit: int | None = None) -> str:
    """Bytes as text: printable ASCII as it is, except quotes and backslash; all else as ``\\xhh``.

    :param limit: how many bytes to show at most; how many are left is added in words
    """
    shown = data if limit is None else data[:limit]
    text = "".join([_QUOTED[octet] for octet in shown])
    return text if len(shown) == len(data) else f"{text}... ({len(data) - len(shown)} more)"


# -- the formatter ------------------------------------------------------------------------------------------------


def _unsigned(value: int, trace: bool) -> str:
    return f"{value:#x}" if trace else f"{value:d}"


# An unprintable character would break the line of the trace.
def _char(value: str, trace: bool) -> str:
    return value if value.isprintable() else value.encode("unicode_escape").decode()


def _octets(value: str | bytes) -> str:
    # A trace keeps the bytes of text, which need not be valid.
    return quote(value if isinstance(value, bytes) else value.encode())


# The two texts of the C engine differ here: traces leave symbols with digits and hyphens unquoted.
# Symbols of these forms need no quotes.
_PLAIN_IN_TRACE = re.compile("[A-Za-z][A-Za-z0-9-]*")
_PLAIN_IN_FORMAT = re.compile("[A-Za-z]*")


def _symbol(value: str | bytes, trace: bool) -> str:
    text = _octets(value)
    plain = (_PLAIN_IN_TRACE if trace else _PLAIN_IN_FORMAT).fullmatch(text)
    return f":{text}" if plain else f':"{text}"'


_SCALARS: dict[int, Callable[[Any, bool], str]] = {
    _MARK: lambda value, trace: str(value),
    t.TYPE_NULL: lambda value, trace: "null",
    t.TYPE_BOOL: lambda value, trace: "true" if value else "false",
    t.TYPE_UBYTE: _unsigned,
    t.TYPE_USHORT: _unsigned,
    t.TYPE_UINT: _unsigned,
    t.TYPE_ULONG: _unsigned,
    t.TYPE_BYTE: lambda value, trace: f"{value:d}",
    t.TYPE_SHORT: lambda value, trace: f"{value:d}",
    t.TYPE_INT: lambda value, trace: f"{value:d}",
    t.TYPE_LONG: lambda value, trace: f"{value:d}",
    t.TYPE_TIMESTAMP: lambda value, trace: f"{value:d}",
    t.TYPE_CHAR: _char,
    t.TYPE_FLOAT: lambda value, trace: f"{value:g}",
    t.TYPE_DOUBLE: lambda value, trace: f"{value:g}",
    t.TYPE_DECIMAL32: lambda value, trace: f"D32({value:04x})" if trace else f"D32({value:d})",
    t.TYPE_DECIMAL64: lambda value, trace: f"D64({value:08x})" if trace else f"D64({value:d})",
    t.TYPE_DECIMAL128: lambda value, trace: f"D128({value.hex()})",
    t.TYPE_UUID: lambda value, trace: f"UUID({value})",
    t.TYPE_BINARY: lambda value, trace: f'b"{quote(value)}"',
    t.TYPE_STRING: lambda value, trace: f'"{_octets(value)}"',
    t.TYPE_SYMBOL: _symbol,
}


class _Compound(Node):
    """A compound value of a trace with what is to be said behind its bracket."""

    __slots__ = ("remark",)

    def __init__(self, kind: int, value: Any = None) -> None:
        super().__init__(kind, value)
        self.remark = ""


def format_value(node: Node, trace: bool = False) -> str:
    """The text of a node and all below it.

    :param trace: the form of frame traces instead of that of `Data.format`
    """
    scalar = _SCALARS.get(node.kind)
    if scalar is not None:
        return scalar(node.value, trace)
    if node.kind == t.TYPE_DESCRIBED:
        return _described(node, trace)
    texts = [format_value(child, trace) for child in node.children]
    if node.kind == t.TYPE_MAP:
        # A child without a partner stands alone.
        return "{" + ", ".join("=".join(texts[at : at + 2]) for at in range(0, len(texts), 2)) + "}" + _remark(node)
    if node.kind == t.TYPE_ARRAY:
        described, element_type = node.value
        name = t.TYPE_NAMES.get(element_type)
        if trace:
            head = f"<{name or _BROKEN}>"
            texts = texts[1:] if described else texts
        else:
            head = f"PN_{name.upper()}" if name else "<UNKNOWN>"
        return f"@{head}[{', '.join(texts)}]{_remark(node)}"
    return f"[{', '.join(texts)}]{_remark(node)}"


def _remark(node: Node) -> str:
    return node.remark if isinstance(node, _Compound) else ""


def _described(node: Node, trace: bool) -> str:
    """A described value: what a number describes is shown with its name, and a list with its field names."""
    if not node.children:
        return "@"
    descriptor, values = node.children[0], node.children[1:]
    # By symbol too, for the secret and the nulls; the names of the fields are shown for numeric descriptors alone.
    composite = _composite_of(descriptor)
    numeric = descriptor.kind == t.TYPE_ULONG
    if numeric:
        head = f"@{descriptor.value:d}" if composite is None else f"@{composite.name}({composite.code})"
    else:
        head = f"@{format_value(descriptor, trace)}"
    names = [field.name for field in composite.fields] if numeric and composite is not None else []
    secret = _SECRETS.get(composite.code, -1) if trace and composite is not None else -1
    texts = []
    for value in values:
        if value.kind == t.TYPE_LIST:
            texts.append(_fields(value, names, secret, numeric and (trace or composite is not None), trace))
        else:
            # Not a list, so it is not a valid SASL frame, but what it holds may be the password all the same.
            texts.append(_HIDDEN if secret >= 0 and value.kind != _MARK else format_value(value, trace))
    return f"{head} {', '.join(texts)}" if texts else head


def _composite_of(descriptor: Node) -> Composite | None:
    if descriptor.kind == t.TYPE_ULONG:
        return BY_CODE.get(descriptor.value)
    if descriptor.kind == t.TYPE_SYMBOL:
        return BY_SYMBOL.get(_octets(descriptor.value))
    return None


def _fields(node: Node, names: list[str], secret: int, omit_nulls: bool, trace: bool) -> str:
    """The list of a described value, with the names of its fields as far as there are any."""
    texts = []
    # Nulls are skipped after counting: the names, and the position of the secret, go by the index on the wire.
    for at, field in enumerate(node.children):
        if field.kind == t.TYPE_NULL and omit_nulls:
            continue
        text = _HIDDEN if at == secret else format_value(field, trace)
        texts.append(f"{names[at]}={text}" if at < len(names) else text)
    return f"[{', '.join(texts)}]{_remark(node)}"


# -- reading what may be broken -----------------------------------------------------------------------------------


def trace_performative(buf: bytes, pos: int, end: int) -> str:
    """The text of the performative at `pos`, and of the payload between it and `end`: `@transfer(20) [...] (5) hello`.

    Never raises: what cannot be read is shown as `!!`, and a count that does not agree as `<found!=claimed>`.
    """
    end = min(end, len(buf))
    node, pos = _read(buf, pos, end, DEFAULT_LIMITS.depth)
    text = format_value(node, True)
    if pos >= end:
        return text
    composite = _composite_of(node.children[0]) if node.kind == t.TYPE_DESCRIBED else None
    # What follows a SASL performative may be the rest of a response whose size was wrong.
    hidden = composite is not None and composite.code in _SECRETS
    return f"{text} ({end - pos}) {_HIDDEN if hidden else quote(buf[pos:end])}"


def _broken(end: int) -> tuple[Node, int]:
    return Node(_MARK, _BROKEN), end


def _read(buf: bytes, pos: int, end: int, depth: int) -> tuple[Node, int]:
    """The value at `pos`; behind a broken one the position is `end`, because nothing tells where it ends."""
    if pos >= end:
        return _broken(end)
    return _read_body(buf[pos], buf, pos + 1, end, depth)


def _read_body(code: int, buf: bytes, pos: int, end: int, depth: int) -> tuple[Node, int]:
    kind = CONSTRUCTOR_TYPES.get(code)
    if kind is None:
        return _broken(end)
    if code >= 0xC0:
        return _read_compound(code, buf, pos, end, depth)
    if code >= 0xA0:
        width = 4 if code & 0x10 else 1
        start = pos + width
        stop = start + int.from_bytes(buf[pos:start], "big")
        # Text stays bytes: invalid UTF-8 is shown as it came.
        return (Node(kind, buf[start:stop]), stop) if start <= end and stop <= end else _broken(end)
    if code == 0x45:
        return Node(kind), pos
    if code == 0:
        node = Node(kind)
        if depth <= 0:
            return _broken(end)
        for _ in range(2):
            child, pos = _read(buf, pos, end, depth - 1)
            node.adopt(child)
            if child.kind == _MARK:
                break
        return node, pos
    # The high digit of the other constructors tells the width: 4 for none, 5 for one octet, 6 for two (1.2.1).
    stop = pos + (1 << (code >> 4) - 5 if code >= 0x50 else 0)
    if stop > end:
        return _broken(end)
    try:
        return Node(kind, DECODE[code](buf, pos, DEFAULT_LIMITS)[0]), stop
    except DECODE_ERRORS:  # not a character
        return Node(_MARK, _BROKEN), stop


def _read_compound(code: int, buf: bytes, pos: int, end: int, depth: int) -> tuple[Node, int]:
    kind = CONSTRUCTOR_TYPES[code]
    width = 4 if code & 0x10 else 1
    start = pos + 2 * width
    stop = pos + width + int.from_bytes(buf[pos : pos + width], "big")
    # `start` too, since the size must cover the count (1.2.3).
    if not start <= stop <= end or depth <= 0:
        # Of what is only nested too deep, the end is known.
        return Node(_MARK, _BROKEN_COMPOUNDS[kind]), stop if start <= stop <= end else end
    node = _Compound(kind, (False, 0) if kind == t.TYPE_ARRAY else None)
    count = int.from_bytes(buf[pos + width : start], "big")
    pos = start
    if kind != t.TYPE_ARRAY:
        found = 0
        # By the size and not by the count: the trace shows what is there, and the remark what was claimed.
        while pos < stop:
            child, pos = _read(buf, pos, stop, depth - 1)
            node.adopt(child)
            found += 1
    else:
        element_kind, elements, found = _read_elements(count, buf, pos, stop, depth - 1)
        node.value = (False, element_kind)
        for element in elements:
            node.adopt(element)
    if found != count:
        node.remark = f"<{found}!={count}>"
    return node, stop


def _read_elements(count: int, buf: bytes, pos: int, end: int, depth: int) -> tuple[int, list[Node], int]:
    """The elements of an array that says it has `count`: their type, those to show, and how many there are."""
    while pos < end and buf[pos] == 0:
        _, pos = _read(buf, pos + 1, end, depth)
    code = buf[pos] if pos < end else -1
    kind = CONSTRUCTOR_TYPES.get(code)
    if kind is None:
        return 0, [Node(_MARK, _BROKEN)], count
    elements: list[Node] = []
    pos += 1
    if code < 0x50:
        # A few bytes can claim billions of these.
        if count:
            elements.append(_read_body(code, buf, pos, end, depth)[0])
        if count > 1:
            elements.append(Node(_MARK, f"...({count - 1} more)"))
        return kind, elements, count
    while pos < end:
        element, pos = _read_body(code, buf, pos, end, depth)
        elements.append(element)
    return kind, elements, len(elements)
