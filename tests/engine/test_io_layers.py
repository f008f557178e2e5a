"""I/O layers of programs: their order, handshakes, answers of their own, ends and errors. Drivers are joined in memory.

`Framed` does what a WebSocket does: a handshake, masked frames, pings that the layer answers, a close of both sides.
"""

import zlib

import pytest

from proton import Connection, Event, Message, SSLDomain, Transport, TransportException
from proton.driver import Driver, IOLayer, IOLayerError
from proton.handlers import MessagingHandler
from proton.reactor import Container
from tests.support.loops import SECONDS

DATA, PING, PONG, CLOSE = range(4)


class Framed(IOLayer):
    """A client speaks first; each frame is a type, a size and bytes, which a client masks."""

    ready = False

    def __init__(self, is_client):
        self.is_client, self.came, self.own, self.kinds = is_client, b"", b"HELLO" if is_client else b"", []
        self.said_close = False

    def frame(self, kind, data):
        mask = 0x5A if self.is_client else 0
        return bytes([kind]) + len(data).to_bytes(4, "big") + bytes(byte ^ mask for byte in data)

    def wrap(self, data):
        own, self.own = self.own, b""
        return own + (self.frame(DATA, data) if data and not self.said_close else b"")

    def unwrap(self, data):
        self.came += data
        if not self.ready:
            if len(self.came) < 5:
                return b""
            if self.came[:5] != (b"WELCM" if self.is_client else b"HELLO"):
                raise IOLayerError(f"expected the greeting of a framed peer, got {self.came[:5]!r}", "test:greeting")
            self.came, self.ready = self.came[5:], True
            self.own += b"" if self.is_client else b"WELCM"
        passed = b""
        while len(self.came) >= 5 and len(self.came) >= 5 + int.from_bytes(self.came[1:5], "big"):
            kind, end = self.came[0], 5 + int.from_bytes(self.came[1:5], "big")
            body, self.came = (
                bytes(byte ^ (0 if self.is_client else 0x5A) for byte in self.came[5:end]),
                self.came[end:],
            )
            self.kinds.append(kind)
            if kind == DATA:
                passed += body
            elif kind == PING:
                self.own += self.frame(PONG, body)
            elif kind == CLOSE:
                self.peer_finished = True
                self.own += self.finish()
        return passed

    def finish(self):
        said, self.said_close = self.said_close, True
        return b"" if said or not self.ready else self.frame(CLOSE, b"")

    def eof_received(self):
        if not self.peer_finished:
            raise IOLayerError("expected a close of the framed peer, got the end", "test:end")


class Deflate(IOLayer):
    def __init__(self):
        self.deflate, self.inflate = zlib.compressobj(), zlib.decompressobj()

    def wrap(self, data):
        return self.deflate.compress(data) + self.deflate.flush(zlib.Z_SYNC_FLUSH) if data else b""

    def unwrap(self, data):
        try:
            return self.inflate.decompress(data)
        except zlib.error:
            raise IOLayerError("expected compressed bytes, got others") from None


def framed(is_client):
    return [Framed(is_client)]


def both(is_client):
    return [Framed(is_client), Deflate()]


def end(mode, layers, domain=None, tls_first=True):
    driver, connection = Driver(Transport(mode)), Connection()
    connection.hostname = "localhost"
    if domain is not None and tls_first:
        driver.transport.ssl(domain)
    for layer in layers:
        driver.add_layer(layer)
    if domain is not None and not tls_first:
        driver.transport.ssl(domain)
    connection.collect(driver.collector)
    driver.transport.bind(connection)
    connection.open()
    driver.wire = b""
    return driver


def move(source, sink, chunk):
    data = source.data_to_send(1 << 20)
    source.wire += data
    for start in range(0, len(data), chunk):
        sink.received(data[start : start + chunk])
    source.sent(len(data))
    return bool(data)


def run(pair, chunk=1 << 20):
    while move(*pair, chunk) | move(*pair[::-1], chunk):
        pass


def opened(driver):
    return Event.CONNECTION_REMOTE_OPEN in [event.type for event in driver.events()]


def reason(driver):
    condition = driver.transport.condition
    return condition and (condition.name, condition.description)


@pytest.fixture(scope="module")
def domains(tmp_path_factory):
    from tests.support.certificates import Authority

    authority = Authority(str(tmp_path_factory.mktemp("certificates")))
    issued = authority.issue("localhost")
    server, client = SSLDomain(SSLDomain.MODE_SERVER), SSLDomain(SSLDomain.MODE_CLIENT)
    server.set_credentials(issued.cert, issued.key, None)
    client.set_trusted_ca_db(authority.cert)
    return client, server


@pytest.mark.parametrize("chunk", [1, 1 << 20], ids=["bytes", "whole"])
@pytest.mark.parametrize("tls", ["none", "below", "above"])
@pytest.mark.parametrize("layers", [framed, both])
def test_layers_carry_a_connection_alone_and_with_tls(layers, tls, chunk, request):
    chosen = request.getfixturevalue("domains") if tls != "none" else (None, None)
    pair = [end(mode, layers(mode == 1), domain, tls == "below") for mode, domain in zip((1, 2), chosen)]
    run(pair, chunk)
    assert [opened(driver) for driver in pair] == [True, True]
    assert [driver.transport.encrypted for driver in pair] == [tls != "none"] * 2
    assert pair[0].wire[:5] == (b"\x16\x03\x01" + pair[0].wire[3:5] if tls == "below" else b"HELLO")
    for driver in pair:
        driver.transport.connection.close()
    run(pair, chunk)
    assert [driver.closed for driver in pair] == [True, True] and [reason(driver) for driver in pair] == [None, None]


