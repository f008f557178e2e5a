"""What exceptions say of what was awaited and of what has become of a message, and what the `repr` of objects says."""

import asyncio
import socket

import pytest

from proton import Condition, Message
from proton.asyncio import LinkClosed, Modified, Rejected, Released, Timeout, connect, serve
from tests.support.aio import broker, run
from tests.support.aio_peer import peer
from tests.support.aio_relay import cuttable
from tests.support.auto_peer import HELD, auto_peer

#: seconds that what cannot come is waited for; long enough for a busy machine to get as far as the text says
SHORT = 1.5


@pytest.mark.parametrize("why", HELD)
def test_a_send_says_what_is_missing_and_where_the_message_is(why):
    done, text = HELD[why]
    if why == "no credit":
        text = "waiting for credit"  # it is not queued: the time-out takes it back
    body = b"x" * (16 << 20 if why == "not read" else 1)

    async def main():
        with auto_peer(max_frame_size=65536) as place:
            place.on(*done)
            async with connect(place.url, sasl_enabled=False, close_timeout=SHORT) as connection:
                sender = await connection.sender("q")
                with pytest.raises(Timeout) as caught:
                    await sender.send(Message(body=body), timeout=SHORT)
                place.over.set()
        assert str(caught.value) == f"{text}: sender to 'q': timed out after {SHORT} s"

    run(main)


def test_a_flush_says_how_many_outcomes_are_missing():
    async def main():
        async with peer() as server, connect(server.url, close_timeout=SHORT) as connection:
            server.holds = True
            sender = await connection.sender("q")
            for _ in range(3):
                await sender.send_soon(Message())
            text = f"^flushing sender to 'q': waiting for the outcomes of 3 messages: timed out after {SHORT} s$"
            with pytest.raises(Timeout, match=text):
                await sender.flush(timeout=SHORT)
            for _, delivery in server.taken:
                delivery.accept()
            await sender.flush()

    run(main)


@pytest.mark.parametrize("awaited", ["the AMQP header", "the open"])
def test_connecting_says_how_far_it_has_come(awaited):
    async def main():
        with auto_peer() as place, socket.create_server(("127.0.0.1", 0)) as silent:
            place.on(lambda part: part.name == "open", lambda peer, part: b"")
            url = place.url if awaited == "the open" else f"127.0.0.1:{silent.getsockname()[1]}"
            text = f"^connecting to amqp://{url}: TCP is connected, waiting for {awaited}: timed out after {SHORT} s$"
            with pytest.raises(Timeout, match=text):
                await connect(url, sasl_enabled=False, connect_timeout=SHORT)

    run(main)


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Rejected("app:bad", "a bad one"), "the message to 'q' was rejected: app:bad: a bad one"),
        (Rejected(), "the message to 'q' was rejected"),
        (Released(), "the message to 'q' was released"),
        (Modified(), "the message to 'q' was modified: failed=True, undeliverable=False, annotations=None"),
    ],
)
def test_an_outcome_says_where_the_message_was_sent_to(outcome, text):
    async def main():
        async with peer() as server, connect(server.url) as connection, connection.sender("q") as sender:
            server.holds = True
            sending = asyncio.ensure_future(sender.send(Message()))
            while not server.taken:
                await asyncio.sleep(0)
            async with server.taken[0][1]:
                raise outcome
            with pytest.raises(type(outcome)) as caught:
                await sending
        assert (str(caught.value), caught.value.address) == (text, "q")
        assert str(outcome) == text.replace("the message to 'q' was ", "")

    run(main)


@pytest.mark.parametrize("make", ["connection", "session"])
@pytest.mark.parametrize("name", ["sender", "receiver", "requester"])
def test_a_wrong_argument_is_told_without_a_name_of_the_package_inside(make, name):
    async def main():
        async with broker() as server, connect(server.url) as connection:
            made = connection if make == "connection" else connection.session()
            with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument 'prefetsh'"):
                getattr(made, name)("q", prefetsh=5)

    run(main)


