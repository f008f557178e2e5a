"""`pure-proton receive`: messages to standard output; a message is accepted once it was written, and not before."""

from __future__ import annotations

import argparse
import asyncio
import itertools
from typing import Any, BinaryIO

from proton import Message, Terminus
from proton.asyncio import Delivery, Drained, Receiver, Timeout
from proton.cli import codes
from proton.cli.common import (
    Capable,
    Place,
    add_connection_options,
    add_timeout_argument,
    add_url_argument,
    count,
    count_or_none,
    explained,
    make_connection,
    place_of,
    tell,
)
from proton.cli.common import run as run_coroutine
from proton.cli.pipes import Output, Worker
from proton.cli.progress import Progress
from proton.cli.values import dumps, message_to_json, text_of
from proton.reactor import Copy, Selector

__all__ = ["EXAMPLES", "add_arguments", "add_taking_arguments", "run"]

EXAMPLES = """\
  pure-proton receive amqp://localhost/queue                   what is there now
  pure-proton receive amqp://localhost/queue -n 1 --timeout 5  exit code 4 if nothing comes
  pure-proton receive amqp://localhost/queue --follow --json | jq .body
  pure-proton receive amqp://localhost/queue --selector "kind = 'test' AND n > 3"
  pure-proton receive amqp://localhost/queue -o 'body-{n}.bin' --stream
"""

#: messages, and bytes, that are written at once at most: they are accepted together, when all is written
MAX_BATCH = 200
MAX_BYTES = 32768
#: up to so many messages are asked for one by one, so that no others are taken and given back
MAX_SINGLE_MESSAGES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.usage = "%(prog)s URL [options]"
    add_url_argument(parser)
    add_taking_arguments(parser)
    group = parser.add_argument_group("what becomes of the messages").add_mutually_exclusive_group()
    outcomes = (
        ("accept", "they are done (default)"),
        ("release", "give all back at the end"),
        ("reject", "they are invalid"),
    )
    for name, text in outcomes:
        group.add_argument(f"--{name}", dest="outcome", action="store_const", const=name, default="accept", help=text)
    group.add_argument("--browse", dest="outcome", action="store_const", const="browse", help="copies: see browse")
    add_timeout_argument(parser, "the next message; without -n and -f the queue's end is asked for", None)
    add_connection_options(parser)


def add_taking_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that `receive` and `browse` share."""
    group = parser.add_argument_group("messages")
    group.add_argument(
        "-n", "--count", metavar="N", type=count, help="so many messages, then end; exit code 4 if fewer have come"
    )
    group.add_argument("-f", "--follow", action="store_true", help="wait for more at the queue's end")
    group.add_argument("--selector", metavar="EXPRESSION", help="only messages for which it is true (JMS selectors)")
    group.add_argument(
        "--prefetch", metavar="N", type=count_or_none, default=100, help="messages of credit (default 100)"
    )
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="each message as an object of JSON in a line")
    group.add_argument("-0", "--null", action="store_true", help="a null byte in place of a line end after each body")
    group.add_argument(
        "-o", "--output", metavar="FILE", help="write bodies to a file; {n} in it: a file for each message"
    )
    group.add_argument("--stream", action="store_true", help="with -o: write bodies of bytes while they come")


def _opened(path: str) -> BinaryIO:
    """A file to write to; the caller closes it."""
    return open(path, "wb", buffering=0)  # noqa: SIM115


class Sink:
    """Where messages go: standard output, or files."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._is_one_file = bool(options.output) and "{n}" not in options.output
        self._output = None if options.output else Output()
        #: whether the messages do not go to the terminal that progress would be shown on
        self.is_elsewhere: bool = self._output is None or not self._output.is_terminal
        #: how many texts of the latest `put` are written whole
        self.written: int = 0
        self._line_end = b"" if options.output else b"\0" if options.null else b"\n"

    async def start(self) -> None:
        """Open the one file of all messages, which empties it.

        :raises OSError: it cannot be opened.
        """
        if self._is_one_file:
            opener = Worker()  # to open a named pipe takes until something reads from it
            try:
                self._output = _File(await opener.do(_opened, self._options.output))
            finally:
                opener.close()

    def text(self, message: Message) -> bytes:
        """What is written for a message."""
        if self._options.json:
            return dumps(message_to_json(message)).encode("utf-8", "surrogateescape") + self._end_of_json
        body = text_of(message.body)
        if self._output is not None:
            body = self._output.shown(body)
        return body + self._line_end

    @property
    def _end_of_json(self) -> bytes:
        return b"\0" if self._options.null else b"\n"

    async def put(self, number: int, texts: list[bytes]) -> None:
        """Write what `text` has made, for messages from this number on.

        :raises OSError: it cannot be written.
        """
        self.written = 0
        if self._output is not None:
            try:
                await self._output.write(b"".join(texts))
            finally:
                ends = itertools.accumulate(map(len, texts))
                self.written = sum(end <= self._output.written for end in ends)
            return
        for one, text in enumerate(texts, number):
            file = self.open(one)
            try:
                await file.write(text)
            finally:
                self.written += file.written == len(text)
                self.end(file)

    def open(self, number: int) -> Output:
        """The file for the message of this number, for `end` once it is written."""
        if self._output is not None:
            return self._output
        return _File(_opened(self._options.output.replace("{n}", str(number))))

    def end(self, file: Output) -> None:
        """A message is written."""
        if file is not self._output:
            file.close()

    def close(self) -> None:
        """End the writing."""
        if self._output is not None:
            self._output.close()


