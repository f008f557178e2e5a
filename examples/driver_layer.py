"""An I/O layer of a program's own: all that two ends say to each other is compressed.

Run without arguments: two ends in memory send a message of 100,000 bytes. See docs/driver.md.
"""

from __future__ import annotations

import zlib

from proton import Connection, Event, Message, Transport
from proton.driver import Driver, IOLayer, IOLayerError

MAX_INFLATED_BYTES = 1 << 20  # that one read may become: a few bytes can claim to be gigabytes


class Deflate(IOLayer):
    def __init__(self) -> None:
        self.deflate, self.inflate = zlib.compressobj(), zlib.decompressobj()

    def wrap(self, data: bytes) -> bytes:
        return self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH) if data else b""

    def unwrap(self, data: bytes) -> bytes:
        try:
            data = self.inflate.decompress(data, MAX_INFLATED_BYTES)
        except zlib.error as error:
            raise IOLayerError(f"expected compressed bytes, got others: {error}") from None
        if self.inflate.unconsumed_tail:
            raise IOLayerError(f"expected {MAX_INFLATED_BYTES} bytes at most of one read, got more")
        return data


def connect(mode: int) -> tuple[Driver, Connection]:
    driver, connection = Driver(Transport(mode)), Connection()
    driver.add_layer(Deflate())
    connection.collect(driver.collector)
    driver.transport.bind(connection)
    connection.open()
    return driver, connection


(client, connection), (server, _) = connect(Transport.CLIENT), connect(Transport.SERVER)
session = connection.session()
sender = session.sender("sender")
session.open()
sender.open()
sender.send(Message(body="hello " * 16667))
moved = 0
for source, sink in [(client, server), (server, client)] * 5:
    data = source.data_to_send()
    sink.received(data)
    source.sent(len(data))
    moved += len(data)
    for event in server.events():
        if event.type in (Event.SESSION_REMOTE_OPEN, Event.LINK_REMOTE_OPEN):
            event.context.open()
            if event.receiver:
                event.receiver.flow(1)
        elif event.type is Event.DELIVERY:
            print(f"received {event.delivery.pending} bytes, moved fewer than 2000: {moved < 2000}")
