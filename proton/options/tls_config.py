"""`SSLConfig`: the TLS settings of a container, made when they are first asked for.

A container that uses no TLS makes no domain, and a domain without use makes no context of the library.
"""

from __future__ import annotations

from typing import Any

from proton.exceptions import SSLUnavailable
from proton.transport.tls import domain
from proton.transport.tls.domain import SSLDomain
from proton.transport.tls.layer import SSL

__all__ = ["NO_TLS", "SSLConfig", "default_config", "make_domain"]

NO_TLS = f"amqps: {domain.NO_TLS}"


def default_config() -> SSLConfig | None:
    """The settings of a new container; None when this Python was built without TLS."""
    return SSLConfig() if SSL.present() else None


def make_domain(mode: int) -> SSLDomain:
    """A new `SSLDomain`.

    :param mode: `SSLDomain.MODE_CLIENT` or `SSLDomain.MODE_SERVER`.
    :raises SSLUnavailable: this Python was built without TLS.
    """
    if not SSL.present():
        raise SSLUnavailable(NO_TLS)
    return SSLDomain(mode)


class SSLConfig:
    """The TLS settings that connections and acceptors of a container have by default.

    :raises SSLUnavailable: (all of it) this Python was built without TLS.
    """

    def __init__(self) -> None:
        # Made when they are asked for: programs without TLS load no certificates.
        self._client: Any = None
        self._server: Any = None

    @property
    def client(self) -> Any:
        """The `SSLDomain` of outgoing connections."""
        if self._client is None:
            self._client = make_domain(SSLDomain.MODE_CLIENT)
        return self._client

    @client.setter
    def client(self, domain: Any) -> None:
        self._client = domain

    @property
    def server(self) -> Any:
        """The `SSLDomain` of acceptors."""
        if self._server is None:
            self._server = make_domain(SSLDomain.MODE_SERVER)
        return self._server

    @server.setter
    def server(self, domain: Any) -> None:
        self._server = domain

    def set_credentials(self, cert_file: str, key_file: str, password: str | None) -> None:
        """Give both domains a certificate and its key.

        :param cert_file: a PEM file, the own certificate first.
        :param key_file: a PEM file.
        :param password: opens the key, None for one that is not encrypted.
        """
        self.client.set_credentials(cert_file, key_file, password)
        self.server.set_credentials(cert_file, key_file, password)

    def set_trusted_ca_db(self, certificate_db: str) -> None:
        """Tell both domains which certificates to trust.

        :param certificate_db: a PEM file or a folder of them.
        """
        self.client.set_trusted_ca_db(certificate_db)
        self.server.set_trusted_ca_db(certificate_db)
