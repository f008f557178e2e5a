"""Application events, and their way from other threads into a container."""

import threading
import weakref
from types import SimpleNamespace

import pytest

from proton import Connection, Event, EventType
from proton.reactor import ApplicationEvent, Container, EventInjector
from tests.support.loops import SECONDS, in_thread, watchdog
from tests.support.references import collect, descriptors


class Noting:
    def __init__(self):
        self.seen = []

    def on_note(self, event):
        self.seen.append(event.subject)


def note(subject):
    return ApplicationEvent("note", subject=subject)


def test_the_same_name_is_the_same_type():
    first, second = ApplicationEvent("some_name"), ApplicationEvent("some_name")
    assert first.type is second.type
    assert first.type.method == "on_some_name"
    assert ApplicationEvent("another_name").type.number != first.type.number


def test_a_type_may_be_given():
    etype = EventType("given_type", method="on_something_else")
    assert ApplicationEvent(etype).type is etype


def test_a_delivery_implies_all_that_it_belongs_to():
    session = Connection().session()
    link = session.sender("s")
    event = ApplicationEvent("x", delivery=link.delivery("t"))
    assert (event.link, event.session, event.connection) == (link, session, session.connection)
    event = ApplicationEvent("x", link=link)
    assert (event.delivery, event.link, event.session) == (None, link, session)
    event = ApplicationEvent("x", session=session)
    assert (event.link, event.session, event.connection) == (None, session, session.connection)


def test_an_application_event_is_its_own_context_and_has_no_handler():
    connection = Connection()
    connection.handler = object()
    event = ApplicationEvent("x", connection=connection)
    assert event.context is event
    assert event.handler is None


def test_an_application_event_has_the_container_that_it_is_dispatched_in():
    containers = []

    class Program:
        def on_reactor_init(self, event):
            event.container.push_event(made, made.type)

        def on_asked(self, event):
            containers.append(event.container)

    made = ApplicationEvent("asked")
    assert made.container is None
    container = Container(Program())
    container.run()
    assert containers == [container]


@pytest.mark.parametrize(
    ("arguments", "text"), [({}, "shown()"), ({"subject": 5}, "shown(5)"), ({"subject": "s"}, "shown(s)")]
)
def test_repr(arguments, text):
    assert repr(ApplicationEvent("shown", **arguments)) == text


def test_events_arrive_in_order_from_before_and_during_the_run():
    noting = Noting()
    container = Container(noting)
    injector = EventInjector()
    injector.trigger(note(0))
    container.selectable(injector)
    with in_thread(container):
        for subject in range(1, 1001):
            injector.trigger(note(subject))
        injector.close()
    assert noting.seen == list(range(1001))


def test_many_threads_may_trigger():
    noting = Noting()
    container = Container(noting)
    injector = EventInjector()
    container.selectable(injector)

    def work(number):
        for count in range(200):
            injector.trigger(note((number, count)))

    with in_thread(container):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        injector.close()
    for number in range(5):
        assert [count for who, count in noting.seen if who == number] == list(range(200))


def test_an_injector_may_be_added_while_the_container_runs():
    injector = EventInjector()

    class Adding(Noting):
        def on_reactor_init(self, event):
            event.container.selectable(injector)
            injector.trigger(note("x"))
            injector.close()

    adding = Adding()
    Container(adding).run()
    assert adding.seen == ["x"]


def test_an_event_is_dispatched_by_context_and_type():
    seen = []

    class Handler:
        def on_injected(self, event):
            seen.append((event.context, event.container))

    container = Container(Handler())
    injector = EventInjector()
    container.selectable(injector)
    injector.trigger(Event(EventType("injected"), "context"))
    injector.close()
    container.run()
    assert seen == [("context", container)]


