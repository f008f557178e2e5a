"""Receives in transactions as it is told to on standard input: fetch, commit, abort, quit.

The loop runs in a thread of its own. What is typed becomes events that an injector hands to it, which is the way to
reach a container from another thread.
"""

import argparse
import sys
import threading

from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import ApplicationEvent, Container, EventInjector


class Receive(MessagingHandler, TransactionHandler):
    def __init__(self, url):
        super().__init__(prefetch=0, auto_accept=False)
        self.url = url
        self.transaction = None

    def on_start(self, event):
        self.container = event.container
        self.receiver = event.container.create_receiver(self.url)
        self.declare()

    def declare(self):
        self.transaction = None
        self.container.declare_transaction(self.receiver.connection, handler=self, settle_before_discharge=True)

    def on_transaction_declared(self, event):
        self.transaction = event.transaction
        print("transaction declared", flush=True)

    def on_message(self, event):
        print(event.message.body, flush=True)
        self.transaction.accept(event.delivery)

    def on_transaction_committed(self, event):
        print("transaction committed", flush=True)
        self.declare()

    def on_transaction_aborted(self, event):
        print("transaction aborted", flush=True)
        self.declare()

    def on_fetch(self, event):
        if self.transaction:
            self.receiver.flow(1)

    def on_commit(self, event):
        if self.transaction:
            self.transaction.commit()

    def on_abort(self, event):
        if self.transaction:
            self.transaction.abort()

    def on_quit(self, event):
        self.receiver.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    container = Container(Receive(parser.parse_args().address))
    injector = EventInjector()
    container.selectable(injector)
    thread = threading.Thread(target=container.run)
    thread.start()
    # A command that there is no method for does nothing.
    for line in sys.stdin:
        injector.trigger(ApplicationEvent(line.strip()))
        if line.strip() == "quit":
            break
    else:
        injector.trigger(ApplicationEvent("quit"))
    injector.close()
    thread.join()
