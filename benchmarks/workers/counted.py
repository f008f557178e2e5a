"""Both ends in one process and one loop, for `instructions.py`: nothing depends on how the system schedules them.

`messages` sends, receives and accepts; `requests` answers requests of a program of callbacks, `calls` those of a
`SyncRequestResponse`; `connections` opens and closes one after the other; `asyncio` sends and receives by
`proton.asyncio`.
"""

import argparse

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container


class Both(MessagingHandler):
    """Listens, and connects to itself."""

    def __init__(self, options):
        super().__init__(prefetch=options.prefetch)
        self.count = options.count
        self.done = 0

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.connect(event.container)

    def connect(self, container):
        return container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False)

    def one_more(self, event):
        """Counts one; after the last one the container ends."""
        self.done += 1
        if self.done == self.count:
            event.connection.close()
            self.acceptor.close()


class Messages(Both):
    sent = 0

    def on_start(self, event):
        super().on_start(event)
        event.container.create_sender(f"127.0.0.1:{self.acceptor.port}/x")

    def on_sendable(self, event):
        while event.sender.credit and self.sent < self.count:
            self.sent += 1
            event.sender.send(Message(id=self.sent, body={"n": self.sent}))

    def on_accepted(self, event):
        self.one_more(event)

    def connect(self, container):
        pass


class Requests(Both):
    def connect(self, container):
        connection = super().connect(container)
        self.sender = container.create_sender(connection, "requests")
        self.receiver = container.create_receiver(connection, None, dynamic=True)

    def on_link_opening(self, event):
        if event.link.is_sender:
            event.link.source.address = "answers"
            self.answers = event.link
        else:
            event.link.target.address = event.link.remote_target.address

    def on_link_opened(self, event):
        if event.link == self.receiver:
            self.ask(1)

    def ask(self, number):
        self.sender.send(Message(reply_to="answers", correlation_id=number, body="x" * 100))

    def on_message(self, event):
        message = event.message
        if event.receiver != self.receiver:
            self.answers.send(Message(correlation_id=message.correlation_id, body=message.body))
            return
        self.one_more(event)
        if self.done < self.count:
            self.ask(message.correlation_id + 1)


class Calls(Requests):
    def connect(self, container):
        pass

    def on_link_opened(self, event):
        pass

    def on_message(self, event):
        message = event.message
        self.answers.send(Message(correlation_id=message.correlation_id, body=message.body))


class Connections(Both):
    def on_connection_opened(self, event):
        if event.connection._acceptor is None:
            event.connection.close()

    def on_connection_closed(self, event):
        if event.connection._acceptor is None:
            self.one_more(event)
            if self.done < self.count:
                self.connect(event.container)


def calls(options):
    from proton.utils import BlockingConnection, SyncRequestResponse

    handler = Calls(options)
    container = Container(handler)
    handler.acceptor = container.listen("127.0.0.1:0")
    handler.on_start = lambda event: None
    connection = BlockingConnection(f"127.0.0.1:{handler.acceptor.port}", container=container)
    client = SyncRequestResponse(connection, "requests")
    for _ in range(options.count):
        client.call(Message(body="x" * 100))
    handler.acceptor.close()
    connection.close()


async def by_asyncio(options):
    import asyncio

    from proton.asyncio import connect, serve

    async def receive(listener):
        async for connection in listener:
            async for request in connection.incoming():
                receiver = request.accept(prefetch=options.prefetch)
                for _ in range(options.count):
                    _, delivery = await receiver.receive()
                    delivery.accept()
                break
            await connection.wait_closed()
            return

    async with serve("127.0.0.1:0") as listener:
        receiving = asyncio.ensure_future(receive(listener))
        async with connect(f"127.0.0.1:{listener.port}") as connection, connection.sender("x") as sender:
            for number in range(options.count):
                await sender.send_soon(Message(id=number, body={"n": number}))
            await sender.flush()
        await receiving


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("messages", "requests", "calls", "connections", "asyncio"))
    parser.add_argument("count", type=int)
    parser.add_argument("--prefetch", type=int, default=10)
    options = parser.parse_args()
    if options.what == "asyncio":
        import asyncio

        asyncio.run(by_asyncio(options))
    elif options.what == "calls":
        calls(options)
    else:
        handler = {"messages": Messages, "requests": Requests, "connections": Connections}[options.what](options)
        Container(handler).run()
        if handler.done != options.count:
            raise SystemExit(f"expected {options.count}, got {handler.done}")


if __name__ == "__main__":
    main()
