"""The public `Data`: a tree of AMQP values with a cursor, for programs that need a value's exact AMQP type.

The tree, its bytes and its Python values are in `nodes`, its text in `text`; here are the cursor and the typed
accessors, which are short and alike. Nothing on the path of a message uses this.

Keep true: a `put_*` checks its argument before it touches the tree, so a refused value leaves no node behind; a
node's value always has the class that `encode` writes as the node's type; a `get_*` never moves the cursor.
"""

from __future__ import annotations

import operator
import struct
import sys
import uuid
from collections.abc import Iterable
from typing import Any, Callable, ClassVar

from proton.codec import types as t
from proton.codec.encode import out_of_range, type_number
from proton.codec.nodes import (
    Node,
    closed_node,
    decode_closed,
    decode_node,
    depth_bounded,
    encode_closed,
    encode_node,
    to_array,
    to_described,
    to_dict,
    to_object,
)
from proton.codec.text import format_value
from proton.codec.types import AMQPValue
from proton.exceptions import DataException

__all__ = ["Data"]

# The integer types: the class of their values, and their range.
_INTEGERS: dict[int, tuple[type[int], int, int]] = {
    t.TYPE_BOOL: (int, 0, 1),
    t.TYPE_UBYTE: (t.ubyte, 0, 2**8 - 1),
    t.TYPE_BYTE: (t.byte, -(2**7), 2**7 - 1),
    t.TYPE_USHORT: (t.ushort, 0, 2**16 - 1),
    t.TYPE_SHORT: (t.short, -(2**15), 2**15 - 1),
    t.TYPE_UINT: (t.uint, 0, 2**32 - 1),
    t.TYPE_INT: (t.int32, -(2**31), 2**31 - 1),
    t.TYPE_ULONG: (t.ulong, 0, 2**64 - 1),
    t.TYPE_LONG: (int, -(2**63), 2**63 - 1),
    t.TYPE_TIMESTAMP: (t.timestamp, -(2**63), 2**63 - 1),
    t.TYPE_DECIMAL32: (t.decimal32, 0, 2**32 - 1),
    t.TYPE_DECIMAL64: (t.decimal64, 0, 2**64 - 1),
}


def _integer(kind: int, value: Any) -> int:
    """An integer as a value of that type: `TypeError` for another class, `OverflowError` outside of the range."""
    cls, low, high = _INTEGERS[kind]
    if value.__class__ is int and low <= value <= high:  # what programs put nearly always
        return value if cls is int else int.__new__(cls, value)
    try:
        number = int(operator.index(value))
    except TypeError:
        raise TypeError(f"an integer is required, not {type(value).__name__}") from None
    if not low <= number <= high:
        raise out_of_range(t.TYPE_NAMES[kind], low, high, number)
    return int.__new__(cls, number)


def _real(value: Any) -> float:
    if isinstance(value, (str, bytes, bytearray)):
        raise TypeError(f"must be real number, not {type(value).__name__}")
    return float(value)


def _text(value: Any) -> str:
    # The class of the error is the one that programs know; `encode` gave it for what is not text.
    if not isinstance(value, str):
        raise AttributeError(f"a str is required, not {type(value).__name__}")
    return value