def test_a_layer_answers_by_itself_and_nothing_of_it_reaches_the_frames():
    layers = [Framed(True), Framed(False)]
    pair = [end(1, layers[:1]), end(2, layers[1:])]
    run(pair)
    before = [driver.transport.frames_input for driver in pair]
    layers[0].own += layers[0].frame(PING, b"are you there")
    pair[0].announce_output()
    run(pair)
    assert layers[1].kinds[-1] == PING and layers[0].kinds[-1] == PONG
    assert pair[1].wire.endswith(b"are you there")
    assert [driver.transport.frames_input for driver in pair] == before


def test_a_close_of_the_layer_ends_the_input_and_is_answered():
    layers = [Framed(True), Framed(False)]
    pair = [end(1, layers[:1]), end(2, layers[1:])]
    run(pair)
    layers[0].own += layers[0].finish()
    run(pair)
    assert layers[0].kinds[-1] == layers[1].kinds[-1] == CLOSE
    assert [driver.closed for driver in pair] == [True, True]
    assert reason(pair[1]) == ("amqp:connection:framing-error", "connection aborted")


def test_the_last_words_follow_the_closes_of_both_ends():
    layers = [Framed(True), Framed(False)]
    pair = [end(1, layers[:1]), end(2, layers[1:])]
    run(pair)
    pair[0].transport.connection.close()
    run(pair)
    assert CLOSE not in layers[1].kinds and not pair[0].output_ended
    pair[1].transport.connection.close()
    move(pair[1], pair[0], 1 << 20)
    assert not pair[1].output_ended or layers[1].said_close
    run(pair)
    assert [driver.closed for driver in pair] == [True, True] and layers[0].said_close and layers[1].said_close


def test_what_a_layer_raises_becomes_the_condition():
    server = end(2, [Framed(False)])
    server.received(b"AMQP\x00\x01\x00\x00")
    assert reason(server) == ("test:greeting", "expected the greeting of a framed peer, got b'AMQP\\x00'")
    assert server.data_to_send() == b"" and server.closed  # it was not ready: no close could go out


def test_a_peer_is_told_by_a_close_while_the_layer_is_ready():
    pair = [end(1, [Deflate()]), end(2, [Deflate()])]
    run(pair)
    pair[1].received(b"\xff" * 10)
    run(pair)
    assert reason(pair[1]) == ("amqp:connection:framing-error", "expected compressed bytes, got others")
    assert pair[0].transport.connection.remote_condition.description == "expected compressed bytes, got others"


def test_the_end_of_the_network_is_told_to_the_layer_first():
    pair = [end(1, [Framed(True)]), end(2, [Framed(False)])]
    run(pair)
    pair[1].lost()
    assert reason(pair[1]) == ("test:end", "expected a close of the framed peer, got the end")


def test_an_error_while_output_is_made_ends_the_output():
    class Broken(Deflate):
        def wrap(self, data):
            raise IOLayerError("expected a peer that takes 1 MiB, got one that does not", "test:wrap")

    client = end(1, [Broken()])
    assert client.data_to_send() == b"" and client.closed is client.output_ended is True
    assert reason(client)[0] == "test:wrap"


def test_a_wrong_layer_and_a_late_one_are_refused():
    driver = end(1, [])
    with pytest.raises(TypeError, match="without eof_received, finish, peer_finished, ready, unwrap, wrap"):
        driver.add_layer(object())
    assert driver.data_to_send()[:4] == b"AMQP"
    with pytest.raises(TransportException, match="before the first bytes move"):
        driver.add_layer(Deflate())


@pytest.mark.parametrize("first", [b"HELLO", b"GET / HTTP/1.1"])
def test_a_client_that_must_encrypt_is_refused_below_the_layer(first, domains):
    server = end(2, [Framed(False)], domains[1])
    client = Framed(True)
    server.received(first)
    if first == b"HELLO":
        assert server.data_to_send() == b"WELCM"
        server.received(client.frame(DATA, b"AMQP\x00\x01\x00\x00"))
        assert reason(server)[1] == "Client connection unencrypted - forbidden"
    else:
        assert reason(server) == ("test:greeting", "expected the greeting of a framed peer, got b'GET /'")


class Layered(MessagingHandler):
    """Both ends of a connection in one container, each over a layer."""

    def __init__(self, domains):
        super().__init__()
        self.domains, self.layers, self.bodies, self.is_sent, self.settled = domains, [], [], False, False

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0", ssl_domain=self.domains[1])
        url = f"{'amqps' if self.domains[0] else 'amqp'}://127.0.0.1:{self.acceptor.port}"
        options = {"ssl_domain": self.domains[0], "virtual_host": "localhost"} if self.domains[0] else {}
        self.sender = event.container.create_sender(event.container.connect(url, reconnect=False, **options), "queue")

    def on_connection_bound(self, event):
        driver = event.transport.driver or Driver(event.transport)
        self.layers.append(Framed(not self.layers))
        driver.add_layer(self.layers[-1])

    def on_sendable(self, event):
        if not self.is_sent:
            self.is_sent = True
            self.sender.send(Message(body=b"x" * 200_000))

    def on_message(self, event):
        self.bodies.append(event.message.body)

    def on_settled(self, event):
        self.settled = True
        self.timer.cancel()
        event.connection.close()
        self.acceptor.close()


@pytest.mark.parametrize("tls", [False, True])
def test_a_container_moves_bytes_through_layers(tls, request):
    handler = Layered(request.getfixturevalue("domains") if tls else (None, None))
    container = Container(handler)
    handler.timer = container.schedule(SECONDS, Stop())
    container.run()
    assert handler.settled and handler.bodies == [b"x" * 200_000]
    assert len(handler.layers) == 2 and all(layer.said_close for layer in handler.layers)


class Stop(MessagingHandler):
    def on_timer_task(self, event):
        event.container.stop()
