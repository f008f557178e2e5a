"""`LinkMaker`: what makes links, for a connection and for a session of a program's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable

from proton.asyncio.checks import check_flag, check_kind
from proton.asyncio.link_core import LinkSettings
from proton.asyncio.receiver import Receiver
from proton.asyncio.receiver_core import ReceiverCore
from proton.asyncio.requester import Requester
from proton.asyncio.sender import Sender
from proton.asyncio.sender_core import SenderCore
from proton.asyncio.transaction import Transaction
from proton.options.link_options import check_tags

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from proton.asyncio.connection_core import ConnectionCore
    from proton.options.link_options import LinkOption

__all__ = ["LinkMaker"]


class LinkMaker:
    """What makes links."""

    def _owner(self) -> ConnectionCore:
        raise NotImplementedError

    def _engine_session(self) -> Any:
        raise NotImplementedError

    def sender(
        self,
        address: str | None = None,
        *,
        source: str | None = None,
        name: str | None = None,
        tags: Iterator[str | bytes] | Callable[[], str | bytes] | None = None,
        options: LinkOption | Sequence[LinkOption] | None = None,
        resend: bool = False,
    ) -> Sender:
        """Make a sender; ``async with``, or to await it, opens it.

        :param address: where to send to; None for an anonymous sender, whose messages have addresses.
        :param source: the address to name as the source.
        :param name: the name of the link; made from container-id and addresses if left out.
        :param tags: makes delivery tags: a callable without arguments, or an iterator.
        :param options: a `LinkOption`, or a list of them, such as `proton.reactor.AtMostOnce`.
        :param resend: True to send messages again that have no outcome when the connection is lost. Each of them
            arrives at least once, some twice.
        :raises TypeError: one of these is of another type.
        """
        check_tags(tags)
        check_flag("resend", resend)
        check_kind("source", source, str)
        settings = LinkSettings(address, source, name, options)
        return Sender(SenderCore(self._owner(), settings, self._engine_session, tags, resend))

    def receiver(
        self,
        address: str | None = None,
        *,
        prefetch: int = 100,
        target: str | None = None,
        name: str | None = None,
        dynamic: bool = False,
        options: LinkOption | Sequence[LinkOption] | None = None,
    ) -> Receiver:
        """Make a receiver; ``async with``, or to await it, opens it.

        :param address: where to receive from.
        :param prefetch: messages that the peer may send ahead of what is taken; 0 asks for each one.
        :param target: the address to name as the target.
        :param name: the name of the link; made from container-id and addresses if left out.
        :param dynamic: have the peer make a node; `Receiver.address` is that of it.
        :param options: a `LinkOption`, or a list of them, such as `proton.reactor.Selector`.
        :raises TypeError, ValueError: one of these is of another type, or out of range.
        """
        check_kind("target", target, str)
        settings = LinkSettings(address, target, name, options, dynamic)
        return Receiver(ReceiverCore(self._owner(), settings, self._engine_session, prefetch))

    def requester(
        self,
        address: str | None = None,
        *,
        reply_to: str | None = None,
        prefetch: int = 100,
        resend: bool = False,
        options: LinkOption | Sequence[LinkOption] | None = None,
        reply_options: LinkOption | Sequence[LinkOption] | None = None,
    ) -> Requester:
        """Make the client of a service that answers requests; ``async with``, or to await it, opens it.

        :param address: the address of the service; None where each request has its own.
        :param reply_to: the address to receive responses from, which nothing else receives from; the peer makes a
            dynamic node if left out.
        :param prefetch: responses that may be on their way.
        :param resend: True to send requests again that have no response when the connection is lost: the service may
            get them twice.
        :param options: a `LinkOption`, or a list of them, for the link of the requests.
        :param reply_options: the same for that of the responses, such as capabilities that the peer wants for a dynamic
            node.
        :raises TypeError, ValueError: one of these is of another type, or out of range.
        """
        check_flag("resend", resend)
        check_kind("reply_to", reply_to, str)
        requests = LinkSettings(address, None, None, options)
        responses = LinkSettings(reply_to, None, None, reply_options, dynamic=reply_to is None)
        return Requester(
            SenderCore(self._owner(), requests, self._engine_session),
            ReceiverCore(self._owner(), responses, self._engine_session, prefetch),
            resend,
        )

    def transaction(self) -> Transaction:
        """Make a transaction; ``async with``, or to await it, declares it (4.2)."""
        return Transaction(self._owner(), self._engine_session)


# Python's own `TypeError` for a wrong argument names the method by it, and programs know no `LinkMaker`.
for _method in (LinkMaker.sender, LinkMaker.receiver, LinkMaker.requester, LinkMaker.transaction):
    _method.__qualname__ = _method.__name__
