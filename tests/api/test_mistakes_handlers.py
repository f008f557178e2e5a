"""Objects that cannot be handlers, callbacks that cannot run, and answers given twice: each is told, or harmless."""

import asyncio
import gc

import pytest

from proton import Condition, Connection, Delivery, Handler, LinkException, Message
from proton.handlers import (
    EndpointStateHandler,
    FlowController,
    IncomingMessageHandler,
    MessagingHandler,
    OutgoingMessageHandler,
    Reject,
    TransactionalClientHandler,
)
from proton.reactor import ApplicationEvent, Backoff, Container, EventInjector
from proton.testing import Broker
from proton.utils import BlockingConnection
from tests.support.engines import linked, pump
from tests.support.pairs import opened


class Program(MessagingHandler):
    """A handler that takes an argument, so that calling the class shows."""

    def __init__(self, argument):
        super().__init__()


def link_of(container):
    return container.connect("h").session().sender("L")


def declare(container):
    container.declared_on = container.connect("h")
    container.declare_transaction(container.declared_on, Program)


GIVEN = {
    "Container": lambda container: Container(Program),
    "container.handler.add": lambda container: container.handler.add(Program),
    "container.handler": lambda container: setattr(container, "handler", Program),
    "connect": lambda container: container.connect("h", handler=Program),
    "create_sender": lambda container: container.create_sender("h/x", handler=Program),
    "create_receiver": lambda container: container.create_receiver("h/x", handler=Program),
    "connection.handler": lambda container: setattr(Connection(), "handler", Program),
    "link.handler": lambda container: setattr(link_of(container), "handler", Program),
    "acceptor": lambda container: container.acceptor("127.0.0.1", 0, Program),
    "container.connection": lambda container: container.connection(Program),
    "schedule": lambda container: container.schedule(1, Program),
    "selectable": lambda container: container.selectable(Program),
    "Handler.add": lambda container: Handler().add(Program),
    "transaction": lambda container: declare(container),
}


@pytest.mark.parametrize("way", GIVEN)
def test_a_class_in_place_of_a_handler_is_told_where_it_is_given(way):
    container = Container()
    with pytest.raises(TypeError) as caught:
        GIVEN[way](container)
    assert str(caught.value) == "expected a handler object, got the class Program: did you mean Program()?"
    assert container.handler.handlers == [] and container.selectable_count == 0
    if way == "transaction":
        assert container.declared_on.session_head(0) is None
    assert container.timer_deadline is None


@pytest.mark.parametrize("way", ["connect", "create_sender", "create_receiver"])
def test_nothing_is_made_for_a_class_in_place_of_a_handler(way):
    class Loop(Container):
        def connection(self, handler=None):
            raise AssertionError("a connection was made")

    with pytest.raises(TypeError, match="^expected a handler object, got the class Program"):
        GIVEN[way](Loop())


class Bare(MessagingHandler):
    """Does not call the constructor of its base."""

    def __init__(self):
        self.seen = []

    def on_start(self, event):
        self.seen.append("start")

    def on_link_opened(self, event):
        self.seen.append("opened")

    def on_sendable(self, event):
        if "sendable" not in self.seen:
            self.seen.append("sendable")
            event.sender.send(Message(body=1))

    def on_message(self, event):
        self.seen.append(event.message.body)

    def on_accepted(self, event):
        self.seen.append("accepted")


def test_a_handler_that_does_not_call_the_constructor_of_its_base_works():
    client, server = Bare(), Bare()
    both = opened(client, server)
    both.session.sender("L").open()
    both.settle()
    assert client.seen == ["opened", "sendable", "accepted"] and server.seen == ["opened", 1]
    assert (
        client.fatal_conditions == ["amqp:unauthorized-access"] and client.fatal_conditions is client.fatal_conditions
    )
    container = Container(client)
    container.run()
    assert client.seen[-1] == "start"


def test_the_defaults_are_those_of_the_class_that_is_used():
    class Client(TransactionalClientHandler):
        def __init__(self):
            pass

    made, called = Client(), TransactionalClientHandler()
    assert [type(child) for child in made.handlers] == [type(child) for child in called.handlers]
    flags = [child.auto_accept for child in made.handlers if isinstance(child, IncomingMessageHandler)]
    assert flags == [False]


