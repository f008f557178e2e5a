"""TLS settings of a container: made late, and handed to what they are meant for. TLS itself is played by a test."""

import sys

import pytest

from proton import SSL, SSLDomain, Transport
from proton.exceptions import SSLUnavailable
from proton.handlers import MessagingHandler
from proton.options import tls_config as configuration
from proton.options.tls_config import SSLConfig
from proton.reactor import Container
from tests.support.loops import run


class Domain:
    """Takes notes, in place of a domain."""

    MODE_CLIENT = 1
    MODE_SERVER = 2
    made = []

    def __init__(self, mode):
        self.mode = mode
        self.calls = []
        self.made.append(self)

    def set_credentials(self, *args):
        self.calls.append(("credentials", *args))

    def set_trusted_ca_db(self, *args):
        self.calls.append(("ca", *args))


@pytest.fixture
def domains(monkeypatch):
    monkeypatch.setattr(configuration, "SSLDomain", Domain)
    monkeypatch.setattr(Domain, "made", [])
    return Domain


@pytest.fixture
def layers(monkeypatch):
    """The layers that transports were given: (domain, peer host name)."""
    made = []

    class Layer:
        peer_hostname = None

        def __init__(self, domain):
            self.domain = domain

    def ssl(self, domain=None, session_details=None):
        made.append(Layer(domain))
        return made[-1]

    monkeypatch.setattr(Transport, "ssl", ssl)
    return made


def test_a_container_without_tls_makes_none(domains):
    container = Container()
    assert container.ssl is not None
    container.connect("amqp://h")
    assert domains.made == []


def test_each_domain_is_made_once(domains):
    ssl = Container().ssl
    assert ssl.client is ssl.client and ssl.client.mode == domains.MODE_CLIENT
    assert ssl.server is ssl.server and ssl.server.mode == domains.MODE_SERVER
    assert len(domains.made) == 2


def test_settings_are_those_of_both_domains(domains):
    ssl = Container().ssl
    ssl.set_credentials("cert", "key", "password")
    ssl.set_trusted_ca_db("ca")
    expected = [("credentials", "cert", "key", "password"), ("ca", "ca")]
    assert ssl.client.calls == ssl.server.calls == expected


def test_domains_may_be_assigned(domains):
    ssl = Container().ssl
    ssl.client, ssl.server = "client", "server"
    assert (ssl.client, ssl.server, domains.made) == ("client", "server", [])


def test_a_python_without_tls(monkeypatch):
    monkeypatch.setitem(sys.modules, "ssl", None)  # `import ssl` raises
    assert not SSL.present() and Container().ssl is None
    for make in (lambda: SSLDomain(SSLDomain.MODE_CLIENT), lambda: SSLConfig().client, lambda: SSLConfig().server):
        with pytest.raises(SSLUnavailable, match="SSL libraries not found"):
            make()


class Connecting(MessagingHandler):
    def __init__(self, url, **options):
        super().__init__()
        self.url = url
        self.options = options

    def on_start(self, event):
        self.connection = event.container.connect(self.url, reconnect=False, **self.options)

    def on_transport_error(self, event):
        event.connection.close()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "127.0.0.1"),
        ({"virtual_host": "v"}, "v"),
        ({"virtual_host": "v", "sni": "s"}, "s"),
    ],
)
def test_an_amqps_url_gets_the_clients_domain_and_a_name_to_verify(domains, layers, options, name):
    connecting = Connecting("amqps://127.0.0.1:1", **options)
    container = run(connecting)
    (layer,) = layers
    assert layer.domain is container.ssl.client
    assert layer.peer_hostname == name


def test_a_domain_of_its_own(domains, layers):
    run(Connecting("amqps://127.0.0.1:1", ssl_domain="mine"))
    assert {layer.domain for layer in layers} == {"mine"}
    assert domains.made == []


def test_an_amqp_url_gets_none(domains, layers):
    run(Connecting("amqp://127.0.0.1:1", ssl_domain="mine"))
    assert layers == []


def test_amqps_without_tls_is_refused(monkeypatch):
    container = Container(Connecting("amqps://127.0.0.1:1"))
    container.ssl = None
    for _ in range(3):
        # However often the program goes on: nothing is ever sent in the clear.
        with pytest.raises(SSLUnavailable, match="amqps: SSL libraries not found"):
            container.process() or container.run()
    assert container.handler.handlers[0].connection.transport is None


def test_listening_with_amqps_uses_the_servers_domain(domains, layers):
    container = Container()
    acceptor = container.listen("amqps://127.0.0.1:0")
    assert acceptor._ssl_domain is container.ssl.server
    acceptor.close()
    container.run()
