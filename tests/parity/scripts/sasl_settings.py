"""The SASL layer as it is set up: the types that settings take, what can be read before anything has happened."""

from __future__ import annotations

from engines import Peer, attempt
from security import look

from proton import SASL, Connection, Transport

for constant in ("OK", "AUTH", "SYS", "PERM", "TEMP"):
    print(constant, getattr(SASL, constant))
for mode in (Transport.CLIENT, Transport.SERVER):
    peer = Peer("A", mode)
    sasl = peer.transport.sasl()
    look(peer)
    print("the same", sasl == peer.transport.sasl(), "insecure", sasl.allow_insecure_mechs)
    for mechs in (None, "", "A", "A B", ["A"], ["A", "B"], [], 5, {"a": 1}, [5], b"A"):
        attempt(f"allowed_mechs {mechs!r}", sasl.allowed_mechs, mechs)
    for name in (None, "", "name", 5):
        attempt(f"config_name {name!r}", sasl.config_name, name)
    for outcome in (SASL.OK, SASL.TEMP, SASL.AUTH):
        attempt(f"done {outcome}", sasl.done, outcome)
        print(sasl.outcome)
    peer.bind()
    look(peer)
    sasl.allow_insecure_mechs = True
    print(sasl.allow_insecure_mechs)

for user, password, authorization in (("u", "p", None), ("u", None, None), ("", "p", None), (None, None, "z")):
    peer = Peer("A")
    connection = peer.connection
    connection.user, connection.password = user, password
    if authorization is not None:
        connection.authorization = authorization
    print(f"-- {user!r} {password!r} {authorization!r}")
    print(repr(connection.user), repr(connection.password), repr(connection.authorization))
    peer.bind().opened()
    octets = bytes(peer.transport.peek(8) or b"")
    print(octets)
    look(peer) if octets[4] == 3 else print(peer.transport.user)
print(repr(Connection().user), repr(Connection().password), repr(Connection().authorization))
