"""`pure-proton send`: messages from arguments, lines, JSON lines or a file; the outcome of each one counts."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import stat
import sys
from typing import Any, BinaryIO

from proton import LinkException, Message, ProtonException, Timeout
from proton.asyncio import ConnectionClosed, LinkClosed, Lost, Receipt, Sender, SessionClosed, Undeliverable
from proton.cli import codes
from proton.cli.common import (
    Capable,
    Place,
    add_connection_options,
    add_timeout_argument,
    add_url_argument,
    count,
    explained,
    make_connection,
    one_line,
    place_of,
    seconds,
    tell,
)
from proton.cli.common import run as run_coroutine
from proton.cli.pipes import Input, Worker
from proton.cli.progress import Progress
from proton.cli.values import from_json, message_from_json
from proton.reactor import AtMostOnce

__all__ = ["EXAMPLES", "Template", "add_arguments", "add_message_arguments", "run", "text_behind_broker"]

EXAMPLES = """\
  pure-proton send amqp://localhost/queue 'Hello World!'
  seq 1000000 | pure-proton send amqp://localhost/queue
  pure-proton send amqp://localhost/queue --subject news --property kind=test --property n:=5 hello
  pure-proton receive amqp://here/queue --json | pure-proton send amqp://there/queue --json
  pure-proton send amqp://localhost/queue --file film.mp4 --content-type video/mp4
