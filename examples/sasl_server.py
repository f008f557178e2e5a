"""Listens, lets in the users that it knows, prints the messages they bring, and ends after the last.

It knows `fred` by his password, and `anne` by a verifier, with which a reader could not log in. A server in
earnest looks its users up, with an object that has the method `lookup`; see `proton.Credentials`.
"""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

from proton import ScramVerifier
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton.handlers import ConnectionEvent, ContainerEvent, MessageEvent, TransportEvent

USERS = {
    "fred": "pencil",
    # The mechanisms are those that all users have: with this, SCRAM-SHA-256 and PLAIN.
    "anne": str(ScramVerifier.make("SCRAM-SHA-256", "crayon")),
}


class Serve(MessagingHandler):
    def __init__(self, url: str, expected: int, insecure: bool) -> None:
        super().__init__()
        self.url, self.expected, self.insecure = url, expected, insecure
        self.received = 0

    def on_start(self, event: ContainerEvent) -> None:
        # PLAIN shows the password to all that read along, so it is offered over TLS alone, or when asked for.
        self.acceptor = event.container.listen(self.url, credentials=USERS, allow_insecure_mechs=self.insecure)
        print(f"listening on {self.url}")

    def on_connection_opened(self, event: ConnectionEvent) -> None:
        print(f"{event.transport.user} has logged in with {event.transport.sasl().mech}")

    def on_message(self, event: MessageEvent) -> None:
        print(f"{event.transport.user}: {event.message.body}")
        self.received += 1
        if self.received == self.expected:
            event.connection.close()
            self.acceptor.close()

    def on_transport_error(self, event: TransportEvent) -> None:
        if event.transport.condition:
            print(f"refused: {event.transport.condition.description}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=1, help="0 never ends; default: %(default)s")
    parser.add_argument("--allow-insecure", action="store_true", help="offer PLAIN without TLS")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        Container(Serve(options.address, options.messages, options.allow_insecure)).run()
