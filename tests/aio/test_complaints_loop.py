"""What users of other clients complain of, by the numbers of the survey: 10 to 13, the loop."""

import asyncio
import logging
import subprocess
import sys
import time

import pytest

from proton import Message
from proton.asyncio import ConnectionClosed, Timeout, connect, serve
from tests.support.aio import broker, run
from tests.support.aio_relay import cuttable
from tests.support.programs import free_port, our_environment
from tests.support.references import counting

pytestmark = pytest.mark.usefixtures("each_loop")

FAST = [0.01] * 1000


# -- 10: code that blocks starves heartbeats --------------------------------------------------------------------------


def test_complaint_10_a_loop_that_was_blocked_is_told(caplog):
    async def main():
        async with broker() as peer, connect(peer.url, heartbeat=0.6) as connection:
            await asyncio.sleep(0.05)
            time.sleep(0.75)  # the mistake that is told
            await asyncio.sleep(0.05)
            del connection

    caplog.set_level(logging.WARNING)
    run(main)
    assert "The event loop was busy for" in caplog.text
    assert "use asyncio.to_thread for code that blocks" in caplog.text


# -- 11: never retrieved, destroyed but pending, warnings at exit -----------------------------------------------------

FORGETFUL = """
import asyncio, sys
from proton import Message
from proton.asyncio import connect, serve

async def main():
    listener = await serve("127.0.0.1:0")
    connection = await connect(f"127.0.0.1:{listener.port}", heartbeat=30, reconnect=True)
    other = connect(f"127.0.0.1:{listener.port}")
    attempt = asyncio.ensure_future(connection.sender("q").open())
    await asyncio.sleep(0.05)
    print("end")

asyncio.run(main(), debug=True)
"""


@counting
def test_complaint_11_a_program_that_forgets_everything_gets_warnings_alone():
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", FORGETFUL],
        capture_output=True,
        text=True,
        timeout=60,
        env=our_environment(),
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "end\n")
    assert "ResourceWarning: unclosed <proton.asyncio.Connection" in done.stderr
    for bad in ("Traceback", "never retrieved", "was destroyed", "never awaited", "Exception ignored", "Error"):
        assert bad not in done.stderr, done.stderr


# -- 12: timers fire on closed links ----------------------------------------------------------------------------------


class LoopOfTimers(asyncio.SelectorEventLoop):
    """Keeps its timers."""

    def __init__(self):
        super().__init__()
        self.timers = []

    def call_at(self, when, callback, *args, context=None):
        timer = super().call_at(when, callback, *args, context=context)
        self.timers.append(timer)
        return timer


def test_complaint_12_no_timer_outlives_what_it_was_for():
    loops = []

    def make():
        loops.append(LoopOfTimers())
        return loops[0]

    async def main():
        async with cuttable(heartbeat=30, reconnect=FAST) as (peer, line, connection):
            sender, receiver = await connection.sender("q"), await connection.receiver("q")
            await sender.send(Message(), timeout=100)
            await receiver.receive(timeout=100)
            with pytest.raises(Timeout):
                await receiver.receive(timeout=0.01)
            line.cut()
            while connection.is_connected:
                await asyncio.sleep(0)
            await connection.ready(timeout=100)
        async with cuttable(reconnect=[100.0]) as (peer, line, connection):
            line.stop()
            while connection.is_connected:
                await asyncio.sleep(0)
        now = loops[0].time()
        left = [timer for timer in loops[0].timers if not timer.cancelled() and timer.when() > now]
        # One is that of `run`, which bounds the test.
        assert len(left) <= 1, left

    run(main, loop_factory=make)


# -- 13: the loop is bound at construction ----------------------------------------------------------------------------


def test_complaint_13_a_connection_is_made_without_a_loop_and_belongs_to_that_of_its_first_await():
    port = free_port()
    made = connect(f"127.0.0.1:{port}")
    sender = made.sender("q")
    listener = serve(f"127.0.0.1:{port}")

    async def main():
        async with listener, made:
            assert made.is_connected
            with pytest.raises(Timeout):
                await sender.open(timeout=0.01)  # the listener's program accepts no links

    run(main)

    async def again():
        for call in (made.close(), sender.send(Message()), made.sender("r").open(), made.ready()):
            with pytest.raises((RuntimeError, ConnectionClosed), match="loop of the connection|was closed|is closed"):
                await call

    run(again)


def test_complaint_13_each_call_from_another_loop_raises():
    async def main():
        async with broker() as peer, connect(peer.url) as connection:
            sender, receiver = await connection.sender("q"), await connection.receiver("q")
            session, ask = await connection.session(), await connection.requester("q")
            calls = (
                lambda: connection.ready(),
                lambda: connection.close(),
                lambda: connection.drain(),
                lambda: connection.wait_closed(),
                lambda: connection.sender("r").open(),
                lambda: connection.session().open(),
                lambda: connection.transaction().declare(),
                lambda: sender.send(Message()),
                lambda: sender.send_soon(Message()),
                lambda: sender.close(),
                lambda: sender.send_stream([b"x"]),
                lambda: receiver.receive(),
                lambda: receiver.drain(),
                lambda: receiver.detach(),
                lambda: session.close(),
                lambda: ask(Message()),
                lambda: peer.listener.close(),
                lambda: peer.listener.drain(),
            )

            def use():
                foreign = asyncio.new_event_loop()
                errors = []
                for call in calls:

                    async def one(call=call):
                        await call()

                    try:
                        foreign.run_until_complete(one())
                        errors.append(None)
                    except RuntimeError as error:
                        errors.append(error)
                foreign.close()
                return errors

            loop = asyncio.get_running_loop()
            errors = await loop.run_in_executor(None, use)
            for number, error in enumerate(errors):
                assert "expected a call in the event loop of the connection" in str(error), (number, error)
            # Nothing has changed by it.
            await sender.send(Message(body="x"))
            message, delivery = await receiver.receive()
            assert message.body == "x"
            delivery.accept()
            await loop.shutdown_default_executor()

    run(main)
