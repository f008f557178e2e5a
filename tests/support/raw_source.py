"""A server in a thread that sends the bytes it was made with as messages, valid or not, and notes each outcome."""

from __future__ import annotations

import contextlib
import threading

from proton import Delivery
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Container, EventInjector
from tests.support.loops import SECONDS

#: a message whose body is cut short
MALFORMED = b"\x00\x53\x77\xff\xff"


class RawSource(MessagingHandler):
    """Sends each of its messages once, to the first that asks.

    :param encoded: the messages, as bytes. A tuple of two is sent in part: the rest follows with `on_rest`.
    """

    def __init__(self, *encoded):
        super().__init__(auto_accept=False)
        self._left = list(encoded)
        self._begun = None
        self.outcomes = []
        self.changed = threading.Condition()
        self.ready = threading.Event()

    def on_start(self, event):
        self._acceptor = event.container.listen("127.0.0.1:0")
        self._injector = EventInjector()
        event.container.selectable(self._injector)
        self.url = f"amqp://127.0.0.1:{self._acceptor.port}/q"
        self.ready.set()

    def on_link_opening(self, event):
        event.link.source.copy(event.link.remote_source)
        event.link.target.copy(event.link.remote_target)

    def on_sendable(self, event):
        link = event.link
        while self._left and link.credit and self._begun is None:
            encoded = self._left.pop(0)
            first, self._begun = encoded if isinstance(encoded, tuple) else (encoded, None)
            link.delivery(link.delivery_tag())
            link.stream(first)
            if self._begun is None:
                link.advance()
            else:
                self._link = link
        if self._begun is None:
            link.drained()

    def on_rest(self, event):
        self._link.stream(self._begun)
        self._link.advance()
        self._begun = None

    def on_delivery(self, event):
        if event.delivery.link.is_sender and event.delivery.updated:
            with self.changed:
                self.outcomes.append(event.delivery.remote_state)
                self.changed.notify_all()
            event.delivery.settle()

    def on_quit(self, event):
        self._acceptor.close()
        self._injector.close()

    def tell(self, name):
        """Have `on_NAME` called in the thread of the server."""
        self._injector.trigger(ApplicationEvent(name))

    def wait_for_outcomes(self, count):
        """The first so many outcomes."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.outcomes) >= count, SECONDS), self.outcomes
            return self.outcomes[:count]


@contextlib.contextmanager
def raw_source(*encoded):
    """A `RawSource` that runs."""
    source = RawSource(*encoded)
    thread = threading.Thread(target=Container(source).run)
    thread.start()
    assert source.ready.wait(SECONDS)
    try:
        yield source
    finally:
        source.tell("quit")
        thread.join(SECONDS)


ACCEPTED, REJECTED = Delivery.ACCEPTED, Delivery.REJECTED
