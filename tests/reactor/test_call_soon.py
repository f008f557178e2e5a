"""`Container.call_soon`: a function is called in the container's thread, from any thread, under any loop."""

import threading
import time

import pytest

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container
from proton.testing import Broker
from proton.utils import BlockingConnection
from tests.reactor.test_threads import Listening
from tests.support.event_loops import Asyncio, Tornado
from tests.support.loops import SECONDS, VirtualContainer, in_thread, run


def test_it_is_called_in_the_thread_of_the_container_at_once():
    listening = Listening()
    container = Container(listening)
    called, seen = threading.Event(), []

    def call(*args):
        seen.append((threading.current_thread(), args))
        called.set()

    with in_thread(container) as thread:
        assert listening.waiting.wait(SECONDS)
        begin = time.monotonic()
        container.call_soon(call, 1, "two")
        assert called.wait(SECONDS)
        # A wait that nothing ends takes more than three seconds.
        assert time.monotonic() - begin < 1.5
        assert seen == [(thread, (1, "two"))]
        container.call_soon(listening.acceptor.close)


def test_calls_come_in_order_from_any_thread():
    listening = Listening()
    container = Container(listening)
    seen = []

    def ask(number):
        for count in range(50):
            container.call_soon(seen.append, (number, count))

    with in_thread(container):
        assert listening.waiting.wait(SECONDS)
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        container.call_soon(listening.acceptor.close)
    assert sorted(seen) == [(number, count) for number in range(4) for count in range(50)]
    for number in range(4):
        assert [count for by, count in seen if by == number] == list(range(50))


def test_what_is_asked_before_the_run_is_called_in_it():
    container = Container()
    seen = []
    container.call_soon(seen.append, 1)
    assert seen == []
    container.run()
    assert seen == [1]


def test_what_a_call_asks_for_comes_in_the_next_turn_and_keeps_the_container_running():
    container = VirtualContainer()
    seen = []

    def again(count):
        seen.append(count)
        if count < 3:
            container.call_soon(again, count + 1)

    container.call_soon(again, 0)
    container.run()
    assert seen == [0, 1, 2, 3]
    assert container.clock.now == 1000.0  # no wait in between


def test_what_it_raises_comes_out_of_run_and_it_is_not_called_again():
    container = Container()
    seen = []

    def fail():
        seen.append("failed")
        raise ZeroDivisionError

    container.call_soon(fail)
    container.call_soon(seen.append, "next")
    with pytest.raises(ZeroDivisionError):
        container.run()
    while container.process():
        pass
    assert seen == ["failed", "next"]


def test_a_handler_may_ask_for_a_call():
    class Asking(MessagingHandler):
        def on_start(self, event):
            event.container.call_soon(self.note, "later")
            self.notes = ["start"]

        def note(self, text):
            self.notes.append(text)

    asking = Asking()
    run(asking)
    assert asking.notes == ["start", "later"]


def test_a_container_that_has_ended_calls_nothing():
    container = Container()
    container.run()
    seen = []
    container.call_soon(seen.append, 1)
    assert not container.process() and seen == []


@pytest.mark.parametrize("function", [None, 5, "name"])
def test_what_cannot_be_called_is_refused(function):
    with pytest.raises(TypeError, match=f"call_soon expects a callable, got {type(function).__name__}"):
        Container().call_soon(function)


@pytest.mark.parametrize("under", [Asyncio, Tornado])
def test_under_another_loop(under):
    class Calling(Listening):
        calls = 0
        thread = None

        def on_start(self, event):
            super().on_start(event)
            self.container = event.container
            self.thread = threading.Thread(target=self.ask)
            self.thread.start()

        def ask(self):
            self.container.call_soon(self.note)
            self.container.call_soon(self.acceptor.close)

        def note(self):
            self.calls += 1
            self.caller = threading.current_thread()

    calling = Calling()
    other = under()
    other.run(lambda: [calling])
    calling.thread.join(SECONDS)
    assert calling.calls == 1 and calling.caller is threading.current_thread()
    assert other.left == []


@pytest.mark.parametrize("under", [Asyncio, Tornado])
def test_under_another_loop_what_it_raises_ends_the_run(under):
    class Failing(Listening):
        def on_start(self, event):
            super().on_start(event)
            event.container.call_soon(self.fail)

        def fail(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        under().run(lambda: [Failing()])


def test_with_the_blocking_interface_it_is_called_by_the_thread_that_waits():
    with Broker() as broker:
        connection = BlockingConnection(broker.url, timeout=SECONDS)
        seen = []
        connection.container.call_soon(seen.append, 1)
        connection.create_sender("q").send(Message(body="x"))
        assert seen == [1]
        connection.close()
