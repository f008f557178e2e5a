"""`Terminus`: the source or target of a link (3.5.1 to 3.5.4), local or as the peer sent it.

A terminus is plain values and up to four `Data` trees. `encode_terminus` and `decode_terminus` are the two ways
between it and the attach frame; nothing else knows the order of the fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from proton.codec.composites import COORDINATOR, SOURCE, TARGET, check_fields, composite_of, encode_composite
from proton.codec.data import Data
from proton.codec.encode import PreEncoded, encode
from proton.codec.nodes import Node
from proton.codec.types import SymbolList

__all__ = ["Terminus", "check_range", "encode_terminus", "decode_terminus"]

_EXPIRY_SYMBOLS = ("link-detach", "session-end", "connection-close", "never")
_EXPIRY_POLICIES = {symbol: number for number, symbol in enumerate(_EXPIRY_SYMBOLS)}
_MODE_SYMBOLS = {1: "copy", 2: "move"}
_MODES = {"copy": 1, "move": 2}
#: the trees of a terminus without any, as most are: it has a dict of its own with the first
_NO_TREES: dict[str, Data] = {}


def check_range(name: str, value: int, most: int) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{name} takes an integer, got {value!r}")
    if not 0 <= value <= most:
        raise OverflowError(f"{name} takes 0 to {most}, got {value}")
    return int(value)


class Terminus:
    """A source or a target of messages (3.5.3, 3.5.4). Got from a link, never made by programs."""

    UNSPECIFIED = 0
    SOURCE = 1
    TARGET = 2
    COORDINATOR = 3
    NONDURABLE = 0
    CONFIGURATION = 1
    DELIVERIES = 2
    DIST_MODE_UNSPECIFIED = 0
    DIST_MODE_COPY = 1
    DIST_MODE_MOVE = 2
    EXPIRE_WITH_LINK = 0
    EXPIRE_WITH_SESSION = 1
    EXPIRE_WITH_CONNECTION = 2
    EXPIRE_NEVER = 3

    def __init__(self, type: int) -> None:
        #: UNSPECIFIED, SOURCE, TARGET or COORDINATOR
        self.type: int = type
        self._address: str | None = None
        #: NONDURABLE, CONFIGURATION or DELIVERIES: what survives a failure (3.5.5)
        self.durability: int = 0
        self._expiry_policy = self.EXPIRE_WITH_SESSION
        self._expiry_policy_set = False  # the default is not written: the peer may have another
        self._timeout = 0
        self._dynamic = False
        #: how a source hands out messages: DIST_MODE_COPY, DIST_MODE_MOVE or unspecified (3.5.7)
        self.distribution_mode: int = 0
        self._trees: dict[str, Data] = _NO_TREES

    @property
    def address(self) -> str | None:
        """The address of the node, or None.

        :raises TypeError: on setting anything but str or None.
        """
        return self._address

    @address.setter
    def address(self, address: str | None) -> None:
        if address is not None and not isinstance(address, str):
            raise TypeError(f"an address is a str or None, got {address!r}")
        self._address = address

    @property
    def expiry_policy(self) -> int:
        """When the terminus expires: EXPIRE_WITH_LINK, _SESSION, _CONNECTION or EXPIRE_NEVER (3.5.6)."""
        return self._expiry_policy

    @expiry_policy.setter
    def expiry_policy(self, policy: int) -> None:
        self._expiry_policy = policy
        self._expiry_policy_set = True

    @property
    def timeout(self) -> int:
        """Seconds that the terminus lives on after its expiry policy has started the count.

        :raises OverflowError: not in 0 to 2**32 - 1.
        """
        return self._timeout

    @timeout.setter
    def timeout(self, seconds: int) -> None:
        self._timeout = check_range("timeout", seconds, 0xFFFFFFFF)

    @property
    def dynamic(self) -> bool:
        """True asks the peer to create a node and to say its address.

        :raises OverflowError, TypeError: not a truth value.
        """
        return self._dynamic

    @dynamic.setter
    def dynamic(self, dynamic: bool) -> None:
        self._dynamic = bool(check_range("dynamic", dynamic, 1))

    def _tree(self, name: str) -> Data:
        tree = self._trees.get(name)
        if tree is None:
            if self._trees is _NO_TREES:
                self._trees = {}
            tree = self._trees[name] = Data()
        return tree

    @property
    def properties(self) -> Data:
        """The properties of a dynamic node, as `Data`; put a map into it before the link is opened."""
        return self._tree("properties")

    @property
    def capabilities(self) -> Data:
        """The capabilities, as `Data` holding symbols: one, several, or an array of them; they go out as an array."""
        return self._tree("capabilities")

    @property
    def outcomes(self) -> Data:
        """The outcomes that a source supports, as `Data` holding symbols: one, several, or an array of them.

        They go out as an array.
        """
        return self._tree("outcomes")

    @property
    def filter(self) -> Data:
        """The filter set of a source, as `Data` holding a map (3.5.8)."""
        return self._tree("filter")

    def copy(self, src: Terminus) -> None:
        """Take over every field of another terminus.

        :param src: the terminus to copy from.
        """
        self.type = src.type
        self._address = src._address
        self.durability = src.durability
        self._expiry_policy = src._expiry_policy
        self._expiry_policy_set = src._expiry_policy_set
        self._timeout = src._timeout
        self._dynamic = src._dynamic
        self.distribution_mode = src.distribution_mode
        self._trees = _NO_TREES
        for name, tree in src._trees.items():
            self._tree(name).copy(tree)

    def _values(self, name: str) -> Sequence[Node]:
        """The values at the top of a tree; none when it says nothing."""
        tree = self._trees.get(name)
        # The nodes themselves: `Data.next` would move the place of a program that reads the same tree.
        nodes = tree._root.children if tree is not None else []
        return [] if [node.kind for node in nodes] == [Data.NULL] else nodes

    def _encoded_map(self, name: str) -> PreEncoded | None:
        nodes = self._values(name)
        if not nodes:
            return None
        tree = self._trees[name]
        if len(nodes) > 1 or nodes[0].kind != Data.MAP:  # a second value would be taken for the next field
            raise TypeError(f"{name} of a terminus takes one map, got {tree.format():.100}")
        return PreEncoded(tree.encode())

    def _encoded_symbols(self, name: str) -> PreEncoded | None:
        """An array of the symbols, also of one: RabbitMQ 4.3 refuses a single symbol; without any nothing is said."""
        nodes = self._values(name)
        symbols = list(_elements(nodes))
        described = any(node.kind == Data.ARRAY and node.value[0] for node in nodes)
        # A described array would go out with its descriptor, where the field takes plain symbols (3.5.3).
        if described or any(node.kind not in (Data.SYMBOL, Data.STRING) for node in symbols):
            raise TypeError(f"{name} of a terminus takes symbols, got {self._trees[name].format():.100}")
        if not symbols:
            return None
        if len(nodes) == 1 and nodes[0].value == (False, Data.SYMBOL):
            return PreEncoded(self._trees[name].encode())
        return PreEncoded(encode(SymbolList(node.value for node in symbols).to_array()))

    def _encode(self) -> PreEncoded | None:
        if self.type == Terminus.UNSPECIFIED:
            return None
        for name in ("durability", "expiry_policy", "distribution_mode"):
            value = getattr(self, name)
            if not isinstance(value, int):
                raise TypeError(f"{name} of a terminus takes an integer, got {type(value).__name__} {value!r:.50}")
        capabilities = self._encoded_symbols("capabilities")
        # 4.5.1: a coordinator has capabilities and nothing else; it stands in the place of a target.
        if self.type == Terminus.COORDINATOR:
            return PreEncoded(encode_composite(COORDINATOR, (capabilities,)))
        policy = self._expiry_policy
        fields: list[Any] = [
            self._address,
            self.durability,
            _EXPIRY_SYMBOLS[policy] if self._expiry_policy_set and 0 <= policy < 4 else None,
            self._timeout,
            self._dynamic,
            self._encoded_map("properties"),
        ]
        if self.type == Terminus.TARGET:
            fields.append(capabilities)
            return PreEncoded(encode_composite(TARGET, fields))
        fields += [
            _MODE_SYMBOLS.get(self.distribution_mode),
            self._encoded_map("filter"),
            None,  # default-outcome (3.5.3), which the API does not have
            self._encoded_symbols("outcomes"),
            capabilities,
        ]
        return PreEncoded(encode_composite(SOURCE, fields))


def _elements(nodes: Iterable[Node]) -> Iterator[Node]:
    for node in nodes:
        if node.kind == Data.ARRAY:
            yield from node.children[node.value[0] :]  # behind the descriptor
        elif node.kind == Data.LIST:
            yield from node.children
        else:
            yield node


def encode_terminus(terminus: Terminus) -> PreEncoded | None:
    """The terminus as a field of attach; None for one without a type.

    :raises TypeError: one of its trees holds something else than the field does, or a number is of another type.
    """
    return terminus._encode()


def decode_terminus(value: Any) -> Terminus:
    """The terminus in a field of a received attach; unspecified where the field is absent.

    :raises DataException: a field of the terminus is of a wrong type.
    """
    terminus = Terminus(Terminus.UNSPECIFIED)
    found = composite_of(value)
    if found is None or found[0] not in (SOURCE, TARGET, COORDINATOR):
        return terminus
    composite, received = found
    fields = check_fields(composite, received)
    # The trees keep the form that the peer chose: one symbol, or an array of them.
    trees = received + [None] * (len(fields) - len(received))
    if composite is COORDINATOR:
        terminus.type = Terminus.COORDINATOR
        _load_tree(terminus, "capabilities", trees[0])
        return terminus
    terminus.address = str(fields[0]) if fields[0] is not None else None
    terminus.dynamic = bool(fields[4])
    if composite is TARGET:
        terminus.type = Terminus.TARGET
        _load_tree(terminus, "capabilities", trees[6])
    else:
        # Without an address, and not dynamic, it names no node: unspecified, like a null source (2.6.3).
        if fields[0] is not None or terminus.dynamic:
            terminus.type = Terminus.SOURCE
        terminus.distribution_mode = _MODES.get(fields[6] or "", 0)
        _load_tree(terminus, "filter", trees[7])
        _load_tree(terminus, "outcomes", trees[9])
        _load_tree(terminus, "capabilities", trees[10])
    terminus.durability = fields[1] or 0
    # An unknown policy leaves the default: a peer of a later version is not refused for a word.
    if fields[2] in _EXPIRY_POLICIES:
        terminus.expiry_policy = _EXPIRY_POLICIES[fields[2]]
    terminus.timeout = fields[3] or 0
    _load_tree(terminus, "properties", trees[5])
    return terminus


def _load_tree(terminus: Terminus, name: str, value: Any) -> None:
    if value is not None:
        tree: Data = getattr(terminus, name)
        tree.put_object(value)
        tree.rewind()
