"""`ConnectionOptions`: how an outgoing connection is set up, for every face: open fields, SASL, TLS.

`Container.connect` documents the options. Nothing is connected here. A mistake raises before anything is made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from proton.endpoints.arguments import check_count, check_seconds
from proton.endpoints.connection import Connection
from proton.exceptions import SSLUnavailable
from proton.options.tls_config import NO_TLS
from proton.transport.tls.domain import SSLDomain
from proton.transport.tls.layer import SSLSessionDetails
from proton.transport.transport import Transport
from proton.url import Url

__all__ = ["ConnectionOptions"]

#: seconds that an idle-time-out can say (2.7.1: 32 bits of milliseconds)
MAX_HEARTBEAT = 4294967

_OPEN_FIELDS = ("offered_capabilities", "desired_capabilities", "properties")
#: the options that a container has a default for
_WITH_DEFAULTS = ("user", "password", "token", "allowed_mechs", "allow_insecure_mechs", "sasl_enabled")


class ConnectionOptions:
    """How one outgoing connection, with all its attempts, is set up.

    :param given: the options of `Container.connect` by name.
    :param defaults: has the defaults as attributes: a container.
    """

    user: str | None
    password: str | None
    token: Any
    allowed_mechs: Any
    allow_insecure_mechs: bool
    sasl_enabled: bool

    def __init__(self, given: Mapping[str, Any], defaults: Any) -> None:
        for name in ("user", "password", "authorization", "sni", "virtual_host"):
            value = given.get(name)
            # The value is not shown: it may be the password.
            if value is not None and not isinstance(value, str):
                raise TypeError(f"{name} takes a str or None, got {type(value).__name__}")
        self.container_id: str | None = given.get("container_id", defaults.container_id)
        self.virtual_host: str | None = given.get("virtual_host")
        #: offered and desired capabilities and properties, where the program gives some
        self.open_fields: dict[str, Any] = {name: given[name] for name in _OPEN_FIELDS if given.get(name) is not None}
        self.heartbeat: float | None = given.get("heartbeat")
        self.max_frame_size: int | None = given.get("max_frame_size")
        self.authorization: str | None = given.get("authorization")
        self.ssl_domain: SSLDomain | None = given.get("ssl_domain")
        self.session_details: SSLSessionDetails | None = given.get("session_details")
        self.sni: str | None = given.get("sni")
        # None means "as the container has it"; for `sasl_enabled`, False is a value.
        for name in _WITH_DEFAULTS:
            value = given.get(name)
            setattr(self, name, getattr(defaults, name) if value is None else value)
        # Only what the program has given to `connect` is probed: the container's defaults were set without a check.
        self._given_sasl = given.get("token"), given.get("allowed_mechs")
        self._is_named = bool(given.get("container_id"))

    @classmethod
    def checked(cls, given: Mapping[str, Any], defaults: Any, urls: list[Url]) -> ConnectionOptions:
        """The options, after a probe of a transport and of a connection with them.

        :param given: the options of `Container.connect` by name.
        :param defaults: has the defaults as attributes: a container.
        :param urls: where to connect to.
        :raises TypeError: an option is of another type; a secret is not shown.
        :raises OverflowError, UnicodeEncodeError, ValueError: a number or a text is out of range, or cannot be sent.
        :raises SSLException: the domain cannot be used.
        """
        options = cls(given, defaults)
        options._probe_transport(any(url.scheme == Url.AMQPS for url in urls))
        options._probe_connection()
        return options

    def _probe_transport(self, secure: bool) -> None:
        """What would fail in the loop later, at each attempt."""
        heartbeat, max_frame_size, details = self.heartbeat, self.max_frame_size, self.session_details
        if heartbeat is not None and not 0 <= check_seconds("heartbeat", heartbeat, " or None") <= MAX_HEARTBEAT:
            raise OverflowError(f"heartbeat takes 0 to {MAX_HEARTBEAT} seconds, got {heartbeat}")
        if max_frame_size is not None:
            check_count("max_frame_size", max_frame_size, " or None")
        if details is not None and not isinstance(details, SSLSessionDetails):
            raise TypeError(f"session_details takes an SSLSessionDetails or None, got {type(details).__name__}")
        token, mechs = self._given_sasl
        if heartbeat or max_frame_size or (token, mechs, self.ssl_domain) != (None, None, None):
            # Most connections have none of these options, and need no transport as a probe.
            probe = Transport()
            probe.idle_timeout = heartbeat or 0
            probe.max_frame_size = max_frame_size or 0
            probe.sasl().token = token
            probe.sasl().allowed_mechs(mechs)
            if secure and self.ssl_domain is not None:
                probe.ssl(self.ssl_domain)

    def _probe_connection(self) -> None:
        """Opens a connection that no loop knows with the fields, and keeps them as that takes them."""
        if not (self.open_fields or self._is_named or self.virtual_host or self.user or self.authorization):
            return
        probe = Connection()
        probe.user, probe.password, probe.authorization = self.user, self.password, self.authorization
        self._set_fields(probe, self.container_id or "")
        probe.open()
        # As the connection has turned them into symbols and its kinds of dict: later attempts have nothing to convert.
        self.open_fields = {name: getattr(probe, name) for name in self.open_fields}

    def _set_fields(self, connection: Connection, container_id: str) -> None:
        connection.container = container_id
        for name, value in self.open_fields.items():
            setattr(connection, name, value)
        if self.virtual_host:
            connection.hostname = self.virtual_host

    def set_up(self, connection: Connection, random_id: Callable[[], str]) -> None:
        """Give a connection what its open says.

        :param random_id: makes the container-id if the program has given none.
        """
        self._set_fields(connection, self.container_id or random_id())

    def bind(self, connection: Connection, url: Url, client_domain: Callable[[], SSLDomain | None]) -> Transport:
        """Make the transport of one attempt and bind it.

        :param url: where it leads to; a user name and a password in it come first.
        :param client_domain: gives the domain for ``amqps`` if the program has given none.
        :raises SSLUnavailable: ``amqps``, and there is no domain.
        """
        transport = Transport()
        if self.sasl_enabled:
            sasl = transport.sasl()
            sasl.allow_insecure_mechs = self.allow_insecure_mechs
            # On the connection, where mechanisms look for them; each attempt may lead to a URL with others.
            connection.user = url.username or self.user
            connection.password = url.password or self.password
            sasl.token = self.token
            if self.authorization:
                connection.authorization = self.authorization
            if self.allowed_mechs:
                sasl.allowed_mechs(self.allowed_mechs)
        if url.scheme == Url.AMQPS:
            # Before the transport is bound: a failure must not leave one that would speak in the clear.
            domain = self.ssl_domain if self.ssl_domain is not None else client_domain()
            if domain is None:
                raise SSLUnavailable(NO_TLS)
            ssl = transport.ssl(domain, self.session_details)
            # The name that the certificate must have: what the program asks for goes before the place that is called.
            ssl.peer_hostname = self.sni or self.virtual_host or url.host
        transport.bind(connection)
        if self.heartbeat:
            transport.idle_timeout = self.heartbeat
        if self.max_frame_size:
            transport.max_frame_size = self.max_frame_size
        return transport
