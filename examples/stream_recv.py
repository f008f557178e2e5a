"""Listens, with no broker, and writes the body of one message to a file as it comes (stream_send.py).

The session's window keeps back what was not yet written: no more than a mebibyte is in memory, however large the body.
"""

from __future__ import annotations

import argparse
import pathlib
from typing import TYPE_CHECKING

from proton import Delivery, Handler, Url
from proton.handlers import Handshaker
from proton.reactor import Container

if TYPE_CHECKING:
    from proton import BodyReader
    from proton.handlers import ContainerEvent, DeliveryEvent, LinkEvent, SessionEvent


class Receive(Handler):
    """Takes the place of `MessagingHandler`, which waits for whole messages."""

    def __init__(self, url: str, path: str) -> None:
        super().__init__()
        self.add(Handshaker())
        self.url = Url(url)
        self.file = pathlib.Path(path).open("wb")  # noqa: SIM115 - closed when the body is complete
        self.reader: BodyReader | None = None

    def on_reactor_init(self, event: ContainerEvent) -> None:
        self.acceptor = event.container.listen(self.url)
        print("listening", flush=True)

    def on_session_remote_open(self, event: SessionEvent) -> None:
        event.session.incoming_capacity = 1 << 20

    def on_link_remote_open(self, event: LinkEvent) -> None:
        if event.receiver:
            event.receiver.flow(1)

    def on_delivery(self, event: DeliveryEvent) -> None:
        if self.reader is None and event.receiver:
            self.reader = event.receiver.reader()
        if self.reader is None:
            return
        for piece in self.reader:
            self.file.write(piece)
        if self.reader.finished:
            self.file.close()
            print(f"{self.reader.message.subject}: done")
            event.delivery.update(Delivery.ACCEPTED)
            event.delivery.settle()
            event.connection.close()
            self.acceptor.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="127.0.0.1:5672", help="default: %(default)s")
    parser.add_argument("path", help="the file to write")
    options = parser.parse_args()
    Container(Receive(options.address, options.path)).run()
