"""A connection that is made again: messages, credit, requests, streams and events across losses of either kind."""

import asyncio

import pytest

from proton import Message
from proton.asyncio import ConnectionClosed, Lost, Sender, connect
from proton.reactor import AtMostOnce
from tests.support.aio import run
from tests.support.aio_peer import QUICK, held, peer, until

ways = pytest.mark.parametrize("way", ["kill", "stop"])


def reconnecting(test, prefetch=100, **options):
    """Runs a test with a peer, a connection that is made again, and the events of it."""
    events = []
    options.setdefault("reconnect", QUICK)

    async def main():
        async with peer(prefetch) as server, connect(server.url, on_event=events.append, **options) as connection:
            await test(server, connection, events)

    run(main)


async def put(server, *bodies, settled=False):
    """Has the peer send messages over its latest link; they are under way."""
    for body in bodies:
        await server.link.send_soon(Message(body=body))


# -- sending -------------------------------------------------------------------------------------------------------


@ways
def test_a_send_without_an_outcome_raises_that_it_may_have_arrived(way):
    async def test(server, connection, events):
        sender = await connection.sender("q")
        (waiting,) = await held(server, sender.send(Message(body=1), tag="t"))
        server.end(way)
        with pytest.raises(Lost, match=r"sender to 'q': .* was lost.*; the message may have arrived") as caught:
            await waiting
        assert caught.value.receipt.tag == b"t"
        server.holds = False
        assert (await sender.send(Message(body=2))).state.name == "ACCEPTED"
        assert server.bodies == [1, 2]
        assert sender.unsettled == 0

    reconnecting(test)


@ways
def test_what_was_asked_for_is_sent_again_in_order_and_its_await_returns(way):
    async def test(server, connection, events):
        sender = await connection.sender("q", resend=True)
        server.holds = True
        message = Message(body=0)
        sends = [asyncio.ensure_future(sender.send(Message(body=number))) for number in range(1, 10)]
        await sender.send_soon(message)
        message.body = "changed since"
        await until(lambda: len(server.taken) == 10)
        server.holds = False
        server.end(way)
        later = asyncio.ensure_future(sender.send(Message(body="later")))
        receipts = await asyncio.gather(*sends, later)
        await sender.flush()
        assert {receipt.state.name for receipt in receipts} == {"ACCEPTED"}
        assert server.bodies[10:] == server.bodies[:10] + ["later"]
        assert sorted(server.bodies[:10]) == list(range(10))

    reconnecting(test)


def test_what_is_sent_again_survives_a_second_loss():
    async def test(server, connection, events):
        sender = await connection.sender("q", resend=True)
        sends = await held(server, *(sender.send(Message(body=number)) for number in range(5)))
        server.kill()
        await until(lambda: len(server.taken) == 10)
        server.holds = False
        server.kill()
        await asyncio.gather(*sends)
        assert server.bodies == [*range(5)] * 3

    reconnecting(test)


@ways
def test_messages_that_wait_for_credit_leave_over_the_next_connection(way):
    async def test(server, connection, events):
        sender = await connection.sender("q")
        server.holds = True
        sends = [asyncio.ensure_future(sender.send(Message(body=number))) for number in range(6)]
        await until(lambda: len(server.taken) == 2)  # as many as there is credit for
        server.holds = False
        server.end(way)
        outcomes = await asyncio.gather(*sends, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes[:2]] == [Lost, Lost]
        assert [outcome.state.name for outcome in outcomes[2:]] == ["ACCEPTED"] * 4
        assert server.bodies == [0, 1, 2, 3, 4, 5]

    async def holding(server, connection, events):
        # The peer's credit is not topped up: two messages and no more.
        await test(server, connection, events)

    reconnecting(holding, prefetch=2)


def test_a_message_that_has_left_in_part_is_not_told_as_lost_unless_it_was_whole():
    async def test(server, connection, events):
        sender = await connection.sender("q")
        waiting = asyncio.ensure_future(sender.send(Message(body=b"x" * 5_000_000)))
        await asyncio.sleep(0)
        server.kill()
        outcome = (await asyncio.gather(waiting, return_exceptions=True))[0]
        # Lost, or sent over the next connection: never in part, and never twice.
        assert len(server.taken) == (0 if isinstance(outcome, Lost) else 1)
        await sender.send(Message(body="after"))
        assert server.bodies[-1] == "after"

    reconnecting(test)


