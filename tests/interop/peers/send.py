"""Sends numbered messages of every kind, prints each as it was sent, and the outcome that came back for it.

One of the interoperation peers: runs on either engine, and talks to receive.py on either.
"""

import argparse

import values
from proton import Delivery
from proton.handlers import MessagingHandler
from proton.reactor import AtMostOnce, Container


class Send(MessagingHandler):
    def __init__(self, options):
        super().__init__()
        self.options = options
        self.sent = 0
        self.settled = 0
        self.acceptor = None

    def on_start(self, event):
        if self.options.listen:
            self.acceptor = event.container.listen(self.options.url)
            print("listening", flush=True)
        else:
            settings = AtMostOnce() if self.options.settled else None
            event.container.create_sender(self.options.url, options=settings)

    def on_link_opening(self, event):
        event.link.source.address = event.link.remote_source.address
        if self.options.settled:
            event.link.snd_settle_mode = event.link.SND_SETTLED

    def on_sendable(self, event):
        while event.sender.credit > 0 and self.sent < self.options.count:
            message = values.message(self.sent, self.options.size)
            event.sender.send(message)
            print("message", self.sent, values.canonical_message(message))
            self.sent += 1
        # No outcome will come for a settled message; the close must not overtake what is still to be written.
        if self.options.settled and self.sent == self.options.count and event.sender.queued == 0:
            event.connection.close()

    def on_answer(self, event):
        delivery = event.delivery
        print("outcome", int(delivery.tag) - 1, values.remote_outcome(delivery))
        if not delivery.settled:
            # The receiver waits for this side to settle first.
            delivery.settle()
            self.count_settled(event)

    on_accepted = on_rejected = on_released = on_answer

    def on_settled(self, event):
        if event.delivery.remote_state not in (
            *(Delivery.ACCEPTED, Delivery.REJECTED, Delivery.RELEASED, Delivery.MODIFIED),
        ):
            print("outcome", int(event.delivery.tag) - 1, "none")
        self.count_settled(event)

    def count_settled(self, event):
        self.settled += 1
        if self.settled == self.options.count:
            event.connection.close()

    def on_connection_closed(self, event):
        if self.acceptor:
            self.acceptor.close()

    def on_connection_error(self, event):
        condition = event.connection.remote_condition
        print("closed", condition.name, condition.description)
        event.connection.close()

    def on_transport_error(self, event):
        print("transport error", event.transport.condition, flush=True)
        super().on_transport_error(event)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--listen", action="store_true")
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--size", type=int, default=0, help="bytes in each body, in place of the table of bodies")
    parser.add_argument("--settled", action="store_true")
    Container(Send(parser.parse_args())).run()
