"""Options of links, dynamic nodes, settlement by the second party, sessions."""

import asyncio

import pytest

from proton import Link, Message, symbol
from proton.asyncio import LinkClosed, Modified, Receiver, Rejected, Released, Sender, connect, serve
from proton.exceptions import LinkException
from proton.reactor import AtLeastOnce, AtMostOnce, Copy, DurableSubscription, LinkOption, ReceiverOption, Selector
from tests.support.aio import broker, run


def linked(test, **options):
    """Runs a test with a connection and the connection that the server has of it."""

    async def main():
        listener = await serve("127.0.0.1:0")
        async with listener, connect(f"127.0.0.1:{listener.port}", **options) as connection:
            theirs = await listener.__anext__()
            requests = theirs.incoming()
            try:
                await test(connection, requests)
            finally:
                await requests.aclose()

    run(main)


async def joined(link, requests, address=None, **settings):
    """A link that is opened, the request for it, and the other end."""
    opening = asyncio.ensure_future(link.open())
    request = await requests.__anext__()
    accepted = request.accept(address, **settings)
    return await opening, request, accepted


class SecondOption(LinkOption):
    """The receiver settles after the sender."""

    def apply(self, link):
        link.rcv_settle_mode = Link.RCV_SECOND


class SizeOption(ReceiverOption):
    """Small messages only."""

    def apply(self, receiver):
        receiver.max_message_size = 100


def test_at_most_once_sends_settled():
    async def test(connection, requests):
        sender, _, receiver = await joined(connection.sender("q", options=AtMostOnce()), requests)
        receipt = await sender.send(Message(body=1))
        assert (receipt.state, sender.unsettled) == (0, 0)
        await sender.send_soon(Message(body=2))
        await sender.flush()
        for body in (1, 2):
            message, delivery = await receiver.receive()
            assert message.body == body
            assert not delivery.is_open
            assert not delivery.accept()

    linked(test)


def test_at_least_once_and_names_and_properties_are_sent():
    async def test(connection, requests):
        sender = connection.sender("q", name="mine", source="s", options=[AtLeastOnce()])
        sender, request, receiver = await joined(sender, requests)
        assert (request.name, request.address) == ("mine", "q")
        assert isinstance(receiver, Receiver)
        assert receiver.engine_link.remote_source.address == "s"
        assert receiver.engine_link.remote_snd_settle_mode == Link.SND_UNSETTLED

    linked(test)


def test_filters_and_distribution_modes_reach_the_peer():
    async def test(connection, requests):
        receiver = connection.receiver("q", options=[Selector("colour = 'green'"), Copy()])
        _, request, sender = await joined(receiver, requests)
        assert isinstance(sender, Sender)
        filters = request.terminus.filter
        filters.rewind()
        filters.next()
        assert filters.get_object()[symbol("selector")].value == "colour = 'green'"
        assert request.terminus.distribution_mode == request.terminus.DIST_MODE_COPY

    linked(test)


def test_a_durable_subscription_is_detached_and_not_closed():
    async def test(connection, requests):
        receiver = connection.receiver("q", name="sub", options=DurableSubscription())
        receiver, request, sender = await joined(receiver, requests)
        assert request.terminus.durability == request.terminus.DELIVERIES
        await receiver.detach()
        # A detach without closed: the peer keeps the terminus (2.6.3).
        assert not sender.engine_link.state & Link.REMOTE_CLOSED
        with pytest.raises(LinkClosed):
            await sender.send(Message(body="later"))
        again = connection.receiver("q", name="sub", options=DurableSubscription())
        again, request, sender = await joined(again, requests)
        assert request.name == "sub"
        waiting = asyncio.ensure_future(again.receive())
        sent = asyncio.ensure_future(sender.send(Message(body="kept")))
        message, delivery = await waiting
        assert message.body == "kept"
        delivery.accept()
        await sent

    linked(test)


def test_a_dynamic_receiver_has_the_address_that_the_peer_has_made():
    async def test(connection, requests):
        opening = asyncio.ensure_future(connection.receiver(dynamic=True).open())
        request = await requests.__anext__()
        assert request.is_dynamic
        with pytest.raises(ValueError, match="expected the address that was made for a dynamic terminus, got none"):
            request.accept()
        request.accept("made-for-you")
        assert (await opening).address == "made-for-you"

    linked(test)


