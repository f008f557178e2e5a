"""`SenderRequest` and `ReceiverRequest`: links that the peer asks for; `LinkRequest`, what both are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proton.asyncio.errors import LinkClosed
from proton.asyncio.link_core import LinkSettings
from proton.asyncio.receiver import Receiver
from proton.asyncio.receiver_core import ReceiverCore
from proton.asyncio.sender import Sender
from proton.asyncio.sender_core import SenderCore
from proton.endpoints.condition import Condition
from proton.endpoints.endpoint import LOCAL_UNINIT, REMOTE_ACTIVE
from proton.endpoints.printable import printable
from proton.options.link_options import apply_options, as_options

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal

    from proton.asyncio.connection import Connection
    from proton.asyncio.connection_core import ConnectionCore
    from proton.endpoints.terminus import Terminus
    from proton.options.link_options import LinkOption

__all__ = ["LinkRequest", "ReceiverRequest", "SenderRequest", "request_for"]


class LinkRequest:
    """A link that the peer asks for: `accept` or `refuse` it. Got from `Connection.incoming`.

    It is a `SenderRequest` or a `ReceiverRequest`, whose `accept` gives a `Sender` or a `Receiver`.
    """

    #: True if this end would send: the peer wants to receive
    is_sender: bool

    def __init__(self, connection: ConnectionCore, link: Any) -> None:
        self._connection = connection
        self._link = link

    def __repr__(self) -> str:
        how = "open" if self.is_open else "answered or withdrawn"
        return f"<proton.asyncio.{type(self).__name__} to {self._way()}: {how}>"

    def _way(self) -> str:
        address = "a new address" if self.address is None else repr(printable(self.address))
        return f"{'receive from' if self.is_sender else 'send to'} {address}"

    @property
    def connection(self) -> Connection:
        """The connection."""
        return self._connection.face

    @property
    def name(self) -> str | None:
        """The name of the link."""
        name: str | None = self._link.name
        return name

    @property
    def address(self) -> str | None:
        """The address that the peer wants to receive from, or send to."""
        return self.terminus.address

    @property
    def is_dynamic(self) -> bool:
        """True if the peer wants an address to be made."""
        return bool(self.terminus.dynamic)

    @property
    def terminus(self) -> Terminus:
        """The terminus at this end, as the peer wants it: with its filters and capabilities."""
        found: Terminus = self._link.remote_source if self.is_sender else self._link.remote_target
        return found

    @property
    def properties(self) -> dict[Any, Any] | None:
        """The properties of the peer's attach, or None."""
        found: dict[Any, Any] | None = self._link.remote_properties
        return found

    @property
    def is_open(self) -> bool:
        """True while the request can be answered."""
        return bool(self._link.state & LOCAL_UNINIT and self._link.state & REMOTE_ACTIVE)

    def accept(
        self,
        address: str | None = None,
        *,
        prefetch: int = 100,
        options: LinkOption | Sequence[LinkOption] | None = None,
    ) -> Sender | Receiver:
        """Attach the link.

        :param address: the address at this end, in place of that which the peer has named; needed for a dynamic one.
        :param prefetch: for a receiver, as for `Connection.receiver`; a sender has no use for it.
        :param options: a `LinkOption`, or a list of them.
        :return: a `Sender` if `is_sender`, else a `Receiver`; open.
        :raises ValueError: the address is to be made, and none is given.
        :raises LinkClosed: the peer has withdrawn the request, or the connection has ended.
        """
        raise NotImplementedError

    def _settings_for(self, address: str | None) -> LinkSettings:
        if self.is_dynamic and address is None:
            raise ValueError("expected the address that was made for a dynamic terminus, got none")
        if not self.is_open:
            raise LinkClosed(f"the request of the peer to {self._way()} was withdrawn, or is answered")
        return LinkSettings(address or self.address, None, self.name, None)

    def _attach(self, core: SenderCore | ReceiverCore, address: str | None, options: list[Any]) -> None:
        link = self._link
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        if address is not None:
            (link.source if link.is_sender else link.target).address = address
        # What the peer wishes is respected where it has asked for the link (2.7.3).
        link.snd_settle_mode = link.remote_snd_settle_mode
        link.rcv_settle_mode = link.remote_rcv_settle_mode
        apply_options(options, link)
        core.adopt(link)

    def refuse(self, condition: str | Condition = "amqp:not-found", description: str | None = None) -> None:
        """Refuse the link (2.6.3).

        :param condition: the symbol of the reason, or a `Condition`.
        :param description: the reason in words.
        """
        if self.is_open:
            self._link.condition = condition if isinstance(condition, Condition) else Condition(condition, description)
            self._link.close()
            self._connection.host.turn()


class SenderRequest(LinkRequest):
    """A link that the peer wants to receive over: accepting it gives a `Sender`."""

    is_sender: Literal[True] = True

    def accept(
        self,
        address: str | None = None,
        *,
        prefetch: int = 100,
        options: LinkOption | Sequence[LinkOption] | None = None,
    ) -> Sender:
        """Attach the link.

        :param address: the address at this end, in place of that which the peer has named; needed for a dynamic one.
        :param prefetch: of no use here; both kinds of requests take it.
        :param options: a `LinkOption`, or a list of them.
        :return: the sender, open.
        :raises ValueError: the address is to be made, and none is given.
        :raises LinkClosed: the peer has withdrawn the request, or the connection has ended.
        """
        chosen = as_options(options)
        core = SenderCore(self._connection, self._settings_for(address), lambda: self._link.session)
        self._attach(core, address, chosen)
        return Sender(core)


class ReceiverRequest(LinkRequest):
    """A link that the peer wants to send over: accepting it gives a `Receiver`."""

    is_sender: Literal[False] = False

    def accept(
        self,
        address: str | None = None,
        *,
        prefetch: int = 100,
        options: LinkOption | Sequence[LinkOption] | None = None,
    ) -> Receiver:
        """Attach the link.

        :param address: the address at this end, in place of that which the peer has named; needed for a dynamic one.
        :param prefetch: as for `Connection.receiver`.
        :param options: a `LinkOption`, or a list of them.
        :return: the receiver, open.
        :raises ValueError: the address is to be made, and none is given.
        :raises LinkClosed: the peer has withdrawn the request, or the connection has ended.
        """
        chosen = as_options(options)
        core = ReceiverCore(self._connection, self._settings_for(address), lambda: self._link.session, prefetch)
        self._attach(core, address, chosen)
        return Receiver(core)


def request_for(connection: ConnectionCore, link: Any) -> SenderRequest | ReceiverRequest:
    """The request for an engine link that the peer has attached."""
    return SenderRequest(connection, link) if link.is_sender else ReceiverRequest(connection, link)
