"""Which handler gets an event: that of the narrowest scope, and then the global one."""

import pytest

from proton import EventType, Handler
from tests.support.loops import VirtualContainer

ETYPE = EventType("scoped_event")


class Noting:
    def __init__(self):
        self.seen = []

    def on_scoped_event(self, event):
        self.seen.append(event.context)


class Scope:
    def __init__(self, name, seen):
        self.name = name
        self.seen = seen

    def on_link_local_open(self, event):
        self.seen.append(self.name)


@pytest.mark.parametrize("narrowest", ["container", "connection", "session", "link"])
def test_the_narrowest_scope_takes_an_event(narrowest):
    seen = []
    container = VirtualContainer(Scope("container", seen), global_handler=Scope("global", seen))
    connection = container.connection(Scope("connection", seen) if narrowest != "container" else None)
    session = connection.session()
    link = session.sender("x")
    if narrowest in ("session", "link"):
        session.handler = Scope("session", seen)
    if narrowest == "link":
        link.handler = Scope("link", seen)
    link.open()
    container.process()
    assert seen == [narrowest, "global"]


def test_a_handler_that_is_false_counts_as_unset():
    class False_(Handler):
        def __bool__(self):
            return False

        def on_link_local_open(self, event):
            raise AssertionError("a false handler was called")

    seen = []
    container = VirtualContainer(Scope("container", seen))
    link = container.connection().session().sender("x")
    link.handler = False_()
    link.open()
    container.process()
    assert seen == ["container"]


def test_the_context_may_have_a_handler():
    class Context:
        handler = Noting()

    outer = Noting()
    container = VirtualContainer(outer)
    context = Context()
    container.push_event(context, ETYPE)
    container.process()
    assert (Context.handler.seen, outer.seen) == ([context], [])
