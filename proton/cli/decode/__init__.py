"""`pure-proton decode`: what is in a capture, a dump or a file of bytes, frame by frame.

Captures are read packet by packet (`capture`, `packets`, `streams`), texts line by line (`text`); both become the bytes
of two directions, which `frames` cuts and `conversation` understands; `lines` and `diagram` print. Keep true: memory
does not grow with the input.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import re
import shutil
import stat
import sys
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Callable, Protocol, Union, cast

from proton.cli import codes
from proton.cli.decode.capture import Unreadable, read_capture
from proton.cli.decode.conversation import Conversation, Event
from proton.cli.decode.diagram import Diagram
from proton.cli.decode.lines import JsonLines, Lines, Options, Talk
from proton.cli.decode.packets import Passed, segment_of
from proton.cli.decode.streams import Chunk, Connections
from proton.cli.decode.text import Found, Piece, read_text, recognised
from proton.cli.progress import Progress
from proton.endpoints.printable import printable

EXAMPLES = """\
  tcpdump -i any -w - port 5672 | pure-proton decode -
  pure-proton decode --diagram traffic.pcapng
  pure-proton decode --json traffic.pcap | jq 'select(.performative == "transfer")'
  pure-proton decode --messages --no-body traffic.pcap
  echo 414d515003010000 | pure-proton decode
  PN_TRACE_RAW=1 ./program 2>&1 | pure-proton decode --format trace
