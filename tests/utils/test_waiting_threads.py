"""A thread that waits does not hold up the others: sending beside `receive`, closing, time-outs, signals."""

import contextlib
import os
import signal
import statistics
import threading
import time

import pytest

from proton import ConnectionException, LinkException, Message, Timeout
from proton.handlers import MessagingHandler
from proton.reactor import AtMostOnce, Container
from proton.utils import BlockingConnection, SyncRequestResponse
from tests.support.auto_peer import AutoPeer, connect
from tests.support.loops import SECONDS
from tests.support.server import serving

#: seconds after the end of what is waited for within which the wait has to end
AT_ONCE = 1.0


@pytest.fixture(params=[None, 1.0], ids=["plain", "heartbeat"])
def connection(request):
    with serving(idle_timeout=request.param) as server:
        made = BlockingConnection(server.url, timeout=SECONDS, heartbeat=request.param)
        yield made
        made.close()


class Doing(threading.Thread):
    """Does something in a thread of its own: `outcome()` is what it returned, or raised."""

    def __init__(self, work):
        super().__init__(daemon=True)
        self.work = work
        self.begun = threading.Event()
        self.start()
        assert self.begun.wait(SECONDS)

    def run(self):
        self.begun.set()
        try:
            self.result = self.work()
        except BaseException as error:
            self.result = error

    def outcome(self, limit=SECONDS):
        self.join(limit)
        assert not self.is_alive(), f"the thread has not ended within {limit} s"
        return self.result


def waiting(connection, count, timeout=None, address="nothing"):
    """Threads that wait in `receive`, with links of their own."""
    receivers = [connection.create_receiver(address) for _ in range(count)]
    return [Doing(lambda receiver=receiver: receiver.receive(timeout=timeout)) for receiver in receivers]


def median_time(work, count=20):
    times = []
    for _ in range(count):
        start = time.monotonic()
        work()
        times.append(time.monotonic() - start)
    return statistics.median(times)


def test_sending_is_not_held_up_by_threads_that_wait_and_close_ends_them_all(connection):
    """The issue's numbers: eight threads, two of them in `receive(timeout=None)`."""
    sender = connection.create_sender("alone")
    alone = median_time(lambda: sender.send(Message(body="x")))
    receiving = waiting(connection, 2)

    def send(number):
        own = connection.create_sender(f"q-{number}")
        return median_time(lambda: own.send(Message(body="x")))

    senders = [Doing(lambda number=number: send(number)) for number in range(6)]
    for thread in senders:
        took = thread.outcome()
        assert isinstance(took, float), took
        assert took <= alone + 0.05
    assert all(thread.is_alive() for thread in receiving)
    receiving += waiting(connection, 2)
    ninth = Doing(connection.close)
    for thread in receiving:
        ended = thread.outcome(AT_ONCE)
        assert isinstance(ended, ConnectionException) and "is closed" in str(ended)
    assert ninth.outcome(AT_ONCE) is None


def test_what_one_thread_sends_another_receives_that_waits_already(connection):
    [thread] = waiting(connection, 1, address="between")
    sender = connection.create_sender("between")
    sender.send(Message(body="hello"))
    assert thread.outcome().body == "hello"


def test_threads_that_wait_on_one_receiver_get_a_message_each(connection):
    receiver = connection.create_receiver("shared")
    threads = [Doing(lambda: receiver.receive(timeout=None).body) for _ in range(4)]
    sender = connection.create_sender("shared")
    for number in range(4):
        sender.send(Message(body=number))
    assert sorted(thread.outcome() for thread in threads) == [0, 1, 2, 3]


def test_what_does_not_wait_is_written_at_once_by_the_thread_that_does(connection):
    """No operation follows that would turn the loop; a second connection sees the effect."""
    [thread] = waiting(connection, 1)
    pre_settled = connection.create_sender("at-once", options=AtMostOnce())
    receiver = connection.create_receiver("granted")
    other = BlockingConnection(connection.url, timeout=SECONDS)
    try:
        pre_settled.send(Message(body="x"))
        assert other.create_receiver("at-once").receive(timeout=AT_ONCE).body == "x"
        receiver.flow(1)
        other.create_sender("granted").send(Message(body="y"))
        assert comes_true(lambda: receiver.fetcher.has_message)
        delivered = receiver.receive()
        written = connection.conn.transport.frames_output
        receiver.settle()
        assert delivered.body == "y" and comes_true(lambda: connection.conn.transport.frames_output > written)
    finally:
        other.close()
    assert thread.is_alive()


def comes_true(condition):
    deadline = time.monotonic() + SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0)
    return condition()


