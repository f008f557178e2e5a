"""`Certificates`: an authority that exists for a test, what it issues, and domains of servers and clients."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
import weakref
from typing import TYPE_CHECKING, Any

from proton import SSLDomain

if TYPE_CHECKING:
    from proton.testing.authority import Authority, Issued

__all__ = ["Certificates"]

#: The names of this machine, which a server's certificate has if it is asked for none.
LOCAL = ("localhost", "127.0.0.1", "::1")


class Certificates:
    """An authority, and the certificates that it issues, as PEM files in a folder.

        with Certificates() as certificates:
            with Broker(ssl_domain=certificates.server_domain()) as broker:
                client = BlockingConnection(broker.url, ssl_domain=certificates.client_domain())

    Another one is another authority, which clients of this one do not trust. The package `cryptography` makes them:
    ``pip install pure-proton[testing]``.

    :param folder: the folder, which stays; if left out, a temporary one, removed by `close`.
    :param name: the name of the authority.
    :raises ImportError: `cryptography` is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str] | None = None, name: str = "Authority") -> None:
        make_authority = _authority_class()
        #: the path of the folder
        self.folder: str = tempfile.mkdtemp(prefix="proton-") if folder is None else os.fspath(folder)
        self._remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        if folder is not None:
            self._remove.detach()
        self._authority: Authority = make_authority(self.folder, name)

    def __enter__(self) -> Certificates:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Certificates({self.folder!r})"

    def close(self) -> None:
        """Remove the folder, if it is a temporary one."""
        self._remove()

    @property
    def authority(self) -> str:
        """The path of the authority's certificate: what a peer trusts that trusts all that it issues."""
        return self._authority.cert

    def issue(self, *names: str, **settings: Any) -> Issued:
        """Issue a certificate.

        :param names: the DNS names and IP addresses that it is for.
        :param settings: `subject`, pairs such as ("CN", "text"), if it is not the first name as CN; `usage`, "server"
            (the default), "client", "both" or None; `days`, the first and the last day of its validity from now on:
            (-2, -1) has expired; `password`, which encrypts the key; `self_signed`, True for one that the authority
            does not sign.
        :return: the paths `cert` and `key`, and the `password`: the arguments of `SSLDomain.set_credentials`.
        """
        return self._authority.issue(*names, **settings)

    def server_domain(self, *names: str, verify_clients: bool = False, **settings: Any) -> SSLDomain:
        """A domain of servers with a new certificate.

        :param names: what the certificate is for; localhost, 127.0.0.1 and ::1 if left out.
        :param verify_clients: ask clients for a certificate of this authority.
        :param settings: as those of `issue`.
        """
        domain = SSLDomain(SSLDomain.MODE_SERVER)
        domain.set_credentials(*self.issue(*(names or LOCAL), **settings))
        if verify_clients:
            domain.set_trusted_ca_db(self.authority)
            domain.set_peer_authentication(SSLDomain.VERIFY_PEER, self.authority)
        return domain

    def client_domain(self, name: str | None = None, **settings: Any) -> SSLDomain:
        """A domain of clients that trusts this authority alone, and checks the name of the server.

        :param name: the common name of a certificate of its own; if left out, it has none.
        :param settings: as those of `issue`, for a client with a name.
        """
        domain = SSLDomain(SSLDomain.MODE_CLIENT)
        domain.set_trusted_ca_db(self.authority)
        if name is not None:
            domain.set_credentials(*self.issue(**{"subject": [("CN", name)], "usage": "client", **settings}))
        return domain


def _authority_class() -> type[Authority]:
    try:
        found: type[Authority] = importlib.import_module("proton.testing.authority").Authority
    except ImportError as error:
        raise ImportError(
            f"expected the package cryptography, which makes certificates (pip install 'pure-proton[testing]'): {error}"
        ) from error
    return found
