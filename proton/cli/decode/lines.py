"""What `decode` prints: a line for each frame, for persons or as JSON.

The names of the JSON objects are a promise, and listed in docs/command-line.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple

from proton.cli.decode.conversation import Event, Message
from proton.cli.decode.performatives import Section
from proton.cli.decode.values import fields_text, json_fields, json_of, named_fields, text_of
from proton.codec.composites import AMQP_SEQUENCE, AMQP_VALUE, DATA

_BODIES = {DATA.name, AMQP_SEQUENCE.name, AMQP_VALUE.name}
_NANOSECONDS = 1_000_000_000


class Talk(NamedTuple):
    """A connection, or another input with two directions, as it is shown.

    :ivar number: from 1.
    :ivar title: where it is from.
    :ivar ends: what the two ends are called; empty where they are not known.
    :ivar roles: the words for the ends in JSON.
    """

    number: int
    title: str
    ends: tuple[str, str]
    roles: tuple[str | None, str | None]


class Options(NamedTuple):
    """What is shown of an event."""

    messages: bool = False
    body: bool = True


def clock(time: int) -> str:
    """Nanoseconds since 1970 as the time of day in UTC."""
    seconds, rest = divmod(time, _NANOSECONDS)
    return f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest // 1000:06d}"


def arrow(talk: Talk, direction: int) -> str:
    if talk.roles[direction] is None:
        return "--"
    return "<-" if direction else "->"


class Lines:
    """Lines for a person."""

    def __init__(self, write: Callable[[str], Any], options: Options) -> None:
        self._write = write
        self._options = options
        self._several = False

    def begin(self, talk: Talk) -> None:
        self._several = self._several or talk.number > 1
        if talk.title:
            self._write(f"connection {talk.number}: {talk.title}\n")

    def event(self, talk: Talk, event: Event) -> None:
        time = f"{clock(event.time)} " if event.time is not None else ""
        number = f"{talk.number} "
        head = f"{time}{number}{arrow(talk, event.direction)} "
        if event.kind in ("fault", "note"):
            mark = "!!" if event.kind == "fault" else "--"
            packet = f" (packet {event.packet})" if event.packet else ""
            self._write(f"{head}{mark} byte {event.offset}{packet}: {event.text}\n")
            return
        if not self._options.messages:
            self._write(f"{head}{self._said(event)}\n")
        if event.message is not None:
            if self._options.messages:
                self._write(f"{head}{message_title(event.message)}\n")
            for line in self._message(event.message):
                self._write(f"{' ' * len(head)}  {line}\n")

    def _said(self, event: Event) -> str:
        if event.kind == "header":
            return f"header {event.name}"
        if event.kind == "empty":
            return f"{event.channel} (empty frame)"
        channel = "" if event.frame_type == "sasl" else f"{event.channel} "
        fields = fields_text(event.fields, " ")
        payload = f" ({event.payload} bytes)" if event.payload else ""
        return f"{channel}{event.name} {fields}{payload}".rstrip()

    def _message(self, message: Message) -> Iterator[str]:
        for section in message.sections:
            if section.name in _BODIES and not self._options.body:
                continue
            yield f"{section.name}: {section_text(section)}"

    def text(self, text: str) -> None:
        """Something about the input as a whole."""
        self._write(f"-- {text}\n")

    def end(self) -> None:
        """All has been shown."""


def message_title(message: Message) -> str:
    link = f" on {text_of(message.link)}" if message.link is not None else ""
    address = f" address {text_of(message.address)}" if message.address is not None else ""
    tag = message.first.get("delivery-tag")
    shown = f" tag {text_of(tag)}" if tag else ""
    return f"message {text_of(message.first['delivery-id'])}{shown}{link}{address} ({message.size} bytes)"


def section_text(section: Section) -> str:
    if section.composite is not None and isinstance(section.value, list) and section.composite.fields:
        return fields_text(named_fields(section.composite, section.value), " ")
    return text_of(section.value)


class JsonLines:
    """A JSON object in a line for each event."""

    def __init__(self, write: Callable[[str], Any], options: Options) -> None:
        self._write = write
        self._options = options

    def _line(self, found: dict[str, Any]) -> None:
        self._write(json.dumps(found, separators=(",", ":")) + "\n")

    def begin(self, talk: Talk) -> None:
        if not self._options.messages:
            self._line({"kind": "connection", "connection": talk.number, "ends": list(talk.ends)})

    def event(self, talk: Talk, event: Event) -> None:
        if self._options.messages and event.message is None and event.kind not in ("fault", "note"):
            return
        found: dict[str, Any] = {"kind": event.kind, "connection": talk.number, "from": talk.roles[event.direction]}
        if event.time is not None:
            found["time"] = round(event.time / _NANOSECONDS, 6)
        if event.packet:
            found["packet"] = event.packet
        found["byte"], found["size"] = event.offset, event.size
        if event.kind in ("fault", "note"):
            found["text"] = event.text
        elif event.kind == "header":
            found["protocol"] = event.name
        else:
            found["type"], found["channel"] = event.frame_type, event.channel
        if event.kind == "frame":
            found["performative"], found["fields"] = event.name, json_fields(event.fields)
            if event.payload:
                found["payload"] = event.payload
        if event.message is not None:
            found["message"] = self._message(event.message)
        self._line(found)

    def _message(self, message: Message) -> dict[str, Any]:
        found: dict[str, Any] = {
            "link": message.link,
            "address": json_of(message.address),
            "delivery-id": int(message.first["delivery-id"]),
            "delivery-tag": json_of(message.first.get("delivery-tag")),
            "size": message.size,
        }
        bodies = []
        for section in message.sections:
            if section.name in _BODIES:
                found["body-type"] = section.name
                bodies.append(section.value)
            elif section.composite is not None and isinstance(section.value, list) and section.composite.fields:
                found[section.name] = json_fields(named_fields(section.composite, section.value))
            else:
                found[section.name] = json_of(section.value)
        if bodies and self._options.body:
            # Data and sequences may come in several sections (3.2); a value is one.
            found["body"] = json_of(bodies[0] if len(bodies) == 1 else bodies)
        return found

    def text(self, text: str) -> None:
        """Something about the input as a whole."""
        self._line({"kind": "note", "text": text})

    def end(self) -> None:
        """All has been shown."""
