"""`Container`: the loop with the methods of AMQP: connect, listen, links, transactions.

Everything here only makes and sets up objects and queues events; the network is touched when the loop runs.
`None` for an option of `connect` means "as the container has it".
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from proton.endpoints.connection import Connection
from proton.endpoints.endpoint import Endpoint, endpoint_state
from proton.endpoints.handler import inspect
from proton.endpoints.link import Link
from proton.endpoints.session import Session
from proton.exceptions import SSLUnavailable
from proton.options.config import configured_options, read_config
from proton.options.connect_options import check_connect, check_container, warn_of_urls
from proton.options.connection_options import ConnectionOptions
from proton.options.link_options import apply_options, as_options, check_addresses, check_tags, link_name
from proton.options.listen_options import ListenOptions
from proton.options.tls_config import NO_TLS, SSLConfig, default_config, make_domain
from proton.reactor import transaction
from proton.reactor.acceptor import Acceptor
from proton.reactor.connector import Connector, GlobalOverrides, SessionPerConnection
from proton.reactor.reactor import Reactor
from proton.reconnect import ReconnectPolicy, places
from proton.transport.tls.domain import SSLDomain
from proton.url import Url, connection_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Callable

    from typing_extensions import Unpack

    from proton.endpoints.receiver import Receiver
    from proton.endpoints.sender import Sender
    from proton.options.connect_options import ConnectKeywords, ContainerKeywords, ListenKeywords
    from proton.options.link_options import LinkOption
    from proton.reconnect import Backoff
    from proton.transport.sasl.credentials import Credentials, Users

__all__ = ["Container"]


_Made = TypeVar("_Made", bound=Link)


class Container(Reactor):
    """An AMQP container: connections, listeners, and the loop in which their events are handled (2.1).

    :param handlers: get the events that no handler of a narrower scope takes.
    :param kwargs: `container_id`, the name to give to peers (default: a random UUID; None: one for each connection);
        `global_handler`, in place of the `IOHandler`; `selector`, an object with the interface of the standard
        library's selectors, to wait with.
    """

    def __init__(self, *handlers: object, **kwargs: Unpack[ContainerKeywords]) -> None:
        super().__init__(*handlers, **kwargs)
        #: the container-id that outgoing connections send, a str; None for one of its own for each connection
        self.container_id: str | None = kwargs.get("container_id", str(uuid.uuid4()))
        # Around the base handler, so that a `Connector` binds its transport before the base would bind a plain one.
        self.global_handler = GlobalOverrides(self.global_handler)
        #: unused; kept for programs that look at it
        self.trigger: Any = None
        #: the defaults of `connect`
        self.allow_insecure_mechs = True
        self.allowed_mechs: Any = None
        self.sasl_enabled = True
        self.user: str | None = None
        self.password: str | None = None
        self.token: Any = None
        self.retry_on: Any = None
        #: seconds for which a link that worked before is attached again after a reconnect, while the peer refuses it
        #: with `amqp:not-found`: the node of its queue may not be back
        self.missing_node_time: float = ReconnectPolicy.missing_node_time
        if kwargs:
            check_container(self, kwargs)

    # -- connections ---------------------------------------------------------------------------------------------

    def connect(
        self,
        url: str | Url | None = None,
        urls: Iterable[str | Url] | None = None,
        address: object = None,
        handler: object = None,
        reconnect: Backoff | Iterable[float] | bool | None = None,
        heartbeat: float | None = None,
        ssl_domain: SSLDomain | None = None,
        **kwargs: Unpack[ConnectKeywords],
    ) -> Connection:
        """Make a connection and open it. It is connected when the loop runs, and again whenever it is lost.

        Without `url` and `urls` the connection configuration file is used.

        :param url: where to connect to, a str or `Url`.
        :param urls: several of them, to try in turn.
        :param address: ignored.
        :param handler: takes the place of the container's handlers for this connection.
        :param reconnect: the delays between attempts in seconds: None or True for 0 and then 0.1 doubling up to 10,
            without end; False for one attempt; a `Backoff` or any sequence of numbers.
        :param heartbeat: seconds of silence after which the connection counts as lost.
        :param ssl_domain: the `SSLDomain` for ``amqps``; the container's when left out.
        :param kwargs: `user`, `password`, `allowed_mechs` (a list, or a str with spaces between),
            `allow_insecure_mechs`, `sasl_enabled`: how to authenticate; by default as the container has it.
            `token`: for OAUTHBEARER and XOAUTH2, a str, or a callable that returns one for each connect.
            `authorization`: the identity to act as. `session_details`: an `SSLSessionDetails`, to resume TLS.
            `virtual_host`: the host name to ask for; `sni`: the name that TLS verifies; by default that of the URL.
            `offered_capabilities`, `desired_capabilities`, `properties`: sent with the open (2.7.1).
            `retry_on`: after which conditions of the peer what it ends is made again, names in a collection or a
            callable that is given the `Condition` (`docs/reconnect.md`); what that raises comes out of `run`.
            `max_frame_size`: in bytes. `container_id`: for this connection, None for a random one. Other names are
            ignored, with a `UserWarning`.
        :raises ValueError: no URL; a URL, its scheme or its port is invalid; it has more than one ``@``, as with a
            password that is not percent-encoded; a mistake in the configuration file, told with its place.
        :raises TypeError: `reconnect` is not a sequence of numbers; an option is of another type, or cannot be sent.
        """
        # All that can raise comes before `self.connection`: a refused call leaves nothing behind in the container.
        check_connect(kwargs)
        given: dict[str, Any] = dict(kwargs, ssl_domain=ssl_domain, heartbeat=heartbeat)
        inspect(handler)  # before anything is made that it is for
        if url is None and urls is None and not address:
            given.update(configured_options(read_config(), lambda: make_domain(SSLDomain.MODE_CLIENT)))
            url = given.pop("url")
        addresses = places(url, urls)
        warn_of_urls(addresses.values, ssl_domain)
        options = ConnectionOptions.checked(given, self, addresses.values)
        retry_on = given["retry_on"] if given.get("retry_on") is not None else self.retry_on
        policy = ReconnectPolicy(addresses, reconnect, retry_on)
        policy.missing_node_time = self.missing_node_time
        connection = self.connection(handler)
        options.set_up(connection, lambda: str(uuid.uuid4()))
        # Before `open`, whose event makes the first attempt.
        connection._overrides = Connector(policy, options)
        endpoint_state(connection).shared.reconnect = policy
        connection._session_policy = SessionPerConnection()
        connection.open()
        return connection

    @functools.cached_property  # the module `ssl` is imported when this is first asked for
    def ssl(self) -> SSLConfig | None:
        """The default TLS settings, which may be replaced; None if this Python was built without TLS."""
        return default_config()

    def _need_tls(self) -> SSLConfig:
        if self.ssl is None:
            raise SSLUnavailable(NO_TLS)
        return self.ssl

    def listen(
        self,
        url: str | Url,
        ssl_domain: SSLDomain | None = None,
        credentials: Users | Credentials | None = None,
        **kwargs: Unpack[ListenKeywords],
    ) -> Acceptor:
        """Listen for connections, on every address of the host.

        :param url: a str or `Url`, such as ``"localhost:5672"``; port 0 for one that is free (`Acceptor.port`).
        :param ssl_domain: an `SSLDomain` of servers; the container's for ``amqps`` when left out.
        :param credentials: the users to let in, see `proton.Credentials`; those of the container when left out.
        :param kwargs: `allowed_mechs` (a list, or a str with spaces between): the SASL mechanisms to offer.
            `allow_insecure_mechs`: True for PLAIN without TLS. `require_auth`, `require_encryption`: True to refuse
            clients without SASL, or without TLS.
        :raises TypeError: an option with another name, or invalid credentials.
        :raises OSError: the name does not resolve, or the port is in use.
        :raises SSLUnavailable: ``amqps``, and this Python was built without TLS.
        """
        place: Any = connection_url(url)
        # The container's domain is made on first use: programs without TLS load no certificates.
        if ssl_domain is None and place.scheme == Url.AMQPS:
            ssl_domain = self._need_tls().server
        users = credentials if credentials is not None else self.credentials
        options = ListenOptions.checked(users, dict(kwargs), ssl_domain)
        acceptor = self.acceptor(place.host, int(place.port))
        # The sockets listen already, but clients are accepted by the loop, which finds the options set.
        acceptor.options = options
        if ssl_domain is not None:
            acceptor.set_ssl_domain(ssl_domain)
        return acceptor

    # -- links ---------------------------------------------------------------------------------------------------

    def create_sender(
        self,
        context: Connection | Session | str | Url,
        target: str | None = None,
        source: str | None = None,
        name: str | None = None,
        handler: object = None,
        tags: Iterator[str | bytes] | Callable[[], str | bytes] | None = None,
        options: LinkOption | Sequence[LinkOption] | None = None,
    ) -> Sender:
        """Make a sender and open it.

        :param context: a connection, a session, or a URL, for which a connection is made; its path is the target.
        :param target: the address to send to; None for an anonymous sender, whose messages have addresses.
        :param source: the address to name as the source.
        :param name: the name of the link; made from container-id and addresses when left out.
        :param handler: takes the place of wider handlers for this link.
        :param tags: makes delivery tags: a callable without arguments, or an iterator.
        :param options: a `LinkOption`, or a list of them.
        """
        check_addresses(source, target)
        check_tags(tags)
        chosen = as_options(options)
        inspect(handler)  # before anything is made that it is for
        session, path = self._session_for(context)
        # The path of the URL counts only where no address was given.
        if not target:
            target = path
        sender: Sender = session.sender(link_name(session.connection, name, (target, source)))
        if tags:
            sender.tag_generator = tags
        return self._set_up(sender, source, target, handler, chosen)

    def create_receiver(
        self,
        context: Connection | Session | str | Url,
        source: str | None = None,
        target: str | None = None,
        name: str | None = None,
        dynamic: bool = False,
        handler: object = None,
        options: LinkOption | Sequence[LinkOption] | None = None,
    ) -> Receiver:
        """Make a receiver and open it.

        :param context: a connection, a session, or a URL, for which a connection is made; its path is the source.
        :param source: the address to receive from.
        :param target: the address to name as the target.
        :param name: the name of the link; made from container-id and addresses when left out.
        :param dynamic: have the peer make a node; its address is in `remote_source` then.
        :param handler: takes the place of wider handlers for this link.
        :param options: a `LinkOption`, or a list of them.
        """
        check_addresses(source, target)
        chosen = as_options(options)
        inspect(handler)  # before anything is made that it is for
        session, path = self._session_for(context)
        if not source:
            source = path
        receiver: Receiver = session.receiver(link_name(session.connection, name, (source, target)))
        if dynamic:
            receiver.source.dynamic = True
        return self._set_up(receiver, source, target, handler, chosen)

    def _set_up(self, link: _Made, source: str | None, target: str | None, handler: Any, options: Any) -> _Made:
        if source:
            link.source.address = source
        if target:
            link.target.address = target
        if handler is not None:
            link.handler = handler
        apply_options(options, link)
        link.open()
        return link

    def _session_for(self, context: Any) -> tuple[Any, str | None]:
        """The session for a new link, and the address that the context names."""
        if isinstance(context, (str, Url)):
            url = connection_url(context)
            return self._session(self.connect(url=url)), url.path
        return self._session(context), None

    def _session(self, context: Any) -> Any:
        if isinstance(context, Session):
            return context
        if isinstance(context, Connection):
            # Only connections that the container has made share one; on others each link gets a session.
            policy = getattr(context, "_session_policy", None)
            if policy is not None and not context.state & Endpoint.LOCAL_CLOSED:
                return policy.session(context)
            session = context.session()
            session.open()
            return session
        if not hasattr(context, "session"):
            raise TypeError(f"context takes a connection, a session or a URL, got {type(context).__name__}")
        return context.session()

    # -- transactions --------------------------------------------------------------------------------------------

    def declare_transaction(
        self, context: Connection | Session, handler: object = None, settle_before_discharge: bool = False
    ) -> transaction.Transaction:
        """Begin a transaction (4.2).

        :param context: a connection or session; it keeps the link to the coordinator.
        :param handler: gets the outcomes, see `TransactionHandler`.
        :param settle_before_discharge: settle what is accepted in the transaction at once.
        """
        inspect(handler)  # before a link to the coordinator is made
        return transaction.declare(lambda: self._session(context), context, handler, settle_before_discharge)
