"""Programs that go on while their broker is stopped, killed and started again: one sends, one receives.

    python tests/support/upgrade.py send|receive|blocking-send|blocking-receive QUEUE COUNT RATE URL...

RATE is how many messages a second are sent at most, so that there is load for as long as nodes go and come. The sender
numbers its messages, waits for each outcome, and sends again what was unsettled at a loss. The receiver counts until it
has each number. Both print `at N` as they go, and at the end one line of JSON. The log goes to standard error.
"""

from __future__ import annotations

import json
import pathlib
import sys
import time
from collections import deque

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from proton import Delivery, LinkException, Message, ProtonException, Timeout
from proton.handlers import MessagingHandler
from proton.reactor import Backoff, Container, LinkOption
from proton.utils import BlockingConnection

#: lines of progress
STEPS = 200
#: at most so many messages on their way: what a loss can double
WINDOW = 500
#: messages that a receiver is sent ahead: a loss may give so many of them again
PREFETCH = 100
#: seconds between two looks at the rate
TICK = 0.02
#: how long a blocking operation waits for the broker to be back
SECONDS = 120


class Queue(LinkOption):
    """Has Artemis take the address for a queue; others do not mind."""

    def apply(self, link):
        terminus = link.target if link.is_sender else link.source
        terminus.capabilities.put_symbol("queue")


class Progress:
    def __init__(self, count):
        self._step = max(1, count // STEPS)
        self._next = self._step

    def __call__(self, number):
        if number >= self._next:
            self._next = number + self._step
            print(f"at {number}", flush=True)


class Send(MessagingHandler):
    """At least once."""

    def __init__(self, urls, queue, count, rate):
        super().__init__()
        self.urls, self.queue, self.count, self.rate = urls, queue, count, rate
        self.allowance = 0.0  # messages that may go now
        self.waiting = deque(range(count))
        self.unsettled = {}
        self.result = {
            "confirmed": 0,
            "sent": 0,
            "losses or failed attempts": 0,
            "unsettled at losses": 0,
            "refused": 0,
        }
        self.progress = Progress(count)

    def on_start(self, event):
        connection = event.container.connect(urls=self.urls, reconnect=Backoff(max_delay=1.0))
        self.sender = event.container.create_sender(connection, self.queue, options=Queue())
        self.task = event.container.schedule(TICK, self)

    def on_timer_task(self, event):
        self.allowance = min(self.allowance + self.rate * TICK, self.rate)
        self.send()
        self.task = event.container.schedule(TICK, self)

    def on_sendable(self, event):
        self.send()

    def send(self):
        sender = self.sender
        while self.waiting and sender.credit > 0 and len(self.unsettled) < WINDOW and self.allowance >= 1:
            self.allowance -= 1
            number = self.waiting.popleft()
            self.unsettled[sender.send(Message(id=number, body=number, durable=True))] = number
            self.result["sent"] += 1

    def on_settled(self, event):
        number = self.unsettled.pop(event.delivery, None)
        if number is None:
            return
        if event.delivery.remote_state == Delivery.ACCEPTED:
            self.result["confirmed"] += 1
            self.progress(self.result["confirmed"])
        else:
            self.result["refused"] += 1
            self.waiting.appendleft(number)
        if self.result["confirmed"] == self.count:
            self.task.cancel()
            event.connection.close()
        else:
            self.send()

    def on_disconnected(self, event):
        self.result["losses or failed attempts"] += 1
        self.result["unsettled at losses"] += len(self.unsettled)
        self.waiting.extendleft(sorted(self.unsettled.values(), reverse=True))
        self.unsettled.clear()

    def on_gave_up(self, event):
        self.result["gave up"] = str(event.reason)
        self.task.cancel()


class Receive(MessagingHandler):
    """Counts."""

    def __init__(self, urls, queue, count, rate):
        super().__init__(prefetch=PREFETCH)
        self.urls, self.queue, self.count = urls, queue, count
        self.numbers = set()
        self.result = {"received": 0, "different": 0, "losses or failed attempts": 0}
        self.progress = Progress(count)

    def on_start(self, event):
        connection = event.container.connect(urls=self.urls, reconnect=Backoff(max_delay=1.0))
        event.container.create_receiver(connection, self.queue, options=Queue())

    def on_message(self, event):
        self.numbers.add(event.message.body)
        self.result["received"] += 1
        self.result["different"] = len(self.numbers)
        self.progress(len(self.numbers))
        if len(self.numbers) == self.count:
            event.connection.close()

    def on_disconnected(self, event):
        self.result["losses or failed attempts"] += 1

    def on_gave_up(self, event):
        self.result["gave up"] = str(event.reason)


def connect(urls):
    return BlockingConnection(urls=urls, reconnect=Backoff(max_delay=1.0), timeout=SECONDS)


def blocking_send(urls, queue, count, rate):
    """Sends each number until it is accepted; a link or session that has ended is made again."""
    result = {"confirmed": 0, "sent": 0, "unsettled at losses": 0, "links": 0}
    progress = Progress(count)
    connection, sender = connect(urls), None
    while result["confirmed"] < count:
        try:
            if sender is None:
                sender = connection.create_sender(queue, options=Queue())
                result["links"] += 1
            result["sent"] += 1
            time.sleep(1 / rate)
            sender.send(Message(id=result["confirmed"], body=result["confirmed"], durable=True))
        except Timeout:
            raise
        except (LinkException, ProtonException) as error:
            print(f"again after {type(error).__name__} {error!s:.200}", file=sys.stderr)
            result["unsettled at losses"] += 1
            if isinstance(error, LinkException):
                sender = None
        else:
            result["confirmed"] += 1
            progress(result["confirmed"])
    connection.close()
    return result


def blocking_receive(urls, queue, count, rate):
    result = {"received": 0, "different": 0, "links": 0}
    progress = Progress(count)
    numbers = set()
    connection, receiver = connect(urls), None
    while len(numbers) < count:
        try:
            if receiver is None:
                receiver = connection.create_receiver(queue, credit=PREFETCH, options=Queue())
                result["links"] += 1
            message = receiver.receive()
            receiver.accept()
        except Timeout:
            raise
        except (LinkException, ProtonException) as error:
            print(f"again after {type(error).__name__} {error!s:.200}", file=sys.stderr)
            if isinstance(error, LinkException):
                receiver = None
        else:
            numbers.add(message.body)
            result["received"] += 1
            progress(len(numbers))
    result["different"] = len(numbers)
    connection.close()
    return result


def main():
    what, queue, count, rate, *urls = sys.argv[1:]
    began = time.monotonic()
    if what.startswith("blocking-"):
        result = {"blocking-send": blocking_send, "blocking-receive": blocking_receive}[what](
            urls, queue, int(count), int(rate)
        )
    else:
        handler = {"send": Send, "receive": Receive}[what](urls, queue, int(count), int(rate))
        Container(handler).run()
        result = handler.result
    result["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
