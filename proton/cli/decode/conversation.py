"""What two ends say to each other: the frames of both directions, their links, and the messages that frames carry.

Secrets are replaced here, before anything is shown: what SASL mechanisms answer, tokens that go to a `$cbs` node, and
values whose keys say that they are secret. Keep true: messages that are not whole take `MAX_UNFINISHED` bytes at most.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple

from proton.cli.decode.frames import FrameReader, Item
from proton.cli.decode.performatives import Section, read_message
from proton.cli.decode.secrets import HIDDEN, hide
from proton.cli.decode.values import named_fields, text_of
from proton.codec.composites import (
    AMQP_SEQUENCE,
    AMQP_VALUE,
    APPLICATION_PROPERTIES,
    ATTACH,
    DATA,
    DETACH,
    END,
    SASL_INIT,
    SASL_OUTCOME,
    SASL_RESPONSE,
    TRANSFER,
    composite_of,
)

#: bytes of one message, and of all that are not whole in a connection, that are kept to decode them
MAX_MESSAGE = 16 << 20
MAX_UNFINISHED = 64 << 20
MAX_LINKS = 65536

_SECRET_FIELDS = {
    SASL_INIT.name: "initial-response",
    SASL_RESPONSE.name: "response",
    # What the server has computed from the password; a dictionary can be tried against it.
    SASL_OUTCOME.name: "additional-data",
}
_BODIES = (DATA, AMQP_SEQUENCE, AMQP_VALUE)


class Message(NamedTuple):
    """A message, of which all frames have come.

    :ivar link: the name of its link, as far as it is known.
    :ivar address: where it goes to or comes from.
    :ivar first: the fields of its first transfer.
    :ivar sections: without secrets.
    """

    link: str | None
    address: Any
    first: dict[str, Any]
    size: int
    sections: list[Section]


class Event(NamedTuple):
    """Something that was said, or that is to be said about it.

    :ivar kind: "header", "frame", "empty", "fault" or "note".
    :ivar direction: 0 from the client, 1 from the server.
    :ivar fields: of a performative, without secrets.
    :ivar offset: the byte of the direction where it begins.
    """

    kind: str
    direction: int
    time: int | None
    packet: int
    offset: int
    size: int
    name: str = ""
    frame_type: str = ""
    channel: int = 0
    fields: dict[str, Any] = {}
    payload: int = 0
    message: Message | None = None
    text: str = ""


class _Link(NamedTuple):
    name: str | None
    address: Any


class _Unfinished:
    """The transfers of a message so far; `parts` is None once it is too large to keep."""

    def __init__(self, first: dict[str, Any]) -> None:
        self.first = first
        self.size = 0
        self.parts: list[bytes] | None = []


class Conversation:
    """The two directions of a connection.

    :param midway: of each direction, whether its beginning is not in the capture.
    :param show_secrets: show what is hidden else.
    """

    def __init__(self, midway: tuple[bool, bool] = (False, False), show_secrets: bool = False) -> None:
        self._readers = tuple(FrameReader(each) for each in midway)
        self._show_secrets = show_secrets
        self._links: OrderedDict[tuple[int, int, Any], _Link] = OrderedDict()
        self._unfinished: OrderedDict[tuple[int, int, Any], _Unfinished] = OrderedDict()
        self._unfinished_bytes = 0

    def feed(self, direction: int, data: bytes, time: int | None = None, packet: int = 0) -> Iterator[Event]:
        """The next bytes of a direction."""
        for item in self._readers[direction].feed(data):
            yield from self._events(item, direction, time, packet)

    def gap(self, direction: int, size: int, time: int | None = None, packet: int = 0) -> Iterator[Event]:
        """Bytes of a direction that are missing."""
        for item in self._readers[direction].gap(size):
            yield from self._events(item, direction, time, packet)
        self._forget(lambda key: key[0] == direction)

    def end(self, direction: int, time: int | None = None, packet: int = 0) -> Iterator[Event]:
        """No more bytes of a direction come."""
        for item in self._readers[direction].end():
            yield from self._events(item, direction, time, packet)
        self._forget(lambda key: key[0] == direction)
        for key in [key for key in self._links if key[0] == direction]:
            del self._links[key]

    def _events(self, item: Item, direction: int, time: int | None, packet: int) -> Iterator[Event]:
        where = (direction, time, packet, item.offset, item.size)
        if item.read is None:
            name = item.text if item.kind == "header" else ""
            yield Event(item.kind, *where, name, item.frame_type, item.channel, text=item.text)
            return
        composite, values, _, faults = item.read
        if composite is None:
            yield Event("fault", *where, "", item.frame_type, item.channel, text=_frame_fault(faults))
            return
        fields = named_fields(composite, values)
        message: Message | None = None
        fault = ""
        if composite is ATTACH:  # one with a fault, too: it may tell that a token follows
            self._attached(direction, item.channel, fields)
        elif not faults and composite is TRANSFER:
            message, fault = self._transferred((direction, item.channel, fields["handle"]), fields, item.payload)
        elif composite is DETACH or composite is END:
            handle = fields.get("handle")
            self._forget_links(direction, item.channel, handle, composite is END)
        if not self._show_secrets:
            fields = self._without_secrets(composite.name, fields)
        size = len(item.payload)
        yield Event("frame", *where, composite.name, item.frame_type, item.channel, fields, size, message)
        if not faults and item.payload and composite is not TRANSFER:
            faults = [f"expected the end of the frame behind {composite.name}, got {size} bytes more"]
        if faults:
            yield Event("fault", *where, composite.name, item.frame_type, item.channel, text=_frame_fault(faults))
        if fault:
            yield Event("fault", *where, composite.name, item.frame_type, item.channel, text=fault)

    def _without_secrets(self, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        fields = hide(fields)
        secret = _SECRET_FIELDS.get(name)
        if secret in fields:
            fields[secret] = HIDDEN
        return fields

    # -- links and messages -------------------------------------------------------------------------------------------

    def _attached(self, direction: int, channel: int, fields: dict[str, Any]) -> None:
        source, target = (_address(fields.get(name)) for name in ("source", "target"))
        self._links[direction, channel, fields.get("handle")] = _Link(
            fields.get("name"), target if target is not None else source
        )
        if len(self._links) > MAX_LINKS:
            self._links.popitem(last=False)

    def _forget_links(self, direction: int, channel: int, handle: Any, session: bool) -> None:
        def is_ended(key: tuple[int, int, Any]) -> bool:
            return key[:2] == (direction, channel) and (session or key[2] == handle)

        self._forget(is_ended)
        for key in [key for key in self._links if is_ended(key)]:
            del self._links[key]

    def _forget(self, chosen: Any) -> None:
        """What is not whole of the messages on some links will not become whole."""
        for key in [key for key in self._unfinished if chosen(key)]:
            self._remove_unfinished(key)

    def _remove_unfinished(self, key: tuple[int, int, Any]) -> _Unfinished | None:
        found = self._unfinished.pop(key, None)
        if found is not None and found.parts is not None:
            self._unfinished_bytes -= found.size
        return found

    def _transferred(
        self, key: tuple[int, int, Any], fields: dict[str, Any], payload: bytes
    ) -> tuple[Message | None, str]:
        """The message that a transfer completes, and what is wrong with it."""
        unfinished = self._remove_unfinished(key) or _Unfinished(fields)
        if fields.get("aborted"):
            return None, ""
        unfinished.size += len(payload)
        if unfinished.parts is not None:
            if unfinished.size > MAX_MESSAGE or self._unfinished_bytes + unfinished.size > MAX_UNFINISHED:
                unfinished.parts = None
            else:
                unfinished.parts.append(payload)
        if fields.get("more"):
            self._unfinished[key] = unfinished
            if unfinished.parts is not None:
                self._unfinished_bytes += unfinished.size
            if len(self._unfinished) > MAX_LINKS:
                self._remove_unfinished(next(iter(self._unfinished)))
            return None, ""
        if unfinished.parts is None:
            return None, f"expected a message of at most {MAX_MESSAGE} bytes, got one of {unfinished.size}: not decoded"
        # A message format other than 0 is not that of 3.2; the first frame of a delivery has to say its id (2.7.5).
        if unfinished.first.get("message-format") or "delivery-id" not in unfinished.first:
            return None, ""
        sections, fault = read_message(b"".join(unfinished.parts))
        link = self._links.get(key, _Link(None, None))
        if not self._show_secrets:
            sections = _without_secrets(sections, link.address)
            link = _Link(hide(link.name), hide(link.address))
        if fault:
            number = text_of(unfinished.first["delivery-id"])
            fault = f"message of delivery {number}: {fault}"
        return Message(link.name, link.address, unfinished.first, unfinished.size, sections), fault


def _frame_fault(faults: list[str]) -> str:
    return f"in the frame: {'; '.join(faults)}"


def _address(terminus: Any) -> Any:
    """The address of a source or target; None for a coordinator, and where there is none."""
    known = composite_of(terminus)
    return named_fields(*known).get("address") if known is not None else None


def _without_secrets(sections: list[Section], address: Any) -> list[Section]:
    """The sections without tokens, and without what their keys call secret."""
    token = isinstance(address, str) and address.endswith("$cbs")
    for section in sections:
        if section.composite is APPLICATION_PROPERTIES and isinstance(section.value, dict):
            token = token or section.value.get("operation") == "put-token"
    return [
        section._replace(value=HIDDEN if token and section.composite in _BODIES else hide(section.value))
        for section in sections
    ]
