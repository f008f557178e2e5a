"""Receives messages until the peer closes, prints each as it came, and gives each the outcome that was asked for.

One of the interoperation peers: runs on either engine, and talks to send.py on either.
"""

import argparse

import values
from proton.handlers import MessagingHandler
from proton.reactor import AtMostOnce, Container


class Receive(MessagingHandler):
    def __init__(self, options):
        super().__init__(prefetch=options.prefetch, auto_accept=False)
        self.options = options
        self.received = 0
        self.acceptor = None

    def on_start(self, event):
        if self.options.listen:
            self.acceptor = event.container.listen(self.options.url)
            print("listening", flush=True)
        else:
            settings = AtMostOnce() if self.options.settled else None
            event.container.create_receiver(self.options.url, options=settings)

    def on_link_opening(self, event):
        event.link.target.address = event.link.remote_target.address

    def on_message(self, event):
        n = self.received
        self.received += 1
        print("message", n, values.canonical_message(event.message))
        if event.delivery.settled:
            print("settled", n)
            self.settle(event.delivery)
        elif self.options.outcome == "none":
            print("outcome", n, "none")
            self.settle(event.delivery)
        else:
            print("outcome", n, values.set_outcome(event.delivery, values.outcome(n, self.options.outcome), n))
            if not self.options.wait:
                self.settle(event.delivery)

    def on_settled(self, event):
        # A settled message of several frames is announced here by its first ones, before it is all there.
        if event.delivery.partial:
            return
        print("settled later")
        self.settle(event.delivery)

    def on_connection_closed(self, event):
        if self.acceptor:
            self.acceptor.close()

    def on_transport_error(self, event):
        print("transport error", event.transport.condition, flush=True)
        super().on_transport_error(event)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--listen", action="store_true")
    parser.add_argument("--prefetch", type=int, default=100)
    parser.add_argument("--outcome", choices=(*values.OUTCOMES, "mixed", "none"), default="accepted")
    parser.add_argument("--settled", action="store_true", help="ask for settled messages; a receiver that connects")
    parser.add_argument("--wait", action="store_true", help="settle only after the sender")
    Container(Receive(parser.parse_args())).run()
