"""A SASL mechanism of a program's own, both sides: the client signs the server's challenge with a shared key.

Run without arguments: two ends in memory log in. See docs/security.md.
"""

from __future__ import annotations

import hmac
import os

from proton import Connection, Transport
from proton.driver import Driver
from proton.sasl import AuthenticationFailed, LoginContext, register_mechanism

KEYS = {"fred": b"a key that both ends have"}


def sign(user: str, challenge: bytes) -> bytes:
    return hmac.digest(KEYS[user], challenge, "sha256")


class Client:
    def __init__(self, context: LoginContext) -> None:
        self.user, self.initial = context.user or "", (context.user or "").encode()

    def respond(self, challenge: bytes) -> bytes:
        return sign(self.user, challenge)

    def finish(self, additional: bytes | None) -> None:
        pass  # the server proves nothing


class Server:
    authorization = None

    def __init__(self, context: LoginContext) -> None:
        self.user, self.challenge = "", os.urandom(16)

    def receive(self, response: bytes | None) -> bytes | None:
        if not self.user:
            self.user = (response or b"").decode()
            return self.challenge
        if self.user not in KEYS or not hmac.compare_digest(response or b"", sign(self.user, self.challenge)):
            raise AuthenticationFailed("wrong signature")
        return None


register_mechanism("X-SIGNED", Client, Server)
ends = [Driver(Transport(mode)) for mode in (Transport.CLIENT, Transport.SERVER)]
for end in ends:
    connection = Connection()
    connection.user = "fred"
    end.transport.sasl().allowed_mechs("X-SIGNED")
    end.transport.bind(connection)
    connection.open()
for source, sink in [ends, ends[::-1]] * 5:
    data = source.data_to_send()
    sink.received(data)
    source.sent(len(data))
print(f"logged in as {ends[1].transport.user} by {ends[1].transport.sasl().mech}")
