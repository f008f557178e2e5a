"""`Sender`: outcomes, credit, time-outs and cancellations."""

import asyncio

import pytest

from proton import Message
from proton.asyncio import LinkClosed, Rejected, Sender, Timeout, connect, serve
from tests.support.aio import broker, run


def sending(test, **options):
    """Runs a test with a connection and an open sender."""

    async def main():
        async with broker() as peer, connect(peer.url, **options) as connection, connection.sender("q") as sender:
            await test(peer, connection, sender)

    run(main)


def test_send_returns_the_receipt_of_an_accepted_message():
    async def test(peer, connection, sender):
        assert isinstance(sender, Sender)
        assert sender.is_open
        receipt = await sender.send(Message(body="x"), tag="t")
        assert (receipt.tag, receipt.state.name, receipt.condition) == (b"t", "ACCEPTED", None)
        assert peer.queue("q").get_nowait().body == "x"

    sending(test)


def test_a_rejected_message_raises_with_its_condition():
    async def test(peer, connection, sender):
        with pytest.raises(Rejected, match="rejected: app:bad: a bad one") as caught:
            await sender.send(Message(body="bad"))
        assert caught.value.condition.name == "app:bad"

    sending(test)


def test_flush_raises_the_first_failure_and_has_the_others():
    async def test(peer, connection, sender):
        for body in ("x", "bad", "bad", "y"):
            await sender.send_soon(Message(body=body))
        with pytest.raises(Rejected, match=r"a bad one \(and 1 more\)") as caught:
            await sender.flush()
        assert [type(error) for error in caught.value.others] == [Rejected]
        await sender.flush()

    sending(test)


def test_an_address_that_is_refused_raises_when_the_link_is_opened():
    async def test(peer, connection, sender):
        with pytest.raises(LinkClosed, match="closed by the peer: amqp:not-found: no queue missing") as caught:
            await connection.sender("missing")
        assert caught.value.condition.name == "amqp:not-found"

    sending(test)


def test_a_time_out_says_that_the_message_may_have_arrived_and_the_outcome_comes_late():
    late = []

    async def test(peer, connection, sender):
        with pytest.raises(Timeout, match=r"may have arrived: sender to 'q': timed out after 0\.05 s"):
            await sender.send(Message(body="held"), timeout=0.05)
        await peer.links[0].close()
        with pytest.raises(LinkClosed):
            await sender.send(Message())
        await asyncio.sleep(0)
        assert len(late) == 1

    sending(test, on_late_outcome=late.append)


def test_a_link_whose_opening_has_timed_out_may_be_opened_again():
    async def main():
        async with serve("127.0.0.1:0") as listener, connect(f"127.0.0.1:{listener.port}") as connection:
            sender = connection.sender("q")
            with pytest.raises(Timeout, match="opening sender to 'q'"):
                await sender.open(timeout=0.02)
            requests = (await listener.__anext__()).incoming()
            withdrawn = await requests.__anext__()
            opening = asyncio.ensure_future(sender.open())
            request = await requests.__anext__()
            assert (withdrawn.is_open, request.is_open) == (False, True)
            request.accept()
            await opening
            await sender.send_soon(Message())
            await requests.aclose()
            await sender.close()

    run(main)


def test_a_message_that_cannot_be_sent_leaves_its_turn_to_the_next_one():
    async def test(peer, connection, sender):
        waiting = connection.sender("q")
        async with waiting:
            # More than have their turn at once, so that the others wait for it.
            bodies = ["x" if number != 120 else object() for number in range(300)]
            sent = [asyncio.ensure_future(waiting.send(Message(body=body))) for body in bodies]
            results = await asyncio.gather(*sent, return_exceptions=True)
            assert [number for number, result in enumerate(results) if isinstance(result, Exception)] == [120]

    sending(test)
