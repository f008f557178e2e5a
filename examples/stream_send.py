"""Sends a file as the body of one message; it is read as the receiver takes it (stream_recv.py)."""

from __future__ import annotations

import argparse
import pathlib
import sys
from typing import TYPE_CHECKING

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from typing import BinaryIO

    from proton.handlers import ContainerEvent, OutcomeEvent, SendableEvent


class Send(MessagingHandler):
    def __init__(self, url: str, path: str) -> None:
        super().__init__()
        self.done = False
        self.url = url
        self.path = pathlib.Path(path)
        self.file: BinaryIO | None = None

    def on_start(self, event: ContainerEvent) -> None:
        event.container.create_sender(self.url)

    def on_sendable(self, event: SendableEvent) -> None:
        if self.file is None:
            self.file = self.path.open("rb")
            size = self.path.stat().st_size
            event.sender.send_stream(self.file, Message(subject=self.path.name), size=size)

    def on_accepted(self, event: OutcomeEvent) -> None:
        print("sent")
        if self.file:
            self.file.close()
        self.done = True
        event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="127.0.0.1:5672/files", help="default: %(default)s")
    parser.add_argument("path", help="the file to send")
    options = parser.parse_args()
    program = Send(options.address, options.path)
    Container(program).run()
    if not program.done:
        sys.exit("ended before the work was done")