def test_what_is_set_before_the_constructor_is_called_later_is_kept_out_of_other_handlers():
    class Late(MessagingHandler):
        def __init__(self):
            self.fatal_conditions.append("amqp:internal-error")

    assert Late().fatal_conditions == ["amqp:unauthorized-access", "amqp:internal-error"]
    assert MessagingHandler().fatal_conditions == ["amqp:unauthorized-access"]
    with pytest.raises(AttributeError, match="no_such_attribute"):
        _ = Late().no_such_attribute


@pytest.mark.parametrize(
    "base", [IncomingMessageHandler, OutgoingMessageHandler, EndpointStateHandler, FlowController, Backoff], ids=str
)
def test_other_classes_have_their_defaults_without_their_constructor_too(base):
    class Program(base):
        def __init__(self):
            pass

    made = base()
    assert {name: getattr(Program(), name) for name in vars(made)} == vars(made)


async def asynchronous(self, event):
    raise AssertionError("nothing awaits it")


async def asynchronous_generator(self, event):
    yield event


def generator(self, event):
    yield event


KINDS = {
    "async def, which nothing awaits": asynchronous,
    "an async generator, which nothing iterates over": asynchronous_generator,
    "a generator, which nothing iterates over": generator,
}
kinds = pytest.mark.parametrize("kind", KINDS)
CALLBACKS = ["on_link_opening", "on_delivery", "on_message", "on_sendable", "on_accepted", "on_link_remote_open"]


def text(callback, name, kind):
    return (
        f"{callback} of {name} is {kind}: expected a plain def. proton.asyncio is for programs of asyncio, see "
        "docs/asyncio.md"
    )


def send(both):
    sender = both.session.sender("L")
    sender.open()
    both.settle()
    sender.send(Message(body=1))
    both.settle()
    return sender


@kinds
@pytest.mark.parametrize("callback", CALLBACKS)
def test_a_callback_that_cannot_run_is_told_at_its_first_call(callback, kind):
    handler = type("Program", (MessagingHandler,), {callback: KINDS[kind]})()
    at_the_client = callback in ("on_sendable", "on_accepted")
    both = opened(*((handler, MessagingHandler()) if at_the_client else (MessagingHandler(), handler)))
    with pytest.raises(TypeError) as caught:
        send(both)
    assert str(caught.value) == text(callback, "Program", kind)
    gc.collect()  # a coroutine that was left behind would warn now


@kinds
def test_a_start_that_cannot_run_is_told(kind):
    handler = type("Program", (MessagingHandler,), {"on_start": KINDS[kind]})()
    with pytest.raises(TypeError) as caught:
        Container(handler).run()
    assert str(caught.value) == text("on_start", "Program", kind)


@kinds
@pytest.mark.parametrize("base", [Handler, object], ids=lambda base: base.__name__)
def test_callbacks_of_any_other_object_are_told_too(kind, base):
    program = type("Program", (base,), {"on_timer_task": KINDS[kind]})()
    container = Container()
    container.schedule(0, program)
    with pytest.raises(TypeError) as caught:
        container.run()
    assert str(caught.value) == text("on_timer_task", "Program", kind)


@kinds
def test_an_override_of_an_incoming_handler_is_told(kind):
    handler = type("Program", (IncomingMessageHandler,), {"on_message": KINDS[kind]})()
    with pytest.raises(TypeError) as caught:
        server = MessagingHandler()
        server.handlers.append(handler)
        del server.handlers[2]  # the other one of its kind
        send(opened(MessagingHandler(), server))
    assert str(caught.value) == text("on_message", "Program", kind)


@kinds
def test_events_of_the_program_and_on_unhandled_are_told(kind):
    for callback in ("on_own", "on_unhandled"):
        function = KINDS[kind]
        if callback == "on_unhandled":

            def function(self, method, event, function=function):
                return function(self, event) if method == "on_own" else None

        program = type("Program", (), {callback: function})()
        container = Container(program)
        injector = EventInjector()
        container.selectable(injector)
        injector.trigger(ApplicationEvent("own"))
        injector.close()
        with pytest.raises(TypeError) as caught:
            container.run()
        assert str(caught.value) == text(callback, "Program", kind)
        container.stop_events()
        container.run()