@pytest.mark.parametrize("runner", [True, False], ids=["alone", "beside another"])
def test_time_outs_count_from_the_call(connection, runner):
    if not runner:
        waiting(connection, 1)
    receiver = connection.create_receiver("never")
    start = time.monotonic()
    with pytest.raises(Timeout, match="Receiving on receiver"):
        receiver.receive(timeout=0.2)
    assert 0.2 <= time.monotonic() - start < 0.2 + AT_ONCE
    for _ in range(3):
        with pytest.raises(Timeout):
            receiver.receive(timeout=0)
    assert time.monotonic() - start < 0.2 + AT_ONCE


def test_the_time_for_which_a_callback_of_another_thread_keeps_the_connection_counts(connection):
    """The lock is not to be had meanwhile; it was waited for without a limit."""
    inside, leave = threading.Event(), threading.Event()

    class Slow:
        def on_timer_task(self, event):
            inside.set()
            assert leave.wait(SECONDS)

    connection.container.schedule(0, Slow())
    thread = Doing(lambda: connection.wait(lambda: leave.is_set()))
    assert inside.wait(SECONDS)
    start = time.monotonic()
    with pytest.raises(Timeout, match="another thread"):
        connection.wait(lambda: False, timeout=0.1)
    assert time.monotonic() - start < AT_ONCE
    leave.set()
    assert thread.outcome() is None


def test_another_waiting_thread_takes_the_loop_over(connection):
    first = Doing(lambda: connection.wait(lambda: False, timeout=0.1))
    second, third = waiting(connection, 2, address="later")
    assert isinstance(first.outcome(), Timeout)
    sender = connection.create_sender("later")
    for _ in range(2):
        sender.send(Message(body="x"))
    assert [thread.outcome().body for thread in (second, third)] == ["x", "x"]


def test_what_a_callback_raises_comes_out_of_one_wait_and_another_thread_goes_on(connection):
    class Raising:
        raised = 0

        def on_timer_task(self, event):
            self.raised += 1
            if self.raised == 1:
                raise ZeroDivisionError

    raising = Raising()
    threads = waiting(connection, 2, address="go-on")
    connection.container.schedule(0, raising)
    connection.container.wakeup()
    assert comes_true(lambda: raising.raised == 2)  # an event that was not handled to its end comes again
    assert comes_true(lambda: sum(thread.is_alive() for thread in threads) == 1)
    connection.create_sender("go-on").send(Message(body="x"))
    outcomes = [thread.outcome(AT_ONCE) for thread in threads if not thread.is_alive()]
    assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError]


def test_a_callback_may_wait_while_other_threads_do(connection):
    class Nested(MessagingHandler):
        answer = None

        def on_message(self, event):
            self.answer = connection.create_receiver("inner").receive(timeout=SECONDS).body

    nested = Nested()
    connection.create_sender("inner").send(Message(body="deep"))
    outer = connection.create_receiver("outer", handler=nested)
    threads = waiting(connection, 2)
    connection.create_sender("outer").send(Message(body="go"))
    connection.wait(lambda: nested.answer)
    assert nested.answer == "deep" and outer.link.handler is nested
    assert all(thread.is_alive() for thread in threads)


def operations(connection):
    sender, receiver = connection.create_sender("q"), connection.create_receiver("q")
    client = SyncRequestResponse(connection, "service")
    unnamed = Message(body="x")
    return {
        "create_sender": lambda: connection.create_sender("q"),
        "create_receiver": lambda: connection.create_receiver("q"),
        "wait": lambda: connection.wait(lambda: True),
        "run": connection.run,
        "send": lambda: sender.send(Message()),
        "send without limit": lambda: sender.send(Message(), timeout=None),
        "close a sender": sender.close,
        "receive": receiver.receive,
        "receive without limit": lambda: receiver.receive(timeout=None),
        "accept": receiver.accept,
        "reject": receiver.reject,
        "release": receiver.release,
        "settle": receiver.settle,
        "flow": lambda: receiver.flow(1),
        "close a receiver": receiver.close,
        "call": lambda: client.call(unnamed),
        "call without limit": lambda: client.call(unnamed, timeout=None),
    }


def test_after_close_each_operation_says_that_the_connection_is_closed():
    with serving() as server:
        connection = BlockingConnection(server.url, timeout=SECONDS)
        all_of_them = operations(connection)
        connection.close()
        for name, operation in all_of_them.items():
            start = time.monotonic()
            with pytest.raises((ConnectionException, LinkException), match="is closed"):
                operation()
            assert time.monotonic() - start < AT_ONCE, name
        connection.close()
        # Programs look at these, as in 0.40.
        assert (connection.conn, connection.container, connection.url) == (None, None, None)


