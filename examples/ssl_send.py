"""Sends messages over TLS to ssl_recv.py, whose certificate it checks; start that first, it makes the certificate.

With --show-certificate it shows one itself, which ssl_recv.py --ask-client wants.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
from typing import TYPE_CHECKING

from proton import Message, SSLDomain
from proton.handlers import MessagingHandler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton.handlers import ConnectionEvent, ContainerEvent, DeliveryEvent, SendableEvent, TransportEvent


class Send(MessagingHandler):
    def __init__(self, url: str, total: int, domain: SSLDomain) -> None:
        super().__init__()
        self.done = False
        self.url, self.total, self.domain = url, total, domain
        self.sent = self.confirmed = 0

    def on_start(self, event: ContainerEvent) -> None:
        # An error of TLS will not go away by itself, so there is one attempt only.
        connection = event.container.connect(self.url, ssl_domain=self.domain, reconnect=False)
        event.container.create_sender(connection, "examples")

    def on_connection_opened(self, event: ConnectionEvent) -> None:
        ssl = event.transport.ssl()
        print(f"connected to {ssl.get_cert_common_name()} with {ssl.protocol_name()}, as {event.transport.sasl().mech}")

    def on_sendable(self, event: SendableEvent) -> None:
        while event.sender.credit > 0 and self.sent < self.total:
            self.sent += 1
            event.sender.send(Message(id=self.sent, body={"sequence": self.sent}))

    def on_settled(self, event: DeliveryEvent) -> None:
        self.confirmed += 1
        if self.confirmed == self.total:
            print("all messages confirmed")
            self.done = True
            event.connection.close()

    def on_transport_error(self, event: TransportEvent) -> None:
        if event.transport.condition:
            print(f"no connection: {event.transport.condition.description}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="amqps://localhost:5671", help="default: %(default)s")
    parser.add_argument("-c", "--certificates", type=pathlib.Path, default="certificates", help="default: %(default)s")
    parser.add_argument("-m", "--messages", type=int, default=10, help="how many; default: %(default)s")
    parser.add_argument("--show-certificate", action="store_true", help="log in with a certificate")
    options = parser.parse_args()
    client = SSLDomain(SSLDomain.MODE_CLIENT)
    certificate = str(options.certificates / "cert.pem")
    client.set_trusted_ca_db(certificate)
    if options.show_certificate:
        client.set_credentials(certificate, str(options.certificates / "key.pem"), None)
    program = Send(options.address, options.messages, client)
    Container(program).run()
    if not program.done:
        sys.exit("ended before the work was done")