def test_other_results_of_callbacks_are_ignored():
    """A future, as decorators of other loops return one, is run by its own loop."""
    loop = asyncio.new_event_loop()

    class Program(MessagingHandler):
        def on_message(self, event):
            self.body = event.message.body
            return loop.create_future()

    handler = Program()
    send(opened(MessagingHandler(), handler))
    loop.close()
    assert handler.body == 1


class Answers(MessagingHandler):
    """Answers each message with several methods, one after the other."""

    def __init__(self, *methods):
        super().__init__(auto_accept=False)
        self.methods = methods

    def on_message(self, event):
        for method in self.methods:
            getattr(self, method)(event.delivery)


@pytest.mark.parametrize("second", ["accept", "reject", "release", "settle"])
def test_the_second_answer_to_a_message_changes_nothing(second):
    both = opened(MessagingHandler(auto_settle=False), Answers("accept", second))
    sender = send(both)
    delivery = sender.unsettled_head
    assert delivery.remote_state == Delivery.ACCEPTED and delivery.settled
    assert both.pair.server.transport.condition is None and both.pair.client.transport.condition is None


def test_a_blocking_receiver_says_that_all_is_settled():
    with Broker() as broker:
        connection = BlockingConnection(broker.url)
        connection.create_sender("q").send(Message(body=1))
        receiver = connection.create_receiver("q")
        assert receiver.receive(timeout=10).body == 1
        receiver.accept()
        for answer in (receiver.accept, receiver.reject, receiver.release, receiver.settle):
            with pytest.raises(IndexError, match="^expected an unsettled message"):
                answer()
        connection.close()


class Rejecting(MessagingHandler):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def on_message(self, event):
        if isinstance(self.error, str):
            event.delivery.local.condition = Condition("own:condition", self.error)
            raise Reject
        raise self.error


FAILED = "amqp:precondition-failed"


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        (Reject("no such order"), Condition(FAILED, "no such order")),
        (Reject("no order", 5), Condition(FAILED, "('no order', 5)")),
        (Reject(ValueError("wrong")), Condition(FAILED, "wrong")),
        (Reject("\ud800"), Condition(FAILED, "?")),
        (Reject(Condition("a:b", "said", {"k": 1})), Condition("a:b", "said", {"k": 1})),
        ("set before", Condition("own:condition", "set before")),
        (Reject(), None),
        (Reject, None),
        (Reject(""), None),
    ],
    ids=repr,
)
def test_the_reason_of_a_reject_goes_to_the_sender(error, condition):
    both = opened(MessagingHandler(auto_settle=False), Rejecting(error))
    delivery = send(both).unsettled_head
    assert delivery.remote_state == Delivery.REJECTED and delivery.settled
    assert delivery.remote.condition == condition


LONG = "\N{BICYCLE}" * 20


@pytest.mark.parametrize("tag", ["123e4567-e89b-12d3-a456-426614174000", "x" * 33, b"\xff" * 255, b"y" * 300, LONG])
@pytest.mark.parametrize("how", ["send", "delivery", "stream"])
def test_a_long_tag_is_sent_as_it_is_with_one_warning_a_link(tag, how, caplog):
    a, b, sender, receiver = linked()
    receiver.flow(10)
    pump(a, b)
    expected = tag.encode() if isinstance(tag, str) else tag
    for _ in range(2):
        if how == "send":
            sender.send(Message(body=1), tag=tag)
        elif how == "stream":
            sender.send_stream(iter([b"x"]), tag=tag)
        else:
            sender.delivery(tag)
            sender.advance()
    pump(a, b)
    assert [delivery.tag_bytes for delivery in receiver.unsettled_deliveries] == [expected] * 2
    assert [record.getMessage() for record in caplog.records] == [
        f"link L: a delivery tag has {len(expected)} bytes: 2.8.7 allows 32, and a strict peer may refuse it"
    ]
    assert b.transport.condition is None


def test_short_tags_give_no_warning_and_other_classes_are_refused(caplog):
    a, b, sender, receiver = linked()
    sender.send(Message(body=1), tag="x" * 32)
    with pytest.raises(TypeError, match="^a delivery tag is str or bytes, got 5$"):
        sender.send(Message(body=1), tag=5)
    with pytest.raises(LinkException, match="needs a current delivery"):
        sender.send(b"x")
    assert not caplog.records and sender.queued == 1
