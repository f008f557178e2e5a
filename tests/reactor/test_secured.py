"""TLS and SASL through `Container.listen` and `connect`, over sockets: their options, time-outs, floods."""

import contextlib
import json
import os
import socket
import weakref

import pytest

from proton import (
    SSL,
    ConnectionException,
    Message,
    ScramVerifier,
    SSLDomain,
    SSLException,
    SSLSessionDetails,
    Transport,
)
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Container, EventInjector, acceptor
from proton.utils import BlockingConnection
from tests.support.certificates import Authority
from tests.support.engines import pump
from tests.support.loops import SECONDS, in_thread, run, side
from tests.support.secured import client_domain, ends, is_open, reasons, server_domain

USERS = {"fred": "pencil"}
VERIFIERS = {"anne": ScramVerifier.make("SCRAM-SHA-256", "crayon", iterations=8)}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def domains(authority):
    return client_domain(authority), server_domain(authority.issue("localhost", "127.0.0.1"))


class Program(MessagingHandler):
    """Listens and connects in one container; `seen`: what the server knows of its client; `errors`: what went wrong."""

    def __init__(self, scheme="amqp", listening=None, **connecting):
        super().__init__()
        self.scheme, self.listening, self.connecting = scheme, listening or {}, connecting
        self.seen = self.tls = None
        self.errors = []

    def on_start(self, event):
        self.acceptor = event.container.listen(f"{self.scheme}://127.0.0.1:0", **self.listening)
        url = f"{self.scheme}://{self.connecting.pop('login', '')}127.0.0.1:{self.acceptor.port}"
        event.container.create_sender(event.container.connect(url, reconnect=False, **self.connecting), "x")

    def on_sendable(self, event):
        event.sender.send(Message(body="hello"))
        event.sender.close()

    def on_message(self, event):
        transport = event.transport
        self.seen = transport.user, transport.sasl().mech if transport.authenticated else None, transport.encrypted
        self.tls = transport.ssl().resume_status(), transport.ssl().protocol_name()
        event.connection.close()
        self.acceptor.close()

    def on_transport_error(self, event):
        self.errors.append(f"{side(event)} {event.transport.condition.description}")
        self.acceptor.close()


def seen(scheme="amqp", listening=None, container=None, **connecting):
    program = Program(scheme, listening, **connecting)
    made = Container(program)
    for name, value in (container or {}).items():
        setattr(made, name, value)
    with contextlib.ExitStack() as stack:
        stack.enter_context(in_thread(made))
    assert program.errors == []
    return program.seen


def refused(scheme="amqp", listening=None, **connecting):
    return refused_by(Program(scheme, listening, **connecting))


def refused_by(program):
    run(program)
    assert program.seen is None
    return sorted(program.errors)


LOGINS = [
    (USERS, dict(user="fred", password="pencil"), ("fred", "SCRAM-SHA-512", False)),
    (USERS, dict(login="fred:pencil@"), ("fred", "SCRAM-SHA-512", False)),
    (USERS, dict(user="fred", password="pencil", allowed_mechs=["SCRAM-SHA-1"]), ("fred", "SCRAM-SHA-1", False)),
    (VERIFIERS, dict(user="anne", password="crayon"), ("anne", "SCRAM-SHA-256", False)),
]


@pytest.mark.parametrize("users, connecting, expected", LOGINS, ids=str)
def test_logins(users, connecting, expected):
    assert seen(listening={"credentials": users}, **dict(connecting)) == expected


def test_with_credentials_a_certificate_is_not_enough(authority, domains):
    own = authority.issue(subject=[("CN", "fred")], usage="client")
    client = client_domain(authority, own)
    terms = {"ssl_domain": server_domain(authority.issue("127.0.0.1"), authority), "credentials": USERS}
    assert seen("amqps", terms, ssl_domain=client, user="fred", password="pencil") == ("fred", "SCRAM-SHA-512", True)
    errors = refused("amqps", terms, ssl_domain=client)
    assert any("Authentication failed [mech=none]" in error for error in errors)
    errors = refused("amqps", terms, ssl_domain=client, user="fred", password="wrong")
    assert any("wrong user name or password" in error for error in errors)
    terms["allowed_mechs"] = "EXTERNAL"
    assert seen("amqps", terms, ssl_domain=client) == ("CN=fred", "EXTERNAL", True)


CALLS = [
    (dict(token=42), TypeError),
    (dict(user=42), TypeError),
    (dict(password=b"pencil"), TypeError),
    (dict(sni=42), TypeError),
    (dict(authorization=42), TypeError),
    (dict(allowed_mechs=42), TypeError),
    (dict(session_details="x"), TypeError),
    (dict(ssl_domain=SSLDomain(SSLDomain.MODE_SERVER)), SSLException),
]


