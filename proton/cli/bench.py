"""`pure-proton bench`: messages through a peer and back to this process: how many a second, at what cost, how late.

The queue is as before at each end of the command: nothing is sent to a queue that is not empty, and what a measurement
that fails leaves there is taken out again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
import uuid
from array import array
from typing import Any

from proton import Message, ProtonException
from proton.asyncio import Connection, Delivery, Drained, Receiver, Sender, Timeout, Undeliverable
from proton.cli import codes
from proton.cli.common import (
    Capable,
    Place,
    add_connection_options,
    add_timeout_argument,
    add_url_argument,
    count,
    make_connection,
    password_of,
    place_of,
    tell,
)
from proton.cli.common import run as run_coroutine
from proton.cli.progress import Progress
from proton.cli.values import dumps

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """\
  pure-proton bench amqp://localhost/bench
  pure-proton bench amqp://localhost/bench -n 100000 --size 1000 --prefetch 200
  pure-proton bench amqp://localhost/bench --rate 500 --json
"""

#: the parts of all messages that arrived within the latency of the same name
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
#: seconds at most for a peer to say that its queue is empty; the measurement goes on if it does not
DRAIN_TIMEOUT = 5.0
#: seconds at most for the next message that a failed measurement has left, and for the connection to take it
REMOVAL_TIMEOUT = 2.0
REMOVAL_PREFETCH = 500


def _size(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected bytes, 0 or more, got {number}")
    return number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.usage = "%(prog)s URL [options]"
    add_url_argument(parser)
    group = parser.add_argument_group("what is measured")
    group.add_argument("-n", "--count", metavar="N", type=count, default=10_000, help="messages (default 10000)")
    group.add_argument("--size", metavar="BYTES", type=_size, default=100, help="bytes of a body (default 100)")
    group.add_argument("--prefetch", metavar="N", type=count, default=500, help="messages of credit (default 500)")
    group.add_argument(
        "--rate", metavar="N", type=count, help="messages a second at most, to see the latency without a queue"
    )
    group.add_argument("--json", action="store_true", help="the result as an object of JSON")
    add_timeout_argument(parser, "connecting, and for each message")
    add_connection_options(parser)


class Run:
    """One measurement.

    :param options: those of the command.
    :param progress: told how many have come.
    """

    def __init__(self, options: argparse.Namespace, progress: Progress) -> None:
        self._options = options
        self._progress = progress
        self._mark = uuid.uuid4().hex  # of this run's messages
        self._sent = array("d", bytes(8 * options.count))
        self._latencies = array("d")
        self._sent_count = 0

    @property
    def is_begun(self) -> bool:
        """Whether a message was sent."""
        return self._sent_count > 0

    @property
    def left(self) -> int:
        """Messages that were sent and have not come back."""
        return self._sent_count - len(self._latencies)

    @property
    def max_left(self) -> int:
        """Messages that may be in the queue: the acceptance of those that came last may not have reached the peer.

        Credit is written after the acceptances before it, so these are no more than two times what may be sent at once.
        """
        prefetch: int = self._options.prefetch
        return max(self.left, 0) + min(len(self._latencies), 2 * prefetch)

    async def send(self, sender: Sender) -> None:
        """Send all messages, at the rate that was asked for."""
        options, sent, mark = self._options, self._sent, self._mark
        body = bytes(options.size)
        started = time.perf_counter()
        for number in range(options.count):
            if options.rate:
                early = started + number / options.rate - time.perf_counter()
                if early > 0:
                    await asyncio.sleep(early)
            sent[number] = time.perf_counter()
            await sender.send_soon(Message(body, id=number, group_id=mark, inferred=True))
            self._sent_count += 1
        try:
            await sender.flush()
        except Undeliverable as error:
            self._sent_count -= 1 + len(error.others)  # these are not in the queue
            raise

    async def receive(self, receiver: Receiver) -> None:
        """Receive as many.

        :raises CommandError: a message is of another program: it is given back.
        """
        options, sent, latencies, mark = self._options, self._sent, self._latencies, self._mark
        while len(latencies) < options.count:
            message, delivery = await receiver.receive(timeout=options.timeout)
            if message.group_id != mark:
                delivery.release()
                raise _foreign()
            number: Any = message.id
            latencies.append(time.perf_counter() - sent[number])
            delivery.accept()
            if not len(latencies) & 255:
                self._progress.show(len(latencies))

    async def remove(self, receiver: Receiver) -> None:
        """Take out of the queue what has not come back, to the end of the queue.

        :raises Timeout: the peer does not say that its queue is empty.
        """
        foreign: list[Delivery] = []  # given back at the end: before, they would come again
        is_empty = False
        try:
            while not is_empty:
                await receiver.drain(timeout=REMOVAL_TIMEOUT)
                is_empty = True
                with contextlib.suppress(Drained):
                    while True:
                        self._remove(foreign, *await receiver.receive())
                        is_empty = False
                receiver.resume()
                if is_empty and self.left > 0:
                    # What the links of the measurement have given back may be there a little later.
                    with contextlib.suppress(Timeout):
                        self._remove(foreign, *await receiver.receive(timeout=REMOVAL_TIMEOUT))
                        is_empty = False
        finally:
            for delivery in foreign:
                delivery.release()

    def _remove(self, foreign: list[Delivery], message: Message, delivery: Delivery) -> None:
        if message.group_id == self._mark:
            delivery.accept()
            self._sent_count -= 1
        else:
            foreign.append(delivery)

    def result(self, wall: float, cpu: float) -> dict[str, Any]:
        """What was measured, by name.

        :param wall: seconds that it took.
        :param cpu: seconds that the processor worked for this process, which is both ends.
        """
        found = sorted(self._latencies)
        number = len(found)
        return {
            "messages": number,
            "size": self._options.size,
            "prefetch": self._options.prefetch,
            "seconds": round(wall, 3),
            "messages_per_second": round(number / wall),
            "megabytes_per_second": round(number * self._options.size / wall / 1e6, 3),
            "cpu_microseconds_per_message": round(cpu / number * 1e6, 1),
            "latency_milliseconds": {
                name: round(found[min(number - 1, int(share * number))] * 1000, 3) for name, share in SHARES.items()
            },
        }


def _text(result: dict[str, Any]) -> str:
    late = "  ".join(f"{name} {value:g}" for name, value in result["latency_milliseconds"].items())
    return (
        f"{result['messages']} messages of {result['size']} bytes, prefetch {result['prefetch']},"
        f" in {result['seconds']:g} s\n"
        f"messages/s      {result['messages_per_second']}\n"
        f"MB/s            {result['megabytes_per_second']:g}\n"
        f"CPU/message     {result['cpu_microseconds_per_message']:g} µs (sender and receiver)\n"
        f"latency (ms)    {late}\n"
    )


def _foreign() -> codes.CommandError:
    return codes.CommandError(
        "expected an empty queue, got a message of another program, and gave it back", codes.REFUSED
    )


async def _check_empty(connection: Connection, options: argparse.Namespace, place: Place) -> None:
    """Look at the queue before anything is sent.

    :raises CommandError: there is a message: it is given back.
    """
    async with connection.receiver(place.address, prefetch=1, options=Capable(options.capability)) as receiver:
        with contextlib.suppress(Timeout):
            await receiver.drain(timeout=min(options.timeout, DRAIN_TIMEOUT))
        try:
            _, delivery = await receiver.receive(timeout=0)
        except (Drained, Timeout):
            return
        delivery.release()
        raise _foreign()


async def _measure(options: argparse.Namespace, place: Place, measured: Run) -> dict[str, Any]:
    """The result of a measurement."""
    capable = Capable(options.capability)
    sending, receiving = (make_connection(options, place, options.timeout) for _ in range(2))
    async with sending, receiving:
        await _check_empty(receiving, options, place)
        receiver = await receiving.receiver(place.address, prefetch=options.prefetch, options=capable)
        sender = await sending.sender(place.address, options=capable)
        wall, cpu = time.perf_counter(), time.process_time()
        tasks = [asyncio.ensure_future(measured.send(sender)), asyncio.ensure_future(measured.receive(receiver))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return measured.result(time.perf_counter() - wall, time.process_time() - cpu)


async def _clean_up(options: argparse.Namespace, place: Place, measured: Run) -> None:
    """Take out of the queue what a failed measurement has left, over a new connection; tell what is still there."""
    try:
        connection = make_connection(options, place, min(options.timeout, REMOVAL_TIMEOUT))
        made = connection.receiver(place.address, prefetch=REMOVAL_PREFETCH, options=Capable(options.capability))
        async with connection, made as receiver:
            await measured.remove(receiver)
    except (ProtonException, OSError, asyncio.CancelledError):
        tell(options, f"up to {max(measured.max_left, 1)} messages of this measurement are left in the queue")


async def _bench(options: argparse.Namespace, place: Place) -> int:
    with Progress("messages", options.count, options.quiet) as progress:
        measured = Run(options, progress)
        try:
            result = await _measure(options, place, measured)
        except BaseException:
            if measured.is_begun:
                await _clean_up(options, place, measured)
            raise
    sys.stdout.write(dumps(result) + "\n" if options.json else _text(result))
    sys.stdout.flush()
    return codes.DONE


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    place = place_of(options)
    # Known before there are several connections: a terminal is asked once.
    place = place._replace(password=password_of(options, place, options.user or place.user))
    return run_coroutine(options, _bench(options, place))
