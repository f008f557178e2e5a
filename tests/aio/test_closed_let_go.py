"""A connection that has ended is freed with its links, at both ends, without the garbage collector."""

import asyncio
import gc
import weakref

import pytest

from proton import Message
from proton.asyncio import ConnectionClosed, LinkClosed, Undeliverable, connect
from proton.asyncio.opening import core_of
from proton.exceptions import ProtonException
from proton.testing import Broker
from tests.support.aio import run
from tests.support.aio_peer import peer, until
from tests.support.aio_relay import relay
from tests.support.references import counting, no_collection

HOWS = ["closed by us", "closed by the peer", "lost", "given up"]


async def end(how, connection, theirs, line):
    if how == "closed by us":
        await connection.close()
    elif how == "closed by the peer":
        await theirs.close()
    elif how == "lost":
        line.cut()
    else:
        line.stop()
    await connection.wait_closed()
    await until(lambda: "closed" in repr(theirs))


def options_for(how):
    return {"reconnect": [0.0, 0.0]} if how == "given up" else {}


def seen_of(connection):
    """Weak references to a connection and to what the engine has of it."""
    made = connection.engine
    return [weakref.ref(each) for each in (connection, core_of(connection), made, *made.sessions(0), *made.links(0))]


def seen_links(*links):
    return [weakref.ref(each) for link in links for each in (link, core_of(link))]


async def exchange(server, connection):
    """A message each way, over two links; the links and the delivery of the message that has come."""
    sender = await connection.sender("q")
    await sender.send(Message(body="x"))
    receiver = await connection.receiver("r")
    sending = server.start(server.link.send(Message(body="y")))
    _, delivery = await receiver.receive()
    delivery.accept()
    await sending
    return sender, receiver, delivery


def left_by(how, use):
    """What is left of a connection that has ended, at both ends, if nothing is collected.

    :param use: uses the connection, and gives weak references to what it has made.
    """

    async def main():
        async with peer() as server, relay(server.port) as line:
            connection = await connect(line.url, **options_for(how))
            seen = await use(server, connection)
            seen += seen_of(connection) + seen_of(server.connection) + seen_links(*server.links)
            theirs = server.connection
            # The server's loop over its clients has the latest one in a variable.
            bystander = await connect(server.url)
            await end(how, connection, theirs, line)
            server.links.clear()
            server.connections.clear()
            server.taken.clear()
            del connection, theirs
            for _ in range(5):  # tasks of the server and callbacks of the loop end
                await asyncio.sleep(0)
            left = [type(each()).__name__ for each in seen if each() is not None]
            await bystander.close()
            return len(seen), left

    with no_collection():
        return asyncio.run(main())


async def links(server, connection):
    sender, receiver, _ = await exchange(server, connection)
    return seen_links(sender, receiver)


async def a_session(server, connection):
    session = await connection.session()
    return seen_links(session, *(await exchange(server, session))[:2])


async def a_requester(server, connection):
    requester = await connection.requester("q")
    return [weakref.ref(requester), *seen_links(requester.sender, requester.receiver)]


async def a_transaction(server, connection):
    transaction = await connection.transaction()
    return [weakref.ref(transaction)]


async def a_wait_that_raises(server, connection):
    async def wait(receiver):
        with pytest.raises(ConnectionClosed):
            await receiver.receive()

    receiver = await connection.receiver("r")
    waiting = server.start(wait(receiver))
    await asyncio.sleep(0)
    assert not waiting.done()
    return seen_links(receiver)


@counting
@pytest.mark.parametrize("use", [links, a_session, a_requester, a_transaction, a_wait_that_raises])
@pytest.mark.parametrize("how", HOWS)
def test_a_connection_that_has_ended_is_freed_with_its_links(how, use):
    count, left = left_by(how, use)
    assert count >= 10 and left == []


