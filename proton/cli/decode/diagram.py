"""A conversation as a sequence diagram in text: a column for each end, an arrow for each frame.

An arrow has the few fields that a person follows a conversation by. Transfers that follow one another in a direction
are one arrow, as are empty frames.
"""

from __future__ import annotations

from typing import Any, Callable

from proton.cli.decode.conversation import Event, Message
from proton.cli.decode.lines import Options, Talk, clock
from proton.cli.decode.values import text_of
from proton.codec.composites import DATA, composite_of
from proton.endpoints.printable import printable

MIN_WIDTH = 60
_TIME = 9  # seconds since the first event, with milliseconds

# The fields that an arrow shows, by performative.
_SHOWN = {
    "open": ("container-id", "hostname", "max-frame-size", "idle-time-out"),
    "begin": ("remote-channel", "incoming-window"),
    "attach": ("name", "handle", "role", "source", "target"),
    "flow": ("handle", "delivery-count", "link-credit", "drain"),
    "transfer": ("handle", "delivery-id", "settled", "more", "aborted"),
    "disposition": ("role", "first", "last", "settled", "state"),
    "detach": ("handle", "closed", "error"),
    "end": ("error",),
    "close": ("error",),
    "sasl-mechanisms": ("sasl-server-mechanisms",),
    "sasl-init": ("mechanism", "hostname"),
    "sasl-outcome": ("code",),
}


class _Run:
    """Arrows of the same kind that follow one another, and are shown as one."""

    def __init__(self, talk: Talk, event: Event) -> None:
        self.talk, self.first, self.last, self.count = talk, event, event, 1

    def takes(self, talk: Talk, event: Event) -> bool:
        first = self.first
        same = talk.number == self.talk.number and event.direction == first.direction and event.kind == first.kind
        if not same or event.channel != first.channel:
            return False
        if event.kind == "empty":
            return True
        return (
            event.name == first.name == "transfer"
            and event.fields.get("handle") == first.fields.get("handle")
            and not (event.fields.get("aborted") or first.fields.get("aborted"))
        )

    def add(self, event: Event) -> None:
        self.last = event
        self.count += 1


class Diagram:
    """A diagram of each connection, as its frames come.

    :param width: characters of a line.
    """

    def __init__(self, write: Callable[[str], Any], options: Options, width: int) -> None:
        self._write = write
        self._options = options
        self._between = max(width, MIN_WIDTH) - _TIME - 4
        self._shown: int | None = None
        self._began: dict[int, int] = {}
        self._run: _Run | None = None

    def begin(self, talk: Talk) -> None:
        """The names of the ends come with the first event."""

    def event(self, talk: Talk, event: Event) -> None:
        if self._run is not None and self._run.takes(talk, event):
            self._run.add(event)
            return
        self._flush()
        if talk.number != self._shown:
            self._heading(talk, event)
        if event.kind in ("fault", "note"):
            self._remark(talk, event)
        elif not self._options.messages or event.message is not None:
            self._run = _Run(talk, event)

    def text(self, text: str) -> None:
        """Something about the input as a whole."""
        self._flush()
        self._write(f"-- {text}\n")

    def end(self) -> None:
        """All has been shown."""
        self._flush()

    def _flush(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            self._arrow(run)

    def _heading(self, talk: Talk, event: Event) -> None:
        if self._shown is not None:
            self._write("\n")
        self._shown = talk.number
        time = f" at {clock(event.time)}" if event.time is not None else ""
        self._write(f"connection {talk.number}{time}{f': {talk.title}' if talk.title else ''}\n")
        left, right = talk.ends
        if not left:
            return
        self._write(f"{'':{_TIME}} {left:<{self._between - len(right) + 1}} {right}\n")

    def _when(self, talk: Talk, event: Event) -> str:
        if event.time is None:
            return " " * _TIME
        began = self._began.setdefault(talk.number, event.time)
        return f"{(event.time - began) / 1e9:{_TIME}.3f}"

    def _remark(self, talk: Talk, event: Event) -> None:
        side = talk.ends[event.direction]
        text = f"byte {event.offset}{f' of {side}' if side else ''}: {event.text}"
        shown = printable(text, self._between - 4)
        mark = "!!" if event.kind == "fault" else "--"
        self._write(f"{self._when(talk, event)} | {mark} {shown:<{self._between - 4}}|\n")

    def _arrow(self, run: _Run) -> None:
        event = run.first
        room = self._between - 7
        text = printable(_label(run), room)
        dashes = "-" * (room - len(text))
        body = f"<-- {text} {dashes}--" if event.direction else f"--- {text} {dashes}->"
        self._write(f"{self._when(run.talk, event)} |{body}|\n")
        message = run.last.message
        if message is not None and run.count == 1 and self._options.body:
            shown = printable(_body(message), self._between - 8)
            self._write(f"{'':{_TIME}} |      {shown:<{self._between - 6}}|\n")


def _label(run: _Run) -> str:
    event = run.first
    if event.kind == "header":
        return f"header {event.name}"
    if event.kind == "empty":
        return "(empty frame)" + (f" x{run.count}" if run.count > 1 else "")
    fields = dict(event.fields)
    texts = [event.name] if not event.channel else [f"[{event.channel}] {event.name}"]
    if run.count > 1:
        texts[0] += f" x{run.count}"
        first, last = fields.get("delivery-id"), run.last.fields.get("delivery-id")
        if first is not None and last is not None and first != last:
            fields["delivery-id"] = f"{int(first)}..{int(last)}"
        fields.pop("more", None)
    for name in _SHOWN.get(event.name, ()):
        if name in fields:
            texts.append(f"{name}={_short(fields[name])}")
    return " ".join(texts)


def _short(value: Any) -> str:
    """A field in few words: of a terminus its address, of an outcome or error its name."""
    known = composite_of(value)
    if known is None:
        return value if isinstance(value, str) and value.isprintable() else text_of(value)
    composite, fields = known
    if composite.name in ("source", "target"):
        return text_of(fields[0]) if fields else "null"
    if composite.name == "error":
        return " ".join(text_of(each) for each in fields[:2] if each is not None)
    return composite.name


def _body(message: Message) -> str:
    bodies = [section for section in message.sections if section.name in ("data", "amqp-value", "amqp-sequence")]
    texts = []
    for section in bodies:
        value = section.value
        if section.composite is DATA and isinstance(value, bytes):
            texts.append(f"{len(value)} bytes {text_of(value)}")
        else:
            texts.append(text_of(value))
    return ", ".join(texts)
