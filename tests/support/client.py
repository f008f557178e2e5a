"""A client that a test drives step by step over a real socket: each call returns when the peer has done its part.

Only the public API is used. An editor must keep: every wait has a deadline and says what it waited for.
"""

from __future__ import annotations

import time

from proton import Endpoint
from proton.handlers import MessagingHandler
from proton.reactor import Container

SECONDS = 20.0


class Client(MessagingHandler):
    """One connection. `received` are `(receiver, message, delivery)`, `outcomes` are `(delivery, callback name)`."""

    def __init__(self, url, container_id=None):
        super().__init__(prefetch=0, auto_accept=False)
        self.received = []
        self.outcomes = []
        self.errors = []
        self.ended = False
        self.container = Container(self)
        self.container.timeout = 0.05
        self.container.start()
        self.connection = self.container.connect(url, reconnect=False, container_id=container_id)
        self.until(lambda: self.connection.state & Endpoint.REMOTE_ACTIVE, "the connection is open")

    def until(self, condition, what):
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"timed out before {what}"
            self.container.process()

    def round_trip(self):
        """Returns once the peer has acted on everything that was sent to it so far."""
        session = self.connection.session()
        session.open()
        self.until(lambda: session.state & Endpoint.REMOTE_ACTIVE, "a session is open")
        session.close()
        self.until(lambda: session.state & Endpoint.REMOTE_CLOSED, "a session is closed")

    def sender(self, address, **settings):
        return self._opened(self.container.create_sender(self.connection, address, **settings))

    def receiver(self, address, credit=0, **settings):
        link = self._opened(self.container.create_receiver(self.connection, address, **settings))
        if credit:
            link.flow(credit)
            self.round_trip()
        return link

    def _opened(self, link):
        self.until(lambda: link.state & (Endpoint.REMOTE_ACTIVE | Endpoint.REMOTE_CLOSED), f"{link.name} is open")
        return link

    def send(self, sender, *messages):
        """Sends and waits until each has an outcome; the names of their callbacks, in order of sending."""
        self.until(lambda: sender.credit >= len(messages), "credit")
        deliveries = [sender.send(message) for message in messages]
        known = dict(self.outcomes)
        self.until(lambda: all(delivery in dict(self.outcomes) for delivery in deliveries), "outcomes")
        assert not any(delivery in known for delivery in deliveries)
        return [dict(self.outcomes)[delivery] for delivery in deliveries]

    def bodies(self, receiver, count):
        """The bodies of the `count` messages that came on `receiver`; waits for them."""
        self.until(lambda: len(self.of(receiver)) >= count, f"{count} messages")
        self.round_trip()
        return [message.body for message, _ in self.of(receiver)]

    def of(self, receiver):
        return [(message, delivery) for link, message, delivery in self.received if link == receiver]

    def answer(self, receiver, action):
        """Applies `action` to the deliveries that came on `receiver` and forgets them."""
        chosen = [delivery for _, delivery in self.of(receiver)]
        self.received = [entry for entry in self.received if entry[0] != receiver]
        for delivery in chosen:
            action(delivery)
        self.round_trip()

    def close_link(self, link):
        link.close()
        self.until(lambda: link.state & Endpoint.REMOTE_CLOSED, f"{link.name} is closed")

    def close(self):
        self.connection.close()
        self.until(lambda: self.connection.state & Endpoint.REMOTE_CLOSED, "the connection is closed")
        self.run_to_its_end()

    def drop(self):
        """Ends the connection without a word to the peer."""
        transport = self.connection.transport
        transport.close_head()
        transport.close_tail()
        self.run_to_its_end()

    def run_to_its_end(self):
        """Returns once the connection is at its end, whatever ends it."""
        while self.container.process():
            pass
        self.container.process()  # which closes what the loop has opened for itself
        self.ended = True

    def __enter__(self):
        return self

    def __exit__(self, problem, *details):
        # After a failure the wait for a clean close would only hide it.
        if problem is not None:
            self.container.stop()
        elif not self.ended:
            self.close()

    def on_message(self, event):
        self.received.append((event.receiver, event.message, event.delivery))

    def on_accepted(self, event):
        self.outcomes.append((event.delivery, "accepted"))

    def on_rejected(self, event):
        self.outcomes.append((event.delivery, "rejected"))

    def on_released(self, event):
        self.outcomes.append((event.delivery, "released"))

    def on_link_error(self, event):
        self.errors.append(event.link.remote_condition.name)