@counting
def test_an_opening_that_fails_leaves_nothing():
    async def main():
        async with peer() as server, relay(server.port) as line:
            line.stop()
            connection = connect(line.url)
            with pytest.raises(ConnectionClosed):
                await connection
            seen = seen_of(connection)
            del connection
            await asyncio.sleep(0)
            return [type(each()).__name__ for each in seen if each() is not None]

    with no_collection():
        assert asyncio.run(main()) == []


@pytest.mark.parametrize("how", HOWS)
def test_what_the_program_holds_answers_after_the_end(how):
    async def main():
        async with peer() as server, relay(server.port) as line:
            connection = await connect(line.url, **options_for(how))
            place = repr(connection).split(": ")[0]
            sender, receiver, delivery = await exchange(server, connection)
            link = sender.engine_link
            await end(how, connection, server.connection, line)
            await asyncio.sleep(0)
            gc.collect()
            assert repr(connection) == f"{place}: closed>" and not connection.is_connected
            assert sender.connection is connection and delivery.receiver is receiver
            assert not sender.is_open and "'q': closed" in repr(sender) and sender.address == "q"
            assert "settled" in repr(delivery) and not delivery.accept()
            assert link.session.connection is connection.engine and link.name == sender.name
            texts = set()
            for call in (sender.send(Message()), connection.ready(), connection.sender("s").open(), receiver.receive()):
                with pytest.raises((ConnectionClosed, LinkClosed)) as caught:
                    await call
                texts.add(str(caught.value).rpartition("was ")[2].partition(":")[0])
            # The second text is that of a link.
            assert texts <= {"closed", "closed by the peer", "lost"} and texts
            await sender.close()
            await receiver.detach()
            await connection.close()
            await connection.wait_closed()

    run(main)


def test_a_link_alone_still_knows_its_connection_and_a_delivery_its_receiver():
    async def main():
        async with peer() as server:
            connection = await connect(server.url)
            sender, receiver, delivery = await exchange(server, connection)
            name = receiver.name
            await connection.close()
            shown = repr(connection)
            del connection, receiver
            await asyncio.sleep(0)
            gc.collect()
            assert delivery.receiver.name == name and delivery.receiver.connection.is_closed_here
            assert repr(sender.connection) == shown and sender.connection is sender.connection
            with pytest.raises(ProtonException, match="closed"):
                await sender.connection.ready()

    run(main)


def test_an_error_that_is_raised_twice_is_two_with_one_text():
    async def main():
        async with peer() as server:
            connection = await connect(server.url)
            await connection.close()
            caught = []
            for _ in range(2):
                with pytest.raises(ConnectionClosed) as info:
                    await connection.ready()
                caught.append(info.value)
            first, second = caught
            assert first is not second and str(first) == str(second) and type(first) is type(second)
            assert first.condition == second.condition

    run(main)


@counting
@pytest.mark.parametrize("kind", ["rejected", "released", "modified"])
def test_an_outcome_that_is_raised_is_freed_with_its_exception(kind):
    async def main():
        with Broker() as broker:
            async with connect(broker.url) as connection, connection.sender("q") as sender:
                broker.answer_next(kind)
                try:
                    await sender.send(Message())
                except Undeliverable as error:
                    seen = weakref.ref(error)
                    assert error.receipt is not None and error.address == "q"
                await asyncio.sleep(0)
                return seen()

    with no_collection():
        assert asyncio.run(main()) is None


@counting
def test_a_request_that_is_refused_is_freed_with_its_exception():
    async def main():
        with Broker() as broker:
            async with connect(broker.url) as connection, connection.requester("service") as ask:
                broker.answer_next("rejected", "amqp:not-allowed", "closed on Sundays")
                try:
                    await ask(Message())
                except Undeliverable as error:
                    seen = weakref.ref(error)
                    assert "closed on Sundays" in str(error)
                await asyncio.sleep(0)
                return seen()

    with no_collection():
        assert asyncio.run(main()) is None
