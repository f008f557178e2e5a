"""One end of a connection with TLS or SASL, which tells what it sees as lines: settings come as JSON.

One of the interoperation peers: runs on either engine. A client sends a message of `size` bytes to a server, gets it
back, and closes.
"""

import json
import os
import sys
import threading

from proton import Message, SSLDomain, SSLSessionDetails, Transport, Url
from proton.handlers import MessagingHandler
from proton.reactor import Container

VERIFY = {"peer": SSLDomain.VERIFY_PEER, "name": SSLDomain.VERIFY_PEER_NAME, "anybody": SSLDomain.ANONYMOUS_PEER}
GETTERS = [
    "get_cert_common_name",
    "get_cert_organization",
    "get_cert_organization_unit",
    "get_cert_locality_or_city",
    "get_cert_country",
    "get_cert_state_or_province",
    "get_cert_fingerprint_sha1",
    "get_cert_fingerprint_sha256",
    "get_cert_fingerprint_sha512",
    "get_cert_fingerprint_md5",
]


def make_domain(mode, settings):
    domain = SSLDomain(mode)
    if "credentials" in settings:
        domain.set_credentials(*settings["credentials"])
    if "trusts" in settings:
        domain.set_trusted_ca_db(settings["trusts"])
    if "verify" in settings:
        domain.set_peer_authentication(VERIFY[settings["verify"]], settings.get("trusts"))
    if "protocols" in settings and hasattr(domain, "set_protocols"):  # for the end that can choose
        domain.set_protocols(settings["protocols"])
    if settings.get("unsecured"):
        domain.allow_unsecured_client()
    return domain


def body(size):
    return "0123456789" * (size // 10)


class End(MessagingHandler):
    """What both ends have: they tell what they see of the peer, and how it ended."""

    def __init__(self, settings):
        super().__init__()
        self.settings = settings
        self.left = settings.get("connections", 1)

    def show(self, *words):
        print(*words, flush=True)

    def on_connection_opened(self, event):
        transport = event.transport
        if self.settings.get("sasl", True):
            sasl = transport.sasl()
            self.show("sasl", sasl.mech, sasl.outcome, transport.authenticated)
        self.show("user", transport.user)
        self.show("encrypted", transport.encrypted)
        if "tls" in self.settings:
            ssl = transport.ssl()
            self.show("tls", ssl.protocol_name(), ssl.cipher_name())
            self.show("resumed", ssl.resume_status())
            self.show("subject", ssl.remote_subject)
            for name in GETTERS:
                self.show("getter", name, getattr(ssl, name)())

    def on_transport_error(self, event):
        condition = event.transport.condition
        self.show("error", condition.name, condition.description)

    def on_transport_closed(self, event):
        self.left -= 1
        if self.left <= 0:
            self.finished()
        else:
            self.again(event.container)

    def finished(self):
        pass

    def again(self, container):
        pass


class Server(End):
    def on_start(self, event):
        domain = make_domain(SSLDomain.MODE_SERVER, self.settings["tls"]) if "tls" in self.settings else None
        self.acceptor = event.container.listen(self.settings["url"], domain, **self.settings.get("listen", {}))
        self.answer = None
        self.show("listening")

    def on_connection_bound(self, event):
        if self.settings.get("require_auth"):
            event.transport.require_auth(True)
        if self.settings.get("require_encryption"):
            event.transport.require_encryption(True)
        if "offers" in self.settings:
            event.transport.sasl().allowed_mechs(self.settings["offers"])

    def on_link_opening(self, event):
        event.link.source.address = event.link.remote_source.address
        event.link.target.address = event.link.remote_target.address

    def on_message(self, event):
        self.show("message", len(event.message.body), event.message.body == body(self.settings.get("size", 10)))
        self.answer = event.message.body

    def on_sendable(self, event):
        if self.answer is not None:
            answer, self.answer = self.answer, None
            event.sender.send(Message(body=answer))

    def finished(self):
        self.acceptor.close()


class Client(End):
    def on_start(self, event):
        self.domain = make_domain(SSLDomain.MODE_CLIENT, self.settings["tls"]) if "tls" in self.settings else None
        self.again(event.container)

    def again(self, container):
        if "details" in self.settings:
            connection = self.connect_by_hand(container)
        else:
            options = dict(self.settings.get("connect", {}))
            if not self.settings.get("default_domain"):
                options["ssl_domain"] = self.domain
            connection = container.connect(self.settings["url"], reconnect=False, **options)
        self.sender = container.create_sender(connection, "there")

    def connect_by_hand(self, container):
        connection = container.connection(None)
        connection.url = Url(self.settings["url"])
        connection.hostname, connection.container = "localhost", "client"
        transport = Transport()
        transport.sasl()
        transport.ssl(self.domain, SSLSessionDetails(self.settings["details"])).peer_hostname = "localhost"
        transport.bind(connection)
        connection.open()
        return connection

    def on_sendable(self, event):
        if event.sender == self.sender:
            self.sender = None
            event.sender.send(Message(body=body(self.settings.get("size", 10))))

    def on_accepted(self, event):
        event.container.create_receiver(event.connection, "back")

    def on_message(self, event):
        self.show("message", len(event.message.body), event.message.body == body(self.settings.get("size", 10)))
        event.connection.close()


if __name__ == "__main__":
    settings = json.loads(sys.argv[2])
    container = Container({"client": Client, "server": Server}[sys.argv[1]](settings))
    # A peer that hangs must not outlive the test that waits for it.
    watch = threading.Timer(25, lambda: (print("late", flush=True), os._exit(3)))
    watch.daemon = True
    watch.start()
    container.run()
    watch.cancel()
