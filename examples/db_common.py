"""The database of db_send.py and db_recv.py in a thread of its own, because it blocks.

Work goes to the thread by a queue. Results come back as application events, which an injector hands to the container.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from typing import TYPE_CHECKING

from proton.reactor import ApplicationEvent, EventInjector

if TYPE_CHECKING:
    from typing import Any


class Database(threading.Thread):
    def __init__(self, path: str) -> None:
        super().__init__(daemon=True)
        self.path = path
        self.injector = EventInjector()
        self.work: queue.Queue[Any] = queue.Queue()

    def run(self) -> None:
        database = sqlite3.connect(self.path)
        while True:
            task = self.work.get()
            if task is None:
                break
            statement, parameters, event = task
            with database:
                rows = database.execute(statement, parameters).fetchall()
            if event:
                event.subject = rows
                self.injector.trigger(event)
        database.close()
        self.injector.close()  # the container would not end before

    def execute(self, statement: str, *parameters: object, event: ApplicationEvent | None = None) -> None:
        """Has a statement executed. The event gets the rows as its subject, and comes when that is done."""
        self.work.put((statement, parameters, event))

    def end(self) -> None:
        """Ends the thread after all that it was given to do."""
        self.work.put(None)


def loaded(**context: Any) -> ApplicationEvent:
    return ApplicationEvent("records_loaded", **context)


def inserted(**context: Any) -> ApplicationEvent:
    return ApplicationEvent("record_inserted", **context)