"""

FORMATS = ("pcap", "hex", "base64", "raw", "trace")
_HEAD = 4096
_ENOUGH_TO_RECOGNISE = 24
_GZIP = b"\x1f\x8b"
MEGABYTE = 1_000_000

Output = Union[Lines, JsonLines, Diagram]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.usage = "%(prog)s [FILE ...] [options]"
    parser.add_argument("files", nargs="*", default=["-"], metavar="FILE", help="what to decode; - is standard input")
    names = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}; recognised if left out"
    parser.add_argument("-f", "--format", choices=FORMATS, metavar="FORMAT", help=names)
    parser.add_argument(
        "-p",
        "--port",
        type=_port,
        action="append",
        default=[],
        help="connections of this TCP port alone; may be repeated",
    )
    parser.add_argument("--connection", type=_count, metavar="N", help="the connection with this number alone")
    parser.add_argument("--messages", action="store_true", help="messages alone, without the frames")
    parser.add_argument("--no-body", action="store_true", help="leave out the bodies of messages")
    parser.add_argument("-n", "--limit", type=_count, metavar="N", help="stop after so many frames, or messages")
    parser.add_argument("--show-secrets", action="store_true", help="show passwords and tokens")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--diagram", action="store_true", help="a sequence diagram")
    how.add_argument("--json", action="store_true", help="a JSON object in a line for each frame")


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {number}")
    return number


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, got {number}")
    return number


def run(options: argparse.Namespace) -> int:
    """Decodes the files; 5 if a part of them cannot be read."""
    write = sys.stdout.write
    shown = Options(options.messages, not options.no_body)
    output: Output
    if options.json:
        output = JsonLines(write, shown)
    elif options.diagram:
        output = Diagram(write, shown, shutil.get_terminal_size((100, 24)).columns - 1)
    else:
        output = Lines(write, shown)
    # The frames go to standard output: on the same terminal, they show how far it is.
    is_hidden = options.quiet or sys.stdout.isatty()
    with Progress("MB read", _size_of(options.files), is_hidden, MEGABYTE) as progress:
        decoder = _Decoder(options, output, progress)
        try:
            for name in options.files:
                decoder.file(name)
        except _Enough:
            pass
        output.end()
        sys.stdout.flush()
    if options.connection is not None and options.connection > decoder.connections:
        decoder.tell(f"expected a connection {options.connection}, got {decoder.connections} in all")
    return codes.INPUT if decoder.faults else codes.DONE


def _size_of(names: list[str]) -> int | None:
    """The bytes of all files; None if one of them is a pipe, or is not there."""
    try:
        found = [os.fstat(sys.stdin.fileno()) if name == "-" else os.stat(name) for name in names]
    except (OSError, ValueError, AttributeError):
        return None
    return sum(each.st_size for each in found) if all(stat.S_ISREG(each.st_mode) for each in found) else None


class _Enough(Exception):
    """As much has been shown as was asked for."""


class _Decoder:
    """Decodes files one after the other."""

    def __init__(self, options: argparse.Namespace, output: Output, progress: Progress) -> None:
        self._options = options
        self._progress = progress
        self._bytes_read = 0
        self._output = output
        self._left: int | None = options.limit
        self.connections: int = 0
        self.faults: int = 0

    def file(self, name: str) -> None:
        """All of a file."""
        title = "" if name == "-" else name
        try:
            if name == "-":
                self._input(_Counted(sys.stdin.buffer, self._count), title)
            else:
                with open(name, "rb") as file:
                    self._input(_Counted(file, self._count), title)
        except (OSError, EOFError, zlib.error) as error:
            if isinstance(error, BrokenPipeError):
                raise
            raise codes.CommandError(_file_fault(name, error), codes.INPUT) from None

    def _count(self, size: int) -> None:
        self._bytes_read += size
        self._progress.show(self._bytes_read)

    def _input(self, file: _Readable, title: str) -> None:
        head = _head_of(file)
        source: BinaryIO = cast(BinaryIO, io.BufferedReader(_Rewound(head, file)))
        if head.startswith(_GZIP):
            return self._input(gzip.GzipFile(fileobj=source), title)
        if not head:
            self.tell(f"{title or '-'}: expected input, got none")
            return
        form = self._options.format or recognised(head)
        view = _View(self, title)
        try:
            found: Iterator[Found] = read_capture(source) if form == "pcap" else read_text(source, form)
            for each in found:
                view.take(each)
        except Unreadable as error:
            view.end()
            self.fault(str(error))
        else:
            view.end()
        if not view.shown:
            self.fault(
                f"expected AMQP, got none in {view.packets} packets" if form == "pcap" else "expected AMQP, got none"
            )

    def fault(self, text: str) -> None:
        """Something that cannot be read, in words."""
        self.faults += 1
        self._output.text(text)

    def tell(self, text: str) -> None:
        """What keeps all of an input from being shown, on standard error."""
        self.faults += 1
        sys.stderr.write(f"pure-proton decode: {text}\n")

    def next_number(self) -> int:
        self.connections += 1
        return self.connections

    def begin(self, talk: Talk) -> None:
        if self._options.connection in (None, talk.number):
            self._output.begin(talk)

    def event(self, talk: Talk, event: Event) -> None:
        """Shows an event, if it is wanted."""
        if self._options.connection not in (None, talk.number):
            return
        if event.kind == "fault":
            self.faults += 1
        self._output.event(talk, event)
        if self._left is not None and (
            event.message if self._options.messages else event.kind not in ("fault", "note")
        ):
            self._left -= 1
            if not self._left:
                raise _Enough

    def conversation(self, midway: tuple[bool, bool]) -> Conversation:
        return Conversation(midway, self._options.show_secrets)

    @property
    def ports(self) -> frozenset[int]:
        """The ports that are wanted alone."""
        return frozenset(self._options.port)


class _View:
    """What one input holds: its connections."""

    def __init__(self, decoder: _Decoder, title: str) -> None:
        self._decoder = decoder
        self._title = title
        self._connections = Connections(decoder.ports)
        self._talks: dict[Any, tuple[Talk, Conversation]] = {}
        self._passed: set[str] = set()
        self.packets = 0
        self.shown = False

    def take(self, found: Found) -> None:
        """A packet, or a piece of bytes."""
        if isinstance(found, Piece):
            talk, conversation = self._talk_of_piece(found)
            self._show(talk, conversation.feed(found.direction, found.data))
            return
        self.packets += 1
        try:
            segment = segment_of(found)
        except Passed as passed:
            if passed.worth and str(passed) not in self._passed:
                self._passed.add(str(passed))
                self._decoder.fault(f"packet {found.number}: {passed}; such packets are passed over")
            return
        for chunk in self._connections.add(segment):
            self._chunk(chunk)

    def _chunk(self, chunk: Chunk) -> None:
        connection = chunk.connection
        known = self._talks.get(connection)
        if known is None:
            ends = (str(connection.client), str(connection.server))
            talk = Talk(self._decoder.next_number(), f"{ends[0]} -> {ends[1]}", ends, ("client", "server"))
            known = talk, self._decoder.conversation((connection.midway(0), connection.midway(1)))
            self._talks[connection] = known
            self._decoder.begin(talk)
        talk, conversation = known
        where = (chunk.time, chunk.packet)
        if chunk.kind == "data":
            self._show(talk, conversation.feed(chunk.direction, chunk.data, *where))
        elif chunk.kind == "gap":
            self._show(talk, conversation.gap(chunk.direction, chunk.size, *where))
        elif chunk.kind == "end":
            self._show(talk, conversation.end(chunk.direction, *where))
        else:
            self._end(connection)

    def _talk_of_piece(self, piece: Piece) -> tuple[Talk, Conversation]:
        known = self._talks.get(piece.stream)
        if known is None:
            traced = bool(piece.stream) or piece.direction == 1
            ends = ("this end", "peer") if traced else ("", "")
            roles = ("local", "remote") if traced else (None, None)
            talk = Talk(self._decoder.next_number(), self._title, ends, roles)
            known = self._talks[piece.stream] = talk, self._decoder.conversation((traced, traced))
            self._decoder.begin(talk)
        return known

    def _show(self, talk: Talk, events: Iterator[Event]) -> None:
        for event in events:
            self.shown = True
            self._decoder.event(talk, event)

    def end(self) -> None:
        """No more comes: what is unfinished is said."""
        for chunk in self._connections.end():
            self._chunk(chunk)
        for key in list(self._talks):
            self._end(key)

    def _end(self, key: Any) -> None:
        talk, conversation = self._talks.pop(key)
        for direction in (0, 1):
            self._show(talk, conversation.end(direction))


class _Readable(Protocol):
    """A file, as far as it is read here."""

    def read(self, size: int, /) -> bytes: ...


class _Counted:
    """A file that tells how many bytes are read from it.

    :param count: called with each number.
    """

    def __init__(self, file: BinaryIO, count: Callable[[int], object]) -> None:
        self._file = file
        self._count = count

    def read(self, size: int) -> bytes:
        """What is there now, at least a byte before the end."""
        data = self._file.read1(size) if isinstance(self._file, io.BufferedReader) else self._file.read(size)
        self._count(len(data))
        return data


class _Rewound(io.RawIOBase):
    """A file whose first bytes have been read already."""

    def __init__(self, head: bytes, file: _Readable) -> None:
        super().__init__()
        self._head = head
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head[: len(buffer)]
        if data:
            self._head = self._head[len(data) :]
        else:
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _head_of(file: _Readable) -> bytes:
    """Enough of an input to recognise it; what comes through a pipe is not waited for."""
    head = b""
    while len(head) < _ENOUGH_TO_RECOGNISE:
        data = file.read(_HEAD - len(head))
        if not data:
            break
        head += data
    return head


def _file_fault(name: str, error: Exception) -> str:
    text = f"{name}: {error.strerror if isinstance(error, OSError) and error.strerror else error}"
    if isinstance(error, FileNotFoundError) and re.fullmatch("[0-9a-fA-F]{8,}", name):
        text += "; digits are read from standard input: echo DIGITS | pure-proton decode"
    return printable(text, sys.maxsize)
