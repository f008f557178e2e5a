"""Message ids and correlation ids of every type: what is set, what is read, what arrives (3.2)."""

from __future__ import annotations

import uuid

from engines import attempt, plain

from proton import Message, symbol, ulong

UUID = uuid.UUID(int=0x0123456789ABCDEF0123456789ABCDEF)
for name in ("id", "correlation_id"):
    for value in (None, ulong(0), ulong(2**64 - 1), "text", "", b"bytes", UUID, ulong(255), ulong(256)):
        message = Message()
        attempt(f"{name} = {value!r}", setattr, message, name, value)
        print(plain(getattr(message, name)))
        again = Message()
        again.decode(message.encode())
        print("   arrives as", plain(getattr(again, name)))
for name in ("id", "correlation_id"):
    for value in (1.5, [], {}, object):
        message = Message()
        try:
            setattr(message, name, value)
            message.encode()
            print(name, type(value).__name__, "taken")
        except Exception as error:
            print(name, type(value).__name__, "refused", isinstance(error, Exception))
print(isinstance(symbol("s"), str))
