"""`pure-proton bench`: messages through a peer and back to this process: how many a second, at what cost, how late."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import uuid
from array import array
from typing import Any

from proton import Message
from proton.asyncio import Receiver, Sender, Timeout
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
    place_of,
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
        await sender.flush()

    async def receive(self, receiver: Receiver) -> None:
        """Receive as many.

        :raises CommandError: a message is of another program: it is given back.
        """
        options, sent, latencies, mark = self._options, self._sent, self._latencies, self._mark
        while len(latencies) < options.count:
            message, delivery = await receiver.receive(timeout=options.timeout)
            if message.group_id != mark:
                delivery.release()
                raise codes.CommandError(
                    "expected a queue of its own, got a message of another program, and gave it back"
                )
            number: Any = message.id
            latencies.append(time.perf_counter() - sent[number])
            delivery.accept()
            if not len(latencies) & 255:
                self._progress.show(len(latencies))

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


async def _bench(options: argparse.Namespace, place: Place) -> int:
    capable = Capable(options.capability)
    sending, receiving = (make_connection(options, place, options.timeout) for _ in range(2))
    with Progress("messages", options.count, options.quiet) as progress:
        async with sending, receiving:
            receiver = await receiving.receiver(place.address, prefetch=options.prefetch, options=capable)
            sender = await sending.sender(place.address, options=capable)
            measured = Run(options, progress)
            wall, cpu = time.perf_counter(), time.process_time()
            tasks = [asyncio.ensure_future(measured.send(sender)), asyncio.ensure_future(measured.receive(receiver))]
            try:
                await asyncio.gather(*tasks)
            except Timeout as error:
                raise explained(error) from None
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            result = measured.result(time.perf_counter() - wall, time.process_time() - cpu)
    sys.stdout.write(dumps(result) + "\n" if options.json else _text(result))
    sys.stdout.flush()
    return codes.DONE


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    return run_coroutine(_bench(options, place_of(options)))