@pytest.mark.parametrize("options, error", CALLS, ids=str)
def test_mistakes_of_a_caller_are_told_at_the_call(options, error):
    container = Container()
    with pytest.raises(error) as caught:
        container.connect("amqps://127.0.0.1:1", **options)
    assert "pencil" not in str(caught.value)
    run()


def test_mistakes_of_a_listening_program_are_told_at_the_call(authority):
    container = Container()
    issued = authority.issue("gone")
    gone = server_domain(issued)
    os.unlink(issued.cert)
    os.unlink(issued.key)
    for options, error in (
        (dict(ssl_domain=SSLDomain(SSLDomain.MODE_CLIENT)), SSLException),
        (dict(ssl_domain=gone), SSLException),
        (dict(allowed_mechs=[b"PLAIN"]), TypeError),
        (dict(credential=USERS), TypeError),
        (dict(credentials={"fred": b"pencil"}), TypeError),
    ):
        with pytest.raises(error) as caught:
            container.listen("amqps://127.0.0.1:0", **options)
        assert (
            "expected" in str(caught.value) or "cannot use" in str(caught.value) or "Unrecognized" in str(caught.value)
        )


def test_a_domain_that_can_no_longer_be_used_ends_nothing(authority, caplog):
    issued = authority.issue("127.0.0.1")
    domain = server_domain(issued)

    class Later(Program):
        def on_start(self, event):
            super().on_start(event)
            os.unlink(issued.cert)
            os.unlink(issued.key)
            domain.set_ciphers("ECDHE+AESGCM")  # a new context, whose files are gone

        def on_transport_error(self, event):
            super().on_transport_error(event)

    errors = refused_by(Later("amqps", {"ssl_domain": domain}, ssl_domain=client_domain(authority)))
    assert len(errors) == 1 and "SSL Failure: unexpected eof" in errors[0]
    assert "Couldn't serve" in caplog.text and "cannot use the settings" in caplog.text


def test_the_container_may_have_all_of_it():
    settings = {"credentials": USERS, "user": "fred", "password": "pencil"}
    assert seen(container=settings) == ("fred", "SCRAM-SHA-512", False)


def test_plain_over_tls_and_over_nothing(domains):
    client, server = domains
    login = {"user": "fred", "password": "pencil", "allowed_mechs": "PLAIN"}
    terms = {"credentials": USERS, "ssl_domain": server}
    assert seen("amqps", terms, ssl_domain=client, **login) == ("fred", "PLAIN", True)
    assert refused(listening={"credentials": USERS}, **login) == [
        "- connection aborted",  # after the end of the socket
        "C Authentication failed [mech=none] (the peer offers: SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1; "
        "this client allows: PLAIN)",
    ]
    terms = {"credentials": USERS, "allow_insecure_mechs": True}
    assert seen(listening=terms, **login) == ("fred", "PLAIN", False)
    (_, error) = refused(listening=terms, allow_insecure_mechs=False, **login)
    assert error.startswith("C Authentication failed [mech=none]")


TERMS = [
    (dict(credentials=USERS), dict(sasl_enabled=False), "Client skipped authentication - forbidden"),
    (dict(require_auth=True), dict(sasl_enabled=False), "Client skipped authentication - forbidden"),
    (dict(require_encryption=True), dict(), "Client connection unencrypted - forbidden"),
    (dict(allowed_mechs="EXTERNAL"), dict(), "connection aborted"),
    (dict(credentials=USERS), dict(user="fred", password="p"), "wrong user name or password"),
]


@pytest.mark.parametrize("listening, connecting, reason", TERMS, ids=str)
def test_terms_that_are_not_met(listening, connecting, reason):
    errors = refused(listening=listening, **connecting)
    assert len(errors) == 2 and any(error.startswith((f"S {reason}", f"- {reason}")) for error in errors)


def test_an_identity_to_act_as():
    class Users(dict):
        def authorize(self, user, authorization):
            return (user, authorization) == ("fred", "admin")

    login = {"user": "fred", "password": "pencil", "authorization": "admin"}
    assert seen(listening={"credentials": Users(USERS)}, **login)[0] == "fred"
    errors = refused(listening={"credentials": USERS}, **login)
    assert any("may not act as admin" in error for error in errors)


def test_listening_with_what_cannot_be_used():
    container = Container()
    for options in ({"credentials": 5}, {"no_such_option": 1}):
        with pytest.raises(TypeError):
            container.listen("127.0.0.1:0", **options)
    run()  # nothing was left listening


