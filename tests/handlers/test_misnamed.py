"""In development mode a method that is named like an event, and is called for none, is a warning."""

import os
import pathlib
import subprocess
import sys
import warnings

import pytest

from proton import Handler
from proton.handlers import MessagingHandler, TransactionalClientHandler
from proton.handlers.misnamed import warn_of_misnamed
from proton.reactor import ApplicationEvent

ROOT = pathlib.Path(__file__).resolve().parents[2]


def told(handler):
    """The warnings about a handler, with the lines that they point to."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_misnamed(handler)
    return caught


def named(name, base=MessagingHandler):
    """A handler of a class of its own that has a method of this name."""

    def method(self, event):
        raise AssertionError("not called")

    return type("Mine", (base,), {name: method})()


MISTAKES = [
    ("on_mesage", "on_message"),
    ("on_messages", "on_message"),
    ("onMessage", "on_message"),
    ("on_Message", "on_message"),
    ("on_sendible", "on_sendable"),
    ("on_disconnect", "on_disconnected"),
    ("on_connection_open", "on_connection_opened"),
    ("on_link_eror", "on_link_error"),
    ("onLinkError", "on_link_error"),
    ("on_link_openning", "on_link_opening"),
    ("on_accept", "on_accepted"),
    ("on_transport_errors", "on_transport_error"),
    ("on_timer_tasks", "on_timer_task"),
    ("on_selectable_readible", "on_selectable_readable"),
    ("on_transaction_commited", "on_transaction_committed"),
    ("on_link_remote_detatch", "on_link_remote_detach"),
]


@pytest.mark.parametrize(("name", "meant"), MISTAKES)
@pytest.mark.parametrize("base", [MessagingHandler, Handler, object])
def test_the_nearest_event_is_named(name, meant, base):
    (warning,) = told(named(name, base))
    assert str(warning.message) == f"Mine.{name} is not called for an event: did you mean {meant}?"
    assert warning.category is UserWarning and warning.filename == __file__


@pytest.mark.parametrize(
    "name",
    [
        "on_message",
        "on_unhandled",
        "on_delivery",
        "on_quit",
        "on_abort",
        "on_message_text",
        "once",
        "only_me",
        "_on_mesage",
    ],
)
def test_events_and_helpers_are_left_alone(name):
    assert told(named(name)) == []


def test_an_event_of_the_program_is_an_event():
    ApplicationEvent("mesage_event")
    assert told(named("on_mesage_event")) == []


def test_what_is_not_a_method_is_left_alone():
    class Counting(MessagingHandler):
        on_mesage = 7

    assert told(Counting()) == []


def test_a_property_is_not_read():
    class Program(MessagingHandler):
        @property
        def on_disconnect(self):
            raise RuntimeError("it needs a connection")

    assert told(Program()) == []


def test_a_method_that_is_given_to_an_object_counts():
    handler = MessagingHandler()
    handler.on_mesage = lambda event: None
    (warning,) = told(handler)
    assert "did you mean on_message?" in str(warning.message)


def test_each_is_told_once():
    handler = named("on_mesage")
    assert len(told(handler)) == 1 and told(handler) == told(type(handler)()) == []


def test_children_are_looked_at():
    handler = Handler()
    handler.handlers = [MessagingHandler(), named("on_mesage", object)]
    assert len(told(handler)) == 1


@pytest.mark.parametrize(
    "handler", [MessagingHandler(), TransactionalClientHandler()], ids=["messaging", "transaction"]
)
def test_the_handlers_of_the_package_have_no_such_methods(handler):
    assert told(handler) == []


SCOPES = """
import sys
import warnings
from proton import Connection, Handler, Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

def wrong(base=object):
    return type("Wrong" + str(len(count)), (base,), {"on_mesage": lambda self, event: None})()

count = []
def expect(what, give):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        give(wrong())
    count.append(what)
    texts = [str(warning.message) for warning in caught]
    if len(texts) != 1 or not texts[0].endswith(".on_mesage is not called for an event: did you mean on_message?"):
        print(what, texts)

container = Container()
connection = Connection()
session = connection.session()
link = session.sender("x")
expect("container", Container)
expect("container.handler", lambda h: setattr(container, "handler", h))
expect("container.handler.add", lambda h: container.handler.add(h))
expect("child", lambda h: MessagingHandler().add(h))
expect("connection", lambda h: setattr(connection, "handler", h))
expect("session", lambda h: setattr(session, "handler", h))
expect("link", lambda h: setattr(link, "handler", h))
expect("container.connection", container.connection)
expect("connect", lambda h: container.connect("127.0.0.1:1", handler=h))
expect("create_sender", lambda h: container.create_sender(connection, "q", handler=h))
expect("create_receiver", lambda h: container.create_receiver(connection, "q", handler=h))
expect("schedule", lambda h: container.schedule(1, h))
expect("selectable", lambda h: container.selectable(h, delegate=sys.stdout))
expect("transaction", lambda h: container.declare_transaction(connection, h))
print(len(count), "scopes", "difflib" in sys.modules)
"""


def test_a_handler_of_any_scope_is_looked_at_in_development_mode():
    assert python(["-X", "dev"], SCOPES) == "14 scopes True\n"


def test_nothing_is_loaded_or_looked_at_without_development_mode():
    program = "import proton.utils, sys; print({'difflib', 'proton.handlers.misnamed'} & set(sys.modules))"
    assert python([], program) == "set()\n"


def python(flags, program):
    done = subprocess.run(
        [sys.executable, *flags, "-c", program],
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.stdout
