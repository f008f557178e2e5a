"""What the blocking interface raises when the other end says no; the text carries the peer's condition.

`Timeout` and `ConnectionException`, for an end that says nothing, are the package's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proton.endpoints.printable import outcome_text, printable
from proton.exceptions import ConnectionException, LinkException, ProtonException

if TYPE_CHECKING:
    from proton.endpoints.condition import Condition
    from proton.endpoints.connection import Connection
    from proton.endpoints.disposition import DispositionType
    from proton.endpoints.ends import End
    from proton.endpoints.link import Link

__all__ = ["ConnectionClosed", "LinkDetached", "SendException"]


class SendException(ProtonException):
    """A message was sent, but not accepted. The text says to where, which outcome it has, and why.

    :param state: the outcome that the receiver gave it, such as `Delivery.REJECTED`.
    :param condition: why; the attribute `condition` is its name, None when the receiver gave no reason.
    :param address: where the message was sent to, None where that is not known.
    """

    def __init__(
        self, state: DispositionType | int, condition: Condition | None = None, address: str | None = None
    ) -> None:
        super().__init__(state)
        self.state = state
        self.condition: str | None = condition.name if condition else None
        # Programs look at `args`, which the C binding has too: the words are kept beside it.
        self._text = outcome_text(state, address) + (f" due to: {printable(repr(condition))}" if condition else "")

    def __str__(self) -> str:
        return self._text


def _because(condition: Any) -> str:
    return f" due to: {printable(repr(condition))}" if condition else " by peer"


class LinkDetached(LinkException):
    """A link has ended: the peer has closed or detached it, has ended its session, or has broken a rule.

    :param link: the link; `condition` is the name of the condition of the end, None when there was none.
    :param end: the `End` of the link; the peer's close when left out.
    """

    def __init__(self, link: Link, end: End | None = None) -> None:
        self.link = link
        condition = link.remote_condition if end is None else end.condition
        self.condition: str | None = condition.name if condition else None
        # Local addresses: those that the program has asked for, also if the peer has attached another.
        if link.is_sender:
            text = f"sender {printable(link.name)} to {printable(str(link.target.address))} closed"
        else:
            text = f"receiver {printable(link.name)} from {printable(str(link.source.address))} closed"
        super().__init__(text + _because(condition))


class ConnectionClosed(ConnectionException):
    """The peer has closed the connection.

    :param connection: the connection; `condition` is the name of the peer's condition, None when it gave none.
    :param end: the `End` of the connection; the peer's close when left out.
    """

    def __init__(self, connection: Connection, end: End | None = None) -> None:
        self.connection = connection
        condition = connection.remote_condition if end is None else end.condition
        self.condition: str | None = condition.name if condition else None
        super().__init__(f"Connection {printable(connection.hostname)} closed" + _because(condition))
