"""Other threads: `stop` and `wakeup` reach a container that waits, and containers do not disturb each other."""

import signal
import threading
import time

import pytest

from proton.handlers import MessagingHandler
from proton.reactor import Container
from tests.reactor.test_container import Direct
from tests.support.loops import SECONDS, in_thread
from tests.support.references import descriptors


class Listening(MessagingHandler):
    def __init__(self):
        super().__init__()
        self.waiting = threading.Event()
        self.turns = 0

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")

    def on_reactor_quiesced(self, event):
        self.turns += 1
        self.waiting.set()

    def on_reactor_final(self, event):
        self.acceptor._selectable.close()


def test_stop_ends_a_wait_at_once():
    listening = Listening()
    container = Container(listening)
    with in_thread(container) as thread:
        assert listening.waiting.wait(SECONDS)
        begin = time.monotonic()
        container.stop()
        thread.join(SECONDS)
        # A wait that nothing ends takes more than three seconds.
        assert time.monotonic() - begin < 1.5


def test_wakeup_ends_one_wait():
    listening = Listening()
    container = Container(listening)
    with in_thread(container):
        for _ in range(20):
            turns = listening.turns
            assert listening.waiting.wait(SECONDS)
            listening.waiting.clear()
            container.wakeup()
            assert listening.waiting.wait(SECONDS)
            assert listening.turns > turns
        container.stop()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such signals")
def test_a_signal_handler_may_stop_the_container():
    class Signalled(Listening):
        def on_reactor_quiesced(self, event):
            if not self.turns:
                self.turns = 1
                signal.setitimer(signal.ITIMER_REAL, 0.02)

    signalled = Signalled()
    container = Container(signalled)
    before = signal.signal(signal.SIGALRM, lambda *args: container.stop())
    begin = time.monotonic()
    try:
        container.run()
    finally:
        signal.signal(signal.SIGALRM, before)
    # A wait that nothing ends takes more than three seconds.
    assert time.monotonic() - begin < 1.5


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such signals")
def test_an_interrupt_comes_out_of_the_wait_and_the_loop_can_go_on():
    class Interrupted(Listening):
        def on_reactor_quiesced(self, event):
            if not self.turns:
                self.turns = 1
                signal.setitimer(signal.ITIMER_REAL, 0.02)

    def interrupt(number, frame):
        raise KeyboardInterrupt

    interrupted = Interrupted()
    container = Container(interrupted)
    before = signal.signal(signal.SIGALRM, interrupt)
    begin = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            container.run()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - begin < 1.5
    interrupted.acceptor.close()
    while container.process():
        pass
    assert container.selectable_count == 0


def test_stop_before_the_start_ends_the_run_after_what_is_queued():
    listening = Listening()
    container = Container(listening)
    container.stop()
    with in_thread(container):
        pass
    assert listening.turns == 0


def test_wakeup_and_stop_after_the_end_do_nothing():
    container = Container()
    container.run()
    container.wakeup()
    container.stop()


def test_no_descriptor_is_left():
    Container(Direct(3)).run()
    before = descriptors()
    for _ in range(5):
        Container(Direct(3)).run()
    assert descriptors() <= before


def test_containers_in_threads_are_independent():
    programs = [Direct(50) for _ in range(6)]
    threads = [threading.Thread(target=Container(program).run) for program in programs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert [program.received for program in programs] == [list(range(1, 51))] * 6
