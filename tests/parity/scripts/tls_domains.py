"""`SSLDomain`, `SSL` and `SSLSessionDetails` as they are set up: what fails, what can be read before a handshake."""

from __future__ import annotations

import os
import tempfile

from engines import Peer, attempt
from security import certificates

from proton import SSL, SSLDomain, SSLSessionDetails, Transport

CLIENT, SERVER = SSLDomain.MODE_CLIENT, SSLDomain.MODE_SERVER
MODES = {"client": CLIENT, "server": SERVER}
VERIFY = {"peer": SSLDomain.VERIFY_PEER, "nobody": SSLDomain.ANONYMOUS_PEER, "name": SSLDomain.VERIFY_PEER_NAME}
GETTERS = [name for name in dir(SSL) if name.startswith("get_cert_") and name.count("_") > 2]
GETTERS = [name for name in GETTERS if name not in ("get_cert_subject_subfield",)]

print(sorted((name, getattr(SSL, name)) for name in dir(SSL) if name.isupper() and name[0] != "_"))
print(sorted((name, getattr(SSLDomain, name)) for name in dir(SSLDomain) if name.isupper() and name[0] != "_"))
print(SSL.present())

with tempfile.TemporaryDirectory() as folder:
    known = certificates(folder, server=("localhost", "CN = localhost"), other=("other", "CN = other"))
    empty = os.path.join(folder, "empty")
    with open(empty, "w", encoding="utf-8"):
        pass
    missing = os.path.join(folder, "missing")
    locked = os.path.join(folder, "locked")
    os.system(f"openssl ec -aes128 -passout pass:word -in {known.server.key} -out {locked} 2>{os.devnull}")
    cert, key, other = known.server.cert, known.server.key, known.other.key
    for name, mode in MODES.items():
        print(f"-- {name}")
        domain = SSLDomain(mode)
        for title, arguments in {
            "good": (cert, key, None),
            "password not needed": (cert, key, "word"),
            "locked": (cert, locked, "word"),
            "wrong password": (cert, locked, "wrong"),
            "another key": (cert, other, None),
            "missing certificate": (missing, key, None),
            "missing key": (cert, missing, None),
            "empty certificate": (empty, key, None),
            "empty key": (cert, empty, None),
        }.items():
            attempt(f"set_credentials {title}", domain.set_credentials, *arguments)
        for title, path in {"good": known.ca.cert, "missing": missing, "empty": empty, "folder": folder}.items():
            attempt(f"set_trusted_ca_db {title}", domain.set_trusted_ca_db, path)
        for title, verify in {**VERIFY, "unknown": 77}.items():
            for given in (False, True):
                arguments = (verify, known.ca.cert) if given else (verify,)
                attempt(f"peer_authentication {title} {given}", SSLDomain(mode).set_peer_authentication, *arguments)
                attempt(f"with credentials {title} {given}", domain.set_peer_authentication, *arguments)
        attempt("peer_authentication missing", domain.set_peer_authentication, SSLDomain.VERIFY_PEER, missing)
        attempt("allow_unsecured_client", domain.allow_unsecured_client)

print("-- layers")
domain, second = SSLDomain(CLIENT), SSLDomain(CLIENT)
peer = Peer("A")
ssl = SSL(peer.transport, domain)
print(SSL(peer.transport, domain) is ssl, peer.transport.ssl() is ssl, peer.transport.ssl(second) is ssl)
attempt("another domain", SSL, peer.transport, second)
attempt("details", SSL, peer.transport, domain, SSLSessionDetails("x"))
print(ssl.protocol_name(), ssl.cipher_name(), ssl.remote_subject, ssl.resume_status(), peer.transport.encrypted)
for name in GETTERS:
    if name != "get_cert_fingerprint":
        print(name, getattr(ssl, name)())
for number in (0, 5, 6, 10):
    attempt(f"subfield {number}", ssl.get_cert_subject_subfield, number)
attempt("subfield -1", ssl.get_cert_subject_subfield, -1)
for length, digest in ((41, SSL.SHA1), (10, SSL.SHA1), (41, 10)):
    attempt(f"fingerprint {length} {digest}", ssl.get_cert_fingerprint, length, digest)
print(repr(ssl.peer_hostname))
for host in ("name", "", None, "x" * 1000):
    ssl.peer_hostname = host
    print(len(ssl.peer_hostname), repr(ssl.peer_hostname)[:10])
print(SSLSessionDetails("an id").get_session_id())
for hostname in (None, "", "host"):
    peer = Peer("A", Transport.CLIENT)
    if hostname is not None:
        peer.connection.hostname = hostname
    ssl = peer.transport.ssl(domain)
    before = ssl.peer_hostname
    peer.bind()
    print(repr(before), repr(ssl.peer_hostname))
