"""TLS and SASL in one read: a client still begins with its SASL header (5.3.2)."""

import contextlib
import ssl

import pytest

from tests.support.engines import AMQP_HEADER, SASL_HEADER, Frame, Peer, frame, split, take
from tests.support.secured import client_domain

DENIED = "amqp:unauthorized-access"


@pytest.fixture(scope="module")
def issued(authority):
    return authority.issue("localhost", "127.0.0.1")


class HastyServer:
    """The library's own end, which says what it has to say together with the end of its handshake."""

    def __init__(self, issued, version):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(issued.cert, issued.key)
        context.maximum_version = context.minimum_version = version
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.heard = b""

    def answer(self, data, words):
        """Takes what the client wrote; gives the next flight, with the words behind its last one."""
        self.incoming.write(data)
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            return self.outgoing.read(), False
        self.object.write(words)
        return self.outgoing.read(), True

    def read(self, data):
        self.incoming.write(data)
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while piece := self.object.read(65536):  # empty behind close_notify
                self.heard += piece
        return [part.name if isinstance(part, Frame) else part for part in split(self.heard)]


def sasl_frame(name, **fields):
    return frame(0, name, kind=1, **fields)


OFFER = SASL_HEADER + sasl_frame("sasl-mechanisms", sasl_server_mechanisms=["ANONYMOUS"])
NOTHING = SASL_HEADER + sasl_frame("sasl-mechanisms", sasl_server_mechanisms=["X-NONE"])
OK = sasl_frame("sasl-outcome", code=0)
REFUSED = sasl_frame("sasl-outcome", code=1)

WORDS = [
    (SASL_HEADER, [SASL_HEADER], None),
    (OFFER, [SASL_HEADER, "sasl-init"], None),
    (OFFER + OK, [SASL_HEADER, "sasl-init", AMQP_HEADER, "open"], None),
    (OFFER + OK + AMQP_HEADER, [SASL_HEADER, "sasl-init", AMQP_HEADER, "open"], None),
    (NOTHING, [SASL_HEADER], DENIED),
    (OFFER + REFUSED, [SASL_HEADER], DENIED),
]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("row", range(len(WORDS)))
def test_words_that_come_with_the_end_of_the_handshake(authority, issued, version, row):
    words, written, condition = WORDS[row]
    client = Peer("client")
    client.connection.hostname = "localhost"
    client.transport.ssl(client_domain(authority))
    client.transport.sasl()
    client.bind()
    client.connection.open()
    server, done = HastyServer(issued, version), False
    data = take(client.transport)
    while not done:
        flight, done = server.answer(data, words)
        client.transport.push(flight)
        if not done:
            data = take(client.transport)
    assert client.transport.encrypted
    assert server.read(take(client.transport)) == written
    failed = client.transport.condition
    assert (failed.name if failed else None) == condition
    assert client.transport.closed == (condition is not None)
