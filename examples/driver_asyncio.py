"""The engine under asyncio, by its driver: `Amqp` is all that it takes. Any other event loop needs no more.

Protocols of asyncio move the bytes, and the driver announces what a coroutine sends or closes. See docs/driver.md.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Callable

from proton import Connection, Delivery, Event, Message, Transport, Url
from proton.driver import Driver


class Amqp(asyncio.Protocol):
    def __init__(self, connection: Connection, handle: Callable[[Any], None]) -> None:
        self.loop, self.handle = asyncio.get_running_loop(), handle
        self.pipe: Any = None
        self.timer: asyncio.TimerHandle | None = None
        self.may_write = True
        self.ended: asyncio.Future[Exception | None] = self.loop.create_future()
        self.driver = Driver(Transport())
        self.driver.on_output = lambda: self.loop.call_soon(self.turn)
        connection.collect(self.driver.collector)
        self.driver.transport.bind(connection)

    def turn(self) -> None:
        self.driver.handle_timer(self.loop.time())
        for event in self.driver.events():
            self.handle(event)
        while self.pipe and self.may_write and (data := self.driver.data_to_send()):
            self.driver.sent(len(data))
            self.pipe.write(data)
        if self.driver.next_deadline() == 0.0:  # bytes have moved
            self.driver.handle_timer(self.loop.time())
        if self.timer:
            self.timer.cancel()
        self.timer = self.loop.call_at(due, self.turn) if (due := self.driver.next_deadline()) else None
        if self.driver.closed and self.pipe:
            self.pipe.close()
        elif self.pipe:
            self.pipe.resume_reading() if self.driver.room() else self.pipe.pause_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.pipe = transport
        self.turn()

    def data_received(self, data: bytes) -> None:
        self.driver.received(data)
        self.turn()

    def connection_lost(self, exc: Exception | None) -> None:
        self.driver.lost(exc)
        self.turn()
        self.driver.unbind()
        self.ended.set_result(exc)

    def pause_writing(self) -> None:
        self.may_write = False

    def resume_writing(self) -> None:
        self.may_write = True
        self.turn()


async def main(url: Url) -> None:
    connection = Connection()
    settled: asyncio.Queue[bool] = asyncio.Queue()

    def handle(event: Any) -> None:
        if event.type is Event.DELIVERY and event.delivery.settled:
            settled.put_nowait(event.delivery.remote_state == Delivery.ACCEPTED)

    loop = asyncio.get_running_loop()
    _, amqp = await loop.create_connection(lambda: Amqp(connection, handle), str(url.host), int(url.port or 5672))
    sender = connection.session().sender("sender")
    sender.target.address = url.path
    for endpoint in (connection, sender.session, sender):
        endpoint.open()
    for number in range(3):
        sender.send(Message(body=number))  # leaves when there is credit
        print("accepted:", await settled.get())
    connection.close()
    await amqp.ended


if __name__ == "__main__":
    asyncio.run(main(Url(sys.argv[1] if len(sys.argv) > 1 else "localhost:5672/examples")))
