"""Clients and servers with SASL and TLS, in memory, and what an attacker says in place of one of them.

`client` and `server` make peers with the settings that a test is about; `speak` hands bytes to one of them, whole or
one by one, while it still listens; `kept_out` is what every attack has to end with. `EvilScram` is a server of SCRAM
written from RFC 5802 alone, each of whose answers a test may spoil. Keep true: public API only, and nothing of the
package's own mechanisms, or a mistake there would be made here too.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from proton import Transport
from tests.support.engines import SASL_HEADER, Frame, Peer, frame, split, take

CHUNKS = pytest.mark.parametrize("chunk", [None, 1], ids=["whole", "bytes"])
DENIED = "amqp:unauthorized-access"
FRAMING = "amqp:connection:framing-error"
POLICY = "amqp:connection:policy-error"
USER, PASSWORD = "fred", "hunter2-Secret"
HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}


def client(
    mechs=None, user=None, password=None, insecure=False, authorization=None, token=None, domain=None, host=None, **more
):
    """A client that has opened its connection; `more` are settings of its transport, `details` resumes a session."""
    details = more.pop("details", None)
    peer = Peer("client", **more)
    peer.connection.user, peer.connection.password = user, password
    if authorization is not None:
        peer.connection.authorization = authorization
    if domain is not None:
        peer.transport.ssl(domain, details).peer_hostname = host
    sasl = peer.transport.sasl()
    sasl.allow_insecure_mechs = insecure
    sasl.token = token
    sasl.allowed_mechs(mechs)
    return _open(peer)


def bare_client(domain=None, host=None):
    """A client without SASL."""
    peer = Peer("client")
    if domain is not None:
        peer.transport.ssl(domain).peer_hostname = host
    return _open(peer)


def server(credentials=None, mechs=None, insecure=False, domain=None, auth=False, encryption=False, **more):
    """A server that has opened its connection; `more` are settings of its transport."""
    peer = Peer("server", Transport.SERVER, **more)
    if domain is not None:
        peer.transport.ssl(domain)
    if credentials is not None or mechs is not None or insecure:
        sasl = peer.transport.sasl()
        sasl.credentials = credentials
        sasl.allow_insecure_mechs = insecure
        sasl.allowed_mechs(mechs)
    if auth:
        peer.transport.require_auth(True)
    if encryption:
        peer.transport.require_encryption(True)
    return _open(peer)


def _open(peer):
    peer.bind()
    peer.connection.container = peer.name
    peer.connection.open()
    peer.events()
    return peer


def speak(peer, data, chunk=None):
    """Hands bytes to a peer, `chunk` at a time, as long as it takes any; gives what it has to say then."""
    for start in range(0, len(data), chunk or len(data) or 1):
        if peer.transport.capacity() < 0:
            break
        peer.transport.push(data[start : start + (chunk or len(data))])
    return take(peer.transport)


def end(peer):
    """The other side is gone; what the peer has to say then."""
    peer.transport.close_tail()
    return take(peer.transport)


def kept_out(peer, *texts, name=None):
    """The login has failed, the transport has ended, and its condition says why in these words."""
    transport = peer.transport
    condition = transport.condition
    assert condition is not None, "a condition"
    for text in texts:
        assert text in condition.description
    assert name is None or condition.name == name
    assert not transport.authenticated
    events = peer.events()
    assert "CONNECTION_REMOTE_OPEN" not in events
    assert events.count("TRANSPORT_ERROR") == 1
    take(transport)
    assert transport.capacity() < 0 and transport.pending() < 0
    return condition


def sasl_frame(name, **fields):
    return frame(0, name, kind=1, **fields)


def offer(*mechs):
    """What a server begins with."""
    return SASL_HEADER + sasl_frame("sasl-mechanisms", sasl_server_mechanisms=list(mechs))


def login(mech, response, hostname=None):
    """What a client begins with."""
    return SASL_HEADER + sasl_frame("sasl-init", mechanism=mech, initial_response=response, hostname=hostname)


def challenge(data):
    return sasl_frame("sasl-challenge", challenge=data)


def response(data):
    return sasl_frame("sasl-response", response=data)


def outcome(code=0, additional=None):
    return sasl_frame("sasl-outcome", code=code, additional_data=additional)


def parts(data):
    """Headers and names of frames in what an engine wrote."""
    return [part.name if isinstance(part, Frame) else part for part in split(data)]


def last(data):
    """The last frame of what an engine wrote."""
    found = [part for part in split(data) if isinstance(part, Frame)]
    return found[-1]


class EvilScram:
    """A server's side of SCRAM for one client; attributes may be replaced before a message is made.

    :param first: the initial response of the client.
    """

    def __init__(self, first, password=PASSWORD, mechanism="SCRAM-SHA-256"):
        self.hash = HASHES[mechanism]
        self.bare = first.split(b",", 2)[2]
        self.client_nonce = dict(part.split(b"=", 1) for part in self.bare.split(b","))[b"r"]
        self.nonce = self.client_nonce + b"servernonce"
        self.salt, self.iterations = b"salt-of-16-bytes", b"4096"
        self.password = password
        self.message = b""

    def challenge(self):
        self.message = b"r=%s,s=%s,i=%s" % (self.nonce, base64.b64encode(self.salt), self.iterations)
        return self.message

    def proof(self, final):
        """The server's signature, once the client has sent its proof."""
        without_proof = final.rpartition(b",p=")[0]
        salted = hashlib.pbkdf2_hmac(self.hash, self.password.encode(), self.salt, int(self.iterations))
        key = hmac.digest(salted, b"Server Key", self.hash)
        signed = hmac.digest(key, b",".join((self.bare, self.message, without_proof)), self.hash)
        return b"v=" + base64.b64encode(signed)


def scram_response(first, message, password, mechanism="SCRAM-SHA-256", header=b"n,,"):
    """A client's final message: to `first`, its first without header, and to the server's first message."""
    name = HASHES[mechanism]
    found = dict(part.split(b"=", 1) for part in message.split(b","))
    salted = hashlib.pbkdf2_hmac(name, password.encode(), base64.b64decode(found[b"s"]), int(found[b"i"]))
    key = hmac.digest(salted, b"Client Key", name)
    final = b"c=%s,r=%s" % (base64.b64encode(header), found[b"r"])
    signature = hmac.digest(hashlib.new(name, key).digest(), b",".join((first, message, final)), name)
    return final + b",p=" + base64.b64encode(bytes(x ^ y for x, y in zip(key, signature)))
