"""`pure-proton request`: requests from arguments or lines, many under way, and their responses in the same order."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Coroutine
from typing import Any

from proton import Message, ProtonException
from proton.asyncio import ConnectionClosed, LinkClosed, Requester, SessionClosed
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
    tell,
)
from proton.cli.common import run as run_coroutine
from proton.cli.pipes import Input, Output
from proton.cli.progress import Progress
from proton.cli.send import Template, add_message_arguments, text_behind_broker
from proton.cli.values import dumps, message_to_json, text_of

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
  pure-proton request amqp://localhost/service hello --timeout 5
  seq 1000 | pure-proton request amqp://localhost/service --window 50 --json
  pure-proton request amqp://localhost/service hello --reply-to answers
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.usage = "%(prog)s URL [TEXT ...] [options]"
    add_url_argument(parser)
    parser.add_argument("text", metavar="TEXT", nargs="*", help="the bodies of requests")
    parser.add_argument("--lines", action="store_true", help="a request for each line of standard input")
    add_message_arguments(parser)
    group = parser.add_argument_group("responses")
    group.add_argument("--json", action="store_true", help="each response as an object of JSON in a line")
    group.add_argument("--window", metavar="N", type=count, default=10, help="requests under way (default 10)")
    add_timeout_argument(parser, "connecting, and for each response")
    add_connection_options(parser)


class Asking:
    """Requests under way, whose responses are printed in the order of the requests."""

    def __init__(self, ask: Requester, options: argparse.Namespace, output: Output, progress: Progress) -> None:
        self.sent: int = 0
        self.answered: int = 0
        self.code: int = codes.DONE
        self._ask = ask
        self._options = options
        self._output = output
        self._progress = progress
        self._queue: asyncio.Queue[asyncio.Task[Message] | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(options.window)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def put(self, message: Message) -> None:
        """Send a request, once fewer than the window are under way or wait to be printed."""
        await self._room.acquire()
        self.sent += 1
        self._queue.put_nowait(self.start(self._ask(message, timeout=self._options.timeout)))

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine, which `give_up` ends."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        return task

    def finish(self) -> None:
        """There are no more requests: `show` ends with the last response."""
        self._queue.put_nowait(None)

    async def show(self) -> None:
        """Print the responses, to the last one."""
        number = 0
        while True:
            task = await self._queue.get()
            if task is None:
                return
            number += 1
            try:
                await self._output.write(self._text(await task))
                self.answered += 1
            except (ConnectionClosed, LinkClosed, SessionClosed):
                raise
            except ProtonException as error:
                self.code = explained(error).code
                tell(self._options, f"request {number}: {one_line(error)}")
            self._tasks.discard(task)
            self._room.release()
            self._progress.show(number)

    def _text(self, response: Message) -> bytes:
        if self._options.json:
            return dumps(message_to_json(response)).encode("utf-8") + b"\n"
        return self._output.shown(text_of(response.body)) + b"\n"

    async def give_up(self) -> None:
        """End what is under way."""
        for task in list(self._tasks):
            task.cancel()
        # The exceptions of those that have failed are known by another one.
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _put_all(asking: Asking, options: argparse.Namespace, template: Template) -> None:
    for text in options.text:
        await asking.put(template.message(asking.sent + 1, text.encode("utf-8", "surrogateescape")))
    if not options.text:
        source = Input()
        lines = await source.lines()
        while lines:
            for line in lines:
                try:
                    await asking.put(template.message(asking.sent + 1, line))
                except ValueError as error:
                    raise codes.CommandError(f"line {asking.sent + 1}: {one_line(error)}", codes.INPUT) from None
            lines = await source.lines()
        source.close()
    asking.finish()


def _requester(options: argparse.Namespace, place: Place, timeout: float | None) -> Requester:
    """The client of the service. Without `--reply-to`, the peer makes a node for the responses.

    RabbitMQ makes one for this capability alone; the others of docs/brokers.md do not mind it.
    """
    connection = make_connection(options, place, timeout)
    temporary = None if options.reply_to else Capable(["temporary-queue"])
    return connection.requester(
        place.address, reply_to=options.reply_to, options=Capable(options.capability), reply_options=temporary
    )


async def _request(options: argparse.Namespace, place: Place) -> int:
    if options.text and options.lines:
        raise codes.CommandError("expected TEXT or --lines, got both", codes.USAGE)
    if not options.text and not options.lines and (sys.stdin is None or sys.stdin.isatty()):
        raise codes.CommandError("expected TEXT, --lines or a pipe, got a terminal", codes.USAGE)
    template = Template(options)
    requester = _requester(options, place, options.timeout)
    output = Output()
    is_hidden = options.quiet or output.is_terminal
    with Progress("responses", len(options.text) or None, is_hidden) as progress:
        async with requester.connection, requester as ask:
            asking = Asking(ask, options, output, progress)
            putting, showing = asking.start(_put_all(asking, options, template)), asking.start(asking.show())
            try:
                await asyncio.gather(putting, showing)
            except codes.CommandError:
                # A bad line: the requests before it are under way.
                asking.finish()
                await showing
                raise
            except asyncio.CancelledError:
                text = f"interrupted: {asking.sent} requests, {asking.answered} responses"
                raise codes.CommandError(text, codes.INTERRUPTED) from None
            finally:
                await asking.give_up()
                with contextlib.suppress(OSError):
                    output.close()
    return asking.code


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    text_behind_broker(options)
    return run_coroutine(options, _request(options, place_of(options)))
