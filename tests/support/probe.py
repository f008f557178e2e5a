"""What a broker does when it is asked for something: the words for a table.

`Probe` is a client that records every end that the broker tells it, and closes nothing because of one.
"""

from __future__ import annotations

from proton import Endpoint
from tests.support.client import Client


class Ended(Exception):
    """The broker has ended the link, session or connection: the text says which, and why."""


class Probe(Client):
    """A client whose waits end with `Ended` when the broker ends something."""

    def __init__(self, url, container_id=None):
        self.told = []
        super().__init__(url, container_id)

    def first(self, receiver):
        """The first message that comes on `receiver`."""
        self.until(lambda: self.of(receiver), "a message")
        return self.of(receiver)[0][0]

    def until(self, condition, what):
        def held():
            if condition():
                return True
            self._go_on()
            return False

        super().until(held, what)

    def opened(self, link):
        """Waits until the link is open, and was not refused right after."""
        self._opened(link)
        self.round_trip()
        self._go_on()
        return link

    def grant(self, receiver, credit):
        """Grants credit, unless the broker has ended something because of what it was told before."""
        self._go_on()
        receiver.flow(credit)

    def _go_on(self):
        if self.told:
            raise Ended(self.told[0])

    def close_link(self, link):
        """Closes a link; RabbitMQ 3.10 answers with a detach that does not close."""
        link.close()
        self.round_trip()

    def _end_of(self, kind, endpoint):
        condition = endpoint.remote_condition
        self.told.append(f"{kind}: `{condition.name}`" if condition else f"{kind}, without a reason")

    def on_link_error(self, event):
        self._end_of("detach", event.link)

    def on_link_closing(self, event):
        self._end_of("detach", event.link)

    def on_session_error(self, event):
        self._end_of("end", event.session)

    def on_session_closing(self, event):
        self._end_of("end", event.session)

    def on_connection_error(self, event):
        self._end_of("close", event.connection)

    def on_disconnected(self, event):
        self.told.append("the connection is lost")

    def on_transport_error(self, event):
        name = event.transport.condition.name
        # A socket that is reset is a loss as much as one that ends.
        self.told.append(f"close: `{name}`" if name == "amqp:unauthorized-access" else "the connection is lost")

    def give_up(self):
        """Ends the connection, whatever the broker has left of it."""
        if not self.ended:
            self.connection.close()
            if self.connection.transport is not None and not self.connection.state & Endpoint.REMOTE_CLOSED:
                self.drop()
            else:
                self._end()

    def __exit__(self, problem, *details):
        self.give_up()
