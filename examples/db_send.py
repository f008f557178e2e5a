"""Sends the records of a database (db_ctrl.py) and deletes each there when the receiver has settled it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from db_common import Database, loaded
from proton import Delivery, Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton.handlers import ConnectionEvent, ContainerEvent, DeliveryEvent, DisconnectedEvent, SendableEvent
    from proton.reactor import ApplicationEvent


class Send(MessagingHandler):
    def __init__(self, url: str, path: str) -> None:
        super().__init__()
        self.done = False
        self.url = url
        self.database = Database(path)
        self.loading = False
        self.last = 0  # the id of the record sent last
        self.unsettled = 0

    def on_start(self, event: ContainerEvent) -> None:
        event.container.selectable(self.database.injector)
        self.database.start()
        self.sender = event.container.create_sender(self.url)

    def on_sendable(self, event: SendableEvent) -> None:
        self.load()

    def load(self) -> None:
        if not self.loading and self.sender.credit > 0:
            self.loading = True
            rows = "SELECT id, description FROM records WHERE id > ? ORDER BY id LIMIT ?"
            self.database.execute(rows, self.last, self.sender.credit, event=loaded(link=self.sender))

    def on_records_loaded(self, event: ApplicationEvent) -> None:
        self.loading = False
        for number, description in event.subject:
            self.sender.send(Message(id=number, body=description), tag=str(number))
            self.last = number
            self.unsettled += 1
        if not event.subject and not self.unsettled:
            print("all records sent")
            self.done = True
            self.sender.connection.close()
            self.database.end()

    def on_connection_closed(self, event: ConnectionEvent) -> None:
        self.database.end()  # its thread keeps the container alive

    on_gave_up = on_connection_closed

    def on_settled(self, event: DeliveryEvent) -> None:
        self.unsettled -= 1
        if event.delivery.remote_state == Delivery.ACCEPTED:
            self.database.execute("DELETE FROM records WHERE id = ?", int(event.delivery.tag))
        if not self.unsettled:
            self.load()

    def on_disconnected(self, event: DisconnectedEvent) -> None:
        # What was not settled is still in the database.
        self.last = self.unsettled = 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("database", help="a file name")
    options = parser.parse_args()
    program = Send(options.address, options.database)
    Container(program).run()
    if not program.done:
        sys.exit("ended before the work was done")