@pytest.mark.parametrize(
    "type_", [EventType("injected"), SimpleNamespace(method="on_injected")], ids=["type", "like one"]
)
def test_whatever_has_a_context_and_a_type_is_dispatched(type_):
    seen = []

    class Handler:
        def on_injected(self, event):
            seen.append(event.context)

    container = Container(Handler())
    injector = EventInjector()
    container.selectable(injector)
    injector.trigger(SimpleNamespace(context="context", type=type_))
    injector.close()
    container.run()
    assert seen == ["context"]


NO_EVENTS = {
    "a text": ("x", "str 'x'"),
    "nothing": (None, "NoneType None"),
    "the class": (ApplicationEvent, "type <class .*ApplicationEvent'>"),
    "the type": (EventType("x"), "EventType EventType.*"),
    "a type that is a name": (SimpleNamespace(context=1, type="x"), "SimpleNamespace namespace.*"),
    "no context": (SimpleNamespace(type=EventType("x")), "SimpleNamespace namespace.*"),
}


@pytest.mark.parametrize("case", NO_EVENTS)
def test_what_is_not_an_event_is_told_at_the_trigger(case):
    value, came = NO_EVENTS[case]
    noting = Noting()
    container = Container(noting)
    injector = EventInjector()
    container.selectable(injector)
    expected = r"^trigger\(\) expects an event \(ApplicationEvent, or Event\), got "
    with pytest.raises(TypeError, match=f"{expected}{came}$"):
        injector.trigger(value)
    injector.trigger(note(1))
    injector.close()
    with pytest.raises(TypeError):
        injector.trigger(value)
    container.run()
    assert noting.seen == [1]


def test_an_unknown_event_is_unhandled():
    seen = []

    class Handler:
        def on_unhandled(self, method, event):
            if method == "on_unheard_of":
                seen.append(event.subject)

    container = Container(Handler())
    injector = EventInjector()
    container.selectable(injector)
    injector.trigger(ApplicationEvent("unheard_of", subject=1))
    injector.close()
    container.run()
    assert seen == [1]


def test_after_the_end_trigger_and_close_do_nothing():
    noting = Noting()
    container = Container(noting)
    injector = EventInjector()
    container.selectable(injector)
    injector.close()
    container.run()
    injector.trigger(note("late"))
    injector.close()
    assert noting.seen == []
    assert injector.fileno() == -1


def test_close_read_together_with_an_event_is_not_lost():
    noting = Noting()
    container = Container(noting)
    injector = EventInjector()
    container.selectable(injector)
    container.start()
    injector.trigger(note(1))
    injector.close()
    container.run()
    assert noting.seen == [1]


def test_a_full_pipe_does_not_block():
    noting = Noting()
    container = Container(noting)
    injector = EventInjector()
    count = 70_000  # a pipe holds 64 KiB
    for subject in range(count):
        injector.trigger(note(subject))
    injector.close()
    container.selectable(injector)
    container.run()
    assert len(noting.seen) == count


def test_the_pipe_is_closed_at_the_end():
    before = descriptors()
    for _ in range(3):
        container = Container()
        injector = EventInjector()
        container.selectable(injector)
        injector.close()
        container.run()
    assert descriptors() <= before


def test_the_pipe_of_an_unused_injector_is_closed_with_it():
    before = descriptors()
    injector = EventInjector()
    gone = weakref.ref(injector)
    del injector
    collect()
    assert gone() is None
    assert descriptors() <= before


def test_trigger_may_race_with_close():
    """Whatever comes first, nothing is raised and the container ends."""

    class Counting:
        count = 0

        def on_raced(self, event):
            self.count += 1

    for _ in range(20):
        injector, counting, failures = EventInjector(), Counting(), []
        container = Container(counting)
        container.selectable(injector)

        def work(injector=injector, failures=failures):
            try:
                for _ in range(50):
                    injector.trigger(ApplicationEvent("raced"))
                injector.close()
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        with watchdog(container):
            container.run()
        for thread in threads:
            thread.join(SECONDS)
        assert failures == []
        # What the first to close had triggered is there in any case.
        assert 50 <= counting.count <= 150
        assert injector.fileno() == -1
