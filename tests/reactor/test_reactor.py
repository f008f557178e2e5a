"""The loop: the order of things, when it waits, when it ends, and what exceptions do to it."""

import logging

import pytest

from proton import Event, EventType, Handler
from proton.endpoints.events import EventBase
from proton.handlers import IOHandler
from proton.reactor import ApplicationEvent, Container
from proton.reactor.reactor import Reactor
from tests.support.loops import VirtualContainer


class Noting:
    """Notes the events of the loop by name."""

    ignored = ("on_selectable_updated",)

    def __init__(self):
        self.seen = []

    def on_unhandled(self, method, event):
        if method not in self.ignored:
            self.seen.append(method[3:])


class Idle(Noting):
    """A global handler that waits for nothing."""

    def on_reactor_quiesced(self, event):
        self.seen.append("reactor_quiesced")
        event.reactor.yield_()


class Failure(Exception):
    pass


ETYPE = EventType("custom_event")


def test_an_idle_container_ends_at_once():
    noting = Noting()
    container = Container(noting)
    container.run()
    assert noting.seen == ["reactor_init", "selectable_init", "selectable_final", "reactor_final"]
    assert container.handler is None and container.global_handler is None
    container.run()
    assert len(noting.seen) == 4


def test_the_state_of_a_new_container():
    container = Container()
    assert (container.timeout, container.errors, container.quiesced, container.trigger) == (0, [], True, None)
    assert (container.allow_insecure_mechs, container.allowed_mechs, container.sasl_enabled) == (True, None, True)
    assert (container.user, container.password) == (None, None)
    assert type(container.handler) is Handler
    assert len(container.container_id) == 36


@pytest.mark.parametrize("container_id", ["mine", None])
def test_the_container_id_may_be_given(container_id):
    assert Container(container_id=container_id).container_id == container_id


def test_handlers_are_children_of_one_in_order():
    first, second = object(), object()
    assert Container(first, second).handler.handlers == [first, second]


def test_process_alternates_between_events_and_waiting():
    container = VirtualContainer()
    container.schedule(5, None)
    container.timeout = 2
    container.start()
    assert container.process()
    assert container.waiting.waits == []
    assert container.quiesced
    assert container.process()
    assert container.waiting.waits == [2]


def test_do_work_takes_a_timeout():
    container = VirtualContainer()
    container.schedule(50, None)
    container.start()
    container.do_work(7)
    container.do_work()
    assert container.timeout == 7
    assert container.waiting.waits == [7]


def test_quiesced_is_true_with_nothing_but_the_event_that_says_so():
    container = VirtualContainer()
    container.schedule(5, None)
    assert container.quiesced
    container.push_event(None, ETYPE)
    assert not container.quiesced
    container.process()
    assert container.quiesced
    container.push_event(None, ETYPE)
    assert not container.quiesced


def test_no_wait_while_a_handler_of_quiesced_makes_work():
    class Busy:
        left = 3

        def on_reactor_quiesced(self, event):
            if self.left:
                self.left -= 1
                event.container.push_event(None, ETYPE)

    busy = Busy()
    container = VirtualContainer(busy)
    container.schedule(1, None)
    container.run()
    # Only quiet turns reach the selector.
    assert busy.left == 0 and len(container.waiting.waits) == 1


def test_yield_returns_before_the_next_event():
    class Yielding(Noting):
        def on_custom_event(self, event):
            self.seen.append(event.context)
            event.container.yield_()

    noting = Yielding()
    container = VirtualContainer(noting)
    for context in (1, 2, 3):
        container.push_event(context, ETYPE)
    assert container.process()
    assert noting.seen == [1]
    assert container.process()
    assert noting.seen == [1, 2]


def test_an_event_whose_handler_raised_comes_again():
    class Raising(Noting):
        def on_custom_event(self, event):
            self.seen.append(event.context)
            if len(self.seen) < 3:
                raise Failure

    noting = Raising()
    container = VirtualContainer(noting)
    container.push_event("x", ETYPE)
    for _ in range(2):
        with pytest.raises(Failure):
            container.process()
    container.process()
    assert noting.seen[:3] == ["x", "x", "x"]


def test_an_exception_ends_the_walk_and_keeps_the_rest_queued():
    class Raising:
        def on_reactor_init(self, event):
            raise Failure

    after = Noting()
    container = VirtualContainer(Raising(), after)
    with pytest.raises(Failure):
        container.run()
    assert after.seen == []
    assert not container.quiesced


def test_stop_handles_what_is_queued_and_no_more():
    class Stopping(Noting):
        def on_reactor_init(self, event):
            event.container.schedule(1, self)
            event.container.stop()
            event.container.push_event("queued", ETYPE)

        def on_custom_event(self, event):
            self.seen.append(event.context)

        def on_timer_task(self, event):
            self.seen.append("timer")

    noting = Stopping()
    VirtualContainer(noting).run()
    assert noting.seen == ["selectable_init", "queued", "selectable_final", "reactor_final"]


