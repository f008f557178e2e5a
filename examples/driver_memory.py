"""Two connections joined in memory by their drivers: no socket, no thread, no event loop, no clock.

A test of a program, or another way of moving bytes, begins like this. See docs/driver.md.
"""

from __future__ import annotations

from typing import Any

from proton import Connection, Delivery, Event, Message, Transport
from proton.driver import Driver


def connect(mode: int) -> tuple[Driver, Connection]:
    driver = Driver(Transport(mode))
    connection = Connection()
    connection.collect(driver.collector)
    driver.transport.bind(connection)
    connection.open()
    return driver, connection


def move(source: Driver, sink: Driver) -> bool:
    """Moves what one driver has to send to the other; false if there was nothing."""
    data = source.data_to_send(max(1, sink.room()))
    sink.received(data)
    source.sent(len(data))
    return bool(data)


def serve(event: Any) -> None:
    """The receiving end opens what the peer opens, accepts messages, and closes what the peer closes."""
    if event.type in (Event.SESSION_REMOTE_OPEN, Event.LINK_REMOTE_OPEN):
        event.context.open()
        if event.receiver:
            event.receiver.flow(10)
    elif event.type is Event.DELIVERY and event.delivery.readable and not event.delivery.partial:
        message = Message()
        message.decode(event.receiver.recv(event.delivery.pending))
        event.receiver.advance()
        print("received:", message.body)
        event.delivery.update(Delivery.ACCEPTED)
        event.delivery.settle()
    elif event.type is Event.CONNECTION_REMOTE_CLOSE:
        event.connection.close()


client, connection = connect(Transport.CLIENT)
server, _ = connect(Transport.SERVER)
session = connection.session()
sender = session.sender("sender")
session.open()
sender.open()
sender.send(Message(body="hello"))  # leaves when there is credit
while move(client, server) | move(server, client):
    for event in server.events():
        serve(event)
    for event in client.events():
        if event.type is Event.DELIVERY and event.delivery.settled:
            print("accepted:", event.delivery.remote_state == Delivery.ACCEPTED)
            connection.close()
print("closed:", client.closed and server.closed)
