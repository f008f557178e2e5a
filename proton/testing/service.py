"""The handler of a broker for tests: connections, sessions, links, messages.

It does not know what runs it: a container in a thread, or an event loop. See `Timers`.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Protocol

from proton import Condition, Connection, Delivery, Endpoint, Link, Message, __version__, symbol
from proton.handlers import MessagingHandler
from proton.testing.consumers import Consumer, Entry
from proton.testing.copies import copy_of
from proton.testing.links import Links
from proton.testing.logs import log
from proton.testing.nodes import INTERNAL_ERROR, Nodes, Queue
from proton.testing.responders import Responder
from proton.testing.rules import Rules
from proton.testing.seen import Seen, SeenConnection, SeenEnd, SeenLink, SeenMessage, SeenOutcome
from proton.testing.transactions import Coordinator, Outcome, state_of

__all__ = ["Service", "Timers"]

#: Seconds that clients have for the answer to a close before they are cut off.
CLOSE_TIMEOUT = 1.0

#: what the broker offers to clients, by the names that brokers and JMS clients use
CAPABILITIES = [symbol("ANONYMOUS-RELAY"), symbol("SHARED-SUBS"), symbol("DELAYED_DELIVERY")]

#: what the broker says that it is, by the names that brokers use
PROPERTIES = {"product": "proton.testing", "version": __version__}

#: what links to the coordinator are kept supplied with
CONTROL_CREDIT = 10

STATES = {
    "accepted": Delivery.ACCEPTED,
    "rejected": Delivery.REJECTED,
    "released": Delivery.RELEASED,
    "modified": Delivery.MODIFIED,
}


class Timers(Protocol):
    """What runs a service: a container in a thread, or an event loop of asyncio."""

    def call_later(self, seconds: float, function: Callable[[], object]) -> Any:
        """Have a function called; what is returned has a method `cancel`."""

    def stop_listening(self) -> None:
        """Accept no further clients."""


class Service(MessagingHandler):
    """One run of a broker, from its start to its stop.

    :param nodes, rules, seen: what outlives the run.
    :param container_id: what the broker says that it is (2.7.1).
    """

    def __init__(self, nodes: Nodes, rules: Rules, seen: Seen, container_id: str) -> None:
        super().__init__(prefetch=0, auto_accept=False)
        self.nodes = nodes
        self._rules = rules
        self._seen = seen
        self._container_id = container_id
        self._coordinator = Coordinator(self.settle, self._refuse, self._retire, self._dispatch)
        self.links: Links = Links(nodes, self._coordinator)
        #: the connections that clients have opened, by their number
        self._numbers: dict[Connection, int] = {}
        #: those that clients have connected, and not opened yet
        self._unopened: set[Connection] = set()
        self._timers: Any = None
        self._alarm: Any = None
        self._cutting: Any = None
        #: the timers of what is done after the delay of the rules
        self._delayed: set[Any] = set()
        self._stopping = False

    # -- the run -------------------------------------------------------------------------------------------------

    def begin(self, timers: Timers) -> None:
        """Begin to work.

        :param timers: what runs it.
        """
        self._timers = timers
        self.nodes.changed = self._dispatch
        self.nodes.alarmed = self._set_alarm
        self._set_alarm()

    def stop(self, condition: Condition | None, sessions_first: bool) -> None:
        """Stop listening and close all connections; those that do not answer are cut off after a second."""
        self._end_run()
        if sessions_first:
            self.end_sessions(condition)
        self.close_connections(condition)
        for connection in list(self._unopened):
            _cut(connection)
        if self._numbers:
            self._cutting = self._timers.call_later(CLOSE_TIMEOUT, self.cut)

    def kill(self) -> None:
        """End all connections without a close, and stop listening."""
        self._end_run()
        self.cut()

    def _end_run(self) -> None:
        self._stopping = True
        self._timers.stop_listening()
        self.nodes.forget_service()
        if self._alarm is not None:
            self._alarm.cancel()
        # After its close a connection sends nothing (2.4.3), so what was delayed has no use.
        for timer in self._delayed:
            timer.cancel()
        self._delayed.clear()
        log.info("stopped")

    def _set_alarm(self) -> None:
        """Wait for what is due next."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self.nodes.due is not None:
            self._alarm = self._timers.call_later(max(0.0, self.nodes.due - self.nodes.now()), self.run_due)

    def run_due(self) -> None:
        """Do what is due: messages expire, or their time of delivery comes."""
        self.nodes.run_due()
        self._set_alarm()
        self._seen.notify()

    def _later(self, function: Callable[[], object]) -> None:
        """Have a function called after the delay of the rules, at once without one; not after the end of the run."""
        if not self._rules.delay:
            function()
        elif not self._stopping:

            def call() -> None:
                self._delayed.discard(timer)
                function()
                self._seen.notify()

            timer = self._timers.call_later(self._rules.delay, call)
            self._delayed.add(timer)

    def _gone(self, connection: Connection, lost: bool = False) -> None:
        self.links.remove([link for link in self.links if link.connection is connection], closed=False, lost=lost)
        number = self._numbers.pop(connection, None)
        if number is not None:
            log.info("connection %s: gone", number)
        if self._stopping and not self._numbers and self._cutting is not None:
            self._cutting.cancel()
        self._seen.notify()

    # -- commands ------------------------------------------------------------------------------------------------

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        return len(self._numbers)

    def detach(self, address: str | None, condition: Condition | None, closed: bool) -> int:
        """Detach the links of an address; how many these were."""
        links = list(self.links.at(address))
        for link in links:
            self.links.end(link, condition, closed)
        return len(links)

    def end_sessions(self, condition: Condition | None) -> None:
        """End all sessions."""
        for connection in list(self._numbers):
            session = connection.session_head(0)
            while session is not None:
                following = session.next(0)
                _close(session, condition)
                session = following

    def close_connections(self, condition: Condition | None) -> None:
        """Close all connections."""
        for connection in list(self._numbers):
            _close(connection, condition)

    def cut(self) -> None:
        """End all connections without a close."""
        for connection in [*self._numbers, *self._unopened]:
            _cut(connection)

    def grant(self) -> None:
        """Bring the credit of all senders to what the rules say; less is not taken back."""
        for link in self.links.producers:
            self._grant(link, self._rules.credit)

    def _grant(self, link: Any, credit: int) -> None:
        if link.credit < credit:
            link.flow(credit - link.credit)

    def _dispatch(self, queue: Queue) -> None:
        if len(queue):
            self._later(queue.dispatch)
        else:
            queue.dispatch()

    # -- connections and sessions --------------------------------------------------------------------------------

    def on_connection_bound(self, event: Any) -> None:
        connection = event.connection
        connection.container, connection.properties = self._container_id, PROPERTIES
        self._unopened.add(connection)
        if self._stopping:  # it was accepted before
            _cut(connection)

    def on_connection_opening(self, event: Any) -> None:
        connection, transport = event.connection, event.transport
        self._unopened.discard(connection)
        number = self._seen.connections.total
        self._numbers[connection] = number
        connection.offered_capabilities = CAPABILITIES
        log.info("connection %s: from container %r, user %r", number, connection.remote_container, transport.user)
        record = SeenConnection(
            number,
            time.monotonic(),
            connection.remote_container,
            connection.remote_hostname,
            transport.user,
            connection.remote_properties,
        )
        self._seen.add(self._seen.connections, record)

    def on_connection_opened(self, event: Any) -> None:
        rule = self._rules.connections.take()
        if rule is not None:
            _close(event.connection, rule.condition)

    def on_session_opening(self, event: Any) -> None:
        self._seen.add(self._seen.sessions, self._number(event))

    def on_session_opened(self, event: Any) -> None:
        rule = self._rules.sessions.take()
        if rule is not None:
            _close(event.session, rule.condition)

    def on_session_closing(self, event: Any) -> None:
        self._drop_session(event)
        self._add_end(self._number(event), "session", None, event.session.remote_condition)

    on_session_error = on_session_closing

    def on_session_closed(self, event: Any) -> None:
        self._drop_session(event)

    def _drop_session(self, event: Any) -> None:
        self.links.remove([link for link in self.links if link.session is event.session], closed=False)
        self._seen.notify()

    def on_connection_closing(self, event: Any) -> None:
        number = self._number(event)
        self._gone(event.connection)
        self._add_end(number, "connection", None, event.connection.remote_condition)

    on_connection_error = on_connection_closing

    def on_connection_closed(self, event: Any) -> None:
        self._gone(event.connection)

    def on_transport_closed(self, event: Any) -> None:
        self._unopened.discard(event.connection)
        number = self._number(event)
        if number >= 0:
            self._gone(event.connection, lost=True)
            self._add_end(number, "loss", None, event.transport.condition)

    def on_transport_error(self, event: Any) -> None:
        """A lost connection is a record, and no line in a log."""

    def _number(self, event: Any) -> int:
        return self._numbers.get(event.connection, -1)

    def _add_end(
        self, number: int, kind: str, name: str | None, condition: Condition | None, closed: bool = True
    ) -> None:
        # After what the end has caused: a thread that waits for the record finds the queues as they are now.
        self._seen.add(self._seen.ends, SeenEnd(number, kind, name, condition, closed))

    # -- links ---------------------------------------------------------------------------------------------------

    def on_link_opening(self, event: Any) -> None:
        link = event.link
        role = "sender" if link.is_receiver else "receiver"
        address = link.remote_target.address if link.is_receiver else link.remote_source.address
        rule = self._rules.refusal(address, role)
        number = self._number(event)
        self._seen.add(self._seen.links, SeenLink(number, link.name, role, address, rule is not None))
        condition = self.links.attach(link) if rule is None else rule.condition
        if rule is not None and rule.how != "detach":
            _close(event.session if rule.how == "end" else event.connection, condition)
        elif rule is not None or condition is not None:
            _close(link, condition)  # refuses it: the client sees an attach without a terminus (2.6.3)
        elif link in self.links.producers and self._rules.credit:
            link.flow(self._rules.credit)
        elif link in self.links.control:
            link.flow(CONTROL_CREDIT)
        refused = rule is not None or condition is not None
        log.info("connection %s: %s %s %s: %s", number, role, link.name, address, condition if refused else "attached")

    def on_link_closing(self, event: Any) -> None:
        self.links.remove([event.link])
        self._add_end(self._number(event), "link", event.link.name, event.link.remote_condition)

    on_link_error = on_link_closing

    def on_link_remote_detach(self, event: Any) -> None:
        link = event.link
        failed = link.remote_condition is not None  # after an error the link is over
        self.links.remove([link], closed=failed)
        if failed:
            link.close()
        else:
            link.detach()
        self._add_end(self._number(event), "link", link.name, link.remote_condition, closed=False)

    def on_link_flow_properties(self, event: Any) -> None:
        if symbol("txn-id") in (event.link.remote_flow_properties or ()):
            # 4.4.3
            self._refuse(event.link, "amqp:not-implemented", "messages are not acquired in transactions here")

    def _refuse(self, link: Link, name: str, description: str) -> None:
        self.links.end(link, Condition(name, description))
        self._seen.notify()

    # -- messages from clients -----------------------------------------------------------------------------------

    def on_message(self, event: Any) -> None:
        link, delivery, message = event.link, event.delivery, event.message
        if link in self.links.control:
            self._coordinator.control(link, delivery, message.body)
            self._seen.notify()
            if link.credit <= CONTROL_CREDIT // 2:
                self._grant(link, CONTROL_CREDIT)
            return
        if link not in self.links.producers:
            return
        address = self.links.producers[link] or self.nodes.address_of(message.address)
        seen = copy_of(message)  # for functions of the test, too, before anything is done
        answer, condition = self._answer_of(address, seen)
        if answer == "accepted" and self.nodes.find(address) is None:
            answer, condition = "rejected", Condition("amqp:not-found", f"no node at {address}")
        record = SeenMessage(self._number(event), address, seen, delivery.settled, answer)
        self._later(lambda: self._answer(record, message, delivery, condition))
        self._seen.add(self._seen.messages, record)

    def _answer_of(self, address: str | None, message: Message) -> tuple[str, Condition | None]:
        """What the rules say that a message is answered with."""
        rules = self._rules.answers
        if not rules:
            return "accepted", None
        failed, rule = self.nodes.attempt(
            lambda: rules.take(lambda rule: rule.applies(address, message)), "when", address, message
        )
        if failed:
            return "rejected", Condition(INTERNAL_ERROR, "the function when of answer_next failed")
        return ("accepted", None) if rule is None else (rule.answer, rule.condition)

    def _answer(self, record: SeenMessage, message: Message, delivery: Delivery, condition: Condition | None) -> None:
        link: Any = delivery.link
        if link not in self.links.producers:
            return
        answer = record.answer
        log.debug("connection %s: message %r to %s: %s", record.connection, record.message.id, record.address, answer)
        if delivery.remote_state:
            self._post(record, message, delivery, condition)
        elif answer == "accepted":
            self._put(record.address, message, delivery)
        else:
            self._answer_otherwise(answer, delivery, condition)
        if link in self.links.producers and link.credit <= self._rules.credit // 2:
            self._grant(link, self._rules.credit)

    def _put(self, address: str | None, message: Message, delivery: Delivery) -> None:
        node = self.nodes.find(address)
        if not isinstance(node, Responder):
            self.settle(delivery, Delivery.ACCEPTED)
            if node is not None:
                node.post(message)
            return
        condition = node.respond(message, delivery.link.session)
        if condition is None:
            self.settle(delivery, Delivery.ACCEPTED)
        else:
            self._answer_otherwise("rejected", delivery, condition)

    def _answer_otherwise(self, answer: str, delivery: Delivery, condition: Condition | None) -> None:
        link: Any = delivery.link
        if answer in STATES:
            if condition is not None:
                delivery.local.condition = condition
            self.settle(delivery, STATES[answer])
        elif answer == "detach":
            self.links.end(link, condition)
        elif answer == "cut":
            _cut(link.connection)
        elif answer != "none":
            _close({"end": link.session, "close": link.connection}[answer], condition)

    def _post(self, record: SeenMessage, message: Message, delivery: Delivery, condition: Condition | None) -> None:
        """Answer a message that has a state: it is part of a transaction."""
        txn_id, _ = state_of(delivery)
        node = self.nodes.find(record.address)
        if txn_id is None or node is None or record.answer != "accepted":
            reason = condition or Condition("amqp:transaction:rollback", f"a message was {record.answer}")
            self._coordinator.fail(delivery.link, txn_id, reason)
            self._answer_otherwise(record.answer, delivery, condition)
            return
        condition = self._coordinator.post(delivery, txn_id, node, message)
        if condition is not None:
            self._answer_otherwise("rejected", delivery, condition)

    # -- messages to clients -------------------------------------------------------------------------------------

    def on_sendable(self, event: Any) -> None:
        consumer = self.links.consumers.get(event.link)
        if consumer is None:
            return
        self._later(lambda: self._supply(consumer))

    def _supply(self, consumer: Consumer) -> None:
        if consumer.link in self.links.consumers:
            consumer.wake()
            consumer.queue.dispatch()
            consumer.link.drained()
            self._seen.notify()

    def on_delivery(self, event: Any) -> None:
        # The callbacks `on_accepted` and so on do not tell of answers that are part of a transaction.
        delivery = event.delivery
        consumer = self.links.consumers.get(event.link)
        if consumer is None or not delivery.updated:
            return
        entry = consumer.unsettled.get(delivery)
        if entry is None:  # a browser has a copy
            delivery.settle()
            return
        txn_id, outcome = state_of(delivery)
        self._add_outcome(event, consumer, entry, txn_id, outcome)
        if not outcome.is_terminal and not delivery.settled:
            return
        if (txn_id is not None or entry.transaction) and self._coordinator.answer(consumer, delivery, txn_id, outcome):
            return
        if txn_id is not None:
            self._refuse(consumer.link, "amqp:transaction:unknown-id", f"no transaction {txn_id!r}")
            return
        del consumer.unsettled[delivery]
        delivery.settle()
        self._retire(entry, consumer, outcome)
        if consumer.queue.lifetime is not None:
            self.links.tidy(consumer.queue)

    def _add_outcome(self, event: Any, consumer: Consumer, entry: Entry, txn_id: Any, outcome: Outcome) -> None:
        state, delivery = outcome.state, event.delivery
        record = SeenOutcome(
            self._number(event),
            consumer.queue.address,
            entry.message.id,
            state.name if hasattr(state, "name") else str(state),
            delivery.settled,
            delivery.remote.condition if state == Delivery.REJECTED else None,
            txn_id,
        )
        log.debug("connection %s: message %r from %s: %s", *record[:1], record.id, record.address, record.state)
        self._seen.add(self._seen.outcomes, record)

    def _retire(self, entry: Entry, consumer: Consumer, outcome: Outcome) -> None:
        """Do what an outcome says of a message; settled without one counts as released (3.4)."""
        if outcome.state == Delivery.ACCEPTED:
            return
        if outcome.state == Delivery.REJECTED:
            self.nodes.add_dead_letter(entry)
            return
        if outcome.undeliverable:
            entry.barred.add(consumer)
        queue = entry.queue
        queue.give_back(entry, failed=outcome.state == Delivery.MODIFIED and outcome.failed)
        self._dispatch(queue)


def _close(endpoint: Endpoint, condition: Condition | None) -> None:
    endpoint.condition = condition
    endpoint.close()


def _cut(connection: Connection) -> None:
    transport = connection.transport
    if transport is not None:
        transport.close_head()
        transport.close_tail()
