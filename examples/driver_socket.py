"""The engine in a loop over one socket, by its driver: `run` is all of it, see docs/driver.md."""

from __future__ import annotations

import argparse
import select
import socket
import time
from typing import Any, Callable

from proton import Connection, Delivery, Event, Message, Transport, Url
from proton.driver import Driver


def run(driver: Driver, sock: socket.socket, handle: Callable[[Any], None]) -> None:
    sock.setblocking(False)
    while not driver.closed:
        for event in driver.events():
            handle(event)
        driver.handle_timer(time.monotonic())
        data, deadline = driver.data_to_send(), driver.next_deadline()
        wait = None if deadline is None else max(0.0, deadline - time.monotonic())
        readable, writable, _ = select.select([sock] if driver.room() else [], [sock] if data else [], [], wait)
        try:
            if writable:
                driver.sent(sock.send(data))
            if readable:
                data = sock.recv(driver.room())
                driver.received(data) if data else driver.lost()
        except OSError as error:
            driver.lost(error)
    for event in driver.events():
        handle(event)
    driver.unbind()


def handle(event: Any) -> None:
    if event.type is Event.DELIVERY and event.delivery.settled:
        print("accepted:", event.delivery.remote_state == Delivery.ACCEPTED)
        event.connection.close()
    elif event.type in (Event.TRANSPORT_ERROR, Event.LINK_REMOTE_CLOSE):
        print("error:", event.transport.condition or event.link.remote_condition)
        event.connection.close()


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
url = Url(parser.parse_args().address)
driver, connection = Driver(Transport()), Connection()
connection.collect(driver.collector)
connection.hostname = url.host
driver.transport.bind(connection)
session = connection.session()
sender = session.sender("sender")
sender.target.address = url.path
for endpoint in (connection, session, sender):
    endpoint.open()
sender.send(Message(body="hello"))  # leaves when there is credit
with socket.create_connection((url.host, int(url.port or 5672))) as sock:
    run(driver, sock, handle)