def test_the_final_event_comes_once():
    noting = Noting()
    container = VirtualContainer(noting)
    container.start()
    for _ in range(5):
        container.process()
    assert noting.seen.count("reactor_final") == 1


def test_errors_are_raised_by_stop(capsys):
    container = VirtualContainer()
    for text in ("first", "second"):
        try:
            raise Failure(text)
        except Failure as error:
            container.on_error((type(error), error, error.__traceback__))
    with pytest.raises(Failure, match="second"):
        container.stop()
    assert "first" in capsys.readouterr().err
    container.stop()


def test_stop_events_drops_the_queue_and_what_comes_later():
    noting = Noting()
    container = VirtualContainer(noting)
    container.push_event(1, ETYPE)
    container.stop_events()
    container.push_event(2, ETYPE)
    assert not container.process()
    assert noting.seen == []


def test_a_handler_may_drop_the_queue_that_is_being_handled():
    class Dropping(Noting):
        def on_custom_event(self, event):
            event.container.stop_events()

    container = VirtualContainer(Dropping())
    container.push_event(1, ETYPE)
    container.push_event(2, ETYPE)
    assert not container.process()


def test_an_application_event_is_dispatched_as_it_is():
    seen = []

    class Handler:
        def on_my_event(self, event):
            seen.append(event)

    container = VirtualContainer(Handler())
    event = ApplicationEvent("my_event")
    container.push_event(event, event.type)
    container.process()
    assert seen == [event]


def test_a_global_handler_of_ones_own_gets_every_event():
    everything = Idle()
    container = Container(global_handler=everything)
    connection = container.connection()
    session = connection.session()
    session.sender("x").delivery("t")
    container.push_event(None, ETYPE)
    container.push_event(session.receiver("y").delivery("t"), Event.DELIVERY)
    container.process()
    assert everything.seen == [
        "connection_init",
        "session_init",
        "link_init",
        "custom_event",
        "link_init",
        "delivery",
    ] + (["reactor_final"] if "reactor_final" in everything.seen else [])


def test_children_of_the_io_handler_get_every_event():
    noting = Noting()
    io = IOHandler()
    io.add(noting)
    container = Container(global_handler=io)
    container.push_event(None, ETYPE)
    container.process()
    assert noting.seen[0] == "custom_event"


def test_a_global_handler_that_is_exchanged_works_at_once():
    second = Idle()

    class Exchanging:
        def on_custom_event(self, event):
            event.container.global_handler = second

    container = Container(Exchanging())
    container.push_event(None, ETYPE)
    container.push_event(None, EventType("next_event"))
    container.process()
    assert second.seen[:2] == ["custom_event", "next_event"]
    assert container.global_handler is second


def test_selectables_are_counted_without_the_global_handler():
    class Keeping(Idle):
        """Handles the selectables itself, as adaptors of foreign loops do."""

        def on_selectable_init(self, event):
            pass

        def on_selectable_final(self, event):
            pass

    keeping = Keeping()
    container = Container(global_handler=keeping)
    selectable = container.selectable()
    container.start()
    for _ in range(4):
        assert container.process()
    assert "reactor_final" not in keeping.seen
    selectable.terminate()
    selectable.update()
    while container.process():
        pass
    container.process()
    assert keeping.seen.count("reactor_final") == 1


def test_a_handler_object_may_be_assigned():
    noting = Noting()
    container = VirtualContainer()
    container.handler = noting
    assert container.handler.handlers == [noting]
    container.push_event(None, ETYPE)
    container.process()
    assert noting.seen[0] == "custom_event"


def test_events_are_logged_at_debug(caplog):
    caplog.set_level(logging.DEBUG, "proton")
    container = VirtualContainer()
    container.push_event("x", ETYPE)
    container.process()
    assert "recvd Event: custom_event('x')" in caplog.text


def test_update_is_that_of_the_selectable():
    noting = Noting()
    noting.ignored = ()
    container = VirtualContainer(noting)
    container.update(container.selectable())
    container.process()
    assert noting.seen[:2] == ["selectable_init", "selectable_updated"]


@pytest.mark.parametrize("port", [5672, "amqp"])
def test_the_address_of_a_connection(port):
    container = VirtualContainer()
    connection = container.connection_to_host("host", port)
    assert container.get_connection_address(connection) == f"amqp://host:{port}"
    container.set_connection_host(connection, "other", 1)
    assert container.get_connection_address(connection) == "amqp://other:1"
    assert container.get_connection_address(container.connection()) is None


def test_a_plain_reactor_runs_too():
    noting = Noting()
    Reactor(noting).run()
    assert noting.seen[-1] == "reactor_final"


def test_an_event_of_a_program_may_have_a_type_of_the_loop_and_nothing_else():
    """Connectors look at events of this type, and ask for a connection that such an event does not have."""
    seen = []

    class Timed(Handler):
        def on_timer_task(self, event):
            seen.append(event)

    container = Container(Timed())
    mine = EventBase(Event.TIMER_TASK)
    mine.context = None
    container.push_event(mine, None)
    container.run()
    assert seen == [mine]
