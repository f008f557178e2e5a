"""Receives messages and puts each into a database (db_ctrl.py); a message is accepted once the database has it.

A message that comes again, because the answer to it was lost, is not inserted twice: its id is the record's.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING

from db_common import Database, inserted
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton.handlers import ConnectionEvent, ContainerEvent, MessageEvent
    from proton.reactor import ApplicationEvent


class Receive(MessagingHandler):
    def __init__(self, url: str, path: str, expected: int) -> None:
        super().__init__(auto_accept=False)
        self.done = False
        self.url = url
        self.database = Database(path)
        self.expected = expected
        self.taken = 0
        self.inserted = 0

    def on_start(self, event: ContainerEvent) -> None:
        event.container.selectable(self.database.injector)
        self.database.start()
        self.receiver = event.container.create_receiver(self.url)

    def on_message(self, event: MessageEvent) -> None:
        if self.taken == self.expected:
            self.release(event.delivery, delivered=False)
            return
        self.taken += 1
        values = (event.message.id, event.message.body)
        done = inserted(delivery=event.delivery)
        self.database.execute("INSERT OR IGNORE INTO records(id, description) VALUES (?, ?)", *values, event=done)

    def on_record_inserted(self, event: ApplicationEvent) -> None:
        if event.delivery:
            self.accept(event.delivery)
        self.inserted += 1
        if self.inserted == self.expected:
            print(f"inserted {self.inserted} records")
            self.done = True
            self.receiver.connection.close()
            self.database.end()

    def on_connection_closed(self, event: ConnectionEvent) -> None:
        self.database.end()  # its thread keeps the container alive

    on_gave_up = on_connection_closed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=-1, help="how many, -1 never ends; default: %(default)s")
    parser.add_argument("database", help="a file name")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        program = Receive(options.address, options.database, options.messages)
        Container(program).run()
        if not program.done:
            sys.exit("ended before the work was done")
