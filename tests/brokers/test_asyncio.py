"""`proton.asyncio` through the real brokers: it finds what docs/brokers.md says, and its own gestures work there."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from proton import LinkException, Message, Terminus, symbol
from proton.asyncio import (
    ConnectionClosed,
    LinkClosed,
    Lost,
    Modified,
    Rejected,
    Released,
    SessionClosed,
    Timeout,
    TransactionAborted,
    connect,
)
from proton.reactor import Copy, DurableSubscription, LinkOption, Selector
from tests.brokers.test_operations import TABLE
from tests.support.aio import run
from tests.support.peers import BROKERS, started

MANY = 10_000
MIB = 1 << 20


@pytest.fixture(scope="module", params=BROKERS)
def broker(request):
    with started(request.param) as peer:
        yield request.param, peer


@contextlib.asynccontextmanager
async def connected(peer, **options):
    async with connect(peer.url(), timeout=10, **options) as connection:
        yield connection


def durable(body, **fields):
    return Message(body=body, durable=True, **fields)


async def fill(connection, address, *bodies):
    async with connection.sender(address) as sender:
        for number, body in enumerate(bodies):
            await sender.send(durable(body, id=number))


# -- what the table says: each function returns the words of its cell ------------------------------------------------


async def logs_in(peer):
    async with connected(peer) as connection:
        assert connection.is_connected
    return "yes"


async def refuses_a_wrong_password(peer):
    async with connect(peer.url("wrong")):
        return "no"


async def sends_and_confirms(peer, address):
    async with connected(peer) as connection, connection.sender(address) as sender:
        receipt = await sender.send(durable("x"))
    return receipt.state.name.lower()


async def receives_and_accepts(peer, address):
    async with connected(peer) as connection:
        await fill(connection, address, 1, 2, 3)
        async with connection.receiver(address, prefetch=0) as receiver:
            for body in (1, 2):
                message, delivery = await receiver.receive(timeout=10)
                assert message.body == body and delivery.accept() and not delivery.accept()
        async with connection.receiver(address) as receiver:
            message, delivery = await receiver.receive(timeout=10)
            assert message.body == 3 and delivery.accept()
    return "yes"


async def after(peer, address, outcome):
    """The message that gets this outcome, as it comes again; None if it does not."""
    async with connected(peer) as connection:
        await fill(connection, address, "first", "second")
        async with connection.receiver(address, prefetch=0) as receiver:
            message, delivery = await receiver.receive(timeout=10)
            assert message.body == "first"
            async with delivery:
                raise outcome
            message, delivery = await receiver.receive(timeout=10)
            delivery.accept()
    return None if message.body == "second" else message


def counted(message):
    return f"delivery-count {message.delivery_count}" if message.delivery_count else "not counted"


async def releases(peer, address):
    return "comes again, " + counted(await after(peer, address, Released()))


async def rejects(peer, address):
    return "comes again" if await after(peer, address, Rejected("app:bad", "a bad one")) else "gone"


async def modifies(peer, address):
    message = await after(peer, address, Modified(annotations={symbol("x-opt-why"): "later"}))
    kept = (message.annotations or {}).get(symbol("x-opt-why")) == "later"
    return f"comes again, {counted(message)}, annotations {'kept' if kept else 'lost'}"


async def modifies_undeliverable_here(peer, address):
    message = await after(peer, address, Modified(failed=False, undeliverable=True))
    return "gone" if message is None else f"comes again, {counted(message)}"


class Second(LinkOption):
    def apply(self, link):
        link.rcv_settle_mode = link.RCV_SECOND


async def settles_second(peer, address):
    async with connected(peer) as connection, connection.receiver(address, options=Second()) as receiver:
        link = receiver.engine_link
        return "yes" if link.remote_rcv_settle_mode == link.RCV_SECOND else "no: mode first in its attach"


async def drains(peer, address):
    async with connected(peer) as connection:
        await fill(connection, address, 1)
        async with connection.receiver(address, prefetch=5) as receiver:
            bodies = []
            async for message, delivery in receiver:
                bodies.append(message.body)
                delivery.accept()
                await receiver.drain()
            assert bodies == [1]
            await fill(connection, address, 2)
            receiver.resume()
            message, delivery = await receiver.receive(timeout=10)
            assert message.body == 2 and delivery.accept()
    return "yes"


class Capable(LinkOption):
    def __init__(self, *capabilities):
        self.capabilities = capabilities

    def apply(self, link):
        for capability in self.capabilities:
            (link.target if link.is_sender else link.source).capabilities.put_object(symbol(capability))


async def dynamic(peer, *capabilities):
    async with connected(peer) as connection:
        receiver = await connection.receiver(dynamic=True, options=Capable(*capabilities))
        await fill(connection, receiver.address, "x")
        message, delivery = await receiver.receive(timeout=10)
        assert message.body == "x" and delivery.accept()
    return "yes"


async def makes_temporary_queues(peer):
    return await dynamic(peer, "temporary-queue")


async def relays(peer, address):
    async with connected(peer) as connection, connection.sender() as sender:
        await sender.send(durable("x", address=address))
        async with connection.receiver(address) as receiver:
            message, delivery = await receiver.receive(timeout=10)
            assert message.body == "x" and delivery.accept()
    return "yes"


async def selects(peer, address):
    async with connected(peer) as connection:
        async with connection.sender(address) as sender:
            for number, colour in enumerate(["red", "green", "red", "green"]):
                await sender.send(durable(number, properties={"colour": colour}))
        async with connection.receiver(address, options=Selector("colour = 'green'")) as receiver:
            data = receiver.engine_link.remote_source.filter
            told = data.next() and data.get_object()
            bodies = []
            for _ in range(2):
                message, delivery = await receiver.receive(timeout=10)
                bodies.append(message.body)
                delivery.accept()
    if bodies == [1, 3]:
        return "yes"
    return "ignored, " + ("the filter is in its attach" if told else "and missing in its attach")


async def browses(peer, address):
    async with connected(peer) as connection:
        await fill(connection, address, 1, 2)
        async with connection.receiver(address, prefetch=5, options=Copy()) as browser:
            if browser.engine_link.remote_source.distribution_mode != Terminus.DIST_MODE_COPY:
                return "no: mode move in its attach"
            seen = [await browser.receive(timeout=10) for _ in range(2)]
            assert [message.body for message, _ in seen] == [1, 2]
            # While the browser still holds them: one that has taken them would give them back at its end.
            taken = []
            async with connection.receiver(address) as receiver:
                with contextlib.suppress(Timeout):
                    for _ in range(2):
                        message, delivery = await receiver.receive(timeout=2)
                        taken.append(message.body)
                        delivery.accept()
            for _, delivery in seen:
                delivery.accept()
    return "yes" if taken == [1, 2] else "no: takes the messages, in spite of mode copy in its attach"


async def takes_large_messages(peer, address):
    """50 MiB, through and back; the second one is read while it comes, and a megabyte of it is held at most."""
    body = bytes(range(256)) * (50 * MIB // 256)
    async with connected(peer) as connection:
        async with connection.sender(address) as sender:
            try:
                await sender.send(durable(body, inferred=True))
            except LinkException as error:
                assert f"{sender.max_message_size}" in str(error)
                return f"our sender refuses it: max-message-size {sender.max_message_size}"
            await sender.send(durable(body, inferred=True))
        async with connection.receiver(address, prefetch=0) as receiver:
            message, delivery = await receiver.receive(timeout=10)
            assert message.body == body and delivery.accept()
        assert await size_of_a_stream(connection, address) == len(body)
    return "50 MiB"


async def size_of_a_stream(connection, address):
    """Bytes of the next message, which is read piece by piece."""
    session = await connection.session(incoming_capacity=MIB)
    async with session, session.receiver(address, prefetch=1) as receiver:
        size = 0
        async with await receiver.receive_stream(timeout=10) as stream:
            async for piece in stream:
                assert receiver.engine_link.session.incoming_bytes <= MIB
                size += len(piece)
        stream.delivery.accept()
    return size


async def refuses_an_unknown_address(peer):
    async with connected(peer) as connection, connection.receiver(peer.unknown):
        return "makes the queue"


async def tells_consumers_of_a_deleted_queue(peer, address):
    async with connected(peer) as connection, connection.receiver(address) as receiver:
        waiting = asyncio.ensure_future(receiver.receive(timeout=15))
        await asyncio.get_running_loop().run_in_executor(None, peer.delete, address)
        await waiting


async def carries_many_messages(peer, address):
    async with connected(peer) as connection:

        async def produce():
            async with connection.sender(address) as sender:
                for number in range(MANY):
                    await sender.send_soon(durable(number))
                await sender.flush()
                assert sender.unsettled == 0

        async with connection.receiver(address, prefetch=500) as receiver:
            sending = asyncio.ensure_future(produce())
            bodies = []
            async for message, delivery in receiver:
                bodies.append(message.body)
                delivery.accept()
                if len(bodies) == MANY:
                    break
            await sending
    assert bodies == list(range(MANY))
    return f"{MANY}"


async def commits_and_aborts(peer, address):
    async with connected(peer) as connection:
        async with connection.sender(address) as sender, connection.receiver(address) as receiver:
            aborted = await connection.transaction()
            await aborted.send(sender, durable("aborted"))
            await aborted.abort()
            async with connection.transaction() as transaction:
                await transaction.send(sender, durable("committed"))
            message, delivery = await receiver.receive(timeout=10)
            assert message.body == "committed"
            async with connection.transaction() as transaction:
                assert transaction.accept(delivery)
        async with connection.receiver(address) as receiver:
            await receiver.drain()
            assert [message.body async for message, _ in receiver] == []
    return "yes"


async def keeps_durable_subscriptions(peer):
    options = [DurableSubscription(), Capable("topic")]

    async def taken(**more):
        async with connected(peer, container_id="asyncio-reader") as connection:
            receiver = await connection.receiver(peer.topic, name="asyncio-daily", options=options)
            try:
                return (await receiver.receive(timeout=2))[0].body if more else None
            finally:
                await receiver.detach()

    await taken()
    async with connected(peer) as connection, connection.sender(peer.topic, options=Capable("topic")) as sender:
        await sender.send(durable("news"))
    try:
        assert await taken(waits=True) == "news"
    except Timeout:
        return "no: ends with its connection"
    return "yes"


ROWS = {
    "login by user and password": logs_in,
    "a wrong password": refuses_a_wrong_password,
    "send, with an outcome": sends_and_confirms,
    "receive, accept": receives_and_accepts,
    "release": releases,
    "reject": rejects,
    "modified, delivery-failed, annotations": modifies,
    "modified, undeliverable-here": modifies_undeliverable_here,
    "settle second": settles_second,
    "drain": drains,
    "dynamic source": dynamic,
    "dynamic source, capability `temporary-queue`": makes_temporary_queues,
    "relay: a sender without an address": relays,
    "JMS selector on a queue": selects,
    "browse": browses,
    "a message of 50 MiB": takes_large_messages,
    "an unknown address": refuses_an_unknown_address,
    "a queue is deleted under a consumer": tells_consumers_of_a_deleted_queue,
    "messages each way": carries_many_messages,
    "transactions": commits_and_aborts,
    "durable subscriptions": keeps_durable_subscriptions,
}
KINDS = [(SessionClosed, "end"), (LinkClosed, "detach"), (Lost, None), (ConnectionClosed, "close")]


async def cell(operation, *arguments):
    """The words for what a broker does, an end that is raised included."""
    try:
        return await operation(*arguments)
    except (LinkClosed, SessionClosed, ConnectionClosed) as error:
        kind = next(word for each, word in KINDS if isinstance(error, each))
        return f"{kind}: `{error.condition.name}`" if kind else "the connection is lost"
    except TransactionAborted as error:
        return f"aborted: `{error.condition.name}`"


def arguments_of(operation, peer):
    return (peer, peer.queue()) if operation.__code__.co_argcount == 2 else (peer,)


@pytest.mark.parametrize("row", ROWS)
def test_asyncio_finds_what_the_table_says(broker, row):
    name, peer = broker
    operation = ROWS[row]
    found = run(cell, operation, *arguments_of(operation, peer), debug=operation is not carries_many_messages)
    expected = TABLE[row][name]
    if found.startswith("aborted"):  # a transaction knows the condition, and not what has ended with it
        found, expected = found.partition(": ")[2], expected.rpartition(": ")[2]
    assert found == expected.replace("no; ", "")


@pytest.mark.parametrize("is_size_known", [True, False])
def test_a_body_that_is_streamed(broker, is_size_known):
    name, peer = broker

    async def main(address):
        async with connected(peer) as connection:
            async with connection.sender(address) as sender:
                size = 8 * MIB if is_size_known else None
                await sender.send_stream([bytes(MIB)] * 8, durable(None), size=size)
            return await size_of_a_stream(connection, address)

    if name == "RabbitMQ 3.10":  # it takes a transfer without a payload, the last one, for a mistake
        with pytest.raises(Lost, match="its session was closed by the peer: amqp:internal-error: Unexpected frame"):
            run(main, peer.queue())
    else:
        assert run(main, peer.queue()) == 8 * MIB
