"""Logs in to sasl_server.py and sends a message. The strongest mechanism that both have is used.

The users there are fred, whose password is pencil, and anne, whose password is crayon.
"""

import argparse
import sys

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


class Send(MessagingHandler):
    def __init__(self, url, body, **login):
        super().__init__()
        self.done = False
        self.url, self.body, self.login = url, body, login

    def on_start(self, event):
        # Whoever is refused once is refused again, so there is one attempt only.
        connection = event.container.connect(self.url, reconnect=False, **self.login)
        event.container.create_sender(connection, "examples")

    def on_connection_opened(self, event):
        print(f"logged in as {event.transport.user} with {event.transport.sasl().mech}")

    def on_sendable(self, event):
        event.sender.send(Message(body=self.body))
        event.sender.close()

    def on_settled(self, event):
        print("message confirmed")
        self.done = True
        event.connection.close()

    def on_transport_error(self, event):
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
