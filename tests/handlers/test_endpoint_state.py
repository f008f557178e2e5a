"""`EndpointStateHandler`: what is reported for each way to open and close, and what is answered by itself."""

import logging
from types import SimpleNamespace

import pytest

from proton import Condition, Endpoint, Transport
from proton.endpoints.endpoint import endpoint_state
from proton.handlers import EndpointStateHandler
from proton.reconnect import ReconnectPolicy, Urls
from tests.support.engines import AMQP_HEADER, Script, state

LOCAL = {"uninit": Endpoint.LOCAL_UNINIT, "open": Endpoint.LOCAL_ACTIVE, "closed": Endpoint.LOCAL_CLOSED}
REMOTE = {"uninit": Endpoint.REMOTE_UNINIT, "open": Endpoint.REMOTE_ACTIVE, "closed": Endpoint.REMOTE_CLOSED}
KINDS = ["connection", "session", "link"]


def begun(script, local):
    """A session of the engine, opened at this end first where `local` says so, and begun by the peer."""
    if local == "uninit":
        script.send("begin", next_outgoing_id=0, incoming_window=9, outgoing_window=9)
        return script.connection.session_head(0)
    session = script.connection.session()
    session.open()
    script.received()
    return session


def endpoint_of(kind, local, remote, condition=None, local_first=True):
    """A connection, session or link whose ends are in these states, and the peer of it; where both are closed, the
    local end closed first or last."""
    script = Script(server=True)
    script.connection.container = "engine"
    endpoint = script.connection
    if kind != "connection":
        script.opened()
        endpoint = begun(script, local if kind == "session" else "open")
    if kind == "link":
        script.send("begin", remote_channel=0, next_outgoing_id=0, incoming_window=9, outgoing_window=9)
        endpoint = endpoint.sender("L")
    if local != "uninit" and kind != "session":
        endpoint.open()
        script.received()
    if remote != "uninit":
        if kind == "connection":
            script.raw(AMQP_HEADER).send("open", container_id="script")
        elif kind == "link":
            script.send("attach", name="L", handle=0, role=True)
            endpoint = script.connection.link_head(0)
        elif local != "uninit":
            script.send("begin", remote_channel=0, next_outgoing_id=0, incoming_window=9, outgoing_window=9)
    if local == "closed" and local_first:
        endpoint.close()
    if remote == "closed":
        error = {} if condition is None else {"error": state(0x1D, condition.name, condition.description)}
        fields = {"handle": 0, "closed": True} if kind == "link" else {}
        script.send({"connection": "close", "session": "end", "link": "detach"}[kind], **fields, **error)
    if local == "closed" and not local_first:
        endpoint.close()
    assert endpoint.state == LOCAL[local] | REMOTE[remote]
    return endpoint


class Delegate:
    def __init__(self, calls):
        self.calls = calls

    def on_unhandled(self, method, event):
        self.calls.append(method)


def world_of(kind, local, remote, condition=None, local_first=True):
    """The event of an endpoint, and the list of what is called."""
    calls = []
    endpoint = endpoint_of(kind, local, remote, condition, local_first)
    endpoint.open = lambda: calls.append("open()")
    endpoint.close = lambda: calls.append("close()")
    session = endpoint.session if kind == "link" else None
    event = SimpleNamespace(connection=endpoint.connection, session=session, link=None, handler=None, container=None)
    event.transport = endpoint.transport
    setattr(event, kind, endpoint)
    return event, calls


def after(kind, name, local, remote, condition=None):
    event, calls = world_of(kind, local, remote, condition, local_first=name == "remote_close")
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
    """An endpoint that this end has closed is closed at both ends then, which is told too."""
    closed = [f"on_{kind}_closed"] if local == "closed" else []
    assert after(kind, "remote_close", local, "closed", Condition("x:y")) == [f"on_{kind}_error", *closed, "close()"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("condition", [None, Condition("x:y")])
@pytest.mark.parametrize("local_first", [True, False])
def test_both_closes_tell_the_end_once(kind, condition, local_first):
    """Whichever came first, and though both events find both ends closed."""
    event, calls = world_of(kind, "closed", "closed", condition, local_first)
    handler = EndpointStateHandler(delegate=Delegate(calls))
    for name in ("local_close", "remote_close") if local_first else ("remote_close", "local_close"):
        getattr(handler, f"on_{kind}_{name}")(event)
    assert calls.count(f"on_{kind}_closed") == 1
    assert calls.count(f"on_{kind}_error") == (condition is not None)


FORCED = Condition("amqp:connection:forced")


@pytest.mark.parametrize(
    ("kind", "condition", "reconnect", "expected"),
    [
        ("connection", FORCED, None, ["on_connection_error"]),
        ("connection", Condition("amqp:internal-error"), None, ["on_connection_error"]),
        ("connection", FORCED, False, ["on_connection_error", "close()"]),
        ("connection", Condition("amqp:not-allowed"), None, ["on_connection_error", "close()"]),
        ("link", FORCED, None, ["on_link_error", "close()"]),
    ],
    ids=repr,
)
def test_what_will_be_made_again_is_not_closed(kind, condition, reconnect, expected):
    event, calls = world_of(kind, "open", "closed", condition)
    endpoint_state(event.connection).shared.reconnect = ReconnectPolicy(Urls(["a"]), reconnect)
    getattr(EndpointStateHandler(delegate=Delegate(calls)), f"on_{kind}_remote_close")(event)
    assert calls == expected


@pytest.mark.parametrize(("local", "expected"), [("open", ["on_disconnected"]), ("uninit", []), ("closed", [])])
def test_an_open_connection_is_lost_once(local, expected):
    event, calls = world_of("connection", local, "open")
    handler = EndpointStateHandler(delegate=Delegate(calls))
    handler.on_transport_tail_closed(event)
    assert calls == []
    handler.on_transport_closed(event)
    assert calls == expected


def test_a_connection_that_is_closed_because_of_the_loss_was_lost():
    event, calls = world_of("connection", "open", "open")
    handler = EndpointStateHandler(delegate=Delegate(calls))
    handler.on_transport_tail_closed(event)
    Endpoint.close(event.connection)
    handler.on_transport_closed(event)
    assert calls == ["on_disconnected"]


def test_a_transport_without_a_connection_loses_none():
    calls = []
    handler = EndpointStateHandler(delegate=Delegate(calls))
    handler.on_transport_closed(SimpleNamespace(connection=None, transport=Transport()))
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
        assert caplog.messages == [f"{kind}{' L' if kind == 'link' else ''} at script closed by peer"]
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
    [  # The link, the place and the condition's name are told too: what is refused is to be found.
        ("open", "closed", Condition("name", "words"), ["thing L at script closed by peer: name: words"]),
        ("open", "closed", Condition("name"), ["thing L at script closed by peer: name"]),
        ("closed", "closed", Condition("name"), ["thing L at script closed by peer: name"]),
        ("open", "closed", None, ["thing L at script closed by peer"]),
        ("closed", "closed", None, []),
        ("open", "open", None, []),
    ],
)
def test_what_is_logged(local, remote, condition, expected, caplog):
    caplog.set_level(logging.ERROR, "proton")
    EndpointStateHandler.print_error(endpoint_of("link", local, remote, condition), "thing")
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
    answers = [state for state in asked if getattr(EndpointStateHandler, question)(endpoint_of("link", *state)) is True]
    assert answers == states
