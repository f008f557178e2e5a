"""The handler of a broker for tests: what it does in the thread of its container."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any, Callable

from proton import Condition, Connection, Delivery, Link, Message, Receiver
from proton.handlers import MessagingHandler
from proton.reactor import EventInjector
from proton.testing.queues import Consumer, Queue
from proton.testing.rules import Refusal, Rules
from proton.testing.seen import Seen, SeenConnection, SeenEnd, SeenLink, SeenMessage, SeenOutcome

__all__ = ["Service"]

#: Seconds that clients have for the answer to a close before they are cut off.
CLOSE_SECONDS = 1.0

STATES = {
    "accepted": Delivery.ACCEPTED,
    "rejected": Delivery.REJECTED,
    "released": Delivery.RELEASED,
    "modified": Delivery.MODIFIED,
}


class Later:
    """Calls a function when a time is over."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def on_timer_task(self, event: Any) -> None:
        function, arguments = self._call
        function(*arguments)


class Service(MessagingHandler):
    """One run of a broker, from its start to its stop.

    :param host, port: where it listens.
    :param queues, rules, seen: what outlives the run.
    :param listen_options: for `Container.listen`.
    :param ready: called once it listens.
    """

    _dynamic = itertools.count()

    def __init__(
        self,
        address: tuple[str, int],
        queues: dict[str, Queue],
        rules: Rules,
        seen: Seen,
        listen_options: dict[str, Any],
    ) -> None:
        super().__init__(prefetch=0, auto_accept=False)
        self._address = address
        self._queues = queues
        self._rules = rules
        self._seen = seen
        self._listen_options = listen_options
        self._numbers: dict[Connection, int] = {}
        self._consumers: dict[Link, Consumer] = {}
        self._producers: dict[Receiver, str | None] = {}
        self._refused: dict[Link, Refusal] = {}
        self._stopping = False
        #: runs the functions that are its events' subjects
        self.injector = EventInjector()
        self.port = address[1]

    # -- the run -------------------------------------------------------------------------------------------------

    def on_start(self, event: Any) -> None:
        self.container = event.container
        self.container.selectable(self.injector)
        self._acceptor = self.container.listen("{}:{}".format(*self._address), **self._listen_options)
        self.port = self._acceptor.port
        self._seen.news()

    def on_command(self, event: Any) -> None:
        event.subject()

    def stop(self, condition: Condition | None, sessions_first: bool) -> None:
        """Listen no more and close all connections; those that do not answer are cut off after a second."""
        self._end_run()
        if sessions_first:
            self.end_sessions(condition)
        self.close_connections(condition)
        if self._numbers:
            self._cutting = self.container.schedule(CLOSE_SECONDS, Later(self.cut))

    def kill(self) -> None:
        """End without a word to any client."""
        self._end_run()
        self.cut()

    def _end_run(self) -> None:
        self._stopping = True
        self._acceptor.close()
        self.injector.close()

    def _gone(self, connection: Connection) -> None:
        for link in [link for link in (*self._consumers, *self._producers) if link.connection is connection]:
            self._drop_link(link)
        self._numbers.pop(connection, None)
        if self._stopping and not self._numbers and hasattr(self, "_cutting"):
            self._cutting.cancel()
        self._dispatch_all()
        self._seen.news()

    # -- commands ------------------------------------------------------------------------------------------------

    @property
    def connection_count(self) -> int:
        return len(self._numbers)

    def open_links(self, address: str | None = None) -> Iterator[Link]:
        """The links of an address; all for None."""
        for link, consumer in list(self._consumers.items()):
            if address in (None, consumer.queue.address):
                yield link
        for link, target in list(self._producers.items()):
            if address in (None, target):
                yield link

    def detach(self, address: str | None, condition: Condition | None, closed: bool) -> int:
        """Detach the links of an address; how many these were."""
        links = list(self.open_links(address))
        for link in links:
            self._drop_link(link)
            link.condition = condition
            if closed:
                link.close()
            else:
                link.detach()
        return len(links)

    def end_sessions(self, condition: Condition | None) -> None:
        for connection in list(self._numbers):
            session = connection.session_head(0)
            while session is not None:
                following = session.next(0)
                session.condition = condition
                session.close()
                session = following

    def close_connections(self, condition: Condition | None) -> None:
        for connection in list(self._numbers):
            connection.condition = condition
            connection.close()

    def cut(self) -> None:
        for connection in list(self._numbers):
            _cut(connection)

    def put(self, address: str, messages: tuple[Message, ...]) -> None:
        queue = self.queue(address)
        for message in messages:
            queue.put(message)
        self._dispatch(queue)

    def grant(self) -> None:
        """Bring the credit of all senders to what the rules say; less is not taken back."""
        for link in self._producers:
            if link.credit < self._rules.credit:
                link.flow(self._rules.credit - link.credit)

    def queue(self, address: str) -> Queue:
        if address not in self._queues:
            self._queues[address] = Queue(address)
        return self._queues[address]

    def _dispatch_all(self) -> None:
        for queue in list(self._queues.values()):
            self._dispatch(queue)

    def _dispatch(self, queue: Queue) -> None:
        if self._rules.delay and len(queue):
            self._later(queue.dispatch)
        else:
            queue.dispatch()

    def _later(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.container.schedule(self._rules.delay, Later(function, *arguments))

    # -- connections and sessions --------------------------------------------------------------------------------

    def on_connection_opening(self, event: Any) -> None:
        connection, transport = event.connection, event.transport
        number = len(self._seen.connections)
        self._numbers[connection] = number
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
            event.connection.condition = rule.condition
            event.connection.close()

    def on_session_opening(self, event: Any) -> None:
        self._seen.add(self._seen.sessions, self._number(event))

    def on_session_opened(self, event: Any) -> None:
        rule = self._rules.sessions.take()
        if rule is not None:
            event.session.condition = rule.condition
            event.session.close()

    def on_session_closing(self, event: Any) -> None:
        for link in [link for link in self.open_links() if link.session is event.session]:
            self._drop_link(link)
        self._dispatch_all()
        self._add_end(self._number(event), "session", None, event.session.remote_condition)

    on_session_error = on_session_closing

    def on_session_closed(self, event: Any) -> None:
        for link in [link for link in (*self._consumers, *self._producers) if link.session is event.session]:
            self._drop_link(link)
        self._dispatch_all()

    def on_connection_closing(self, event: Any) -> None:
        number = self._number(event)
        self._gone(event.connection)
        self._add_end(number, "connection", None, event.connection.remote_condition)

    on_connection_error = on_connection_closing

    def on_connection_closed(self, event: Any) -> None:
        self._gone(event.connection)

    def on_transport_closed(self, event: Any) -> None:
        number = self._number(event)
        if number >= 0:
            self._gone(event.connection)
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
        refusal = self._rules.refusal(address, role)
        self._seen.add(self._seen.links, SeenLink(self._number(event), link.name, role, address, refusal is not None))
        if refusal is None:
            self._accept_link(link, address)
        elif refusal.how == "detach":
            self._refused[link] = refusal
        else:
            endpoint = event.session if refusal.how == "end" else event.connection
            endpoint.condition = refusal.condition
            endpoint.close()

    def _accept_link(self, link: Any, address: str | None) -> None:
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        link.snd_settle_mode = link.remote_snd_settle_mode
        near = link.target if link.is_receiver else link.source
        if near.dynamic:
            near.dynamic = False
            near.address = address = f"dynamic/{next(self._dynamic)}"
        if link.is_receiver:
            self._producers[link] = address
            if self._rules.credit:
                link.flow(self._rules.credit)
        elif address is not None:
            queue = self.queue(address)
            consumer = self._consumers[link] = Consumer(link, queue)
            queue.consumers.append(consumer)

    def on_link_opened(self, event: Any) -> None:
        refusal = self._refused.pop(event.link, None)
        if refusal is not None:
            event.link.condition = refusal.condition
            event.link.close()

    def on_link_closing(self, event: Any) -> None:
        self._drop_link(event.link)
        self._dispatch_all()
        self._add_end(self._number(event), "link", event.link.name, event.link.remote_condition)

    on_link_error = on_link_closing

    def on_link_remote_detach(self, event: Any) -> None:
        self._drop_link(event.link)
        event.link.detach()
        self._dispatch_all()
        self._add_end(self._number(event), "link", event.link.name, event.link.remote_condition, closed=False)

    def _drop_link(self, link: Link) -> None:
        if isinstance(link, Receiver):
            self._producers.pop(link, None)
        consumer = self._consumers.pop(link, None)
        if consumer is not None:
            consumer.leave()

    # -- messages from clients -----------------------------------------------------------------------------------

    def on_message(self, event: Any) -> None:
        link, delivery, message = event.link, event.delivery, event.message
        if link not in self._producers:
            return
        address = self._producers[link] or message.address
        rule = self._rules.answers.take(lambda rule: rule.applies(address, message))
        answer = "accepted" if rule is None else rule.answer
        record = SeenMessage(self._number(event), address, message, delivery.settled, answer)
        condition = None if rule is None else rule.condition
        if self._rules.delay:
            self._later(self._answer, record, delivery, condition)
        else:
            self._answer(record, delivery, condition)
        self._seen.add(self._seen.messages, record)

    def _answer(self, record: SeenMessage, delivery: Delivery, condition: Condition | None) -> None:
        link = delivery.link
        if link not in self._producers:
            return
        answer = record.answer
        if answer in STATES:
            if condition is not None:
                delivery.local.condition = condition
            self.settle(delivery, STATES[answer])
        elif answer == "cut":
            _cut(link.connection)
        elif answer != "none":
            ended = {"detach": link, "end": link.session, "close": link.connection}[answer]
            if ended is link:
                self._drop_link(link)
            ended.condition = condition
            ended.close()
        if answer == "accepted" and record.address is not None:
            queue = self.queue(record.address)
            queue.put(record.message)
            self._dispatch(queue)
        if link in self._producers and link.credit <= self._rules.credit // 2:
            link.flow(self._rules.credit - link.credit)

    # -- messages to clients -------------------------------------------------------------------------------------

    def on_sendable(self, event: Any) -> None:
        consumer = self._consumers.get(event.link)
        if consumer is not None:
            self._dispatch(consumer.queue)
            if not len(consumer.queue):
                consumer.link.drained()

    def on_delivery(self, event: Any) -> None:
        delivery = event.delivery
        consumer = self._consumers.get(event.link)
        if consumer is None or not delivery.updated or delivery not in consumer.unsettled:
            return
        entry = consumer.unsettled[delivery]
        state, remote = delivery.remote_state, delivery.remote
        record = SeenOutcome(
            self._number(event),
            consumer.queue.address,
            entry.message.id,
            state.name if hasattr(state, "name") else str(state),
            delivery.settled,
            remote.condition if state == Delivery.REJECTED else None,
        )
        if state in STATES.values() or delivery.settled:
            del consumer.unsettled[delivery]
            delivery.settle()
            if state not in (Delivery.ACCEPTED, Delivery.REJECTED):
                entry.delivery_count += bool(state == Delivery.MODIFIED and remote.failed)
                consumer.queue.restore(entry)
                self._dispatch(consumer.queue)
        self._seen.add(self._seen.outcomes, record)


def _cut(connection: Connection) -> None:
    transport = connection.transport
    if transport is not None:
        transport.close_head()
        transport.close_tail()