class _File(Output):
    """A file that is closed with its writing."""

    def __init__(self, file: BinaryIO) -> None:
        self._opened = file
        super().__init__(file)

    def close(self) -> None:
        self._worker.start(self._opened.close)  # behind a write that goes on
        super().close()


class Taking:
    """Takes messages from a receiver, until there are as many as asked for, or the queue or the time is at its end."""

    def __init__(self, receiver: Receiver, options: argparse.Namespace, sink: Sink, progress: Progress) -> None:
        self.receiver = receiver
        self.done: int = 0
        self._options = options
        self._sink = sink
        self._progress = progress
        self._to_release: list[Delivery] = []  # to be released at the end: before, they would come again
        self._asks_for_the_end = not options.follow and options.count is None and options.timeout is None
        self._in_round = 0

    async def run(self) -> None:
        """Take messages.

        :raises Timeout: none has come in time.
        """
        if self._asks_for_the_end:
            await self.receiver.drain()
        try:
            await (self._streams() if self._options.stream else self._messages())
        except Drained:
            pass
        finally:
            for delivery in self._to_release:
                delivery.release()

    def _is_enough(self, more: int = 0) -> bool:
        return self._options.count is not None and self.done + more >= self._options.count

    async def _next(self, receive: Any) -> Any:
        """What is next. At the end of a drain, once more: it ends when a round has brought nothing.

        :raises Drained: the queue is at its end.
        """
        while True:
            try:
                taken = await receive(timeout=self._options.timeout)
            except Drained:
                if not self._in_round:
                    raise
                self._in_round = 0
                self.receiver.resume()
                await self.receiver.drain()
            else:
                self._in_round += 1
                return taken

    async def _messages(self) -> None:
        while not self._is_enough():
            deliveries: list[Delivery] = []
            try:
                texts = await self._batch(deliveries)
            except BaseException:
                self._give_back(deliveries)
                raise
            try:
                await self._sink.put(self.done + 1, texts)
            except BaseException as error:
                # What a pipe holds whose reader has gone was not read.
                written = 0 if isinstance(error, BrokenPipeError) else self._sink.written
                self._settle_all(deliveries[:written])
                self._give_back(deliveries[written:])
                raise
            self._settle_all(deliveries)

    @staticmethod
    def _give_back(deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            delivery.release()

    def _settle_all(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            self._settle(delivery)

    async def _batch(self, deliveries: list[Delivery]) -> list[bytes]:
        """The texts of what is written at once: of a message that is waited for, and of those that are there besides.

        There is no wait with a message in hand: it would be shown late, or given back at the end of the time.

        :param deliveries: gets the delivery of each.
        """
        receiver, text_of_message = self.receiver, self._sink.text
        texts: list[bytes] = []
        size = 0
        message, delivery = await self._next(receiver.receive)
        while True:
            deliveries.append(delivery)
            texts.append(text_of_message(message))
            size += len(texts[-1])
            if len(texts) >= MAX_BATCH or size >= MAX_BYTES or self._is_enough(len(texts)) or not receiver.queued:
                return texts
            try:
                # What is queued may be of no use: a message in part, or one that cannot be decoded.
                message, delivery = await receiver.receive(timeout=0)
            except (Drained, Timeout):
                return texts
            self._in_round += 1

    async def _streams(self) -> None:
        while not self._is_enough():
            stream = await self._next(self.receiver.receive_stream)
            output = self._sink.open(self.done + 1)
            try:
                async for piece in stream:
                    await output.write(piece)
            except BaseException:
                stream.close()
                stream.delivery.release()
                raise
            finally:
                self._sink.end(output)
            self._settle(stream.delivery)

    def _settle(self, delivery: Delivery) -> None:
        self.done += 1
        outcome = self._options.outcome
        if outcome == "release":
            self._to_release.append(delivery)
        elif outcome == "browse":
            delivery.release()
        elif outcome == "reject":
            delivery.reject()
        else:
            delivery.accept()
        self._progress.show(self.done)


def _link_options(options: argparse.Namespace) -> list[Any]:
    made: list[Any] = [Capable(options.capability)]
    if options.outcome == "browse":
        made.append(Copy())
    if options.selector:
        made.append(Selector(options.selector))
    return made


def check_browsing(receiver: Receiver) -> None:
    """Raise where a peer would give its messages away to a receiver that browses.

    :raises CommandError: it does not browse.
    """
    properties = receiver.connection.remote_properties or {}
    link = receiver.engine_link
    mode = None if link is None else link.remote_source.distribution_mode
    # RabbitMQ up to 4.2 says that it does, and does not.
    if "RabbitMQ" in str(properties.get("product", "")) or mode == Terminus.DIST_MODE_MOVE:
        raise codes.CommandError(
            "the peer does not browse: expected the distribution mode copy; receive --release "
            "takes messages and gives them back",
            codes.REFUSED,
        )


def _prefetch(options: argparse.Namespace) -> int:
    few = options.count is not None and options.count <= MAX_SINGLE_MESSAGES
    most = options.prefetch if options.count is None else min(options.prefetch, options.count)
    return 0 if few else int(most)


async def _receive(options: argparse.Namespace, place: Place) -> int:
    sink = Sink(options)
    shown = Progress("messages received", options.count, options.quiet or not sink.is_elsewhere)
    connection = make_connection(options, place)
    taking: Taking | None = None
    try:
        with shown as progress:
            made = connection.receiver(place.address, prefetch=_prefetch(options), options=_link_options(options))
            async with connection, made as receiver:
                if options.outcome == "browse":
                    check_browsing(receiver)
                await sink.start()
                taking = Taking(receiver, options, sink, progress)
                await taking.run()
    except Timeout:
        if taking is None or options.timeout is None:
            raise
    except asyncio.CancelledError:
        raise codes.CommandError(f"interrupted: {taking.done if taking else 0} received", codes.INTERRUPTED) from None
    except BrokenPipeError:
        raise
    except Exception as error:
        if taking is not None and taking.done:
            tell(options, f"{taking.done} received")
        raise explained(error) from None
    finally:
        sink.close()
    done = 0 if taking is None else taking.done
    if options.count is not None and done < options.count:
        raise codes.CommandError(f"expected {options.count} messages, got {done}", codes.TIMEOUT)
    return codes.DONE


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    if options.stream and (not options.output or options.json):
        raise codes.CommandError("--stream needs --output, and no --json", codes.USAGE)
    return run_coroutine(options, _receive(options, place_of(options)))
