"""Listens with TLS, prints the messages that ssl_send.py brings, and ends after the last.

It makes itself a certificate for localhost, with the command `openssl`, in the folder that is named: a sender trusts
the file cert.pem there. With --ask-client it lets in only senders that show that same certificate, by SASL EXTERNAL.
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import subprocess
from typing import TYPE_CHECKING

from proton import SSLDomain
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton.handlers import ConnectionEvent, ContainerEvent, MessageEvent, TransportEvent


def make_certificate(folder: pathlib.Path) -> tuple[str, str]:
    """The paths of a new certificate and its key."""
    folder.mkdir(parents=True, exist_ok=True)
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "7", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, *names, "-out", cert, "-keyout", key], check=True, stderr=subprocess.DEVNULL)
    return cert, key


class Receive(MessagingHandler):
    def __init__(self, url: str, expected: int, domain: SSLDomain, ask_client: bool) -> None:
        super().__init__()
        self.url, self.expected, self.domain, self.ask_client = url, expected, domain, ask_client
        self.received = 0

    def on_start(self, event: ContainerEvent) -> None:
        self.acceptor = event.container.listen(self.url, ssl_domain=self.domain, require_auth=self.ask_client)
        print(f"listening on {self.url}")

    def on_connection_opened(self, event: ConnectionEvent) -> None:
        ssl = event.transport.ssl()
        print(f"{event.transport.user} came with {ssl.protocol_name()} {ssl.cipher_name()}")

    def on_message(self, event: MessageEvent) -> None:
        print(event.message.body)
        self.received += 1
        if self.received == self.expected:
            event.receiver.close()
            event.connection.close()
            self.acceptor.close()

    def on_transport_error(self, event: TransportEvent) -> None:
        if event.transport.condition:
            print(f"refused: {event.transport.condition.description}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="amqps://localhost:5671", help="default: %(default)s")
    parser.add_argument("-c", "--certificates", type=pathlib.Path, default="certificates", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=10, help="0 never ends; default: %(default)s")
    parser.add_argument("--ask-client", action="store_true", help="let in only clients that show the certificate")
    options = parser.parse_args()
    certificate, its_key = make_certificate(options.certificates)
    server = SSLDomain(SSLDomain.MODE_SERVER)
    server.set_credentials(certificate, its_key, None)
    if options.ask_client:
        server.set_peer_authentication(SSLDomain.VERIFY_PEER, certificate)
    with contextlib.suppress(KeyboardInterrupt):
        Container(Receive(options.address, options.messages, server, options.ask_client)).run()
