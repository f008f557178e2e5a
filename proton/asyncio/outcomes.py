"""`Receipt`: what has become of a message that was sent; and what takes an outcome that comes late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from proton.asyncio.errors import Modified, Rejected, Released, Undeliverable
from proton.endpoints.condition import Condition
from proton.endpoints.delivery import Delivery
from proton.endpoints.disposition import DispositionType

if TYPE_CHECKING:
    from proton.asyncio.connection_core import ConnectionCore

__all__ = ["Late", "Receipt", "outcome_of"]

_REJECTED = DispositionType.REJECTED
_RELEASED = DispositionType.RELEASED
_MODIFIED = DispositionType.MODIFIED


class Receipt(NamedTuple):
    """What has become of a message.

    :ivar tag: the delivery tag, bytes.
    :ivar state: the outcome, a `DispositionType`; 0 where the receiver has settled without one.
    :ivar condition: why it was rejected, a `Condition`, or None.
    """

    tag: bytes
    state: DispositionType | int
    condition: Condition | None = None


class Late:
    """Stands for a coroutine that has given up waiting for its outcome."""

    def __init__(self, connection: ConnectionCore) -> None:
        self._connection = connection

    def done(self) -> bool:
        """False: it takes an outcome."""
        return False

    def set_result(self, outcome: Any) -> None:
        """Hands the outcome to the program's callback."""
        self._connection.tell_late_outcome(outcome)


def outcome_of(delivery: Delivery, state: DispositionType | int, address: str | None) -> Any:
    """The receipt of an accepted message, or the exception for another outcome.

    :param state: the outcome; that of a transaction counts as the one in it, which is provisional (4.5.8).
    :param address: where its sender sends to.
    """
    remote = delivery.remote
    outcome = remote.outcome_type or DispositionType.ACCEPTED if state == DispositionType.TRANSACTIONAL_STATE else state
    error: Undeliverable
    if outcome == _REJECTED:
        error = Rejected(remote.condition if state == _REJECTED else None)
    elif outcome == _RELEASED:
        error = Released()
    elif outcome == _MODIFIED:
        error = Modified(bool(remote.failed), bool(remote.undeliverable), remote.annotations)
    else:
        return Receipt(delivery.tag_bytes, outcome)
    error.receipt = Receipt(delivery.tag_bytes, outcome, error.condition)
    error.address = address
    return error
