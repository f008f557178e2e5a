"""Link options: small objects that set up a link before it is opened.

`Container.create_sender` and `create_receiver` ask each option whether it is meant for the link (`test`) and
then let it act (`apply`). An option holds no state of the link: one object may serve many.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from proton.codec.types import Described, symbol
from proton.endpoints.link import Link
from proton.endpoints.terminus import Terminus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proton.codec.types import AMQPValue

__all__ = [
    "AtLeastOnce",
    "AtMostOnce",
    "Copy",
    "DurableSubscription",
    "DynamicNodeProperties",
    "Filter",
    "LinkOption",
    "Move",
    "ReceiverOption",
    "Selector",
    "SenderOption",
    "apply_options",
    "as_options",
    "check_addresses",
    "check_tags",
    "link_name",
]

#: Names of links that a connection remembers; links to further addresses get random names.
MAX_LINK_NAMES = 1000


class LinkOption:
    """The base of options for links."""

    def apply(self, link: Link) -> None:
        """Set the link up.

        :param link: a link that was not opened yet.
        """

    def test(self, link: Link) -> bool:
        """True when the option is meant for the link.

        :param link: a link that was not opened yet.
        """
        return True


class SenderOption(LinkOption):
    """The base of options for senders."""

    if TYPE_CHECKING:

        def apply(self, sender: Link) -> None: ...

    def test(self, link: Link) -> bool:
        """True for a sender."""
        return bool(link.is_sender)


class ReceiverOption(LinkOption):
    """The base of options for receivers."""

    if TYPE_CHECKING:

        def apply(self, receiver: Link) -> None: ...

    def test(self, link: Link) -> bool:
        """True for a receiver."""
        return bool(link.is_receiver)


def _merge(data: Any, entries: dict[Any, Any]) -> None:
    """Adds entries to the map that several options share: a second map behind it would not be a field."""
    data.rewind()
    merged = dict(data.get_dict()) if data.next() else {}
    merged.update(entries)
    data.clear()
    data.put_dict(merged)


def _symbol_keys(option: str, entries: Any) -> dict[Any, Any]:
    """The entries of an option with symbols as keys: those of other types name no filter or property (3.5.8, 3.5.9)."""
    if entries is None:
        return {}
    if not isinstance(entries, dict):
        raise TypeError(f"{option} takes a dict or None, got {type(entries).__name__} {entries!r:.50}")
    for key in entries:
        if not isinstance(key, str):
            raise TypeError(f"{option} takes a dict with symbols as keys, got {type(key).__name__} {key!r:.50}")
    return {symbol(key): value for key, value in entries.items()}


class AtMostOnce(LinkOption):
    """Messages are sent settled: fire and forget (2.8.2)."""

    def apply(self, link: Link) -> None:
        """Sets the sender's settle mode."""
        link.snd_settle_mode = Link.SND_SETTLED


class AtLeastOnce(LinkOption):
    """Messages are sent unsettled, and settled by the receiver first (2.8.2, 2.8.3)."""

    def apply(self, link: Link) -> None:
        """Sets both settle modes."""
        link.snd_settle_mode = Link.SND_UNSETTLED
        link.rcv_settle_mode = Link.RCV_FIRST


class DynamicNodeProperties(LinkOption):
    """Properties of the node that a dynamic source or target asks for (3.5.9).

    :param props: names and values; the names are sent as symbols.
    :raises TypeError: not a dict, or a name is not a str.
    """

    def __init__(self, props: dict[str, AMQPValue] | None = None) -> None:
        self.properties: dict[Any, Any] = _symbol_keys("DynamicNodeProperties", props)

    def apply(self, link: Link) -> None:
        """Sets the properties of a receiver's source or a sender's target."""
        terminus = link.source if link.is_receiver else link.target
        _merge(terminus.properties, self.properties)


class Filter(ReceiverOption):
    """A filter set for the source of a receiver (3.5.8).

    :param filter_set: names, which are sent as symbols, and described values.
    :raises TypeError: not a dict, or a name is not a str.
    """

    def __init__(self, filter_set: Mapping[str, AMQPValue] | None = None) -> None:
        # Kept as given, not copied: programs change the dict between links, so it is checked again by `apply`.
        self.filter_set: Mapping[str, AMQPValue] = {} if filter_set is None else filter_set
        _symbol_keys("Filter", filter_set)

    def apply(self, receiver: Link) -> None:
        """Sets the filter of the source."""
        _merge(receiver.source.filter, _symbol_keys("Filter", self.filter_set))