class Withholding(AutoPeer):
    """Answers open, begin, end, close, and the attach of a link that is not named `silent`; nothing else."""

    def _on_attach(self, part):
        return [] if part["name"].startswith("silent") else super()._on_attach(part)

    def _on_transfer(self, part):
        return []

    _on_detach = _on_transfer


#: what waits, and the frame of its that the peer leaves without an answer
WAITS = {
    "receive": "flow",
    "receive without limit": "flow",
    "call": "transfer",
    "create": "attach",
    "send": "transfer",
    "wait": "open",
    "close": "detach",
}


@pytest.mark.parametrize("name", WAITS)
def test_close_ends_each_operation_that_waits(name):
    """One waits, another is the thread that runs the loop."""
    with contextlib.closing(Withholding()) as peer:
        connection = connect(peer)
        idle = connection.create_receiver("idle")
        names = iter(["silent 1", "silent 2"])
        senders = iter([connection.create_sender("q", name=f"q {n}") for n in range(2)])
        receivers = iter([connection.create_receiver("nothing", name=f"r {n}") for n in range(2)])
        clients = iter([SyncRequestResponse(connection, "service") for _ in range(2)])
        works = {
            "receive": lambda: next(receivers).receive(),
            "receive without limit": lambda: next(receivers).receive(timeout=None),
            "call": lambda: next(clients).call(Message(), timeout=None),
            "create": lambda: connection.create_sender("q", name=next(names)),
            "send": lambda: next(senders).send(Message(), timeout=None),
            "wait": lambda: connection.wait(lambda: False, timeout=None),
            "close": lambda: next(senders).close(),
        }
        before = sum(part.name == WAITS[name] for part in peer.seen)
        threads = [Doing(work) for work in (works[name], lambda: idle.receive(timeout=None), works[name])]
        if name != "wait":
            assert comes_true(lambda: sum(part.name == WAITS[name] for part in peer.seen) >= before + 2)
        start = time.monotonic()
        connection.close()
        outcomes = [thread.outcome(AT_ONCE) for thread in threads]
        assert time.monotonic() - start < AT_ONCE
        for outcome in outcomes:
            assert isinstance(outcome, (ConnectionException, LinkException)), outcome


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such signals")
@pytest.mark.parametrize("others", [0, 2], ids=["alone", "beside others"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_what_a_signal_handler_raises_ends_the_wait_of_the_main_thread(connection, others, error):
    def interrupt(number, frame):
        raise error

    threads = waiting(connection, others)
    receiver = connection.create_receiver("mine")
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for _ in range(3):
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            start = time.monotonic()
            with pytest.raises(error):
                receiver.receive(timeout=None)
            assert time.monotonic() - start < AT_ONCE
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    # The connection is as good as before.
    assert all(thread.is_alive() for thread in threads)
    connection.create_sender("mine").send(Message(body="x"))
    assert receiver.receive().body == "x"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such signals")
def test_ctrl_c_ends_the_wait_of_the_main_thread(connection):
    receiver = connection.create_receiver("mine")
    pressing = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        receiver.receive(timeout=None)
    pressing.join(SECONDS)
    assert connection.create_sender("mine").send(Message(body="x")).settled


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no such signals")
@pytest.mark.parametrize("others", [0, 2], ids=["alone", "beside others"])
def test_a_signal_handler_may_close_the_connection(others):
    with serving() as server:
        connection = BlockingConnection(server.url, timeout=SECONDS)
        threads = waiting(connection, others)
        receiver = connection.create_receiver("mine")
        before = signal.signal(signal.SIGALRM, lambda number, frame: connection.close())
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(ConnectionException, match="is closed"):
                receiver.receive(timeout=None)
        finally:
            signal.signal(signal.SIGALRM, before)
        for thread in threads:
            assert "is closed" in str(thread.outcome(AT_ONCE))


def test_connections_that_share_a_container_share_its_loop():
    with serving() as server:
        container = Container()
        first, second = (BlockingConnection(server.url, container=container, timeout=SECONDS) for _ in range(2))
        [thread] = waiting(first, 1)
        assert second.create_sender("q").send(Message(body="x")).settled
        assert thread.is_alive()
        closing = Doing(first.close)
        assert "is closed" in str(thread.outcome(AT_ONCE))
        assert second.create_receiver("q").receive().body == "x"
        second.close()
        assert closing.outcome(AT_ONCE) is None
