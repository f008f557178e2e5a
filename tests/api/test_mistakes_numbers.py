"""Numbers of a wrong type, and copies of what cannot be copied: each raises at the call, and says what was expected."""

import copy
import gc
import pickle
from fractions import Fraction

import pytest

from proton import Connection, Message, Transport
from proton.handlers import FlowController, MessagingHandler
from proton.reactor import Container, EventInjector
from proton.testing import Broker
from proton.utils import BlockingConnection, SyncRequestResponse
from tests.support.loops import SECONDS


def setting(make, name):
    return lambda value: setattr(make(), name, value)


def link(kind):
    return getattr(Connection().session(), kind)("L")


def integer(name):
    return f"{name} takes an integer, got "


NUMBERS = {
    "flow": (lambda value: link("receiver").flow(value), integer("flow()")),
    "drain": (lambda value: link("receiver").drain(value), integer("flow()")),
    "offered": (lambda value: link("sender").offered(value), integer("offered()")),
    "prefetch": (lambda value: MessagingHandler(prefetch=value), integer("prefetch")),
    "window": (FlowController, "window takes an integer (messages), got "),
    "max_message_size": (setting(lambda: link("receiver"), "max_message_size"), integer("max_message_size")),
    "incoming_capacity": (setting(lambda: Connection().session(), "incoming_capacity"), integer("incoming_capacity")),
    "incoming_window": (setting(lambda: Connection().session(), "incoming_window"), integer("incoming_window")),
    "max_frame_size": (setting(Transport, "max_frame_size"), integer("max_frame_size")),
    "channel_max": (setting(Transport, "channel_max"), integer("channel_max")),
}
SECONDS_GIVEN = {
    "idle_timeout": (setting(Transport, "idle_timeout"), "idle_timeout takes seconds, a number, got "),
    "do_work": (lambda value: Container().do_work(value), "timeout takes seconds, a number or None, got "),
    "BlockingConnection": (
        lambda value: BlockingConnection("127.0.0.1:1", timeout=value),
        "timeout takes seconds, a number or None, got ",
    ),
}


@pytest.mark.parametrize("value", ["5", 1.5, [5]], ids=repr)
@pytest.mark.parametrize("name", NUMBERS)
def test_a_count_is_an_integer(name, value):
    call, text = NUMBERS[name]
    with pytest.raises(TypeError) as failure:
        call(value)
    assert str(failure.value) == f"{text}{type(value).__name__} {value!r}"


@pytest.mark.parametrize("value", ["5", [5], b"5", True], ids=repr)
@pytest.mark.parametrize("name", SECONDS_GIVEN)
def test_seconds_are_a_number(name, value):
    call, text = SECONDS_GIVEN[name]
    with pytest.raises(TypeError) as failure:
        call(value)
    assert str(failure.value) == f"{text}{type(value).__name__} {value!r}"


@pytest.fixture(scope="module")
def connection():
    with Broker() as broker:
        made = BlockingConnection(broker.url, timeout=SECONDS)
        yield made
        made.close()


def operations(connection):
    sender, receiver = connection.create_sender("q"), connection.create_receiver("q")
    client = SyncRequestResponse(connection, "service")
    return {
        "send": lambda timeout: sender.send(None, timeout=timeout),
        "receive": lambda timeout: receiver.receive(timeout=timeout),
        "wait": lambda timeout: connection.wait(lambda: False, timeout=timeout),
        "call": lambda timeout: client.call(None, timeout=timeout),
    }


@pytest.mark.parametrize("name", ["send", "receive", "wait", "call"])
def test_a_time_out_of_a_blocking_operation_is_a_number(connection, name):
    operation = operations(connection)[name]
    for value in ("5", [5], True):
        with pytest.raises(TypeError) as failure:
            operation(value)
        came = f"{type(value).__name__} {value!r}"
        assert str(failure.value) == f"timeout takes seconds, a number or None, got {came}"
    with pytest.raises(ValueError, match="timeout takes seconds, a number or None, got nan"):
        operation(float("nan"))
    for value in (-1, -0.5, float("-inf")):
        with pytest.raises(ValueError) as failure:
            operation(value)
        assert str(failure.value) == f"timeout takes 0 or more seconds, got {value!r}"


def test_the_time_out_of_a_blocking_connection_is_not_negative(connection):
    with pytest.raises(ValueError, match="timeout takes 0 or more seconds, got -1"):
        BlockingConnection("127.0.0.1:1", timeout=-1)


@pytest.mark.parametrize(("value", "error"), [(-1, ValueError), ("5", TypeError)])
def test_a_time_out_that_is_set_later_is_looked_at_by_each_operation(connection, monkeypatch, value, error):
    monkeypatch.setattr(connection, "timeout", value)
    for operation in (connection.create_sender, connection.create_receiver):
        with pytest.raises(error, match="timeout takes "):
            operation("q")


def test_any_kind_of_number_is_taken(connection):
    for large in (float("inf"), 1e12, 10**12):
        connection.create_sender("q").send(Message(body="x"), timeout=large)
    connection.wait(lambda: True, timeout=Fraction(1, 2))
    transport = Transport()
    transport.idle_timeout = Fraction(3, 2)
    assert transport.idle_timeout == 1.5


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps], ids=lambda how: how.__name__)
def test_what_belongs_to_connections_is_neither_copied_nor_pickled(connection, how):
    """Copies shared descriptors."""
    inner = connection.conn
    session = inner.session()
    sender = connection.create_sender("q")
    injector = EventInjector()
    container = Container()
    things = [container, injector, inner, session, sender, sender.link, connection, inner.transport]
    things.append(container.selectable(injector))
    for thing in things:
        with pytest.raises(TypeError, match=f"a {type(thing).__name__} cannot be copied or pickled"):
            how(thing)
    session.free()


def test_a_blocking_connection_that_is_dropped_open_is_a_resource_warning():
    with Broker() as broker:
        dropped = BlockingConnection(broker.url, timeout=SECONDS)
        sock = dropped.conn.transport.driver.watch.recv.__self__
        with pytest.warns(ResourceWarning, match=f"unclosed BlockingConnection to {broker.url}"):
            del dropped
            gc.collect()
        sock.close()


def test_a_blocking_connection_that_was_closed_gives_no_warning(recwarn):
    with Broker() as broker:
        BlockingConnection(broker.url, timeout=SECONDS).close()
        gc.collect()
    assert [warning for warning in recwarn if warning.category is ResourceWarning] == []