"""

#: lines about single messages that were not accepted; the rest is counted
MAX_TOLD = 10
#: seconds that outcomes are waited for after Ctrl-C
SUMMARY_TIMEOUT = 5.0
#: messages between two looks at the outcomes
TICK_MESSAGES = 2000
#: bytes of a file that are read at once
FILE_BLOCK = 262144


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.usage = "%(prog)s URL [TEXT ...] [options]"
    add_url_argument(parser)
    parser.add_argument("text", metavar="TEXT", nargs="*", help="the bodies of messages")
    source = parser.add_argument_group("what is sent").add_mutually_exclusive_group()
    source.add_argument("--lines", action="store_true", help="a message for each line of standard input")
    source.add_argument("--json", action="store_true", help="a message for each line, which is an object of JSON")
    source.add_argument("--file", metavar="FILE", help="one message with the bytes of a file, - for standard input")
    group = add_message_arguments(parser)
    group.add_argument(
        "-n", "--count", metavar="N", type=count, default=1, help="how often each message is sent (default 1)"
    )
    group.add_argument("--settled", action="store_true", help="send settled: no outcome, and no loss is noticed")
    add_timeout_argument(parser, "connecting, for credit, and for outcomes")
    add_connection_options(parser)


def add_message_arguments(parser: argparse.ArgumentParser) -> Any:
    """The arguments for the attributes of messages; their group."""
    group = parser.add_argument_group("messages")
    group.add_argument("--id", metavar="ID", help="the message-id; {n} in it is the number of the message")
    group.add_argument("--correlation-id", metavar="ID", help="the correlation-id")
    group.add_argument("--subject", metavar="TEXT")
    group.add_argument("--to", metavar="NODE", help="the address in the message")
    group.add_argument("--reply-to", metavar="NODE")
    group.add_argument("--group-id", metavar="ID")
    group.add_argument("--user-id", metavar="ID")
    group.add_argument("--content-type", metavar="TYPE")
    group.add_argument("--content-encoding", metavar="NAME")
    group.add_argument("-p", "--property", metavar="K=V", action="append", default=[], help="K=text, or K:=JSON")
    group.add_argument("-a", "--annotation", metavar="K=V", action="append", default=[], help="K=text, or K:=JSON")
    group.add_argument("--durable", action="store_true")
    group.add_argument("--ttl", metavar="S", type=seconds, help="seconds that the message is of use")
    group.add_argument("--priority", metavar="N", type=int, help="0 to 255")
    group.add_argument("--data", action="store_true", help="bodies are bytes, not strings")
    return group


def entries(words: list[str]) -> dict[str, Any] | None:
    """The map that `K=text` and `K:=JSON` make; None for an empty one.

    :raises CommandError: one of them is neither.
    """
    made: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.rstrip(":"):
            raise codes.CommandError(f"expected K=text or K:=JSON, got {word!r:.80}", codes.USAGE)
        if not name.endswith(":"):
            made[name] = text
            continue
        try:
            made[name[:-1]] = from_json(json.loads(text))
        except ValueError as error:
            raise codes.CommandError(f"expected JSON in {word!r:.80}: {one_line(error)}", codes.USAGE) from None
    return made or None


class Template:
    """Makes messages with the attributes that the options name."""

    _NAMES = ("correlation_id", "subject", "reply_to", "group_id", "user_id", "content_type", "content_encoding")

    def __init__(self, options: argparse.Namespace) -> None:
        given = {name: getattr(options, name) for name in self._NAMES}
        given.update(address=options.to, ttl=options.ttl, priority=options.priority, durable=options.durable or None)
        given.update(properties=entries(options.property), annotations=entries(options.annotation))
        self._attributes = {name: value for name, value in given.items() if value is not None}
        self._id: str | None = options.id
        self._is_data: bool = options.data
        try:
            Message(**self._attributes).encode()
        except Exception as error:
            raise codes.CommandError(one_line(error), codes.USAGE) from None

    def _of(self, number: int) -> dict[str, Any]:
        made = dict(self._attributes)
        if self._id is not None:
            made["id"] = self._id.replace("{n}", str(number))
        return made

    def message(self, number: int, body: bytes) -> Message:
        """The message with this body.

        :raises ValueError: the body is not text.
        """
        if self._is_data:
            return Message(body, inferred=True, **self._of(number))
        try:
            return Message(body.decode("utf-8"), **self._of(number))
        except UnicodeDecodeError as error:
            raise ValueError(f"expected UTF-8 (--data sends bytes): {error}") from None

    def from_json(self, number: int, line: bytes) -> Message:
        """The message of a line of JSON, whose attributes come before those of the options.

        :raises ValueError: the line is invalid.
        """
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"expected JSON: {error.msg} at column {error.colno}") from None
        except (ValueError, RecursionError) as error:
            raise ValueError(f"expected JSON: {error}") from None
        try:
            return message_from_json(value, **self._of(number))
        except (ProtonException, TypeError, OverflowError) as error:
            raise ValueError(str(error)) from None

    def around(self) -> Message:
        """The message around a body that is streamed."""
        return Message(**self._of(1))


class Sending:
    """What was sent, and what has become of it."""

    def __init__(self, sender: Sender, options: argparse.Namespace, progress: Progress) -> None:
        self.sender = sender
        self.sent: int = 0
        self.refused: int = 0
        self._options = options
        self._progress = progress
        self._flushing: asyncio.Task[None] | None = None
        self._lost: str | None = None  # the first message without an outcome, after a loss

    async def put(self, message: Message, where: str = "") -> None:
        """Send a message as soon as there is credit.

        :param where: where the message stands, for errors; its number if empty.
        :raises CommandError: it cannot be encoded, or is larger than the peer takes.
        """
        try:
            await self.sender.send_soon(message)
        except (Timeout, LinkClosed, SessionClosed, ConnectionClosed):
            raise
        except LinkException as error:
            raise codes.CommandError(
                f"{where or f'message {self.sent + 1}'}: {one_line(error)}", codes.REFUSED
            ) from None
        except (ProtonException, ValueError, TypeError, OverflowError, AssertionError) as error:
            raise codes.CommandError(f"{where or f'message {self.sent + 1}'}: {one_line(error)}", codes.INPUT) from None
        self.sent += 1
        if not self.sent % TICK_MESSAGES:
            await self.tick()

    async def tick(self) -> None:
        """Show progress, and see to the outcomes that are there."""
        self._progress.show(self.sent)
        flushing = self._flushing
        if flushing is not None and flushing.done():
            self._flushing = None
            await flushing
        if self._flushing is None:
            # Beside the sending: it takes the failures away from the sender, which would keep a million of them.
            self._flushing = asyncio.ensure_future(self._flush())

    async def _flush(self, **limit: float) -> None:
        """Wait for outcomes, and tell of those that are not accepted."""
        try:
            await self.sender.flush(**limit)
        except Undeliverable as error:
            for problem in (error, *error.others):
                self.refuse(problem)
        except Lost as error:
            if self._lost is None and error.receipt is not None:
                self._lost = _number(error.receipt)
            raise

    def refuse(self, problem: Undeliverable) -> None:
        """Note that a message was not accepted."""
        self.refused += 1
        if self.refused <= MAX_TOLD:
            tell(self._options, f"message {_number(problem.receipt)}: {problem.args[0]}")

    async def finish(self, **limit: float) -> None:
        """Wait for all outcomes.

        :param limit: `timeout`, seconds.
        """
        flushing, self._flushing = self._flushing, None
        if flushing is not None:
            # Its limit is another one. What it has not told, the next one tells.
            flushing.cancel()
            await asyncio.wait([flushing])
            if not flushing.cancelled():
                flushing.result()
        await self._flush(**limit)

    def give_up(self) -> None:
        """End what still waits."""
        if self._flushing is not None:
            self._flushing.cancel()

    async def summary(self) -> str:
        """What is known of the messages, in words."""
        with contextlib.suppress(ProtonException):
            await self.finish(timeout=SUMMARY_TIMEOUT)
        unknown = self.sender.unsettled
        parts = [f"{self.sent} sent"]
        if self._lost is None:
            parts.append(f"{self.sent - self.refused - unknown} accepted")
        if self.refused:
            parts.append(f"{self.refused} not accepted")
        if self._lost is not None:
            parts.append(f"outcomes are not known from message {self._lost} on")
        elif unknown:
            parts.append(f"{unknown} without an outcome")
        return ", ".join(parts)


def _number(receipt: Receipt | None) -> str:
    """The number of a message, which is its tag."""
    return "?" if receipt is None else receipt.tag.decode("ascii", "replace")


# -- what is sent ----------------------------------------------------------------------------------------------------


async def _send_texts(sending: Sending, options: argparse.Namespace, template: Template) -> None:
    for text in options.text:
        body = text.encode("utf-8", "surrogateescape")
        for _ in range(options.count):
            await sending.put(template.message(sending.sent + 1, body))


async def _send_lines(sending: Sending, options: argparse.Namespace, template: Template) -> None:
    """Messages from lines of standard input; those before a bad line are sent."""
    read = template.from_json if options.json else template.message
    number = 0
    source = Input()
    while True:
        lines = await source.lines()
        if not lines:
            source.close()
            return
        for line in lines:
            number += 1
            if options.json and not line.strip():
                continue
            try:
                for _ in range(options.count):
                    await sending.put(read(sending.sent + 1, line), f"line {number}")
            except ValueError as error:
                raise codes.CommandError(f"line {number}: {one_line(error)}", codes.INPUT) from None
        await sending.tick()


async def _send_file(sending: Sending, options: argparse.Namespace, template: Template) -> None:
    """Messages whose body is read while it is sent."""
    opener = Worker()  # to open a named pipe takes until something writes to it
    file: BinaryIO | None = None
    try:
        if options.file != "-":
            file = await opener.do(_opened, options.file)
        for number in range(options.count):
            if number and file is not None:
                file.seek(0)
            source = Input(file)
            try:
                await sending.sender.send_stream(source.blocks(FILE_BLOCK), template.around())
            except Undeliverable as error:
                sending.refuse(error)
            finally:
                source.close()
            sending.sent += 1
    finally:
        opener.close()
        if file is not None:
            file.close()


def _opened(path: str) -> BinaryIO:
    return open(path, "rb", buffering=0)


def _check_again(options: argparse.Namespace) -> None:
    """Before anything is sent: a pipe can be read once.

    :raises CommandError: the file is to be read several times, and cannot be.
    """
    if options.count > 1 and options.file:
        try:
            kind = 0 if options.file == "-" else os.stat(options.file).st_mode
        except OSError as error:
            raise codes.CommandError(one_line(error), codes.INPUT) from None
        if not (stat.S_ISREG(kind) or stat.S_ISBLK(kind)):
            raise codes.CommandError(
                f"--count {options.count} needs a file that can be read again, got {options.file}", codes.USAGE
            )


def _source_of(options: argparse.Namespace) -> Any:
    """The function that sends what the options name.

    :raises CommandError: they name several things, or none.
    """
    named = "--lines" * options.lines or "--json" * options.json or "--file" * bool(options.file)
    if options.text and named:
        raise codes.CommandError(f"expected TEXT or {named}, got both", codes.USAGE)
    if options.text:
        return _send_texts
    if options.file:
        _check_again(options)
        return _send_file
    if not named and (sys.stdin is None or sys.stdin.isatty()):
        raise codes.CommandError("expected TEXT, --lines, --json, --file or a pipe, got a terminal", codes.USAGE)
    return _send_lines


async def _send(options: argparse.Namespace, place: Place) -> int:
    source, template = _source_of(options), Template(options)
    tags = map(str, itertools.count(1))
    total = len(options.text) * options.count if options.text else None
    connection = make_connection(options, place, options.timeout)
    with Progress("messages sent", total, options.quiet) as progress:
        async with connection:
            link_options: list[Any] = [Capable(options.capability), *([AtMostOnce()] if options.settled else [])]
            sender = await connection.sender(place.address, tags=tags, options=link_options)
            sending = Sending(sender, options, progress)
            try:
                await source(sending, options, template)
                await sending.finish()
            except asyncio.CancelledError:
                text = f"interrupted: {await sending.summary()}"
                raise codes.CommandError(text, codes.INTERRUPTED) from None
            except (ProtonException, OSError, codes.CommandError) as error:
                if sending.sent:
                    tell(options, await sending.summary())
                raise explained(error) from None
            finally:
                sending.give_up()
            await sender.close()
    if sending.refused:
        tell(options, f"{sending.refused} of {sending.sent} messages were not accepted")
        return codes.REFUSED
    return codes.DONE


def text_behind_broker(options: argparse.Namespace) -> None:
    """Make a text of what argparse takes for the URL in `--broker URL TEXT`."""
    if options.broker and options.url is not None:
        options.text.insert(0, options.url)
        options.url = None


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    text_behind_broker(options)
    return run_coroutine(options, _send(options, place_of(options)))
