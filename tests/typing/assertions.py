"""What checkers take public names for, as `assert_type`; never run: `tests/typing/check.py` has them look at it."""

from __future__ import annotations

import datetime
import uuid
from typing import Union

from typing_extensions import assert_type

from proton import (
    Condition,
    Connection,
    Delivery,
    Event,
    Handler,
    Link,
    Message,
    Receiver,
    RejectedDisposition,
    Sender,
    Session,
    Transport,
    Url,
    symbol,
)
from proton.handlers import (
    DeliveryEvent,
    DisconnectedEvent,
    GaveUpEvent,
    MessageEvent,
    MessagingHandler,
    OutcomeEvent,
    ReconnectingEvent,
    SendableEvent,
    TimerEvent,
    TransactionEvent,
    TransportEvent,
)
from proton.reactor import ApplicationEvent, AtLeastOnce, Backoff, Container, ReceiverOption, Transaction
from proton.utils import BlockingConnection, BlockingReceiver, BlockingSender, SyncRequestResponse


class Typed(MessagingHandler):
    """What is not optional on the events of callbacks."""

    def on_message(self, event: MessageEvent) -> None:
        assert_type(event.message, Message)
        assert_type(event.delivery, Delivery)
        assert_type(event.receiver, Receiver)
        assert_type(event.link, Receiver)
        assert_type(event.session, Session)
        assert_type(event.connection, Connection)
        assert_type(event.container, Container)

    def on_sendable(self, event: SendableEvent) -> None:
        assert_type(event.sender, Sender)
        assert_type(event.sender.send(Message(body=1)), Delivery)
        assert_type(event.sender.send(b"data"), int)

    def on_settled(self, event: DeliveryEvent) -> None:
        assert_type(event.delivery, Delivery)
        assert_type(event.sender, Union[Sender, None])

    def on_accepted(self, event: OutcomeEvent) -> None:
        assert_type(event.sender, Sender)

    def on_transport_error(self, event: TransportEvent) -> None:
        assert_type(event.transport, Transport)
        assert_type(event.connection, Union[Connection, None])

    def on_disconnected(self, event: DisconnectedEvent) -> None:
        assert_type(event.connection, Connection)
        assert_type(event.link, Union[Link, None])

    def on_reconnecting(self, event: ReconnectingEvent) -> None:
        assert_type(event.attempt, int)
        assert_type(event.delay, float)
        assert_type(event.address, Url)

    def on_gave_up(self, event: GaveUpEvent) -> None:
        assert_type(event.reason, str)

    def on_timer_task(self, event: TimerEvent) -> None:
        event.task.cancel()

    def on_transaction_declared(self, event: TransactionEvent) -> None:
        assert_type(event.transaction, Transaction)

    def on_told(self, event: ApplicationEvent) -> None:
        assert_type(event.container, Container)


class Old(MessagingHandler):
    """A program from before there were classes of events."""

    def on_start(self, event: Event) -> None:
        event.container.create_receiver("h/q")
        event.reactor.schedule(1, self)

    def on_message(self, event: Event) -> None:
        print(event.message.body)


class Unread(ReceiverOption):
    """An option of a program's own."""

    def apply(self, receiver: Link) -> None:
        receiver.source.address = "q"


def containers(container: Container) -> None:
    connection = container.connect("h", user="u", password="p", reconnect=[0, 1], properties={symbol("a"): 1})
    assert_type(connection, Connection)
    container.connect(urls=["h", Url("g")], reconnect=Backoff(max_tries=3), retry_on={"amqp:not-found"})
    container.connect("h", reconnect=True)
    container.connect("h", reconnect=False, allowed_mechs="PLAIN", token=lambda: "t")
    container.listen("h:0", credentials={"u": "p"}, require_auth=True)
    container.listen("h:0", credentials=lambda user, password: True)
    assert_type(container.create_sender(connection, "q", tags=iter([b"1"])), Sender)
    assert_type(container.create_receiver(connection.session(), "q", options=[AtLeastOnce(), Unread()]), Receiver)
    assert_type(container.handler, Handler)
    container.handler.add(object())
    container.call_soon(containers, container)
    container.declare_transaction(connection, handler=Typed())
    Container(Typed(), container_id="c")


def messages() -> None:
    message = Message({"a": [1, b"2", None]}, subject="s", ttl=datetime.timedelta(seconds=3), id=uuid.uuid4())
    message.expiry_time = datetime.datetime.now()
    assert_type(message.expiry_time, float)
    message.user_id = "u"
    assert_type(message.user_id, bytes)
    message.content_type = "text/plain"
    assert_type(message.content_type, Union[symbol, None])
    assert_type(message.subject, Union[str, None])
    message.annotations = {"x-opt": 1}
    message.properties = {"colour": "green"}


def blocking() -> None:
    connection = BlockingConnection("h", timeout=3, user="u", urls=["h"])
    assert_type(connection.create_sender("q"), BlockingSender)
    receiver = connection.create_receiver("q", credit=10)
    assert_type(receiver, BlockingReceiver)
    assert_type(receiver.receive(timeout=None), Message)
    connection.wait(lambda: True, timeout=1.5)
    assert_type(connection.container, Container)
    assert_type(connection.conn, Connection)
    assert_type(connection.url, Union[str, None])


def blocks_and_loops() -> None:
    with BlockingConnection("h") as connection:
        assert_type(connection, BlockingConnection)
        with connection.create_sender("q") as sender:
            assert_type(sender, BlockingSender)
            assert_type(sender.link, Sender)
            assert_type(sender.target.address, Union[str, None])
            assert_type(sender.send(Message(body=1), timeout=None), Delivery)
        with connection.create_receiver("q") as receiver:
            assert_type(receiver, BlockingReceiver)
            assert_type(receiver.link, Receiver)
            assert_type(receiver.container, Container)
            assert_type(receiver.credit, int)
            for message in receiver:
                assert_type(message, Message)
            for message in receiver.messages(limit=5, timeout=1.5):
                assert_type(receiver.accept(message=message), None)
                assert_type(receiver.reject("x:y", "too blue", {"a": 1}), None)
                assert_type(receiver.reject(condition=Condition("x:y")), None)
                assert_type(receiver.release(delivered=False), None)
                assert_type(receiver.modify(undeliverable=True, annotations={"x-opt-a": 1}), None)
                assert_type(receiver.settle(RejectedDisposition()), None)
        SyncRequestResponse(connection, "q", reply_to="answers", reply_options=AtLeastOnce())
        with SyncRequestResponse(connection, "q") as client:
            assert_type(client, SyncRequestResponse)
            assert_type(client.call(Message(body=1)), Message)
            assert_type(client.reply_to, Union[str, None])
            assert_type(client.response, Union[Message, None])
