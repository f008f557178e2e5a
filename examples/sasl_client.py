"""Logs in to sasl_server.py and sends a message. The strongest mechanism that both have is used.

The users there are fred, whose password is pencil, and anne, whose password is crayon.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from typing import Any

    from proton.handlers import ConnectionEvent, ContainerEvent, DeliveryEvent, SendableEvent, TransportEvent


class Send(MessagingHandler):
    def __init__(self, url: str, body: Any, **login: Any) -> None:
        super().__init__()
        self.done = False
        self.url, self.body, self.login = url, body, login

    def on_start(self, event: ContainerEvent) -> None:
        # A login that is refused once is refused again, so there is one attempt only.
        connection = event.container.connect(self.url, reconnect=False, **self.login)
        event.container.create_sender(connection, "examples")

    def on_connection_opened(self, event: ConnectionEvent) -> None:
        print(f"logged in as {event.transport.user} with {event.transport.sasl().mech}")

    def on_sendable(self, event: SendableEvent) -> None:
        event.sender.send(Message(body=self.body))
        event.sender.close()

    def on_settled(self, event: DeliveryEvent) -> None:
        print("message confirmed")
        self.done = True
        event.connection.close()

    def on_transport_error(self, event: TransportEvent) -> None:
        if event.transport.condition:
            print(f"no connection: {event.transport.condition.description}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672", help="default: %(default)s")
    parser.add_argument("-u", "--user", default="fred", help="default: %(default)s")
    parser.add_argument("-p", "--password", default="pencil", help="default: %(default)s")
    parser.add_argument("-s", "--mechanisms", help="those that may be used, with spaces between; default: all")
    parser.add_argument("body", nargs="?", default="Hello World!")
    options = parser.parse_args()
    login = {"user": options.user, "password": options.password, "allowed_mechs": options.mechanisms}
    program = Send(options.address, options.body, **login)
    Container(program).run()
    if not program.done:
        sys.exit("ended before the work was done")
