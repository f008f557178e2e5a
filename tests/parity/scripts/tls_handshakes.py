"""Handshakes between two engines: which clients get in, what each end knows of the other, events, refusals."""

from __future__ import annotations

import tempfile

from engines import Peer, pump
from security import certificates, look, reason, tell

from proton import SSLDomain, SSLSessionDetails, Transport

CLIENT, SERVER = SSLDomain.MODE_CLIENT, SSLDomain.MODE_SERVER
PEER, NOBODY, NAME = SSLDomain.VERIFY_PEER, SSLDomain.ANONYMOUS_PEER, SSLDomain.VERIFY_PEER_NAME
WHO = "C = US\nST = State\nL = City\nO = Some, Inc.\nOU = Dev\nCN = localhost"


def domain(mode, own=None, trusts=None, verify=None, unsecured=False):
    made = SSLDomain(mode)
    if own:
        made.set_credentials(own.cert, own.key, None)
    if trusts:
        made.set_trusted_ca_db(trusts)
    if verify:
        made.set_peer_authentication(verify, trusts)
    if unsecured:
        made.allow_unsecured_client()
    return made


def run(title, mine, theirs, host="localhost", sasl=False, details=None, shut=False, policies=()):
    a, b = Peer("A"), Peer("B", Transport.SERVER)
    if mine:
        a.transport.ssl(mine, details).peer_hostname = host
    if theirs:
        b.transport.ssl(theirs)
    if sasl:
        a.transport.sasl(), b.transport.sasl()
    for policy in policies:
        getattr(b.transport, policy)(True)
    a.bind().opened()
    b.bind().opened()
    a.forget(), b.forget()
    pump(a, b)
    tell(title, a, b)
    for peer, used in ((a, mine), (b, theirs)):
        reason(peer)
        print(f"{peer.name} user={peer.transport.user!r} authenticated={peer.transport.authenticated}")
        if sasl:
            look(peer)
        if used and peer.transport.condition is None:
            ssl = peer.transport.ssl()
            print(
                f"{peer.name} {ssl.protocol_name()} {ssl.cipher_name()} {ssl.resume_status()}", peer.transport.encrypted
            )
            print(f"{peer.name} {ssl.remote_subject} {ssl.get_cert_organization()} {ssl.get_cert_country()}")
    if shut:
        a.connection.close()
        pump(a, b)
        tell("closed by A", a, b)
        b.connection.close()
        pump(a, b)
        tell("closed by B", a, b)


with tempfile.TemporaryDirectory() as folder:
    known = certificates(
        folder,
        server=("localhost", WHO),
        client=("client", "O = Caf\xe9\nCN = fred"),
        other=("other.example", "CN = other.example"),
        wild=("*.example.com", "CN = *.sub.example.org"),
    )
    ca = known.ca.cert
    plain = domain(CLIENT, trusts=ca)
    server = domain(SERVER, known.server)
    asks = domain(SERVER, known.server, ca, PEER)
    run("good", plain, server, shut=True)
    run("good, with SASL", plain, server, sasl=True, policies=["require_auth", "require_encryption"])
    run("anonymous", domain(CLIENT, verify=NOBODY), domain(SERVER))
    run("anonymous client", domain(CLIENT, verify=NOBODY), server)
    run("mutual", domain(CLIENT, known.client, ca), asks)
    run("mutual, with SASL", domain(CLIENT, known.client, ca), asks, sasl=True, policies=["require_auth"])
    run("mutual, without SASL where it is required", domain(CLIENT, known.client, ca), asks, policies=["require_auth"])
    run("no client certificate", plain, asks)
    run("unknown authority", domain(CLIENT), server)
    run("another name", plain, domain(SERVER, known.other))
    run("another name, not looked at", domain(CLIENT, trusts=ca, verify=PEER), domain(SERVER, known.other))
    run("no name", plain, server, host=None)
    run("no server certificate", plain, domain(SERVER))
    run("clear text", None, server)
    run("clear text, with SASL", None, server, sasl=True)
    run("clear text allowed", None, domain(SERVER, known.server, unsecured=True))
    run("TLS allowed", plain, domain(SERVER, known.server, unsecured=True))
    run("encryption required", None, None, policies=["require_encryption"])
    run("authentication required", None, None, policies=["require_auth"])
    wild = domain(SERVER, known.wild)
    for host in (
        "a.example.com",
        "A.Example.COM",
        "a.b.example.com",
        "example.com",
        "x.sub.example.org",
        "sub.example.org",
    ):
        run(f"pattern for {host}", plain, wild, host=host)
    details = SSLSessionDetails("again")
    for number in range(3):
        run(f"resumed {number}", plain, server, details=details, shut=True)