def test_the_domains_of_the_container(authority):
    program = Program("amqps")
    container = Container(program)
    container.ssl.set_credentials(*authority.issue("127.0.0.1", usage="both"))
    container.ssl.set_trusted_ca_db(authority.cert)
    with in_thread(container):
        pass
    assert program.seen == ("anonymous", "ANONYMOUS", True) and program.tls[1] == "TLSv1.3"


def test_strangers_are_not_trusted_by_default(domains):
    errors = refused("amqps", {"ssl_domain": domains[1]})
    assert errors[0].startswith("C SSL Failure: certificate verify failed: ")
    assert errors[1] == "S SSL Failure: tlsv1 alert unknown ca"


def test_the_name_that_is_verified(domains):
    client, server = domains
    assert seen("amqps", {"ssl_domain": server}, ssl_domain=client, sni="localhost")[2]
    assert seen("amqps", {"ssl_domain": server}, ssl_domain=client, virtual_host="localhost")[2]
    (error, _) = refused("amqps", {"ssl_domain": server}, ssl_domain=client, sni="other.example")
    assert "expected a certificate for 'other.example'" in error


def test_a_session_is_resumed(domains):
    client, server = domains
    statuses = []
    for _ in range(2):
        program = Program("amqps", {"ssl_domain": server}, ssl_domain=client, session_details=SSLSessionDetails("here"))
        run(program)
        statuses.append(program.tls[0])
    assert statuses == [SSL.RESUME_NEW, SSL.RESUME_REUSED]


def test_the_configuration_file_names_certificates(authority, domains, tmp_path, monkeypatch):
    """The scheme amqps, the authorities to trust, and a certificate to show."""
    server = server_domain(authority.issue("127.0.0.1"), authority)
    own = authority.issue(subject=[("CN", "fred")], usage="client")
    path = tmp_path / "connect.json"
    monkeypatch.setenv("MESSAGING_CONNECT_FILE", str(path))

    class Configured(Program):
        def on_start(self, event):
            self.acceptor = event.container.listen("amqps://127.0.0.1:0", ssl_domain=server)
            tls = {"ca": authority.cert, "cert": own.cert, "key": own.key}
            path.write_text(json.dumps({"host": "127.0.0.1", "port": self.acceptor.port, "tls": tls}))
            event.container.create_sender(event.container.connect(reconnect=False), "x")

    program = Configured()
    run(program)
    assert program.seen == ("CN=fred", "EXTERNAL", True)


def test_blocking_connections(domains):
    client, server = domains

    class Serving(MessagingHandler):
        def on_quit(self, event):
            accepting.close()
            injector.close()

    listening, injector = Container(Serving()), EventInjector()
    accepting = listening.listen("amqps://127.0.0.1:0", ssl_domain=server, credentials=USERS)
    listening.selectable(injector)
    url = f"amqps://127.0.0.1:{accepting.port}"
    login = {"ssl_domain": client, "timeout": SECONDS, "user": "fred"}
    with in_thread(listening):
        try:
            connection = BlockingConnection(url, password="pencil", allowed_mechs="SCRAM-SHA-256 PLAIN", **login)
            assert connection.conn.transport.sasl().mech == "SCRAM-SHA-256" and connection.conn.transport.encrypted
            connection.close()
            with pytest.raises(ConnectionException, match="amqp:unauthorized-access.*Authentication failed") as caught:
                BlockingConnection(url, password="hunter2", **login)
            assert "hunter2" not in str(caught.value)
            with pytest.raises(ConnectionException, match="SSL Failure: certificate verify failed"):
                BlockingConnection(url, timeout=SECONDS, user="fred", password="pencil")
        finally:
            injector.trigger(ApplicationEvent("quit"))


def test_a_token_is_made_anew_for_each_attempt():
    tokens = iter("abc")
    heard = []

    class Peer(MessagingHandler):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0", credentials=USERS)
            # Nothing that the server offers takes a token, so it is never asked for.
            event.container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=[0, 0], token=lambda: next(tokens))

        def on_transport_error(self, event):
            heard.append(event.transport.condition.description)
            if len(heard) == 4:
                self.acceptor.close()

    run(Peer())
    assert next(tokens) == "a" and sum(text.startswith("Authentication failed [mech=none]") for text in heard) >= 2


class Stalled(MessagingHandler):
    """Serves; notes what became of its callers."""

    def __init__(self, **listening):
        super().__init__()
        self.listening, self.errors, self.opened = listening, [], 0

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0", **self.listening)
        self.sock = socket.create_connection(("127.0.0.1", self.acceptor.port))

    def on_transport_error(self, event):
        self.errors.append(event.transport.condition.description)
        self.acceptor.close()
        self.sock.close()


