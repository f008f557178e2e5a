"""Protocol headers: good, of other layers, of other versions, of other protocols, cut short.

Condition names are compared, texts are not.
"""

from __future__ import annotations

from engines import AMQP, Wire

from proton import Transport

STARTS = {
    "amqp": AMQP,
    "sasl": b"AMQP\x03\x01\x00\x00",
    "tls": b"AMQP\x02\x01\x00\x00",
    "0-9-1": b"AMQP\x00\x00\x09\x01",
    "0-10": b"AMQP\x01\x01\x00\x0a",
    "1.1": b"AMQP\x00\x01\x01\x00",
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "zeros": bytes(8),
    "short": b"AMQP\x00",
}
for mode in (Transport.CLIENT, Transport.SERVER):
    for title, octets in STARTS.items():
        for opened in (False, True):
            wire = Wire(header=False, mode=mode)
            if opened:
                wire.connection.open()
            before = wire.flush()
            wire.push(octets)
            print(before > 0)
            wire.show(f"{title} mode={mode} opened={opened}")
    for size in range(1, 9):
        wire = Wire(header=False, mode=mode)
        for octet in AMQP[:size]:
            wire.push(bytes([octet]))
        print(size, wire.transport.pending(), wire.peer.frames)