class Selector(Filter):
    """Only messages for which an expression is true, in the selector syntax of JMS.

    :param value: the expression, for example ``"colour = 'green'"``.
    :param name: the name of the filter in the filter set.
    :raises TypeError: the expression is not a str.
    """

    def __init__(self, value: str, name: str = "selector") -> None:
        if not isinstance(value, str):
            raise TypeError(f"Selector takes an expression as a str, got {type(value).__name__} {value!r:.50}")
        super().__init__({symbol(name): Described(symbol("apache.org:selector-filter:string"), value)})


class DurableSubscription(ReceiverOption):
    """A source that lives on when the link is detached: give container and link fixed names (3.5.5, 3.5.6)."""

    def apply(self, receiver: Link) -> None:
        """Makes the source durable, without an end."""
        receiver.source.durability = Terminus.DELIVERIES
        receiver.source.expiry_policy = Terminus.EXPIRE_NEVER


class Move(ReceiverOption):
    """Messages that are received leave the node: the consumer of a queue (3.5.7)."""

    def apply(self, receiver: Link) -> None:
        """Sets the distribution mode of the source."""
        receiver.source.distribution_mode = Terminus.DIST_MODE_MOVE


class Copy(ReceiverOption):
    """Messages that are received stay at the node: the browser of a queue (3.5.7)."""

    def apply(self, receiver: Link) -> None:
        """Sets the distribution mode of the source."""
        receiver.source.distribution_mode = Terminus.DIST_MODE_COPY


def as_options(options: Any) -> list[Any]:
    """One option, or a list of them, or None, as a list.

    :raises TypeError: one of them is not an option.
    """
    found: list[Any] = list(options) if isinstance(options, (list, tuple)) else [options] if options else []
    for option in found:
        # The most frequent mistake, and a class has `test` and `apply` too.
        if isinstance(option, type):
            raise TypeError(f"options takes objects such as {option.__name__}(), got the class {option.__name__}")
        if not (hasattr(option, "test") and hasattr(option, "apply")):
            raise TypeError(f"options takes LinkOption objects, got {type(option).__name__} {option!r:.50}")
    return found


def apply_options(options: Any, link: Any) -> None:
    """Apply one option, or a list of them, to a link; None and options for other links are passed over."""
    for option in as_options(options):
        if option.test(link):
            option.apply(link)


def check_addresses(source: Any, target: Any) -> None:
    """Raise for what is not an address, before anything is made of it."""
    for name, address in (("source", source), ("target", target)):
        if address is not None and not isinstance(address, str):
            raise TypeError(f"a {name} address is a str or None, got {address!r}")


def check_tags(tags: Any) -> None:
    """Raise for what cannot make delivery tags."""
    if tags and not callable(tags) and not hasattr(tags, "__next__"):
        raise TypeError(f"tags takes a callable or an iterator, got {type(tags).__name__} {tags!r:.50}")


def link_name(connection: Any, name: str | None, addresses: tuple[str | None, ...]) -> str:
    """The name for a new link: the given one, or one that no link of the connection had.

    Not in the other direction either: a sender and a receiver may share one (2.6.1), but rhea takes the second
    attach for one of the first link.
    A name is not used again after its link has closed: the peer may not have heard of that yet.
    """
    if name:
        return name
    address = "-".join(address for address in addresses if address)
    base = f"{connection.container}-{address or uuid.uuid4()}"
    if not address:
        return base
    # On the connection, since a peer knows links by their names on one connection (2.6.1).
    numbers = connection._link_numbers
    if numbers is None:
        numbers = connection._link_numbers = {}
    # A program that makes a link for each reply address must not fill the memory with their names.
    if len(numbers) >= MAX_LINK_NAMES and base not in numbers:
        return f"{base}-{uuid.uuid4()}"
    numbers[base] = number = numbers.get(base, 0) + 1
    return base if number == 1 else f"{base}-{number}"
