"""Ends a durable subscription that durable_subscribe.py made: opens its link once more, and closes it."""

import argparse
import sys

from proton import Url
from proton.handlers import MessagingHandler
from proton.reactor import Container, DurableSubscription


class Unsubscriber(MessagingHandler):
    def __init__(self, url, name):
        super().__init__(prefetch=0)  # nothing more is wanted
        self.done = False
        self.url = Url(url)
        self.name = name

    def on_start(self, event):
        event.container.container_id = f"{self.name}-client"
        connection = event.container.connect(self.url)
        event.container.create_receiver(connection, self.url.path, name=self.name, options=DurableSubscription())

    def on_link_opened(self, event):
        event.receiver.close()

    def on_link_closed(self, event):
        if event.receiver.remote_condition:
            return  # it was refused
        print(f"unsubscribed from {event.receiver.source.address}")
        self.done = True
        event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/topic", help="default: %(default)s")
    parser.add_argument("-n", "--name", default="subscription", help="of the subscription; default: %(default)s")
    options = parser.parse_args()
    program = Unsubscriber(options.address, options.name)
    Container(program).run()
    if not program.done:
        sys.exit("ended before the work was done")