def test_the_repr_of_links_and_sessions_has_their_state():
    async def main():
        async with cuttable(reconnect=[0.01] * 1000) as (_, line, connection):
            made = connection.sender("q"), connection.receiver("q"), connection.requester("q"), connection.session()
            texts = [
                "<proton.asyncio.Sender to 'q': {}>",
                "<proton.asyncio.Receiver from 'q': {}>",
                "<proton.asyncio.Requester to 'q': {}>",
                f"<proton.asyncio.Session at 'amqp://{line.url}': {{}}>",
            ]
            assert [*map(repr, made)] == [text.format("not open") for text in texts]
            for each in made:
                await each
            assert [*map(repr, made)] == [text.format("open") for text in texts]
            line.stop()
            while connection.is_connected:
                await asyncio.sleep(0)
            assert [*map(repr, made[:3])] == [text.format("lost") for text in texts[:3]]
            assert repr(made[3]) == texts[3].format("not open") and not made[3].is_open
            await line.start()
            await connection.ready()
            for each in made:
                await each.close()
            assert [*map(repr, made)] == [text.format("closed") for text in texts]

    run(main)


def test_the_repr_of_what_a_server_and_a_receiver_have():
    async def main():
        listener = serve("127.0.0.1:0")
        assert repr(listener) == "<proton.asyncio.Listener 'amqp://127.0.0.1:0': not open>"
        async with listener, connect(f"127.0.0.1:{listener.port}") as connection:
            opening = asyncio.ensure_future(connection.receiver("q").open())
            requests = (await listener.__anext__()).incoming()
            request = await requests.__anext__()
            assert repr(request) == "<proton.asyncio.SenderRequest to receive from 'q': open>"
            sender = request.accept()
            assert repr(request) == "<proton.asyncio.SenderRequest to receive from 'q': answered or withdrawn>"
            with pytest.raises(LinkClosed, match="^the request of the peer to receive from 'q' was withdrawn, or is "):
                request.accept()
            receiver = await opening
            await sender.send_soon(Message(body=b"x", inferred=True), tag="t")
            async with await receiver.receive_stream() as stream:
                assert repr(stream) == "<proton.asyncio.BodyStream of receiver from 'q': open>"
                assert repr(stream.delivery) == "<proton.asyncio.Delivery b't' of receiver from 'q': open>"
                assert await stream.read() == b"x"
                assert repr(stream) == "<proton.asyncio.BodyStream of receiver from 'q': read>"
            stream.delivery.accept()
            assert repr(stream.delivery) == "<proton.asyncio.Delivery b't' of receiver from 'q': settled>"
            await requests.aclose()
        assert repr(listener) == "<proton.asyncio.Listener 'amqp://127.0.0.1:0': closed>"

    run(main)


@pytest.mark.parametrize("condition", [None, Condition("app:gone", "moved away")])
@pytest.mark.parametrize("is_awaited", [False, True])
def test_a_close_by_the_peer_is_in_the_log_where_nothing_waits(caplog, condition, is_awaited):
    async def main():
        async with peer() as server, connect(server.url, reconnect=True) as connection:
            receiver = await connection.receiver("q")
            receiving = asyncio.ensure_future(receiver.receive() if is_awaited else asyncio.sleep(0))
            await asyncio.sleep(0)
            await server.connection.close(condition)
            await connection.wait_closed()
            await asyncio.gather(receiving, return_exceptions=True)
            return server.url

    url = run(main)
    reason = "app:gone: moved away" if condition else "without a reason"
    expected = [] if is_awaited else [f"The connection to amqp://{url} was closed by the peer: {reason}"]
    assert [each.getMessage() for each in caplog.records if each.levelname == "WARNING"] == expected


def test_a_plain_with_says_what_is_meant():
    async def main():
        async with peer() as server, connect(server.url) as connection, connection.receiver("q") as receiver:
            await server.link.send_soon(Message(body=b"x", inferred=True))
            stream = await receiver.receive_stream()
            made = [connection, receiver, connection.requester("q"), connection.session(), connection.transaction()]
            for each in (*made, stream, stream.delivery, serve("127.0.0.1:0")):
                with pytest.raises(TypeError, match=f"^{type(each).__name__} takes 'async with', got 'with'$"), each:
                    pass
            stream.delivery.release()

    run(main)