def test_flush_raises_lost_once_and_what_is_sent_later_is_flushed():
    async def test(server, connection, events):
        sender = await connection.sender("q")
        server.holds = True
        for number in range(3):
            await sender.send_soon(Message(body=number))
        flushing = asyncio.ensure_future(sender.flush())
        await until(lambda: len(server.taken) == 3)
        server.kill()
        with pytest.raises(Lost, match="may have arrived"):
            await flushing
        server.holds = False
        await sender.send_soon(Message(body=3))
        await sender.flush()
        assert server.bodies == [0, 1, 2, 3]

    reconnecting(test)


# -- receiving -----------------------------------------------------------------------------------------------------


@ways
def test_a_receiver_has_credit_again_and_waits_through_the_loss(way):
    async def test(server, connection, events):
        receiver = await connection.receiver("q", prefetch=7)
        waiting = asyncio.ensure_future(receiver.receive())
        first = server.link
        server.end(way)
        await until(lambda: server.link is not first and server.link.credit == 7)
        await put(server, "x")
        message, delivery = await waiting
        assert message.body == "x"
        assert delivery.accept()
        await server.link.flush()

    reconnecting(test)


@ways
def test_what_was_not_settled_at_the_loss_has_no_outcome_and_comes_again_from_the_peer(way):
    async def test(server, connection, events):
        receiver = await connection.receiver("q")
        first = server.link
        sends = [asyncio.ensure_future(first.send(Message(body=number))) for number in range(4)]
        _, settled = await receiver.receive()
        assert settled.accept()
        await sends[0]
        _, held = await receiver.receive()
        server.end(way)
        outcomes = await asyncio.gather(*sends[1:], return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Lost] * 3
        await until(lambda: server.link is not first and connection.is_connected)
        assert not held.is_open
        assert not held.accept()
        assert not held.reject("a:b")
        assert receiver.unsettled == receiver.queued == receiver.engine_link.unsettled == 0
        await put(server, 1, 2, 3)
        for number in (1, 2, 3):
            message, delivery = await receiver.receive()
            assert (message.body, delivery.accept()) == (number, True)
        await server.link.flush()

    reconnecting(test)


@ways
def test_messages_that_their_sender_has_settled_are_not_lost(way):
    async def test(server, connection, events):
        receiver = await connection.receiver("q", options=AtMostOnce())
        await put(server, 1, 2, 3)
        await until(lambda: receiver.queued == 3)
        first = server.link
        server.end(way)
        await until(lambda: server.link is not first)
        await put(server, 4)
        bodies = []
        for _ in range(4):
            message, delivery = await receiver.receive()
            bodies.append(message.body)
            assert not delivery.is_open
        assert bodies == [1, 2, 3, 4]

    reconnecting(test)


def test_a_drain_ends_with_the_loss_and_the_receiver_stays_drained():
    async def test(server, connection, events):
        receiver = await connection.receiver("q", prefetch=5)
        await receiver.drain()
        first = server.link
        server.kill()
        await until(lambda: server.link is not first)
        await connection.ready()
        assert server.link.credit == 0
        receiver.resume()
        await put(server, "x")
        assert (await receiver.receive())[0].body == "x"

    reconnecting(test)


# -- streams -------------------------------------------------------------------------------------------------------


@ways
def test_a_body_that_is_being_sent_raises_lost_and_the_link_goes_on(way):
    async def test(server, connection, events):
        sender = await connection.sender("q")
        go_on = asyncio.Event()

        async def pieces():
            yield b"x" * 1000
            server.end(way)
            await go_on.wait()
            yield b"y" * 1000

        streaming = asyncio.ensure_future(sender.send_stream(pieces()))
        await until(lambda: events)
        await connection.ready()
        sending = asyncio.ensure_future(sender.send(Message(body="after")))
        await until(lambda: server.taken)
        go_on.set()
        with pytest.raises(Lost, match="may have arrived"):
            await streaming
        await sending
        assert server.bodies == ["after"]

    reconnecting(test)


def test_a_body_whose_peer_reads_no_more_raises_lost_when_the_connection_goes():
    async def test(server, connection, events):
        sender = await connection.sender("q")
        server.holds = True

        def pieces():
            while True:
                yield b"x" * 60000

        streaming = asyncio.ensure_future(sender.send_stream(pieces(), timeout=None))
        await asyncio.sleep(0)
        server.kill()
        with pytest.raises(Lost, match="may have arrived"):
            await streaming
        assert (await asyncio.wait_for(connection.sender("other"), 5)).is_open

    reconnecting(test)


