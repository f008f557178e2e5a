"""`ListenOptions`: how a server lets clients in, for every face; `Container.listen` documents the options.

Nothing listens here. A mistake raises before a client can connect.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from proton.transport.sasl.credentials import Credentials
from proton.transport.transport import Transport

__all__ = ["ListenOptions"]


class ListenOptions(NamedTuple):
    """What a client has to do to be let in."""

    credentials: Credentials | None = None
    allowed_mechs: Any = None
    allow_insecure_mechs: bool = False
    require_auth: bool = False
    require_encryption: bool = False

    @classmethod
    def checked(cls, users: Any, options: dict[str, Any], ssl_domain: Any = None) -> ListenOptions:
        """The options that a program has given, after a probe of a transport with them.

        :param users: what `Credentials` takes, or None.
        :param options: the others, by name.
        :param ssl_domain: the domain of the listener, or None.
        :raises TypeError: an option with another name, or a value of another type.
        :raises SSLException: a domain that cannot be used.
        """
        # An error here, where `connect` warns: a misspelt `require_auth` would let every client in.
        unknown = sorted(set(options) - set(cls._fields))
        if unknown:
            raise TypeError(f"expected options of {', '.join(cls._fields)}, got {', '.join(unknown)}")
        checked = cls(Credentials.coerce(users), **options)
        # A setting that fails would do so for each client in the loop, long after `listen` has returned.
        probe = Transport(Transport.SERVER)
        if ssl_domain is not None:
            probe.ssl(ssl_domain)
        checked.apply(probe)
        return checked

    def apply(self, transport: Transport) -> None:
        """Sets up the transport of an accepted connection."""
        if self.require_auth:
            transport.require_auth(True)
        if self.require_encryption:
            transport.require_encryption(True)
        # Not otherwise: `transport.sasl()` switches SASL on, also where the client begins without it.
        if self.credentials is not None or self.allowed_mechs is not None or self.allow_insecure_mechs:
            sasl = transport.sasl()
            sasl.credentials = self.credentials
            sasl.allow_insecure_mechs = self.allow_insecure_mechs
            sasl.allowed_mechs(self.allowed_mechs)
