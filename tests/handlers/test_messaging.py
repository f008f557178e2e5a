"""`MessagingHandler`: its parts, its defaults, and its life."""

import logging
import weakref
from types import SimpleNamespace

import pytest

from proton import Condition, Connection, Endpoint, Transport, Url
from proton.handlers import (
    EndpointStateHandler,
    FlowController,
    IncomingMessageHandler,
    MessagingHandler,
    OutgoingMessageHandler,
    TransactionalClientHandler,
    TransactionHandler,
)
from proton.handlers.incoming import Acking
from tests.support.references import counting, no_collection

NO_OPS = [
    "on_start",
    "on_connection_closing",
    "on_connection_closed",
    "on_session_closing",
    "on_session_closed",
    "on_link_closing",
    "on_link_closed",
    "on_disconnected",
    "on_sendable",
    "on_accepted",
    "on_rejected",
    "on_released",
    "on_settled",
    "on_message",
    "on_delivery_updated",
]
UNDEFINED = [
    "on_connection_opening",
    "on_connection_opened",
    "on_session_opening",
    "on_session_opened",
    "on_link_opening",
    "on_link_opened",
    "on_aborted",
]


def kinds(handler):
    return [type(child) for child in handler.handlers]


PARTS = [EndpointStateHandler, IncomingMessageHandler, OutgoingMessageHandler]


def test_its_parts():
    handler = MessagingHandler()
    assert kinds(handler) == [FlowController, *PARTS]
    assert handler.handlers[0].window == 10
    assert (handler.handlers[2].auto_accept, handler.handlers[3].auto_settle) == (True, True)
    assert handler.handlers[1].peer_close_is_error is False
    assert isinstance(handler, Acking)


def test_its_settings():
    handler = MessagingHandler(prefetch=0, auto_accept=False, auto_settle=False, peer_close_is_error=True)
    assert kinds(handler) == PARTS
    assert (handler.handlers[1].auto_accept, handler.handlers[2].auto_settle) == (False, False)
    assert handler.handlers[0].peer_close_is_error is True


def test_fatal_conditions_are_each_handlers_own():
    first, second = MessagingHandler(), MessagingHandler()
    assert first.fatal_conditions == ["amqp:unauthorized-access"]
    first.fatal_conditions.append("x:y")
    assert second.fatal_conditions == ["amqp:unauthorized-access"]


def does_nothing(handler, name):
    """Whether a callback leaves the handler and the event alone; an event with no attributes fails if it looks."""
    before = dict(vars(handler))
    return getattr(handler, name)(object()) is None and vars(handler) == before


@pytest.mark.parametrize("name", NO_OPS)
def test_callbacks_that_do_nothing(name):
    assert does_nothing(MessagingHandler(), name)


@pytest.mark.parametrize("name", UNDEFINED)
def test_callbacks_that_are_not_defined(name):
    seen = []

    class Application(MessagingHandler):
        def on_unhandled(self, method, event):
            seen.append(method)

    application = Application()
    assert not hasattr(application, name)
    part = next(child for child in application.handlers if hasattr(child, name))
    getattr(part, name)(None)
    assert seen == [name]


def test_start_is_called_when_the_loop_begins():
    class Application(MessagingHandler):
        def on_start(self, event):
            self.event = event

    application = Application()
    application.on_reactor_init("event")
    assert application.event == "event"


def error(condition, connection):
    transport = Transport()
    transport.condition = condition
    return SimpleNamespace(transport=transport, connection=connection)


class FakeConnection:
    closed = False
    url = None
    reconnect_policy = None
    state = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_CLOSED

    @property
    def connection(self):
        return self

    def close(self):
        self.closed = True


@pytest.mark.parametrize(
    ("condition", "text", "closed"),
    [
        (Condition("a:b", "words"), "a:b: words", False),
        (Condition("a:b", "words", {"k": 1}), "a:b: words: {'k': 1}", False),
        (Condition("amqp:unauthorized-access", "words"), "amqp:unauthorized-access: words", True),
        (Condition("mine", "words"), "mine: words", True),
    ],
)
def test_transport_errors_are_logged_and_may_be_fatal(condition, text, closed, caplog):
    handler = MessagingHandler()
    handler.fatal_conditions.append("mine")
    connection = FakeConnection()
    handler.on_transport_error(error(condition, connection))
    assert caplog.record_tuples == [("proton", logging.ERROR, text)]
    assert connection.closed is closed


def test_a_transport_error_of_an_accepted_connection_is_logged_with_the_address_of_its_peer(caplog):
    connection = FakeConnection()
    connection.url = Url("amqp://user:secret@192.0.2.1:49152")
    MessagingHandler().on_transport_error(error(Condition("a:b", "words"), connection))
    assert caplog.messages == ["a:b: words (amqp://user@192.0.2.1:49152)"]


def test_a_fatal_error_after_the_end_of_the_connection(caplog):
    MessagingHandler().on_transport_error(error(Condition("amqp:unauthorized-access"), None))
    assert len(caplog.records) == 1


def test_an_error_without_a_condition(caplog):
    MessagingHandler().on_transport_error(error(None, None))
    # Not the root logger any more: `logging.error` would add a handler to it, which the program has not asked for.
    assert caplog.record_tuples == [("proton", logging.ERROR, "Unspecified transport error")]


@pytest.mark.parametrize(("kind", "closes"), [("connection", False), ("session", True), ("link", True)])
def test_errors_of_endpoints_are_logged_and_end_the_connection(kind, closes, caplog):
    connection, session = Connection(), Connection().session()
    endpoint = {"connection": connection, "session": session, "link": session.sender("L")}[kind]
    endpoint.remote_condition = Condition("x:y", "words")
    event = SimpleNamespace(**dict({"connection": connection, "container": None}, **{kind: endpoint}))
    getattr(MessagingHandler(), f"on_{kind}_error")(event)
    name = "link L" if kind == "link" else kind
    assert caplog.messages == [f"{name} closed by peer: x:y: words"]
    assert bool(connection.state & Endpoint.LOCAL_CLOSED) is closes


@counting
def test_the_parts_do_not_keep_the_application_alive():
    handler = MessagingHandler()
    part = handler.handlers[2]
    gone = weakref.ref(handler)
    del handler
    assert gone() is None
    with pytest.raises(ReferenceError):
        part.on_message(None)


@counting
def test_no_cycle_waits_for_the_collector():
    with no_collection():
        gone = weakref.ref(MessagingHandler())
        assert gone() is None


def test_a_raw_event_method_runs_before_the_parts():
    from proton.endpoints.handler import dispatch

    order = []

    class Application(MessagingHandler):
        def on_delivery(self, event):
            order.append("own")

    application = Application()
    application.add(SimpleNamespace(on_delivery=lambda event: order.append("child")))
    event = SimpleNamespace(
        link=SimpleNamespace(is_receiver=False),
        delivery=SimpleNamespace(link=SimpleNamespace(is_sender=False, is_receiver=False)),
    )
    dispatch(application, "on_delivery", event)
    assert order == ["own", "child"]


@pytest.mark.parametrize("name", ["declared", "committed", "aborted", "declare_failed", "commit_failed"])
def test_transaction_callbacks_do_nothing(name):
    assert does_nothing(TransactionHandler(), "on_transaction_" + name)


def test_the_transactional_client_does_not_accept_by_itself():
    handler = TransactionalClientHandler()
    assert handler.handlers[2].auto_accept is False
    assert isinstance(handler, MessagingHandler) and isinstance(handler, TransactionHandler)
    assert TransactionalClientHandler(prefetch=0, auto_accept=True).handlers[1].auto_accept is True
