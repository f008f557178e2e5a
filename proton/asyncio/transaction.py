"""`Transaction`: messages that are sent and accepted as a whole, or not at all (4.1 to 4.4)."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Callable

from proton.asyncio.errors import Lost, TransactionAborted
from proton.asyncio.opening import AsyncWith, core_of
from proton.asyncio.waiting import DEFAULT, Waiters, limit_of
from proton.endpoints.condition import Condition
from proton.endpoints.ends import end_of
from proton.endpoints.printable import condition_text
from proton.exceptions import ProtonException
from proton.transactions import ControlLink, Outcome, TransactionState, control_link

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from proton.asyncio.connection import Connection
    from proton.asyncio.connection_core import ConnectionCore
    from proton.asyncio.delivery import Delivery
    from proton.asyncio.outcomes import Receipt
    from proton.asyncio.sender import Sender
    from proton.asyncio.sender_core import Tag
    from proton.message import Message

__all__ = ["Transaction"]


class _State(TransactionState):
    """The transaction as the coordinator knows it."""

    outcome: Outcome | None = None
    condition: Condition | None = None
    is_answered = False  # the outcome is what the coordinator has said, not what the end of its link leaves open
    is_given_up = False  # the program's declare was cancelled

    def __init__(self, control: Any, waiters: Waiters) -> None:
        self._changed = waiters
        self._coordinator = control
        super().__init__(control)

    def give_up(self) -> None:
        """Abort it, once it is declared: no program will."""
        self.is_given_up = True
        if self.outcome is Outcome.DECLARED:
            self.abort()

    def _report(self, outcome: Outcome, event: Any) -> None:
        self.outcome = outcome
        self.is_answered = isinstance(event, _Answer)
        if outcome is Outcome.DECLARED and self.is_given_up:
            self.abort()
        condition = getattr(event, "condition", None)  # of the coordinator's rejection
        if not isinstance(condition, Condition):
            end = end_of(self._coordinator)  # of its link, or of the session or connection below
            condition = None if end is None else end.condition
        self.condition = condition
        self._changed.wake()


class _Settled:
    """What has become of a declare or a discharge."""

    def __init__(self, condition: Condition | None) -> None:
        self.condition = condition
        self.transaction: Any = None


class _Answer(_Settled):
    """The coordinator has said it itself."""


class _Control:
    """The owner of a control link."""

    def __init__(self, control: ControlLink, connection: ConnectionCore) -> None:
        self._control = control
        self._connection = connection

    def on_delivery(self, delivery: Any) -> None:
        """The coordinator has answered."""
        transaction = getattr(delivery, "transaction", None)
        if delivery.settled:
            if transaction is not None:
                remote = delivery.remote
                condition = remote.condition if delivery.remote_state == delivery.REJECTED else None
                self._control.settled(transaction, delivery, _Answer(condition))
            delivery.settle()

    def on_flow(self) -> None:
        """Nothing: the engine sends what waits for credit."""

    def on_change(self) -> None:
        """The link has ended: what it held is rolled back (4.2)."""
        link = self._control.link
        if not self._control.is_usable or self._connection.is_closing:
            self._control.fail_transactions(_Settled(link.remote_condition or link.session.remote_condition))
            self._connection.host.links.pop(link, None)

    def on_loss(self) -> None:
        """The connection is lost."""
        self._control.fail_transactions(_Settled(None), begun_only=True)
        self.on_change()


class Transaction(AsyncWith):
    """A transaction. Made by `Connection.transaction`; awaiting it, or ``async with``, declares it.

    At the end of an ``async with`` block it is committed; if an exception ends the block, it is aborted.
    """

    def __init__(self, connection: ConnectionCore, session: Callable[[], Any]) -> None:
        self._connection = connection
        self._session_for = session
        self._state: _State | None = None
        self._waiters = Waiters()
        self._is_ended = False

    def __repr__(self) -> str:
        state = self._state
        how = "new" if state is None else "declaring" if state.outcome is None else state.outcome.value
        return f"<proton.asyncio.Transaction: {how}>"

    @property
    def connection(self) -> Connection:
        """The connection of this transaction."""
        return self._connection.face

    @property
    def id(self) -> bytes | None:
        """The id that the coordinator has given it; None before it is declared."""
        return None if self._state is None else self._state.id

    def __await__(self) -> Generator[Any, Any, Transaction]:
        return self.declare().__await__()

    async def __aenter__(self) -> Self:
        await self.declare()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._is_ended:
            return
        if kind is None:
            await self.commit()
        elif self._connection.is_connected and self.outcome is Outcome.DECLARED:
            await self.abort()

    @property
    def outcome(self) -> Outcome | None:
        """What has become of it, a `proton.transactions.Outcome`; None before it is declared."""
        return None if self._state is None else self._state.outcome

    async def declare(self, timeout: float | None = DEFAULT) -> Transaction:
        """Ask the coordinator for the transaction (4.2).

        :param timeout: seconds, None for no limit; the connection's if left out.
        :raises TransactionAborted: the coordinator refuses.
        :raises ConnectionClosed: the connection has ended.
        :raises Timeout: the coordinator has not answered in time.
        """
        limit = limit_of(timeout, self._connection.timeout)
        connection = self._connection
        connection.check_open("cannot declare a transaction")
        host = connection.host
        if self._state is None:

            def set_up(control: ControlLink) -> None:
                host.links[control.link] = _Control(control, connection)

            control = control_link(self._session_for, host.connection, set_up)
            self._state = control.add(_State(control.link, self._waiters))
            host.turn()
        try:
            await self._until(lambda: self.outcome is not None, limit, "declaring a transaction")
        except BaseException:
            self._is_ended = True
            self._state.give_up()
            host.turn()
            raise
        if self.outcome is not Outcome.DECLARED:
            raise self._aborted("not declared")
        return self

    async def _until(self, ready: Callable[[], bool], limit: float | None, what: str) -> None:
        await self._waiters.until(self._connection.loop, ready, limit, what)

    def _aborted(self, how: str) -> TransactionAborted:
        self._is_ended = True
        state = self._state
        condition = None if state is None else state.condition
        reason = condition_text(condition) or (
            "the connection to the coordinator has ended" if not self._connection.is_connected else ""
        )
        return TransactionAborted(f"the transaction was {how}{f': {reason}' if reason else ''}", condition)

    def _need(self) -> _State:
        state = self._state
        if state is None or state.outcome is None:
            raise ProtonException("expected a declared transaction, got one that was not awaited")
        if state.outcome is Outcome.COMMITTED:
            # Not TransactionAborted: a program that is told so does the work once more.
            raise ProtonException("expected a transaction that is under way, got one that was committed")
        if self._is_in_doubt(state):
            raise self._in_doubt(state)
        if state.outcome is not Outcome.DECLARED:
            raise self._aborted(state.outcome.value.replace("_", " "))
        return state

    def _is_in_doubt(self, state: _State) -> bool:
        """Whether the discharge has left, or may have, and was not answered: only its answer would tell (4.3)."""
        return state.outcome is Outcome.COMMIT_FAILED and not state.is_answered

    def _in_doubt(self, state: _State) -> Lost:
        reason = f": {condition_text(state.condition)}" if state.condition else ""
        return Lost(f"the coordinator is gone{reason}; the transaction may have been committed", state.condition)

    async def send(
        self, sender: Sender, message: Message, *, tag: Tag = None, timeout: float | None = DEFAULT
    ) -> Receipt:
        """Send a message as part of it, and wait until the receiver has taken it: it counts after the commit (4.4.2).

        :param sender: an open sender of the same connection.
        :param message: the message.
        :param tag: the delivery tag; made by the link if left out.
        :param timeout: seconds, None for no limit; the connection's if left out.
        :raises TransactionAborted: the transaction was aborted; nothing of it counts.
        :raises ProtonException: it was not declared, or is committed.
        :raises Rejected, Released, Modified, Lost, Timeout, LinkClosed: as `Sender.send`.
        """
        state = self._need()
        return await core_of(sender).send_in(state.id or b"", message, tag, timeout)

    def accept(self, delivery: Delivery) -> bool:
        """Accept a message as part of it: it is accepted with the commit (4.4.3).

        :param delivery: the delivery of the message.
        :return: False where the message has an outcome already, or its connection was lost since.
        :raises TransactionAborted: the transaction was aborted; nothing of it counts.
        :raises ProtonException: it was not declared, or is committed.
        """
        state = self._need()
        receiver = core_of(delivery.receiver)
        if receiver.open_deliveries.pop(delivery.engine_delivery, None) is None:
            return False
        state.accept(delivery.engine_delivery)
        receiver.note_settled(delivery.engine_delivery)
        return True

    async def commit(self, timeout: float | None = DEFAULT) -> None:
        """Make all of its work count (4.3).

        :param timeout: seconds, None for no limit; the connection's if left out.
        :raises TransactionAborted: the coordinator has rolled it back: nothing of it counts.
        :raises Lost: the coordinator is gone before it has answered: what has become of it is not known.
        :raises Timeout: the coordinator has not answered in time: what has become of it is not known.
        """
        await self._discharge(False, timeout)
        if self.outcome is not Outcome.COMMITTED:
            state = self._state
            if state is not None and self._is_in_doubt(state):
                raise self._in_doubt(state)
            raise self._aborted("not committed")
        self._is_ended = True

    async def abort(self, timeout: float | None = DEFAULT) -> None:
        """Undo all of its work (4.3).

        :param timeout: seconds, None for no limit; the connection's if left out.
        :raises Timeout: the coordinator has not answered in time.
        """
        if self._state is not None and self._state.outcome is Outcome.ABORTED:
            self._is_ended = True
            return
        await self._discharge(True, timeout)
        self._is_ended = True

    async def _discharge(self, failed: bool, timeout: float | None) -> None:
        limit = limit_of(timeout, self._connection.timeout)
        state = self._need()
        self._connection.loop.check()
        if failed:
            state.abort()
        else:
            state.commit()
        self._connection.host.turn()
        self._is_ended = True
        what = "aborting a transaction" if failed else "committing a transaction; what has become of it is not known"
        await self._until(lambda: state.outcome is not Outcome.DECLARED, limit, what)
