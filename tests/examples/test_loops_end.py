"""How containers under asyncio and tornado end: by exceptions, cancelled, stopped. The loop is free of them afterwards.

An editor must keep: `sockets` and `left` are looked at while everything is still referred to, so that nothing is closed
by the garbage collector.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading

import pytest

from proton import Message
from tests.support.event_loops import Asyncio, Tornado
from tests.support.loops import Recorder


@pytest.fixture(params=[Asyncio, Tornado], ids=["asyncio", "tornado"])
def loop(request):
    return request.param()


@pytest.fixture
def asyncio_loop():
    return Asyncio()


@pytest.fixture
def tornado_loop():
    return Tornado()


class Failure(ArithmeticError):
    pass


class Everything(Recorder):
    """Listens, has two connections to itself, one with heartbeats, and timers. It raises `at` the step of a name."""

    reached = False

    def __init__(self, at="", raises=None):
        self.at = at
        self.raises = raises
        super().__init__()

    def step(self, name):
        if name == self.at:
            self.reached = True
            if self.raises:
                raise self.raises

    def on_start(self, event):
        self.container = event.container
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.port = self.acceptor.port
        event.container.schedule(1000, self)
        event.container.schedule(0.001, Timed(self))
        url = f"127.0.0.1:{self.port}"
        self.sender = event.container.create_sender(event.container.connect(url, heartbeat=100), "q")
        self.other = event.container.connect(url)
        self.step("start")

    def on_connection_bound(self, event):
        self.step("connection_bound")

    def on_connection_opened(self, event):
        self.step("connection_opened")

    def on_link_opened(self, event):
        self.step("link_opened")

    def on_sendable(self, event):
        event.sender.send(Message(body="x"))

    def on_message(self, event):
        self.step("message")

    def on_settled(self, event):
        self.step("settled")


class Timed:
    def __init__(self, program):
        self.program = program

    def on_timer_task(self, event):
        self.program.step("timer_task")


def assert_gone(loop, program):
    """The container has left nothing behind, and does nothing any more."""
    assert (loop.left, loop.sockets, loop.complaints) == ([], 0, [])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", program.port))
    calls = list(program.calls)
    program.container.touch()
    program.sender.connection.close()
    program.container.touch()
    program.container.stop()
    assert program.calls == calls


STEPS = ["start", "connection_bound", "connection_opened", "link_opened", "message", "settled", "timer_task"]


@pytest.mark.parametrize("step", STEPS)
def test_an_exception_comes_out_and_nothing_stays_with_the_loop(loop, step):
    program = Everything(step, Failure(step))
    with pytest.raises(Failure, match=step):
        loop.run(lambda: [program])
    assert_gone(loop, program)


@pytest.mark.parametrize(
    ("raised", "comes"), [(StopIteration, RuntimeError), (asyncio.CancelledError, asyncio.CancelledError)]
)
def test_exceptions_that_mean_something_to_coroutines_come_out_too(asyncio_loop, raised, comes):
    program = Everything("message", raised("x"))
    with pytest.raises(comes):
        asyncio_loop.run(lambda: [program])
    assert_gone(asyncio_loop, program)


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_program_ends_the_loop_too(loop, raised):
    program = Everything("message", raised(3))
    with pytest.raises(raised):
        loop.run(lambda: [program])
    assert_gone(loop, program)


def test_an_exception_that_touch_meets_comes_out_where_the_container_is_awaited(asyncio_loop):
    program = Everything("settled", Failure("x"))
    seen = []

    async def beside(container):
        while not container.ended:
            container.touch()
            await asyncio.sleep(0)
        seen.append(container.error)

    with pytest.raises(Failure):
        asyncio_loop.run(lambda: [program], beside)
    assert_gone(asyncio_loop, program)


def test_what_on_error_was_told_comes_out_at_the_end(loop):
    class Noting(Recorder):
        def on_start(self, event):
            event.container.schedule(0, self)

        def on_timer_task(self, event):
            event.container.on_error((Failure, Failure("noted"), None))

    with pytest.raises(Failure, match="noted"):
        loop.run(lambda: [Noting()])
    assert (loop.left, loop.sockets, loop.complaints) == ([], 0, [])


def test_a_stop_leaves_the_loop_with_connections_open(loop):
    class Stopping(Everything):
        def on_settled(self, event):
            event.container.stop()

    program = Stopping()
    loop.run(lambda: [program])
    assert_gone(loop, program)


def test_a_delegate_that_fails_to_close_does_not_keep_the_others(asyncio_loop):
    class Bad:
        def fileno(self):
            return -1

        def close(self):
            raise OSError("on purpose")

    class Owning(Everything):
        def on_start(self, event):
            event.container.selectable(Bad())
            super().on_start(event)

    program = Owning("message", Failure("x"))
    with pytest.raises(Failure):
        asyncio_loop.run(lambda: [program])
    (complaint,) = asyncio_loop.complaints
    assert "on purpose" in str(complaint["exception"])
    asyncio_loop.complaints = []
    assert_gone(asyncio_loop, program)


@pytest.mark.parametrize("step", STEPS)
def test_a_cancelled_task_takes_the_container_off_the_loop(asyncio_loop, step):
    program = Everything(step)
    cancelled = []

    async def main():
        running = asyncio.ensure_future(asyncio_loop.adaptor.Container(program).run_async())
        while not program.reached:
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        cancelled.append(running.cancelled())
        # What the loop had noticed already must not reach the container now.
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio_loop.run_program(main)
    assert cancelled == [True]
    assert_gone(asyncio_loop, program)


def test_a_time_limit_takes_the_container_off_the_loop(asyncio_loop):
    program = Everything()

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio_loop.adaptor.Container(program).run_async(), 0.01)

    asyncio_loop.run_program(main)
    assert_gone(asyncio_loop, program)


def test_a_thread_may_stop_a_container_whose_loop_is_closed(asyncio_loop):
    program = Everything("start", Failure("x"))
    with pytest.raises(Failure):
        asyncio_loop.run(lambda: [program])
    failures = []

    def stop():
        try:
            program.container.stop()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=stop)
    thread.start()
    thread.join()
    assert failures == []


def test_peers_of_a_cancelled_container_see_a_lost_connection(asyncio_loop):
    """The other container goes on under the same loop."""

    class Serving(Recorder):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")

        def on_disconnected(self, event):
            self.acceptor.close()

    class Calling(Recorder):
        def on_start(self, event):
            event.container.create_sender(f"127.0.0.1:{serving.acceptor.port}/q")

        def on_link_opened(self, event):
            self.opened = True

    serving, calling = Serving(), Calling()

    async def main():
        server = asyncio.ensure_future(asyncio_loop.adaptor.Container(serving).run_async())
        while not hasattr(serving, "acceptor"):
            await asyncio.sleep(0)
        client = asyncio.ensure_future(asyncio_loop.adaptor.Container(calling).run_async())
        while not hasattr(calling, "opened"):
            await asyncio.sleep(0)
        client.cancel()
        await server

    asyncio_loop.run_program(main)
    assert "S disconnected" in serving.calls and "S connection_closed" not in serving.calls
    assert "C disconnected" not in calling.calls
    assert (asyncio_loop.left, asyncio_loop.sockets, asyncio_loop.complaints) == ([], 0, [])


def test_a_stop_of_tornados_loop_ends_the_run(tornado_loop):
    program = Everything()

    async def beside(container):
        while not hasattr(program, "sender"):
            await asyncio.sleep(0)
        container.loop.stop()

    tornado_loop.run(lambda: [program], beside)
    assert_gone(tornado_loop, program)


@pytest.mark.parametrize("fails", [True, False])
def test_a_loop_that_the_program_runs_goes_on_after_the_container(tornado_loop, fails, caplog):
    class Stopping(Everything):
        def on_message(self, event):
            if not fails:
                event.container.stop()
            super().on_message(event)

    program = Stopping("message", Failure("told") if fails else None)
    after = []

    async def beside(container):
        while not container.ended:
            await asyncio.sleep(0)
        after.append(container.ended)
        container.loop.stop()

    def run(container):
        container.initialise()
        container.loop.start()

    with caplog.at_level(logging.ERROR):
        container = tornado_loop.run(lambda: [program], beside, run)
    told = [record.exc_info[1] for record in caplog.records if record.exc_info]
    told += [context["exception"] for context in tornado_loop.complaints]
    tornado_loop.complaints = []
    assert after == [True]
    assert [type(error) for error in told] == [Failure] * fails
    assert container.error is (told[0] if fails else None)
    assert_gone(tornado_loop, program)
    caplog.clear()  # its records keep the exception, and that one the container
