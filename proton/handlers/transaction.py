"""What programs that use transactions are made of; the transactions themselves are made by the container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proton.handlers.messaging import MessagingHandler

if TYPE_CHECKING:
    from proton.endpoints.delivery import Delivery
    from proton.handlers.events import TransactionEvent
    from proton.reactor.transaction import Transaction

__all__ = ["TransactionHandler", "TransactionalClientHandler"]


class TransactionHandler:
    """The callbacks of a transaction, all with `event.transaction` set; override those of interest."""

    def on_transaction_declared(self, event: TransactionEvent) -> None:
        """Called when the transaction can be used."""

    def on_transaction_committed(self, event: TransactionEvent) -> None:
        """Called when the commit has succeeded."""

    def on_transaction_aborted(self, event: TransactionEvent) -> None:
        """Called when the work was undone: by `abort`, or because the coordinator has gone."""

    def on_transaction_declare_failed(self, event: TransactionEvent) -> None:
        """Called when the coordinator refuses to declare the transaction, or there is none."""

    def on_transaction_commit_failed(self, event: TransactionEvent) -> None:
        """Called when the coordinator refuses to commit; what was accepted is given back afterwards.

        When the connection was lost before the answer came, the commit may have been made all the same.
        """


class TransactionalClientHandler(MessagingHandler, TransactionHandler):
    """A `MessagingHandler` with the callbacks of transactions, which does not accept messages by itself.

    :param prefetch: messages of credit that receivers are kept supplied with.
    :param auto_accept: accept and settle each message after `on_message`, outside of any transaction.
    :param auto_settle: settle a sent message after the receiver has.
    :param peer_close_is_error: kept for programs that pass it.
    """

    def __init__(
        self,
        prefetch: int = 10,
        auto_accept: bool = False,
        auto_settle: bool = True,
        peer_close_is_error: bool = False,
    ) -> None:
        super().__init__(prefetch, auto_accept, auto_settle, peer_close_is_error)

    def accept(self, delivery: Delivery, transaction: Transaction | None = None) -> None:
        """Accept a message.

        :param delivery: the delivery of the message.
        :param transaction: the transaction that the acceptance is part of, None for none.
        """
        if transaction:
            transaction.accept(delivery)
        else:
            super().accept(delivery)