@ways
def test_a_body_that_is_being_read_raises_lost_and_the_next_message_comes(way):
    async def test(server, connection, events):
        receiver = await connection.receiver("q")
        first = server.link
        held = asyncio.Event()

        async def pieces():
            yield b"x" * 1000
            await held.wait()

        sending = asyncio.ensure_future(first.send_stream(pieces()))
        stream = await receiver.receive_stream()
        assert await stream.read(2000) == b"x" * 1000
        reading = asyncio.ensure_future(stream.read(2000))
        await asyncio.sleep(0)
        server.end(way)
        with pytest.raises(Lost, match="lost before the end of a message"):
            await reading
        with pytest.raises(Lost):
            await stream.read()
        assert not stream.delivery.accept()
        held.set()
        with pytest.raises(ConnectionClosed):
            await sending
        await until(lambda: server.link is not first)
        await put(server, "x")
        assert (await receiver.receive())[0].body == "x"

    reconnecting(test)


# -- requests ------------------------------------------------------------------------------------------------------


async def answer(server, index, count=1):
    """Answers requests that the peer has taken, over its latest link to the client."""
    link = next(link for link in reversed(server.links) if isinstance(link, Sender))
    for message, _ in server.taken[index : index + count]:
        assert message.reply_to == link.address
        await link.send_soon(Message(correlation_id=message.correlation_id, body=message.body * 2))


@ways
def test_a_request_without_a_response_raises_that_it_may_have_been_served(way):
    async def test(server, connection, events):
        ask = await connection.requester("ask")
        asking = asyncio.ensure_future(ask(Message(body=1)))
        await until(lambda: server.taken)
        server.end(way)
        with pytest.raises(Lost, match="may have been served"):
            await asking
        asking = asyncio.ensure_future(ask(Message(body=2)))
        await until(lambda: len(server.taken) == 2)
        await answer(server, 1)
        assert (await asking).body == 4

    reconnecting(test)


@ways
def test_requests_are_sent_again_with_the_new_address_for_responses(way):
    async def test(server, connection, events):
        ask = await connection.requester("ask", resend=True)
        asking = [asyncio.ensure_future(ask(Message(body=number))) for number in range(5)]
        await until(lambda: len(server.taken) == 5)
        server.end(way)
        await until(lambda: len(server.taken) == 10)
        await answer(server, 5, 5)
        assert [message.body for message in await asyncio.gather(*asking)] == [0, 2, 4, 6, 8]

    reconnecting(test)


@pytest.mark.parametrize("resend", [False, True])
def test_requests_that_wait_for_credit_are_sent_once_over_the_next_connection(resend):
    async def test(server, connection, events):
        ask = await connection.requester("ask", resend=resend)
        server.holds = True
        asking = [asyncio.ensure_future(ask(Message(body=number))) for number in range(5)]
        await until(lambda: len(server.taken) == 2)
        server.holds = False
        server.kill()
        await until(lambda: len(server.taken) == (7 if resend else 5))
        await answer(server, 2, 5)
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        if not resend:
            assert [type(outcome) for outcome in outcomes[:2]] == [Lost, Lost]
        assert [outcome.body for outcome in outcomes[0 if resend else 2 :]] == [0, 2, 4, 6, 8][0 if resend else 2 :]
        for _ in range(20):
            await asyncio.sleep(0)
        assert server.bodies == ([0, 1, 0, 1, 2, 3, 4] if resend else [0, 1, 2, 3, 4])

    reconnecting(test, prefetch=2)


def test_a_message_that_is_given_up_behind_another_one_is_passed_over():
    async def test(server, connection, events):
        receiver = await connection.receiver("q")
        await put(server, "first")
        held = asyncio.Event()

        async def pieces():
            yield b"x" * 1000
            await held.wait()

        sending = asyncio.ensure_future(server.link.send_stream(pieces()))
        await until(lambda: receiver.queued == 2)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await put(server, "last")
        await until(lambda: receiver.queued >= 2)
        for body in ("first", "last"):
            message, delivery = await receiver.receive()
            assert (message.body, delivery.accept()) == (body, True)

    reconnecting(test)
