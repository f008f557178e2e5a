"""Delegates: method, else `on_unhandled`, else nothing; their children are not walked."""

from types import SimpleNamespace

import pytest

from proton.handlers import EndpointStateHandler, IncomingMessageHandler, OutgoingMessageHandler

EVENT = SimpleNamespace(connection=None, session=None, link=None)
CALLBACKS = [
    (IncomingMessageHandler, "on_message on_settled on_aborted"),
    (
        OutgoingMessageHandler,
        "on_sendable on_accepted on_rejected on_released on_delivery_updated on_settled",
    ),
    (
        EndpointStateHandler,
        "on_connection_opening on_connection_opened on_connection_closing on_connection_closed on_connection_error "
        "on_session_opening on_session_opened on_session_closing on_session_closed on_session_error "
        "on_link_opening on_link_opened on_link_closing on_link_closed on_link_error",
    ),
]
EACH = [(kind, name) for kind, names in CALLBACKS for name in names.split()]


@pytest.mark.parametrize(("kind", "name"), EACH)
def test_a_callback_goes_to_the_delegate(kind, name):
    seen = []
    delegate = SimpleNamespace(**{name: seen.append})
    getattr(kind(delegate=delegate), name)(EVENT)
    assert seen == [EVENT]


@pytest.mark.parametrize(("kind", "name"), EACH)
def test_without_a_method_it_is_unhandled(kind, name):
    seen = []
    child = SimpleNamespace(**{name: lambda event: seen.append("child")})
    delegate = SimpleNamespace(on_unhandled=lambda *args: seen.append(args), handlers=[child])
    getattr(kind(delegate=delegate), name)(EVENT)
    assert seen == [(name, EVENT)]


@pytest.mark.parametrize(("kind", "name"), EACH)
def test_a_delegate_without_either_is_asked_for_both(kind, name):
    asked = []

    class Delegate:
        def __getattr__(self, attribute):
            asked.append(attribute)
            raise AttributeError(attribute)

    getattr(kind(delegate=Delegate()), name)(EVENT)
    assert list(dict.fromkeys(asked)) == [name, "on_unhandled"]


@pytest.mark.parametrize(("kind", "name"), [each for each in EACH if "error" not in each[1]])
def test_without_a_delegate_the_event_is_left_alone(kind, name):
    handler, event = kind(), SimpleNamespace(**vars(EVENT))
    assert getattr(handler, name)(event) is None
    assert (event, handler.delegate) == (EVENT, None)
