"""Logs in over TLS as the user that the environment names, sends and receives: `tls_login.py URL CA ADDRESS`."""

import os
import sys

from proton import Message, ProtonException, SSLDomain
from proton.utils import BlockingConnection


def main(url: str, authority: str, address: str) -> None:
    domain = SSLDomain(SSLDomain.MODE_CLIENT)
    domain.set_trusted_ca_db(authority)  # a PEM file; it counts beside the system's
    user, password = os.environ["ORDERS_USER"], os.environ["ORDERS_PASSWORD"]
    with BlockingConnection(url, timeout=10, ssl_domain=domain, user=user, password=password) as connection:
        transport = connection.conn.transport
        if transport is None or not transport.encrypted:
            sys.exit("expected a URL with amqps://")
        print("logged in as", transport.user, "by", transport.sasl().mech)
        connection.create_sender(address).send(Message(body="tea", durable=True))
        receiver = connection.create_receiver(address, credit=1)
        print(receiver.receive(timeout=5).body)
        receiver.accept()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ProtonException as error:
        sys.exit(f"tls_login: {error}")