@pytest.mark.parametrize("said", [b"", b"AMQP\x03\x01\x00\x00", b"\x16\x03\x01", b"AM"], ids=repr)
def test_a_caller_that_stalls_has_to_go(domains, said):
    class Caller(Stalled):
        def on_start(self, event):
            super().on_start(event)
            self.sock.sendall(said)

    program = Caller(ssl_domain=domains[1])
    container = Container(program)
    container.handshake_timeout = 0.05
    with in_thread(container):
        pass
    assert len(program.errors) == 1
    assert program.errors[0].startswith("expected the end of the handshake within 0.05 s")


def test_a_server_that_stalls_is_given_up():
    class Calling(MessagingHandler):
        def __init__(self):
            super().__init__()
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.errors = []

        def on_start(self, event):
            url = f"amqps://127.0.0.1:{self.listener.getsockname()[1]}"
            event.container.connect(url, reconnect=False)

        def on_transport_error(self, event):
            self.errors.append(event.transport.condition.description)
            self.listener.close()

    program = Calling()
    container = Container(program)
    container.handshake_timeout = 0.05
    with in_thread(container):
        pass
    assert program.errors == ["expected the end of the handshake within 0.05 s, it is not there"]


def test_clients_that_are_let_in_are_not_hurried():
    """The limit is for the handshake alone."""
    pair = ends(sasl={"allowed": "SCRAM-SHA-1"}, users=USERS, user="fred", password="pencil")
    for now, peers in ((1.0, ()), (5.0, (pair.client, pair.server)), (1000.0, ())):
        if peers:
            pump(*peers)
        for peer in (pair.client, pair.server):
            peer.transport.handshake_timeout = 10.0
            assert peer.transport.tick(now) == (11.0 if now < 5.0 else 0.0), now
    assert is_open(pair) and reasons(pair) == ["", ""]


def test_many_clients_at_once_without_tls_are_not_a_flood(monkeypatch):
    monkeypatch.setattr(acceptor, "MAX_HANDSHAKING", 5)
    monkeypatch.setattr(acceptor, "MAX_HANDSHAKING_PLAIN", 50)

    class Crowd(MessagingHandler):
        def __init__(self):
            super().__init__()
            self.opened, self.errors = [], []

        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            for _ in range(40):
                event.container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False)

        def on_connection_opened(self, event):
            if side(event) == "C":
                self.opened.append(event.connection)
                if len(self.opened) == 40:
                    self.acceptor.close()
                    for connection in self.opened:
                        connection.close()

        def on_transport_error(self, event):
            self.errors.append(event.transport.condition)

    program = Crowd()
    run(program)
    assert (len(program.opened), program.errors) == (40, [])


def test_callers_that_have_finished_are_not_remembered(monkeypatch):
    monkeypatch.setattr(acceptor, "MIN_SCAN", 4)
    own = weakref.getweakrefcount(Transport())

    class Visits(MessagingHandler):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.left, self.most, self.transports = 50, 0, []
            self.visit(event.container)

        def visit(self, container):
            container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False)

        def on_connection_opened(self, event):
            if side(event) == "C":
                event.connection.close()
                return
            # An acceptor remembers a caller by a weak reference to its transport, which has some of its own.
            self.transports.append(event.transport)
            count = sum(map(weakref.getweakrefcount, self.transports)) - own * len(self.transports)
            self.most = max(self.most, count)

        def on_connection_closed(self, event):
            if side(event) == "C":
                self.left -= 1
                if self.left:
                    self.visit(event.container)
                else:
                    self.acceptor.close()

    program = Visits()
    run(program)
    assert (program.left, program.most) == (0, 8)


def test_in_a_flood_the_oldest_have_to_go(monkeypatch):
    monkeypatch.setattr(acceptor, "MAX_HANDSHAKING_PLAIN", 5)

    class Flood(MessagingHandler):
        def __init__(self):
            super().__init__()
            self.gone, self.served = [], set()

        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.callers = [socket.create_connection(("127.0.0.1", self.acceptor.port)) for _ in range(40)]
            event.container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False)

        def on_connection_opened(self, event):
            event.connection.close()

        def on_connection_closed(self, event):
            self.served.add(side(event))
            if len(self.served) == 2:
                self.acceptor.close()
                for caller in self.callers:
                    caller.close()

        def on_transport_error(self, event):
            self.gone.append(event.transport.condition.description)

    program = Flood()
    run(program)
    assert program.served == {"C", "S"}  # a client that speaks is served
    left = sum(text == "5 younger callers have not finished the handshake either" for text in program.gone)
    assert 29 <= left <= 36 and len(program.gone) == 40
