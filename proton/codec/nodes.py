"""The tree behind `Data`: typed nodes, made from bytes, and turned into bytes and Python values.

A `dict` cannot hold what a map may hold on the wire (keys that Python takes for equal or cannot hash, an odd
number of children), so `Data` and the text forms work on nodes. The cursor lives in `data`, text in `text`.

Keep true: scalars are read and written by the functions of `decode` and `encode`, only what has children is
handled here; a tree that is not an AMQP value raises `DataException` and never becomes bytes; limits are those of
`decode`, and the total number of nodes is bounded too, because a node costs a hundred times its byte.

A compound value that no program has entered is its bytes (`closed_node`, `Node.encoded`): most put a whole Python
value, or get one, and a node for each element is ten times as dear as the bytes. Reading `children` opens such a node,
one level of it. Bytes are kept only if they are known to be a value without arrays, so that opening cannot fail.
"""

from __future__ import annotations

import contextlib
import functools
import uuid
from collections.abc import Sequence
from typing import Any, Callable, TypeVar

from proton.codec import types as t
from proton.codec.decode import DECODE, DECODE_ERRORS, decode_value, end_of_value
from proton.codec.encode import PreEncoded, encode, encode_value
from proton.codec.limits import DEFAULT_LIMITS, DecodeLimits, KeyHashes, bad_count, charge_zero_width, too_deep
from proton.exceptions import DataException

__all__ = [
    "CONSTRUCTOR_TYPES",
    "Node",
    "closed_node",
    "decode_closed",
    "decode_node",
    "depth_bounded",
    "encode_closed",
    "encode_node",
    "to_object",
]

#: The type number of every constructor; 0x00 opens a descriptor.
CONSTRUCTOR_TYPES: dict[int, int] = {
    0x00: t.TYPE_DESCRIBED,
    0x40: t.TYPE_NULL,
    0x41: t.TYPE_BOOL,
    0x42: t.TYPE_BOOL,
    0x43: t.TYPE_UINT,
    0x44: t.TYPE_ULONG,
    0x45: t.TYPE_LIST,
    0x50: t.TYPE_UBYTE,
    0x51: t.TYPE_BYTE,
    0x52: t.TYPE_UINT,
    0x53: t.TYPE_ULONG,
    0x54: t.TYPE_INT,
    0x55: t.TYPE_LONG,
    0x56: t.TYPE_BOOL,
    0x60: t.TYPE_USHORT,
    0x61: t.TYPE_SHORT,
    0x70: t.TYPE_UINT,
    0x71: t.TYPE_INT,
    0x72: t.TYPE_FLOAT,
    0x73: t.TYPE_CHAR,
    0x74: t.TYPE_DECIMAL32,
    0x80: t.TYPE_ULONG,
    0x81: t.TYPE_LONG,
    0x82: t.TYPE_DOUBLE,
    0x83: t.TYPE_TIMESTAMP,
    0x84: t.TYPE_DECIMAL64,
    0x94: t.TYPE_DECIMAL128,
    0x98: t.TYPE_UUID,
    0xA0: t.TYPE_BINARY,
    0xA1: t.TYPE_STRING,
    0xA3: t.TYPE_SYMBOL,
    0xB0: t.TYPE_BINARY,
    0xB1: t.TYPE_STRING,
    0xB3: t.TYPE_SYMBOL,
    0xC0: t.TYPE_LIST,
    0xC1: t.TYPE_MAP,
    0xD0: t.TYPE_LIST,
    0xD1: t.TYPE_MAP,
    0xE0: t.TYPE_ARRAY,
    0xF0: t.TYPE_ARRAY,
}

_COMPOUND = frozenset((t.TYPE_DESCRIBED, t.TYPE_ARRAY, t.TYPE_LIST, t.TYPE_MAP))
_CLOSABLE = frozenset((t.TYPE_DESCRIBED, t.TYPE_LIST, t.TYPE_MAP))
#: classes whose values are scalars, and those that hold others; what derives from them is looked at value by value
_SCALARS = frozenset((type(None), bool, int, float, str, bytes, uuid.UUID)) | frozenset(
    (t.ubyte, t.byte, t.ushort, t.short, t.uint, t.int32, t.ulong, t.timestamp, t.float32, t.char, t.symbol)
    + (t.decimal32, t.decimal64, t.decimal128)
)
_HOLDERS = frozenset((list, tuple, dict, t.Described))


