"""What surrounds a program: context variables, Ctrl-C, warnings as errors, what is left when a loop is closed."""

import asyncio
import contextvars
import signal
import subprocess
import sys

import pytest

from proton import Message
from proton.asyncio import Lost, connect
from tests.support.aio import broker, run
from tests.support.aio_relay import cuttable
from tests.support.programs import our_environment

pytestmark = pytest.mark.usefixtures("each_loop")

NAME = contextvars.ContextVar("NAME", default="outside")


def test_on_event_sees_the_context_variables_of_the_caller_of_connect():
    seen = []

    async def main():
        NAME.set("caller")
        async with cuttable(reconnect=[0.01] * 99, on_event=lambda event: seen.append(NAME.get())) as (_, line, link):
            NAME.set("later")
            line.cut()
            while link.is_connected:
                await asyncio.sleep(0)
            await link.ready()
            await asyncio.sleep(0)

    run(main)
    assert seen == ["caller"] * 3


def test_on_late_outcome_sees_the_context_variables_of_the_caller_of_connect():
    seen = []

    async def main():
        NAME.set("caller")
        options = {"on_late_outcome": lambda outcome: seen.append(NAME.get())}
        async with broker() as peer, connect(peer.url, **options) as connection:
            sender = await connection.sender("q")

            async def send():
                NAME.set("sender")
                await sender.send(Message())

            task = asyncio.ensure_future(send())
            await asyncio.sleep(0)
            task.cancel()
            while not seen:
                await asyncio.sleep(0)
            await asyncio.gather(task, return_exceptions=True)

    run(main)
    assert seen == ["caller"]


def test_an_asynchronous_source_sees_the_context_variables_of_the_sender():
    seen = []

    async def source():
        for number in range(3):
            seen.append(NAME.get())
            await asyncio.sleep(0)
            yield b"%d" % number

    async def main():
        NAME.set("before")
        async with broker() as peer, connect(peer.url) as connection:
            sender = await connection.sender("q")

            async def send(name):
                NAME.set(name)
                await sender.send_stream(source())

            await asyncio.gather(send("a"), send("b"))

    run(main)
    assert sorted(seen) == ["a"] * 3 + ["b"] * 3


def test_a_callback_that_raises_is_told_by_the_loop_and_disturbs_nothing():
    complaints = []

    def on_event(event):
        raise ZeroDivisionError(event.name)

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["exception"]))
        async with cuttable(reconnect=[0.01] * 99, on_event=on_event) as (peer, line, connection):
            sender = await connection.sender("q")
            line.cut()
            while connection.is_connected:
                await asyncio.sleep(0)
            await connection.ready()
            await sender.send(Message())

    run(main)
    assert [str(error) for error in complaints] == ["lost", "connecting", "restored"]


def test_a_connection_that_is_dropped_warns():
    async def main():
        async with broker() as peer:
            connection = await connect(peer.url)
            with pytest.warns(ResourceWarning, match="unclosed <proton.asyncio.Connection '.*': open>: use async with"):
                connection.__del__()
            await connection.close()

    run(main)


def test_a_source_that_is_given_up_is_closed_before_the_call_ends():
    closed = []

    async def source():
        try:
            while True:
                yield b"x" * 20000
        finally:
            closed.append(True)

    async def main():
        async with cuttable() as (peer, line, connection):
            sender = await connection.sender("q")
            line.freeze()
            sending = asyncio.ensure_future(sender.send_stream(source()))
            await asyncio.sleep(0.05)
            assert not sending.done()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert closed == [True]
            line.cut()

    run(main)


def test_a_source_that_raises_gives_the_message_up():
    async def source():
        yield b"x"
        raise ZeroDivisionError("no more")

    async def main():
        async with broker() as peer, connect(peer.url) as connection:
            sender = await connection.sender("q")
            with pytest.raises(ZeroDivisionError, match="no more"):
                await sender.send_stream(source())
            await sender.send(Message(body="next"))
            assert peer.queue("q").get_nowait().body == "next"
            assert peer.queue("q").empty()

    run(main)


PROGRAM = """
import asyncio, sys
from proton import Message
from proton.asyncio import connect, serve

async def serve_client(listener):
    async for connection in listener:
        async for request in connection.incoming():
            request.accept()

async def main():
    asyncio.get_running_loop().slow_callback_duration = 30  # a busy machine is not what is looked for
    async with serve("127.0.0.1:0") as listener:
        serving = asyncio.ensure_future(serve_client(listener))
        async with connect(f"127.0.0.1:{listener.port}", heartbeat=30) as connection:
            async with connection.receiver("q") as receiver, connection.sender("r") as sender:
                print("ready", flush=True)
                async for message, delivery in receiver:
                    delivery.accept()

try:
    asyncio.run(main(), debug=True)
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_ends_a_program_without_a_warning():
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=our_environment(),
    ) as program:
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=30)
    assert (out, err, program.returncode) == ("interrupted\n", "", 0)


def test_a_loss_in_debug_mode_leaves_nothing():
    async def main():
        async with cuttable() as (peer, line, connection):
            sender, receiver = await connection.sender("q"), await connection.receiver("q")
            sends = [asyncio.ensure_future(sender.send(Message(body="held"))) for _ in range(5)]
            receiving = asyncio.ensure_future(receiver.receive())
            await asyncio.sleep(0.02)
            line.cut()
            results = await asyncio.gather(*sends, receiving, return_exceptions=True)
            assert [type(each) for each in results] == [Lost] * 6

    run(main, debug=True)
