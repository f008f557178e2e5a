"""Whole exchanges between two engines: the mechanism, the outcome, the users at both ends, events and conditions."""

from __future__ import annotations

from engines import Peer, pump
from security import look, reason, tell

from proton import Transport

MECHS = [None, "ANONYMOUS", "anonymous", "PLAIN", "EXTERNAL", "", "PLAIN ANONYMOUS", "X ANONYMOUS Y"]


def run(title, mine=None, theirs=None, user=None, password=None, authorization=None, insecure=False, require=False):
    a, b = Peer("A", trace=True, texts=False), Peer("B", Transport.SERVER, trace=True, texts=False)
    a.connection.user, a.connection.password = user, password
    if authorization is not None:
        a.connection.authorization = authorization
    a.transport.sasl().allowed_mechs(mine)
    a.transport.sasl().allow_insecure_mechs = insecure
    if theirs is not None:
        b.transport.sasl().allowed_mechs(theirs)
    if require:
        b.transport.require_auth(True)
    a.bind().opened()
    b.bind().opened()
    a.forget(), b.forget()
    pump(a, b)
    tell(title, a, b)
    for peer in (a, b):
        look(peer)
        reason(peer)


for mechs in MECHS:
    run(f"client {mechs!r}", mine=mechs)
    if mechs is not None:
        run(f"server {mechs!r}", theirs=mechs)
run("user", user="fred")
run("password", user="fred", password="secret")
run("insecure", user="fred", password="secret", insecure=True)
run("nothing in common", mine="PLAIN", user="fred", password="secret", insecure=True)
run("identity", user="fred", authorization="admin")
run("required", require=True)