#: The `value` of a closed node whose Python value is not at hand.
_NOT_DECODED: Any = object()


class Node:
    """One value of a tree: `kind` is its type number, 0 for the root.

    `value` of a scalar is a Python value of its wrapper class, of an array the pair (described, element type),
    else None. `children` is a list for what may have children and an empty tuple for a scalar. `encoded` of a closed
    node is its bytes, else None; `is_smallest` tells whether `encode` would write the same.
    """

    __slots__ = ("encoded", "index", "is_smallest", "kind", "members", "parent", "value")

    def __init__(self, kind: int, value: Any = None) -> None:
        self.parent: Node | None = None
        # The place among the siblings: `next` and `prev` of the cursor cost the same in a list of any length.
        self.index: int = 0
        # As `set` does, without its call: one for each element of a tree that is put or walked.
        self.kind: int = kind
        self.value: Any = value
        self.encoded: bytes | None = None
        self.is_smallest: bool = False
        # A shared empty tuple for scalars, which are most nodes: an empty list takes 56 bytes.
        self.members: Sequence[Node] = [] if kind in _COMPOUND or not kind else ()

    def set(self, kind: int, value: Any) -> None:
        """Make it another value, without children."""
        self.kind, self.value = kind, value
        self.encoded, self.is_smallest = None, False
        self.members = [] if kind in _COMPOUND or not kind else ()

    def close(self, encoded: bytes, is_smallest: bool, value: Any = _NOT_DECODED) -> None:
        """Make it the compound value of these bytes, unopened.

        :param encoded: a value that is valid, and holds no array
        :param is_smallest: whether `encode` would write it so
        :param value: its Python value, which is given away: no one else may keep it
        """
        self.set(CONSTRUCTOR_TYPES[encoded[0]], value)
        self.encoded, self.is_smallest = encoded, is_smallest

    def take_over(self, other: Node) -> None:
        """Become what another node is, children included; the other is not used any more."""
        self.set(other.kind, other.value)
        self.encoded, self.is_smallest = other.encoded, other.is_smallest
        for child in other.members:
            self.adopt(child)

    @property
    def children(self) -> Sequence[Node]:
        """The nodes below it."""
        if self.encoded is not None:
            _open(self, self.encoded)
        return self.members

    def adopt(self, child: Node) -> Node:
        """Add a last child and return it.

        :raise DataException: when this is a scalar
        """
        children = self.children
        if not isinstance(children, list):
            raise DataException(f"a value of type {t.TYPE_NAMES[self.kind]} cannot hold other values")
        child.parent = self
        child.index = len(children)
        children.append(child)
        return child

    def copy_children(self, source: Node) -> None:
        """Add copies of the whole content of another node."""
        for child in source.children:
            twin = self.adopt(Node(child.kind, child.value))
            if child.encoded is None:
                twin.copy_children(child)
            else:
                twin.close(child.encoded, child.is_smallest)


_Method = TypeVar("_Method", bound=Callable[..., Any])


def depth_bounded(method: _Method) -> _Method:
    """A method that walks down a value of the caller: what the interpreter's stack cannot follow is invalid."""

    # Programs hand over values of any depth; what came from a peer is bounded by `DecodeLimits` already.
    @functools.wraps(method)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except RecursionError:
            pass
        # Behind the handler, not in it: PyPy cannot chain the two at the end of its stack.
        raise DataException("the value is nested too deep, or contains itself")

    return bounded  # type: ignore[return-value]


# -- from bytes ---------------------------------------------------------------------------------------------------


