"""`EndpointStateHandler`: what is reported for each way to open and close, and what is answered by itself."""

import logging
from types import SimpleNamespace

import pytest

from proton import Condition, Endpoint
from proton.handlers import EndpointStateHandler
from proton.handlers.endpoint_state import FORCED

LOCAL = {"uninit": Endpoint.LOCAL_UNINIT, "open": Endpoint.LOCAL_ACTIVE, "closed": Endpoint.LOCAL_CLOSED}
REMOTE = {"uninit": Endpoint.REMOTE_UNINIT, "open": Endpoint.REMOTE_ACTIVE, "closed": Endpoint.REMOTE_CLOSED}
KINDS = ["connection", "session", "link"]


class FakeEndpoint:
    def __init__(self, calls, local, remote, condition=None):
        self.calls = calls
        self.state = LOCAL[local] | REMOTE[remote]
        self.remote_condition = condition

    def open(self):
        self.calls.append("open()")

    def close(self):
        self.calls.append("close()")


class Delegate:
    def __init__(self, calls):
        self.calls = calls

    def on_unhandled(self, method, event):
        self.calls.append(method)


def world_of(kind, local, remote, condition=None):
    """The handler, its event, and the list of what is called."""
    calls = []
    endpoint = FakeEndpoint(calls, local, remote, condition)
    connection = endpoint if kind == "connection" else FakeEndpoint([], "open", "open")
    event = SimpleNamespace(**dict({"connection": connection, "session": None, "link": None}, **{kind: endpoint}))
    event.connection = endpoint if kind == "connection" else connection
    return event, calls


def after(kind, name, local, remote, condition=None):
    event, calls = world_of(kind, local, remote, condition)
    getattr(EndpointStateHandler(delegate=Delegate(calls)), f"on_{kind}_{name}")(event)
    return calls


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "local", "remote", "expected"),
    [
        ("remote_open", "uninit", "open", ["opening", "open()"]),
        ("remote_open", "open", "open", ["opened"]),
        ("remote_open", "closed", "open", []),
        ("local_open", "open", "uninit", []),
        ("local_open", "open", "open", ["opened"]),
        ("remote_close", "open", "closed", ["closing", "close()"]),
        ("remote_close", "uninit", "closed", ["closing", "close()"]),
        ("remote_close", "closed", "closed", ["closed", "close()"]),
        ("local_close", "closed", "open", []),
        ("local_close", "closed", "closed", ["closed"]),
    ],
)
def test_states(kind, name, local, remote, expected):
    named = [call if call.endswith("()") else f"on_{kind}_{call}" for call in expected]
    assert after(kind, name, local, remote) == named


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("local", LOCAL)
def test_a_close_with_a_condition_is_an_error(kind, local):
    assert after(kind, "remote_close", local, "closed", Condition("x:y")) == [f"on_{kind}_error", "close()"]


def test_a_forced_close_of_a_connection_is_no_close():
    assert after("connection", "remote_close", "open", "closed", Condition(FORCED)) == []
    assert after("link", "remote_close", "open", "closed", Condition(FORCED)) == ["on_link_error", "close()"]


@pytest.mark.parametrize("name", ["on_transport_tail_closed", "on_transport_closed"])
@pytest.mark.parametrize(("local", "expected"), [("open", ["on_disconnected"]), ("uninit", []), ("closed", [])])
def test_an_open_connection_is_lost(name, local, expected):
    event, calls = world_of("connection", local, "open")
    getattr(EndpointStateHandler(delegate=Delegate(calls)), name)(event)
    assert calls == expected


def test_a_transport_without_a_connection_loses_none():
    calls = []
    handler = EndpointStateHandler(delegate=Delegate(calls))
    handler.on_transport_closed(SimpleNamespace(connection=None))
    assert calls == []
    EndpointStateHandler().on_transport_closed(world_of("connection", "open", "open")[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_error", [True, False])
def test_without_a_delegate_a_close_may_count_as_an_error(kind, is_error, caplog):
    event, calls = world_of(kind, "open", "closed")
    closed = []
    event.connection.close = lambda: closed.append(True)
    getattr(EndpointStateHandler(peer_close_is_error=is_error), f"on_{kind}_closing")(event)
    if is_error:
        assert caplog.messages == [f"{kind} closed by peer"]
        assert closed == ([] if kind == "connection" else [True])
    else:
        assert caplog.messages == closed == []


@pytest.mark.parametrize("kind", KINDS)
def test_with_a_delegate_a_close_is_never_an_error(kind):
    event, calls = world_of(kind, "open", "closed")
    getattr(EndpointStateHandler(True, Delegate(calls)), f"on_{kind}_closing")(event)
    assert calls == [f"on_{kind}_closing"]


@pytest.mark.parametrize(
    ("local", "remote", "condition", "expected"),
    [
        ("open", "closed", Condition("name", "words"), ["words"]),
        ("open", "closed", Condition("name"), ["name"]),
        ("closed", "open", Condition("name"), ["name"]),
        ("open", "closed", None, ["thing closed by peer"]),
        ("closed", "closed", None, []),
        ("open", "open", None, []),
    ],
)
def test_what_is_logged(local, remote, condition, expected, caplog):
    caplog.set_level(logging.ERROR, "proton")
    EndpointStateHandler.print_error(FakeEndpoint([], local, remote, condition), "thing")
    assert caplog.messages == expected
    assert all(record.name == "proton" and record.levelno == logging.ERROR for record in caplog.records)


@pytest.mark.parametrize(
    ("question", "states"),
    [
        ("is_local_open", [("open", "uninit")]),
        ("is_local_uninitialised", [("uninit", "uninit"), ("uninit", "open"), ("uninit", "closed")]),
        ("is_local_closed", [("closed", "uninit")]),
        ("is_remote_open", [("uninit", "open")]),
        ("is_remote_closed", [("uninit", "closed")]),
    ],
)
def test_questions(question, states):
    asked = [("uninit", "uninit"), ("open", "uninit"), ("closed", "uninit"), ("uninit", "open"), ("uninit", "closed")]
    answers = [state for state in asked if getattr(EndpointStateHandler, question)(FakeEndpoint([], *state)) is True]
    assert answers == states
