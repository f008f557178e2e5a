"""`proton.hooks` on each face: which hooks are called for a message there, and the program of the guide."""

import asyncio
import pathlib
import re
from types import SimpleNamespace

import pytest

from proton import Delivery, Message
from proton.asyncio import connect
from proton.handlers import Reject
from proton.utils import BlockingConnection, SyncRequestResponse
from tests.support.aio import broker
from tests.support.aio import run as run_async
from tests.support.engines import linked, pump
from tests.support.hooks import Hello, Recorder, added, divide, handle_one
from tests.support.loops import SECONDS, run
from tests.support.server import serving

ACCEPTED, REJECTED, RELEASED = Delivery.ACCEPTED, Delivery.REJECTED, Delivery.RELEASED


@pytest.fixture
def hooks():
    with added(Recorder()) as recorder:
        yield recorder


SENT = [("before", "x"), ("after", "x"), ("outcome", "x", ACCEPTED, True)]


def test_blocking_calls():
    with serving() as server, BlockingConnection(server.url, timeout=SECONDS) as connection:
        sender, receiver = connection.create_sender("out"), connection.create_receiver("in", credit=5)
        with connection.create_sender("in") as other, added(Recorder("out", "in")) as hooks:
            sender.send(Message(body="x"))
            assert [call for call in hooks.take() if call[0] not in ("enter", "exit", "answered")] == SENT
            other.send(Message(body="y"))
            connection.wait(lambda: receiver.fetcher.has_message)
            assert not [call for call in hooks.take() if call[0] == "received"]  # not yet: the program has not got it
            assert receiver.receive().body == "y"
            assert hooks.take() == [("received", "y")]
            receiver.reject()
            connection.wait(lambda: not receiver.link.unsettled)
            assert ("answered", "y", REJECTED) in hooks.take()


def test_requests_of_blocking_calls():
    with serving() as server, BlockingConnection(server.url, timeout=SECONDS) as connection:
        client = SyncRequestResponse(connection, "service")
        with added(Recorder("service", client.reply_to)) as hooks:
            assert client.call(Message(body="x")).body == "x"
        # The server is in the same process: what it is told of comes in between.
        calls = hooks.take()
        assert [call for call in calls if call[0] == "received"] == [("received", "x")] and calls[-1][0] == "received"
        assert {("before", "x"), ("after", "x"), ("outcome", "x", ACCEPTED, True)} <= set(calls)


def test_callbacks(hooks):
    run(Hello())
    assert hooks.take() == [
        ("before", "x"),
        ("after", "x"),
        ("enter", "x"),
        ("exit", "x"),
        ("answered", "x", ACCEPTED),
        ("outcome", "x", ACCEPTED, True),
    ]


def test_what_on_message_raises_goes_on_as_without_hooks(hooks):
    run(Hello(Reject("no")))
    assert hooks.take()[2:] == [
        ("enter", "x"),
        ("raised", Reject),
        ("exit", "x"),
        ("answered", "x", REJECTED),
        ("outcome", "x", REJECTED, True),
    ]


def test_an_error_of_on_message_comes_out_and_leaves_the_message_unsettled(hooks):
    with pytest.raises(ZeroDivisionError):
        handle_one(divide)
    assert hooks.take()[2:] == [("enter", "x"), ("raised", ZeroDivisionError), ("exit", "x")]


def test_awaited_calls():
    with serving() as server, added(Recorder("q", "service")) as hooks:

        async def main():
            connection = connect(server.url)
            links = connection.sender("q"), connection.receiver("q", prefetch=0)
            async with connection, links[0] as sender, links[1] as receiver:
                await sender.send(Message(body="x"))
                own = [call for call in hooks.take() if call[0] not in ("enter", "exit", "answered")]
                assert own == SENT
                _, delivery = await receiver.receive()
                assert ("received", "x") in hooks.take()
                delivery.release()
                assert hooks.take()[-1] == ("answered", "x", RELEASED)
                await sender.send(Message(body="y"))
                async for _, delivery in receiver:
                    delivery.accept()
                    break
                assert hooks.take()[-2:] == [("received", "y"), ("answered", "y", ACCEPTED)]

        run_async(main)


async def answer(connection, receiver, delivery):
    delivery.accept()
    request, delivery = await receiver.receive()
    delivery.accept()
    async with connection.sender() as sender:
        await sender.send(Message(address=request.reply_to, correlation_id=request.correlation_id, body="y"))


def test_awaited_requests_and_streams(hooks):
    async def main():
        async with broker() as peer, connect(peer.url) as connection, connection.sender("q") as sender:
            await sender.send_stream([b"a", b"b"])
            assert {("before", None), ("after", None), ("outcome", None, ACCEPTED, True)} <= set(hooks.take())
            receiver = await connection.receiver("q")
            message, delivery = await receiver.receive()
            assert message.body == b"ab" and ("received", b"ab") in hooks.take()
            answering = asyncio.ensure_future(answer(connection, receiver, delivery))
            response = await connection.requester("q")
            assert (await response(Message(body="x"))).body == "y"
            assert hooks.take()[-1] == ("received", "y")
            await answering

    run_async(main)


def test_streams_of_the_engine(hooks):
    a, b, sender, receiver = linked()
    with pytest.raises(TypeError):
        sender.send_stream(5)
    assert hooks.take() == [("before", None), ("failed", None, TypeError)]
    sender.send_stream([b"abc"], Message(subject="s"))
    pump(a, b)
    assert hooks.take() == [("before", None), ("after", None)]
    taken = Message()
    taken.recv(receiver)
    assert (taken.subject, taken.body) == ("s", b"abc")


# -- the guide -------------------------------------------------------------------------------------------------------


@pytest.fixture
def guide():
    """What the example of docs/hooks.md defines."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "hooks.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    names = {"__name__": "guide"}
    exec(compile(code.replace("add_hooks(Traces())", "traces = Traces()"), "docs/hooks.md", "exec"), names)
    with added(names["traces"]):
        yield SimpleNamespace(**names)


def test_the_example_of_the_guide_follows_a_message_through_three_programs(guide, capsys):
    first = Message(body="x", properties={"a": 1})
    with serving() as server, BlockingConnection(server.url, timeout=SECONDS) as connection:
        with connection.create_sender("one") as sender:
            sender.send(first)

        async def forward():
            async with connect(server.url) as other, other.receiver("one") as receiver, other.sender("two") as sender:
                message, delivery = await receiver.receive()
                delivery.accept()
                await sender.send(Message(body=message.body * 2))

        run_async(forward)
        with connection.create_receiver("two") as receiver:
            second = receiver.receive()
            receiver.accept()
            assert second.body == "xx"
            assert guide.trace.get() == second.properties["traceparent"]
            guide.trace.set(None)
    traces = [message.properties["traceparent"].split("-") for message in (first, second)]
    assert first.properties["a"] == 1
    assert traces[0][1] == traces[1][1] and traces[0][2] != traces[1][2]  # one trace, two spans
    printed = capsys.readouterr().out
    assert all(f"{'-'.join(parts)}: {Delivery.ACCEPTED!r}" in printed for parts in traces)


def test_the_example_of_the_guide_gives_on_message_its_trace(guide):
    seen = []
    with pytest.raises(ZeroDivisionError):
        handle_one(lambda event: (seen.append((guide.trace.get(), event.message.properties)), divide(event)))
    ((trace, properties),) = seen
    assert trace == properties["traceparent"] and guide.trace.get() is None
