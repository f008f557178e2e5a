"""What `Container.connect` and `Container` can be told, and what a program may have got wrong in it.

Nothing is connected here. A mistake raises before anything is made of it; what only makes no sense is a warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proton.logs import log
from proton.url import Url
from proton.warn import nearest, unknown_options, warn

__all__ = ["CONNECT_OPTIONS", "check_connect", "check_container", "warn_of_urls"]

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from typing import Callable, TypedDict

    from proton.codec.types import AMQPValue
    from proton.endpoints.condition import Condition
    from proton.io.poller import Selector
    from proton.transport.tls.layer import SSLSessionDetails

    class ConnectKeywords(TypedDict, total=False):
        """The options of `Container.connect` that are not in its signature, as checkers see them."""

        user: str | None
        password: str | None
        token: str | Callable[[], str] | None
        authorization: str | None
        allowed_mechs: str | Sequence[str] | None
        allow_insecure_mechs: bool | None
        sasl_enabled: bool | None
        virtual_host: str | None
        sni: str | None
        session_details: SSLSessionDetails | None
        offered_capabilities: str | Sequence[str] | None
        desired_capabilities: str | Sequence[str] | None
        properties: dict[AMQPValue, AMQPValue] | None
        max_frame_size: int | None
        container_id: str | None
        retry_on: Collection[str] | Callable[[Condition], bool] | None

    class ListenKeywords(TypedDict, total=False):
        """The options of `Container.listen` that are not in its signature."""

        allowed_mechs: str | Sequence[str] | None
        allow_insecure_mechs: bool
        require_auth: bool
        require_encryption: bool

    class ContainerKeywords(TypedDict, total=False):
        """The options of `Container`."""

        container_id: str | None
        global_handler: object
        selector: Selector | None


#: the options of `Container.connect` that are not in its signature
CONNECT_OPTIONS = frozenset(
    (
        *("user", "password", "token", "authorization"),
        *("allowed_mechs", "allow_insecure_mechs", "sasl_enabled"),
        *("virtual_host", "sni", "session_details"),
        *("offered_capabilities", "desired_capabilities", "properties"),
        *("max_frame_size", "container_id", "retry_on"),
    )
)
_IN_SIGNATURE = frozenset(("url", "urls", "address", "handler", "reconnect", "heartbeat", "ssl_domain"))
_OF_BLOCKING_CONNECTIONS = frozenset(("timeout", "container"))
_OF_CONTAINERS = frozenset(("container_id", "global_handler", "selector"))


def check_connect(options: Mapping[str, Any], blocking: bool = False) -> dict[str, Any]:
    """Warn of options that `connect`, or a `BlockingConnection`, does not know: they are ignored.

    :return: the others.
    """
    # The usual way, without a copy of the table of all names.
    if CONNECT_OPTIONS.issuperset(options):
        return dict(options)
    known = CONNECT_OPTIONS | _IN_SIGNATURE | (_OF_BLOCKING_CONNECTIONS if blocking else frozenset())
    unknown_options("BlockingConnection" if blocking else "connect()", options, known)
    return {name: value for name, value in options.items() if name in known}


def check_container(container: Any, options: Iterable[str]) -> None:
    """Warn of options that a container does not know; many of them are attributes that were to be set."""
    for name in options:
        if name in _OF_CONTAINERS:
            continue
        # The attributes too: `Container(user=...)` is what programs try.
        meant = nearest(name, [*_OF_CONTAINERS, *vars(container)])
        if name in ("handler", "handlers"):
            hint = ": handlers are given without a name"
        elif meant in _OF_CONTAINERS:
            hint = f": did you mean {meant!r}?"
        elif meant is not None and not meant.startswith("_"):
            hint = f": set the attribute {meant!r} of the container"
        else:
            hint = ""
        warn(f"Container has no option {name!r}, which is ignored{hint}")


def warn_of_urls(urls: list[Url], ssl_domain: Any) -> None:
    """A domain says that the program wants TLS, which only the scheme switches on; a percent sign begins an escape."""
    # Before the loop, which ends with the first URL in clear text.
    if any(url.has_lone_percent for url in urls):
        warn("the user name or password of a URL has a '%' that begins no escape and is taken as it is: write it '%25'")
    for url in urls:
        if ssl_domain is not None and url.scheme != Url.AMQPS:
            log.warning(
                "The connection to %r goes in clear text: an ssl_domain was given, but the scheme is not amqps", url
            )
            return
