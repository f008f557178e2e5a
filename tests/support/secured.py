"""Two engines joined in memory with TLS or SASL between them; `joined` runs the handshake as far as it gets."""

from __future__ import annotations

from types import SimpleNamespace

from proton import SSLDomain, Transport
from tests.support.engines import Peer, pump

CLIENT, SERVER = SSLDomain.MODE_CLIENT, SSLDomain.MODE_SERVER


def client_domain(authority=None, issued=None, **settings):
    """A client's domain that trusts an authority (without one it does not verify) and has a certificate, or none."""
    domain = SSLDomain(CLIENT)
    if authority is not None:
        domain.set_trusted_ca_db(authority.cert)
    else:
        domain.set_peer_authentication(SSLDomain.ANONYMOUS_PEER)
    return _set_up(domain, issued, settings)


def server_domain(issued=None, authority=None, **settings):
    """A server's domain with a certificate, or none, that asks clients for one of an authority."""
    domain = _set_up(SSLDomain(SERVER), issued, settings)
    if authority is not None:
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER, authority.cert)
    return domain


def _set_up(domain, issued, settings):
    if issued is not None:
        domain.set_credentials(*issued)
    for name, value in settings.items():
        getattr(domain, name)(*([] if value is True else [value]))
    return domain


def ends(client=None, server=None, host="localhost", sasl=None, users=None, details=None, user=None, password=None):
    """A client and a server, not yet joined.

    :param client: a domain for TLS, or None; likewise `server`.
    :param sasl: attributes of the client's SASL layer, with `allowed` for its mechanisms; None for no SASL.
    :param users: the server's credentials.
    """
    a, b = Peer("client"), Peer("server", Transport.SERVER)
    a.connection.hostname, a.connection.user, a.connection.password = host, user, password
    a.ssl = a.transport.ssl(client, details) if client is not None else None
    b.ssl = b.transport.ssl(server) if server is not None else None
    if sasl is not None:
        layer = a.transport.sasl()
        layer.allowed_mechs(sasl.pop("allowed", None))
        for name, value in sasl.items():
            setattr(layer, name, value)
    if users is not None:
        b.transport.sasl().credentials = users
    for peer in (a, b):
        peer.bind()
        peer.connection.open()
    return SimpleNamespace(client=a, server=b)


def joined(*arguments, chunk=None, **settings):
    """As `ends`, with all bytes moved."""
    pair = ends(*arguments, **settings)
    pump(pair.client, pair.server, chunk)
    return pair


def is_open(pair):
    """Whether both ends have heard the other's open."""
    return all(peer.connection.state & peer.connection.REMOTE_ACTIVE for peer in (pair.client, pair.server))


def reasons(pair):
    """The descriptions of both transports' conditions, "" for none."""
    conditions = [peer.transport.condition for peer in (pair.client, pair.server)]
    return [condition.description if condition is not None else "" for condition in conditions]