class Data:
    """An ordered tree of AMQP values, read and written at a cursor.

    The cursor is a current node and its parent. It starts before the first node: `next` and `prev` move among
    siblings, `enter` and `exit` between a compound value and its children. A ``put_*`` method writes the node
    behind the current one, over what is there, and makes it current; a ``get_*`` method reads the current node and
    gives an empty value when that has another type.

    :param capacity: has no effect; `OverflowError` when negative, `TypeError` when not an integer
    """

    NULL = t.TYPE_NULL
    BOOL = t.TYPE_BOOL
    UBYTE = t.TYPE_UBYTE
    BYTE = t.TYPE_BYTE
    USHORT = t.TYPE_USHORT
    SHORT = t.TYPE_SHORT
    UINT = t.TYPE_UINT
    INT = t.TYPE_INT
    CHAR = t.TYPE_CHAR
    ULONG = t.TYPE_ULONG
    LONG = t.TYPE_LONG
    TIMESTAMP = t.TYPE_TIMESTAMP
    FLOAT = t.TYPE_FLOAT
    DOUBLE = t.TYPE_DOUBLE
    DECIMAL32 = t.TYPE_DECIMAL32
    DECIMAL64 = t.TYPE_DECIMAL64
    DECIMAL128 = t.TYPE_DECIMAL128
    UUID = t.TYPE_UUID
    BINARY = t.TYPE_BINARY
    STRING = t.TYPE_STRING
    SYMBOL = t.TYPE_SYMBOL
    DESCRIBED = t.TYPE_DESCRIBED
    ARRAY = t.TYPE_ARRAY
    LIST = t.TYPE_LIST
    MAP = t.TYPE_MAP

    #: The name of each type number.
    type_names: ClassVar[dict[int, str]] = dict(t.TYPE_NAMES)

    def __init__(self, capacity: int = 16) -> None:
        if operator.index(capacity) < 0:
            raise OverflowError(f"capacity must not be negative: {capacity}")
        self.clear()

    @classmethod
    def type_name(cls, amqptype: int) -> str:
        """The name of a type number; `KeyError` for an unknown number.

        :param amqptype: such as `Data.INT`
        """
        return cls.type_names[amqptype]

    # -- the cursor ---------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Remove every value; the cursor is before the first node, and not narrowed."""
        self._root = Node(0)
        self._parent: Node = self._root
        self._current: Node | None = None
        # `narrow` stores the place, not a node: `rewind` must also get back before the first child.
        self._base: tuple[Node, Node | None] = (self._root, None)

    def rewind(self) -> None:
        """Move before the first node, or to where `narrow` was called."""
        self._parent, self._current = self._base

    def next(self) -> int | None:
        """Move to the next sibling, or to the first one.

        :return: its type number; None, with the cursor left alone, when there is none
        """
        return self._move(0 if self._current is None else self._current.index + 1)

    def prev(self) -> int | None:
        """Move to the previous sibling.

        :return: its type number; None, with the cursor left alone, when there is none
        """
        return None if self._current is None else self._move(self._current.index - 1)

    def _move(self, index: int) -> int | None:
        siblings = self._parent.children
        if not 0 <= index < len(siblings):
            return None
        self._current = siblings[index]
        return self._current.kind

    def enter(self) -> bool:
        """Move before the first child of the current node; False when there is no current node."""
        if self._current is None:
            return False
        self._parent, self._current = self._current, None
        return True

    def exit(self) -> bool:
        """Move to the parent of the current node; False when that is the root."""
        if self._parent.parent is None:
            return False
        self._parent, self._current = self._parent.parent, self._parent
        return True

    def lookup(self, name: str) -> bool:
        """Search the following siblings, taken as keys and values, and move to the value of a key.

        :param name: the key, a string or a symbol on the wire
        :return: whether there is one; if not, the cursor is on the last sibling
        """
        # Keys are at even places only if the cursor is on a value or before the first key, as after `enter`.
        while self.next() is not None:
            key = self._current
            if key is not None and key.kind in (t.TYPE_STRING, t.TYPE_SYMBOL) and key.value == name:
                return self.next() is not None
            self.next()
        return False

    def narrow(self) -> None:
        """Make `rewind` return to the present place, see `widen`."""
        self._base = (self._parent, self._current)

    def widen(self) -> None:
        """Make `rewind` return to the beginning again; the cursor stays where it is."""
        self._base = (self._root, None)

    def type(self) -> int | None:
        """The type number of the current node, None without one."""
        return None if self._current is None else self._current.kind

    def is_described(self) -> bool:
        """Whether the current node is a described value: enter it for the descriptor and the value."""
        return self.type() == t.TYPE_DESCRIBED

    def is_null(self) -> bool:
        """Whether the current node is null."""
        return self.type() == t.TYPE_NULL

    # -- the whole tree -----------------------------------------------------------------------------------------

    @depth_bounded
    def copy(self, src: Data) -> None:
        """Replace everything by a copy of all that another `Data` holds, and rewind.

        :param src: is not changed, nor is its cursor
        """
        # Copied before `clear`: `src` may be this object.
        root = Node(0)
        root.copy_children(src._root)
        self.clear()
        self._root = root
        self.widen()
        self.rewind()

    @depth_bounded
    def encode(self) -> bytes:
        """All top-level values as AMQP bytes, one after another; the cursor stays.

        :raise DataException: when a value is incomplete, or an array element has not the type of its array
        """
        return b"".join([encode_node(node) for node in self._root.children])

    def encoded_size(self) -> int:
        """How many bytes `encode` gives; -2 when it would raise."""
        try:
            return len(self.encode())
        except DataException:
            return -2

    def decode(self, encoded: bytes | bytearray | memoryview) -> int:
        """Decode the first value in some bytes, and put it behind the current node.

        :param encoded: bytes that begin with a value; any bytes-like object.
        :return: how many bytes the value takes; what follows is not looked at
        :raise DataException: for bytes that are not a value or beyond the limits, nothing is changed then
        :raise TypeError: when `encoded` is not bytes-like
        """
        # The whole value is decoded before the tree is touched.
        buf = memoryview(encoded).tobytes()
        node, size = (decode_closed(buf) if buf else None) or decode_node(buf)
        self._put_node(node)
        return size

    @depth_bounded
    def format(self) -> str:
        """All top-level values as text for people, such as ``@open(16) [container-id="me"]``."""
        return ", ".join([format_value(node) for node in self._root.children])

    def dump(self) -> None:
        """Write the nodes and the cursor to the standard output, for debugging."""
        nodes: list[Node] = []
        pending = list(reversed(self._root.children))
        while pending:
            nodes.append(pending.pop())
            pending.extend(reversed(nodes[-1].children))
        numbers = {id(node): number for number, node in enumerate(nodes, 1)}

        def number(node: Node | None) -> int:
            return numbers.get(id(node), 0)

        lines = [f"{{current={number(self._current)}, parent={number(self._parent)}}}"]
        for node in nodes:
            siblings = node.parent.children if node.parent is not None else ()
            before = siblings[node.index - 1] if node.index else None
            behind = siblings[node.index + 1] if node.index + 1 < len(siblings) else None
            down = node.children[0] if node.children else None
            name = t.TYPE_NAMES[node.kind]
            text = f"<{name}>" if isinstance(node.children, list) else format_value(node)
            lines.append(
                f"Node {number(node)}: prev={number(before)}, next={number(behind)}, parent={number(node.parent)}, "
                f"down={number(down)}, children={len(node.children)}, type=PN_{name.upper()} ({text})"
            )
        sys.stdout.write("\n".join(lines) + "\n")

    # -- writing ------------------------------------------------------------------------------------------------

    def _put(self, kind: int, value: Any = None) -> None:
        current, siblings = self._current, self._parent.children
        index = 0 if current is None else current.index + 1
        if index < len(siblings):
            self._current = siblings[index]
            self._current.set(kind, value)
        else:
            self._current = self._parent.adopt(Node(kind, value))

    def _put_node(self, node: Node) -> None:
        if self._move(0 if self._current is None else self._current.index + 1) is None:
            self._current = self._parent.adopt(node)
        else:
            self._here().take_over(node)

    def _put_whole(self, value: Any) -> bool:
        """Put a list, map or described value as its bytes; False if it has to be put value by value."""
        encoded = encode_closed(value)
        if encoded is None:
            return False
        self._put_node(closed_node(encoded, True))
        return True

    def _here(self) -> Node:
        if self._current is None:
            raise DataException("there is no current node")
        return self._current

    def put_null(self) -> None:
        """Put a null."""
        self._put(t.TYPE_NULL)

    def put_bool(self, b: bool | int) -> None:
        """Put a boolean.

        :param b: a bool, 0 or 1; `OverflowError` for another integer, `TypeError` for anything else
        """
        self._put(t.TYPE_BOOL, bool(_integer(t.TYPE_BOOL, b)))

    def put_ubyte(self, ub: int) -> None:
        """Put an unsigned byte.

        :param ub: an integer, 0 to 2**8 - 1; `OverflowError` outside, `TypeError` for what is not one
        """
        self._put(t.TYPE_UBYTE, _integer(t.TYPE_UBYTE, ub))

    def put_byte(self, b: int) -> None:
        """Put a signed byte.

        :param b: an integer, -2**7 to 2**7 - 1; `OverflowError` outside, `TypeError` for what is not one
        """
        self._put(t.TYPE_BYTE, _integer(t.TYPE_BYTE, b))

    def put_ushort(self, us: int) -> None:
        """Put an unsigned short.

        :param us: an integer, 0 to 2**16 - 1; `OverflowError` outside, `TypeError` for what is not one
        """
        self._put(t.TYPE_USHORT, _integer(t.TYPE_USHORT, us))

    def put_short(self, s: int) -> None:
        """Put a signed short.

        :param s: an integer, -2**15 to 2**15 - 1; `OverflowError` outside, `TypeError` for what is not one
        """
        self._put(t.TYPE_SHORT, _integer(t.TYPE_SHORT, s))

    def put_uint(self, ui: int) -> None:
        """Put an unsigned int.

        :param ui: an integer, 0 to 2**32 - 1; `OverflowError` outside, `TypeError` for what is not one
        """
        self._put(t.TYPE_UINT, _integer(t.TYPE_UINT, ui))

    def put_int(self, i: int) -> None:
        """Put a signed int.

        :param i: an integer, -2**31 to 2**31 - 1; `OverflowError` outside, `TypeError` for what is not one
        """
        self._put(t.TYPE_INT, _integer(t.TYPE_INT, i))

    def put_char(self, c: str) -> None:
        """Put a character.

        :param c: text of one character; `TypeError` for anything else
        """
        if not isinstance(c, str) or len(c) != 1:
            raise TypeError(f"one character is required, not {c!r}")
        c.encode("utf-32-be")  # a half of a surrogate pair is not a character
        self._put(t.TYPE_CHAR, t.char(c))

    def put_ulong(self, ul: int) -> None:
        """Put an unsigned long.

        :param ul: an integer, 0 to 2**64 - 1; `OverflowError` outside, `TypeError` for what is not one
        """
        self._put(t.TYPE_ULONG, _integer(t.TYPE_ULONG, ul))

    def put_long(self, i64: int) -> None:
        """Put a signed long.

        :param i64: an integer, -2**63 to 2**63 - 1; `OverflowError` outside, `TypeError` for what is not one
        """
        self._put(t.TYPE_LONG, _integer(t.TYPE_LONG, i64))

    def put_timestamp(self, t: int) -> None:
        """Put a timestamp, in milliseconds since 1970-01-01 UTC.

        :param t: an integer, -2**63 to 2**63 - 1; `OverflowError` outside, `TypeError` for what is not one
        """
        self._put(Data.TIMESTAMP, _integer(Data.TIMESTAMP, t))

    def put_float(self, f: float) -> None:
        """Put a binary32.

        :param f: a number, rounded; beyond the range it becomes an infinity. `TypeError` for what is not one
        """
        number = _real(f)
        try:
            number = struct.unpack(">f", struct.pack(">f", number))[0]
        except OverflowError:
            number = float("inf") if number > 0 else float("-inf")
        self._put(t.TYPE_FLOAT, t.float32(number))

    def put_double(self, d: float) -> None:
        """Put a binary64.

        :param d: a number; `TypeError` for anything else
        """
        self._put(t.TYPE_DOUBLE, _real(d))

    def put_decimal32(self, d: int) -> None:
        """Put a decimal32, given as its bits.

        :param d: an integer, 0 to 2**32 - 1; `OverflowError` outside, `TypeError` for what is not one
        """
        self._put(t.TYPE_DECIMAL32, _integer(t.TYPE_DECIMAL32, d))

    def put_decimal64(self, d: int) -> None:
        """Put a decimal64, given as its bits.

        :param d: an integer, 0 to 2**64 - 1; `OverflowError` outside, `TypeError` for what is not one
        """
        self._put(t.TYPE_DECIMAL64, _integer(t.TYPE_DECIMAL64, d))

    def put_decimal128(self, d: bytes) -> None:
        """Put a decimal128, given as its bytes.

        :param d: 16 bytes; `DataException` for another length, `TypeError` for what is not bytes-like
        """
        value = memoryview(d).tobytes()
        if len(value) != 16:
            raise DataException(f"a decimal128 has 16 bytes, not {len(value)}")
        self._put(t.TYPE_DECIMAL128, t.decimal128(value))

    def put_uuid(self, u: uuid.UUID) -> None:
        """Put a UUID.

        :param u: a `uuid.UUID`; `AttributeError` for anything else
        """
        if not isinstance(u, uuid.UUID):
            raise AttributeError(f"a uuid.UUID is required, not {type(u).__name__}")
        self._put(t.TYPE_UUID, u)

    def put_binary(self, b: bytes | bytearray | memoryview | str) -> None:
        """Put a binary.

        :param b: bytes-like, or text, which is put as UTF-8; `TypeError` for anything else
        """
        self._put(t.TYPE_BINARY, b.encode() if isinstance(b, str) else memoryview(b).tobytes())

    def put_memoryview(self, mv: memoryview) -> None:
        """Put a binary, as :meth:`put_binary`.

        :param mv: the bytes, any bytes-like object.
        """
        self.put_binary(mv)

    def put_buffer(self, buff: bytes | bytearray | memoryview) -> None:
        """Put a binary, as :meth:`put_binary`.

        :param buff: the bytes, any bytes-like object.
        """
        self.put_binary(buff)

    def put_string(self, s: str) -> None:
        """Put a string.

        :param s: text; `AttributeError` for what is not text, `UnicodeEncodeError` for half of a surrogate pair
        """
        text = _text(s)
        text.encode()
        self._put(t.TYPE_STRING, str.__str__(text))

    def put_symbol(self, s: str) -> None:
        """Put a symbol.

        :param s: ASCII text; `AttributeError` for what is not text, `UnicodeEncodeError` for what is not ASCII
        """
        text = _text(s)
        text.encode("ascii")
        self._put(t.TYPE_SYMBOL, t.symbol(text))

    def put_described(self) -> None:
        """Put a described value: enter it, and put the descriptor and the value."""
        self._put(t.TYPE_DESCRIBED)

    def put_array(self, described: bool, element_type: int) -> None:
        """Put an array: enter it, put the descriptor if it is to have one, and the elements.

        :param described: whether the first child is the descriptor
        :param element_type: the type number that every element must have
        """
        self._put(t.TYPE_ARRAY, (bool(_integer(t.TYPE_LONG, described)), _integer(t.TYPE_LONG, element_type)))

    def put_list(self) -> None:
        """Put a list: enter it, and put the elements."""
        self._put(t.TYPE_LIST)

    def put_map(self) -> None:
        """Put a map: enter it, and put keys and values in turn."""
        self._put(t.TYPE_MAP)

    @depth_bounded
    def put_object(self, obj: AMQPValue) -> None:
        """Put any Python value, with the AMQP type that belongs to its class or to the nearest base class.

        :raise DataException: when no AMQP type does

        :param obj: a value of a class that has an AMQP type.
        """
        _PUT[type_number(obj)](self, obj)

    @depth_bounded
    def put_dict(self, d: dict[AMQPValue, AMQPValue]) -> None:
        """Put a map with everything in a dict.

        :raise DataException: for a key or value that has no AMQP type; what was put before stays

        :param d: the map, its keys and values such as `put_object` takes.
        """
        items = d.items()
        if self._put_whole(d):
            return
        self.put_map()
        self._fill([member for item in items for member in item])

    @depth_bounded
    def put_sequence(self, s: Iterable[AMQPValue]) -> None:
        """Put a list with everything in an iterable.

        :raise DataException: for an element that has no AMQP type; what was put before stays

        :param s: the elements, such as `put_object` takes.
        """
        elements = list(s)
        if self._put_whole(elements):
            return
        self.put_list()
        self._fill(elements)

    @depth_bounded
    def put_py_described(self, d: t.Described) -> None:
        """Put a `Described`.

        :param d: a `Described`.
        """
        members = [d.descriptor, d.value]
        if self._put_whole(d):
            return
        self.put_described()
        self._fill(members)

    @depth_bounded
    def put_py_array(self, a: t.Array) -> None:
        """Put an `Array`; plain Python values become elements of its type.

        :raise DataException: for an element that cannot have that type; what was put before stays

        :param a: an `Array`.
        """
        described = a.descriptor is not t.UNDESCRIBED
        elements = a.elements
        self.put_array(described, a.type)
        self.enter()
        try:
            if described:
                self.put_object(a.descriptor)
            for element in elements:
                self._put_element(a.type, element)
        finally:
            self.exit()

    def _fill(self, members: Iterable[Any]) -> None:
        self.enter()
        try:
            for member in members:
                self.put_object(member)
        finally:
            self.exit()

    def _put_element(self, kind: int, element: Any) -> None:
        put = _PUT.get(kind, Data.put_object)  # the type may be unknown, which `encode` tells
        if isinstance(element, _ELEMENTS.get(kind, object)):
            try:
                return put(self, element)
            except (TypeError, AttributeError):
                pass
        raise DataException(
            f"an array of {t.TYPE_NAMES[kind]} cannot have an element of class {type(element).__name__}: {element!r}"
        )

    # -- reading ------------------------------------------------------------------------------------------------

    def _get(self, kind: int, default: Any) -> Any:
        node = self._current
        return node.value if node is not None and node.kind == kind else default

    def get_bool(self) -> bool:
        """The current boolean; False on another node."""
        return bool(self._get(t.TYPE_BOOL, False))

    def get_ubyte(self) -> t.ubyte:
        """The current ubyte; 0 on another node."""
        value: t.ubyte = self._get(t.TYPE_UBYTE, t.ubyte(0))
        return value

    def get_byte(self) -> t.byte:
        """The current byte; 0 on another node."""
        value: t.byte = self._get(t.TYPE_BYTE, t.byte(0))
        return value

    def get_ushort(self) -> t.ushort:
        """The current ushort; 0 on another node."""
        value: t.ushort = self._get(t.TYPE_USHORT, t.ushort(0))
        return value

    def get_short(self) -> t.short:
        """The current short; 0 on another node."""
        value: t.short = self._get(t.TYPE_SHORT, t.short(0))
        return value

    def get_uint(self) -> t.uint:
        """The current uint; 0 on another node."""
        value: t.uint = self._get(t.TYPE_UINT, t.uint(0))
        return value

    def get_int(self) -> t.int32:
        """The current int; 0 on another node."""
        value: t.int32 = self._get(t.TYPE_INT, t.int32(0))
        return value

    def get_char(self) -> t.char:
        """The current char; the null character on another node."""
        value: t.char = self._get(t.TYPE_CHAR, t.char("\0"))
        return value

    def get_ulong(self) -> t.ulong:
        """The current ulong; 0 on another node."""
        value: t.ulong = self._get(t.TYPE_ULONG, t.ulong(0))
        return value

    def get_long(self) -> int:
        """The current long; 0 on another node."""
        value: int = self._get(t.TYPE_LONG, 0)
        return value

    def get_timestamp(self) -> t.timestamp:
        """The current timestamp; milliseconds since 1970-01-01 UTC, 0 on another node."""
        value: t.timestamp = self._get(t.TYPE_TIMESTAMP, t.timestamp(0))
        return value

    def get_float(self) -> t.float32:
        """The current float; 0.0 on another node."""
        value: t.float32 = self._get(t.TYPE_FLOAT, t.float32(0.0))
        return value

    def get_double(self) -> float:
        """The current double; 0.0 on another node."""
        value: float = self._get(t.TYPE_DOUBLE, 0.0)
        return value

    def get_decimal32(self) -> t.decimal32:
        """The current decimal32 as its bits; 0 on another node."""
        value: t.decimal32 = self._get(t.TYPE_DECIMAL32, t.decimal32(0))
        return value

    def get_decimal64(self) -> t.decimal64:
        """The current decimal64 as its bits; 0 on another node."""
        value: t.decimal64 = self._get(t.TYPE_DECIMAL64, t.decimal64(0))
        return value

    def get_decimal128(self) -> t.decimal128:
        """The current decimal128 as its 16 bytes; zeros on another node."""
        value: t.decimal128 = self._get(t.TYPE_DECIMAL128, t.decimal128(bytes(16)))
        return value

    def get_uuid(self) -> uuid.UUID | None:
        """The current UUID; None on another node."""
        value: uuid.UUID | None = self._get(t.TYPE_UUID, None)
        return value

    def get_binary(self) -> bytes:
        """The current binary; empty on another node."""
        value: bytes = self._get(t.TYPE_BINARY, b"")
        return value

    def get_string(self) -> str:
        """The current string; empty on another node."""
        value: str = self._get(t.TYPE_STRING, "")
        return value

    def get_symbol(self) -> t.symbol:
        """The current symbol; empty on another node."""
        value: t.symbol = self._get(t.TYPE_SYMBOL, t.symbol(""))
        return value

    def get_list(self) -> int:
        """How many elements the current list has; 0 on another node."""
        return self._children(t.TYPE_LIST)

    def get_map(self) -> int:
        """How many keys and values the current map has together; 0 on another node."""
        return self._children(t.TYPE_MAP)

    def _children(self, kind: int) -> int:
        node = self._current
        return len(node.children) if node is not None and node.kind == kind else 0

    def get_array(self) -> tuple[int, bool, int | None]:
        """Of the current array: how many elements, whether it is described, and their type number.

        :return: ``(0, False, None)`` on another node
        """
        described, element_type = self._get(t.TYPE_ARRAY, (False, None))
        return max(self._children(t.TYPE_ARRAY) - described, 0), described, element_type

    @depth_bounded
    def get_object(self) -> AMQPValue:
        """The current node as a Python value; None without one.

        :raise TypeError: when a map has a key that Python cannot hash
        """
        return None if self._current is None else to_object(self._current)

    @depth_bounded
    def get_dict(self) -> dict[AMQPValue, AMQPValue] | None:
        """The current map as a dict; of equal keys the last one wins. None without a current node.

        :raise TypeError: when a key cannot be hashed
        """
        return None if self._current is None else to_dict(self._current)

    @depth_bounded
    def get_sequence(self) -> list[AMQPValue] | None:
        """The current list as a list; None without a current node."""
        return None if self._current is None else [to_object(node) for node in self._current.children]

    def get_py_described(self) -> t.Described | None:
        """The current described value as a `Described`; None without a current node."""
        return None if self._current is None else to_described(self._current)

    @depth_bounded
    def get_py_array(self) -> t.Array | None:
        """The current array as an `Array`; None on another node."""
        return to_array(self._here()) if self.type() == t.TYPE_ARRAY else None