def test_a_request_is_answered_once():
    async def test(connection, requests):
        opening = asyncio.ensure_future(connection.sender("q").open())
        request = await requests.__anext__()
        request.accept()
        request.refuse()  # too late
        with pytest.raises(LinkClosed, match="to send to .q. was withdrawn, or is answered"):
            request.accept()
        assert (await opening).is_open
        refused = asyncio.ensure_future(connection.receiver(dynamic=True).open())
        (await requests.__anext__()).refuse("amqp:not-implemented", "no nodes are made here")
        with pytest.raises(LinkClosed, match="amqp:not-implemented: no nodes are made here"):
            await refused

    linked(test)


def test_tags_come_from_the_program():
    async def test(connection, requests):
        sender, _, receiver = await joined(connection.sender("q", tags=iter(["a", b"b", "c"])), requests)
        for _ in range(2):
            await sender.send_soon(Message())
        await sender.send_soon(Message(), tag="own")
        tags = []
        for _ in range(3):
            _, delivery = await receiver.receive()
            tags.append(delivery.tag)
            delivery.accept()
        assert tags == [b"a", b"b", b"own"]
        await sender.flush()

    linked(test)


def test_a_message_that_is_too_large_is_not_sent():
    async def test(connection, requests):
        sender, _, receiver = await joined(connection.sender("q"), requests, options=SizeOption())
        assert sender.max_message_size == 100
        for send in (sender.send, sender.send_soon):
            with pytest.raises(LinkException, match="100"):
                await send(Message(body=b"x" * 200))
        sent = asyncio.ensure_future(sender.send(Message(body="small")))
        message, delivery = await receiver.receive()
        assert message.body == "small"
        delivery.accept()
        await sent

    linked(test)


def test_a_receiver_that_settles_second_waits_for_the_sender():
    async def test(connection, requests):
        receiver, _, sender = await joined(connection.receiver("q", options=SecondOption()), requests)
        sent = asyncio.ensure_future(sender.send(Message(body="x")))
        _, delivery = await receiver.receive()
        assert delivery.accept()
        assert not delivery.is_open
        await delivery.settled(timeout=5)
        assert (await sent).state.name == "ACCEPTED"
        await delivery.settled(timeout=5)

    linked(test)


@pytest.mark.parametrize(
    ("give", "error", "fields"),
    [
        (lambda delivery: delivery.release(), Released, {}),
        (lambda delivery: delivery.reject("a:b", "why"), Rejected, {}),
        (lambda delivery: delivery.reject(description="why"), Rejected, {}),
        (
            lambda delivery: delivery.modify(False, True, {symbol("x-opt-a"): 1}),
            Modified,
            {"failed": False, "undeliverable": True, "annotations": {symbol("x-opt-a"): 1}},
        ),
        (lambda delivery: delivery.modify(), Modified, {"failed": True, "undeliverable": False}),
    ],
)
def test_outcomes_arrive_with_their_fields(give, error, fields):
    async def test(connection, requests):
        sender, _, receiver = await joined(connection.sender("q"), requests)
        sent = asyncio.ensure_future(sender.send(Message()))
        _, delivery = await receiver.receive()
        assert give(delivery)
        with pytest.raises(error) as caught:
            await sent
        assert {name: getattr(caught.value, name) for name in fields} == fields
        assert caught.value.receipt.tag == delivery.tag

    linked(test)


def test_links_of_a_session_of_its_own_end_with_it():
    async def main():
        async with broker() as peer, connect(peer.url) as connection:
            shared = await connection.sender("q")
            async with connection.session(incoming_capacity=65536, outgoing_window=10) as session:
                sender, receiver = await session.sender("q"), await session.receiver("q")
                assert sender.engine_link.session is receiver.engine_link.session
                assert sender.engine_link.session is not shared.engine_link.session
                await sender.send(Message(body="x"))
                _, delivery = await receiver.receive()
                delivery.accept()
            with pytest.raises(Exception, match="session"):
                await sender.send(Message())
            await shared.send(Message())

    run(main)