def decode_node(buf: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> tuple[Node, int]:
    """The first value in `buf` as a node without parent, and how many bytes it takes.

    :param limits: what decoding may cost; `elements` also bounds the nodes in total
    :raise DataException: for bytes that are not a value
    """
    try:
        return _NodeDecoder(buf, limits.elements).value(0, limits)
    except DataException:
        raise
    except UnicodeDecodeError as error:
        raise DataException(f"invalid text: {error}") from error
    except DECODE_ERRORS as error:
        raise DataException(f"not enough data to decode: a value does not end within {len(buf)} bytes") from error


def _check_keys(node: Node, pos: int) -> None:
    """No key comes twice (1.6.23), nor many whose hash a peer has chosen: a `dict` is made of them later."""
    seen = set()
    hashes = KeyHashes()
    for key in node.children[::2]:
        # Scalars only: a `dict` cannot have the others as keys, so `to_dict` raises for them.
        if not key.children and key.kind not in _COMPOUND:
            hashes.add(key.value, pos)
            same = (key.kind, repr(key.value))
            if same in seen:
                raise DataException(f"map at offset {pos} has the key {key.value!r:.80} twice (1.6.23)")
            seen.add(same)


class _NodeDecoder:
    """One decoding: the bytes, and how many nodes it may still make."""

    def __init__(self, buf: bytes, most: int) -> None:
        self.buf = buf
        self.most = most
        self.left = most

    def node(self, kind: int, value: Any = None) -> Node:
        if not self.left:
            raise DataException(f"data has more values than the limit of {self.most}")
        self.left -= 1
        return Node(kind, value)

    def copy(self, node: Node) -> Node:
        """A copy that is counted: a few bytes of array elements could ask for any number of large descriptors."""
        twin = self.node(node.kind, node.value)
        for child in node.children:
            twin.adopt(self.copy(child))
        return twin

    def value(self, pos: int, limits: DecodeLimits) -> tuple[Node, int]:
        return self.body(self.buf[pos], pos + 1, limits)

    def body(self, code: int, pos: int, limits: DecodeLimits) -> tuple[Node, int]:
        """The value behind its constructor."""
        kind = CONSTRUCTOR_TYPES.get(code, 0)
        # `45`, the empty list (1.6.22), has no size and count to read.
        if kind not in _COMPOUND or code == 0x45:
            value, end = DECODE[code](self.buf, pos, limits)
            return self.node(kind, None if code == 0x45 else value), end
        inner = limits.inner
        if inner is None:
            raise too_deep(f"{t.TYPE_NAMES[kind]} value", pos - 1, limits)
        if kind == t.TYPE_DESCRIBED:
            return self.described(pos, inner)
        start = pos
        end, count, pos = self.header(code, pos)
        if count > limits.elements or (kind != t.TYPE_ARRAY and count > end - pos):
            raise bad_count(t.TYPE_NAMES[kind], start, count, end - pos, limits)
        if kind == t.TYPE_ARRAY:
            node, pos = self.array(pos, count, inner)
        else:
            node = self.node(kind)
            for _ in range(count):
                child, pos = self.value(pos, inner)
                node.adopt(child)
            # 1.6.23 calls an odd number of children invalid; the tree keeps it, so that a program can look at it.
            if kind == t.TYPE_MAP:
                _check_keys(node, start - 1)
        if pos != end:
            raise DataException(
                f"{t.TYPE_NAMES[kind]} at offset {start - 1} should end at offset {end} by its size, "
                f"its elements end at {pos}"
            )
        return node, pos

    def header(self, code: int, pos: int) -> tuple[int, int, int]:
        """End, count and first element's position of what has a size and a count."""
        buf, name = self.buf, t.TYPE_NAMES[CONSTRUCTOR_TYPES[code]]
        width = 4 if code & 0x10 else 1
        start = pos + 2 * width
        end = pos + width + int.from_bytes(buf[pos : pos + width], "big")
        if max(start, end) > len(buf):
            raise DataException(
                f"not enough data to decode: {name} at offset {pos - 1} should end at offset {max(start, end)}, "
                f"the data ends at {len(buf)}"
            )
        # The size covers the count (1.2.3): a smaller one would let elements begin behind the end.
        if end < start:
            raise DataException(f"{name} at offset {pos - 1} has a size that does not cover its count")
        return end, int.from_bytes(buf[start - width : start], "big"), start

    def described(self, pos: int, inner: DecodeLimits) -> tuple[Node, int]:
        node = self.node(t.TYPE_DESCRIBED)
        for _ in range(2):
            child, pos = self.value(pos, inner)
            node.adopt(child)
        return node, pos

    def array(self, pos: int, count: int, limits: DecodeLimits) -> tuple[Node, int]:
        descriptors: list[Node] = []
        copied = 0  # nodes that each element has besides its own, from no bytes
        while self.buf[pos] == 0:
            if len(descriptors) >= limits.depth:
                raise too_deep("array descriptor", pos, limits)
            left = self.left
            descriptor, pos = self.value(pos + 1, limits)
            # The first descriptor belongs to the array itself; every further one is copied for each element.
            copied += left - self.left + 1 if descriptors else 0
            descriptors.append(descriptor)
        code = self.buf[pos]
        pos += 1
        kind = CONSTRUCTOR_TYPES.get(code)
        if kind is None:
            raise DataException(f"unknown array element constructor 0x{code:02x} at offset {pos - 1}")
        # `45` and below have no bytes (1.2.1): the only elements whose number the size does not bound.
        charge_zero_width(self.buf, pos, count * (copied + (code <= 0x45)), limits)
        if code > 0x45 and count > len(self.buf) - pos:
            raise bad_count(f"array of {t.TYPE_NAMES[kind]}", pos, count, len(self.buf) - pos, limits)
        # An array holds one descriptor; further ones describe each element.
        node = self.node(t.TYPE_ARRAY, (bool(descriptors), t.TYPE_DESCRIBED if descriptors[1:] else kind))
        if descriptors:
            node.adopt(descriptors[0])
        for _ in range(count):
            parent = node
            for descriptor in descriptors[1:]:
                parent = parent.adopt(self.node(t.TYPE_DESCRIBED))
                parent.adopt(self.copy(descriptor))
            element, pos = self.body(code, pos, limits)
            parent.adopt(element)
        return node, pos


# -- closed nodes -------------------------------------------------------------------------------------------------


def closed_node(encoded: bytes, is_smallest: bool, value: Any = _NOT_DECODED) -> Node:
    """A node without parent, see `Node.close`."""
    node = Node(0)
    node.close(encoded, is_smallest, value)
    return node


def encode_closed(value: Any) -> bytes | None:
    """The bytes of a list, map or described value, for a closed node.

    None for what has to be put value by value: arrays in it, whose elements `Data` checks by type, and whatever has no
    bytes; the fault is then that of the value that is to blame, and what comes before it is put.
    """
    try:
        encoded = encode(value)
    except Exception:  # whatever it is, putting value by value meets it again
        return None
    return None if _may_hold_array(encoded, value) else encoded


def decode_closed(buf: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> tuple[Node, int] | None:
    """The first value in `buf` as a closed node, and how many bytes it takes; None where `decode_node` has to look."""
    # Every node has a byte at least, but for elements of arrays: so their number is bounded without counting them.
    if CONSTRUCTOR_TYPES.get(buf[0]) not in _CLOSABLE or len(buf) > limits.elements:
        return None
    try:
        value, end = decode_value(buf, 0, limits)
    except (*DECODE_ERRORS, TypeError, ValueError, OverflowError):
        return None
    encoded = buf if end == len(buf) else buf[:end]
    # Of equal keys that only AMQP tells apart a dict shows one: what the others have is not to be seen in it.
    return None if _may_hold_array(encoded, value, _HOLDERS - {dict}) else (closed_node(encoded, False, value), end)


def _may_hold_array(encoded: bytes, value: Any, holders: frozenset[type] = _HOLDERS) -> bool:
    """Whether something in a value may be an array, or of a class that the type table does not name.

    :param holders: the classes that are looked into
    """
    # Most bytes have none of an array's constructors.
    return (b"\xe0" in encoded or b"\xf0" in encoded) and _look_for_array(value, holders)


def _look_for_array(value: Any, holders: frozenset[type]) -> bool:
    kind = type(value)
    if kind not in holders:
        return kind not in _SCALARS
    if kind is dict:
        members = [*value, *value.values()]
    else:
        members = [value.descriptor, value.value] if kind is t.Described else value
    inner = set(map(type, members)) - _SCALARS
    return bool(inner) and any(_look_for_array(member, holders) for member in members)


def _open(node: Node, encoded: bytes) -> None:
    """Give a closed node its children: scalars as they are, and closed nodes."""
    is_smallest = node.is_smallest
    node.set(node.kind, None)
    code = encoded[0]
    if code == 0x45:
        return
    if not code:
        count, pos = 2, 1
    else:
        width = 4 if code & 0x10 else 1
        pos = 1 + 2 * width
        count = int.from_bytes(encoded[1 + width : pos], "big")
    for _ in range(count):
        code = encoded[pos]
        kind = CONSTRUCTOR_TYPES[code]
        if kind in _COMPOUND:
            end = end_of_value(encoded, pos)
            child = closed_node(encoded[pos:end], is_smallest)
            pos = end
        else:
            value, pos = DECODE[code](encoded, pos + 1, DEFAULT_LIMITS)
            child = Node(kind, value)
        node.adopt(child)


# -- to Python values ---------------------------------------------------------------------------------------------


def to_object(node: Node) -> Any:
    """The Python value of a node; what is missing reads as None, of equal map keys the last one wins.

    :raise TypeError: when a map has a key that Python cannot hash
    """
    kind = node.kind
    if kind not in _COMPOUND:
        return node.value
    if node.encoded is not None:
        value = _closed_value(node, node.encoded)
        if value is not _NOT_DECODED:
            return value
    if kind == t.TYPE_LIST:
        return [to_object(child) for child in node.children]
    if kind == t.TYPE_MAP:
        return to_dict(node)
    return to_array(node) if kind == t.TYPE_ARRAY else to_described(node)


def _closed_value(node: Node, encoded: bytes) -> Any:
    """The Python value of a closed node; `_NOT_DECODED` if it is nested beyond the limits, or has a key like a list."""
    # Given away once: the program may change what it gets.
    value, node.value = node.value, _NOT_DECODED
    if value is _NOT_DECODED:
        with contextlib.suppress(*DECODE_ERRORS):
            value = decode_value(encoded)[0]
    return value


def to_dict(node: Node) -> dict[Any, Any]:
    """The children of a node, taken as keys and values in turn."""
    if node.kind == t.TYPE_MAP and node.encoded is not None:
        found: dict[Any, Any] = _closed_value(node, node.encoded)
        if found is not _NOT_DECODED:
            return found
    # `next` with a default takes the key of an odd map with None, as `decode` does.
    values = iter([to_object(child) for child in node.children])
    return {key: next(values, None) for key in values}


def to_described(node: Node) -> t.Described:
    """The first two children of a node, taken as descriptor and value."""
    values = [to_object(child) for child in node.children[:2]]
    return t.Described(*values, *[None] * (2 - len(values)))


def to_array(node: Node) -> t.Array:
    """An array node as an `Array`."""
    described, kind = node.value
    values = [to_object(child) for child in node.children]
    if not described:
        return t.Array(t.UNDESCRIBED, kind, *values)
    return t.Array(values[0] if values else None, kind, *values[1:])


# -- to bytes -----------------------------------------------------------------------------------------------------


def encode_node(node: Node) -> PreEncoded:
    """The bytes of a node, in the smallest form.

    :raise DataException: the tree is not an AMQP value
    """
    if node.is_smallest and node.encoded is not None:
        return PreEncoded(node.encoded)
    out: list[bytes] = []
    encode_value(out, _encodable(node))
    return PreEncoded(b"".join(out))


def _encodable(node: Node) -> Any:
    """A value that `encode` writes as this node; children are bytes by then, except for elements of arrays.

    Those have no constructor of their own, so `arrays` has to see them.
    """
    kind, children = node.kind, node.children
    if kind not in _COMPOUND:
        return node.value
    if kind == t.TYPE_LIST:
        # Bytes by now: two children with one Python value may be of different types.
        return [encode_node(child) for child in children]
    if kind == t.TYPE_MAP:
        return _encodable_map(node)
    if kind == t.TYPE_DESCRIBED:
        if len(children) != 2:
            raise DataException(
                f"a described value has a descriptor and a value, this one has {len(children)} children"
            )
        # The descriptor is bytes already; the value stays a value, since elements of arrays share its constructor.
        return t.Described(encode_node(children[0]), _encodable(children[1]))
    described, element_type = node.value
    elements = children[1:] if described else children
    if described and not children:
        raise DataException("a described array has its descriptor as the first child, this one has no children")
    # Here, since `encode` compares Python classes, and several types share one.
    for element in elements:
        if element.kind != element_type:
            raise DataException(
                f"array of {t.TYPE_NAMES.get(element_type, element_type)} has an element of type "
                f"{t.TYPE_NAMES[element.kind]}"
            )
    descriptor = encode_node(children[0]) if described else t.UNDESCRIBED
    return t.Array(descriptor, element_type, *map(_encodable, elements))


def _encodable_map(node: Node) -> dict[PreEncoded, PreEncoded]:
    """The map by the bytes of its keys, which are unique on the wire (1.6.23) where Python values might not be."""
    if len(node.children) % 2:
        raise DataException(f"a map has keys and values in pairs, this one has {len(node.children)} children")
    result: dict[PreEncoded, PreEncoded] = {}
    for key, value in zip(node.children[::2], node.children[1::2]):
        encoded = encode_node(key)
        if encoded in result:
            raise DataException(f"a map has each key once, this one has {key.value!r} twice")
        result[encoded] = encode_node(value)
    return result