# How each type is put from a Python value.
_PUT: dict[int, Callable[[Data, Any], None]] = {
    t.TYPE_NULL: lambda data, value: data.put_null(),
    t.TYPE_BOOL: Data.put_bool,
    t.TYPE_UBYTE: Data.put_ubyte,
    t.TYPE_BYTE: Data.put_byte,
    t.TYPE_USHORT: Data.put_ushort,
    t.TYPE_SHORT: Data.put_short,
    t.TYPE_UINT: Data.put_uint,
    t.TYPE_INT: Data.put_int,
    t.TYPE_CHAR: Data.put_char,
    t.TYPE_ULONG: Data.put_ulong,
    t.TYPE_LONG: Data.put_long,
    t.TYPE_TIMESTAMP: Data.put_timestamp,
    t.TYPE_FLOAT: Data.put_float,
    t.TYPE_DOUBLE: Data.put_double,
    t.TYPE_DECIMAL32: Data.put_decimal32,
    t.TYPE_DECIMAL64: Data.put_decimal64,
    t.TYPE_DECIMAL128: Data.put_decimal128,
    t.TYPE_UUID: Data.put_uuid,
    t.TYPE_BINARY: Data.put_binary,
    t.TYPE_STRING: Data.put_string,
    t.TYPE_SYMBOL: Data.put_symbol,
    t.TYPE_DESCRIBED: Data.put_py_described,
    t.TYPE_ARRAY: Data.put_py_array,
    t.TYPE_LIST: Data.put_sequence,
    t.TYPE_MAP: Data.put_dict,
}

# Where a put accepts more than an element may be: the classes of elements.
_ELEMENTS: dict[int, Any] = {
    t.TYPE_NULL: type(None),
    t.TYPE_BINARY: (bytes, bytearray, memoryview),
    t.TYPE_DESCRIBED: t.Described,
    t.TYPE_ARRAY: t.Array,
    t.TYPE_LIST: (list, tuple),
    t.TYPE_MAP: dict,
}
