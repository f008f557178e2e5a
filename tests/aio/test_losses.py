"""What a program hears of losses: events, first attempts, sessions and links that the peer ends, time-outs."""

import asyncio

import pytest

from proton import Condition, Message
from proton.asyncio import (
    ConnectionClosed,
    LinkClosed,
    Lost,
    SessionClosed,
    TransactionAborted,
    connect,
)
from proton.asyncio.opening import core_of
from tests.support.aio import run
from tests.support.aio_peer import FORCED, QUICK, held, peer, until
from tests.support.programs import free_port

ways = pytest.mark.parametrize("way", ["kill", "stop"])


def reconnecting(test, **options):
    """Runs a test with a peer, a connection that is made again, and the events of it."""
    events = []
    options.setdefault("reconnect", QUICK)

    async def main():
        async with peer() as server, connect(server.url, on_event=events.append, **options) as connection:
            await test(server, connection, events)

    run(main)


def names(events):
    return [event.name for event in events]


# -- events --------------------------------------------------------------------------------------------------------


def test_a_loss_is_told_with_its_reason_and_so_are_the_attempts_and_the_end_of_it():
    async def test(server, connection, events):
        address = f"amqp://{server.url}"
        server.stop()
        await until(lambda: len(events) == 3)
        assert names(events) == ["lost", "connecting", "restored"]
        lost, connecting, restored = events
        assert (lost.reason, lost.address) == ("amqp:connection:forced: stopped", address)
        assert (connecting.attempt, connecting.delay, connecting.address) == (1, 0.0, address)
        assert restored.address == address
        assert {event.connection for event in events} == {connection}
        await connection.ready()
        server.kill()
        await until(lambda: names(events)[3:] == ["lost", "connecting", "restored"])

    reconnecting(test)


def test_attempts_that_fail_are_counted_and_the_last_one_gives_up():
    async def test(server, connection, events):
        sender = await connection.sender("q")
        (sending,) = await held(server, sender.send(Message()))
        server.kill()
        await server.listener.close()  # nothing listens there any more
        waits = connection.ready(), sender.send(Message()), connection.sender("r").open()
        outcomes = await asyncio.gather(sending, *waits, return_exceptions=True)
        assert all(isinstance(outcome, ConnectionClosed) for outcome in outcomes), outcomes
        await until(lambda: names(events) == ["lost", "connecting", "connecting", "gave up"])
        assert [(event.attempt, event.delay) for event in events[1:3]] == [(1, 0.0), (2, 0.01)]
        assert "no attempt is left" in events[3].reason
        with pytest.raises(ConnectionClosed):
            await connection.ready()
        await connection.wait_closed()

    reconnecting(test, reconnect=[0.0, 0.01])


def test_without_reconnect_a_loss_ends_the_connection():
    async def test(server, connection, events):
        sender = await connection.sender("q")
        (sending,) = await held(server, sender.send(Message()))
        server.kill()
        with pytest.raises(Lost, match="may have arrived"):
            await sending
        with pytest.raises(Lost, match="the connection to .* was lost"):
            await sender.send(Message())
        await until(lambda: names(events) == ["lost", "gave up"])

    reconnecting(test, reconnect=False)


def test_a_condition_that_cannot_pass_ends_the_connection():
    async def test(server, connection, events):
        receiver = await connection.receiver("q")
        waiting = asyncio.ensure_future(receiver.receive())
        server.start(server.connection.close(Condition("amqp:not-allowed", "never")))
        with pytest.raises(ConnectionClosed, match="amqp:not-allowed: never") as caught:
            await waiting
        assert caught.value.condition.name == "amqp:not-allowed"
        assert len(server.connections) == 1

    reconnecting(test)


def test_retry_on_names_the_conditions_after_which_the_connection_is_made_again():
    async def test(server, connection, events):
        server.start(server.connection.close(Condition("app:later")))
        await until(lambda: len(server.connections) == 2)
        await until(lambda: names(events) == ["lost", "connecting", "restored"])
        await connection.ready()
        server.start(server.connection.close(FORCED))
        with pytest.raises(ConnectionClosed, match="amqp:connection:forced"):
            await (await connection.receiver("q")).receive()

    reconnecting(test, retry_on=["app:later"])


# -- first attempts ------------------------------------------------------------------------------------------------


def test_the_first_attempt_raises_unless_the_program_has_it_tried_again():
    port = free_port()
    events = []

    async def main():
        with pytest.raises(ConnectionClosed, match="cannot connect"):
            await connect(f"127.0.0.1:{port}", reconnect=True, on_event=events.append)
        with pytest.raises(ConnectionClosed, match="cannot connect"):
            await connect(f"127.0.0.1:{port}", reconnect=[0, 0.01, 0.01], initial_retry=True, on_event=events.append)
        assert events == []

    run(main)


def test_the_first_attempt_is_tried_again_until_something_listens():
    port = free_port()

    async def main():
        connection = connect(f"127.0.0.1:{port}", reconnect=QUICK, initial_retry=True)
        opening = asyncio.ensure_future(connection.open())
        await asyncio.sleep(0.02)
        async with peer(port=port) as server:
            await opening
            sender = await connection.sender("q")
            await sender.send(Message(body=1))
            assert server.bodies == [1]
            await connection.close()

    run(main)


def test_the_next_url_is_taken_after_a_loss():
    async def main():
        events = []
        async with peer() as one, peer() as two:
            connection = await connect(one.url, two.url, reconnect=QUICK, on_event=events.append)
            sender = await connection.sender("q")
            await sender.send(Message(body=1))
            for each in one.listener.connections:
                core_of(each).host.stop()
            await one.listener.close()
            await sender.send(Message(body=2))
            assert (one.bodies, two.bodies) == ([1], [2])
            assert events[-1].name == "restored"
            assert events[-1].address == f"amqp://{two.url}"
            await connection.close()

    run(main)


# -- links and sessions --------------------------------------------------------------------------------------------


def test_a_node_that_is_missing_after_a_loss_is_asked_for_again():
    async def test(server, connection, events):
        sender, receiver = await connection.sender("q"), await connection.receiver("q")
        server.refused = Condition("amqp:not-found", "not yet")
        server.kill()
        waiting = asyncio.ensure_future(receiver.receive())
        await until(lambda: events)
        sending = asyncio.ensure_future(sender.send(Message(body=1)))
        await until(lambda: server.refusals >= 4)
        server.refused = None
        await sending
        await connection.ready()
        link = next(link for link in reversed(server.links) if link.engine_link.is_sender)
        await link.send_soon(Message(body="x"))
        assert (await waiting)[0].body == "x"

    reconnecting(test)


def test_a_link_that_is_refused_after_a_loss_with_another_condition_raises():
    async def test(server, connection, events):
        sender, receiver = await connection.sender("q", resend=True), await connection.receiver("q")
        server.refused = Condition("amqp:unauthorized-access", "no more")
        (sending,) = await held(server, sender.send(Message(body=1)))
        waiting = asyncio.ensure_future(receiver.receive())
        server.kill()
        with pytest.raises(LinkClosed, match="amqp:unauthorized-access: no more"):
            await waiting
        with pytest.raises(Lost, match=r"amqp:unauthorized-access.*; the message may have arrived"):
            await sending
        for call in (receiver.receive(), sender.send(Message())):
            with pytest.raises(LinkClosed, match="amqp:unauthorized-access: no more"):
                await call
        assert connection.is_connected
        await connection.ready()

    reconnecting(test)


def test_a_session_that_the_peer_ends_with_what_can_pass_is_made_again_with_its_links():
    async def test(server, connection, events):
        sender, again = await connection.sender("q"), await connection.sender("again", resend=True)
        receiver = await connection.receiver("q")
        waiting = asyncio.ensure_future(receiver.receive())
        sends = await held(server, *(each.send(Message(body=each.address)) for each in (sender, again)))
        server.holds = False
        server.end_session(Condition("amqp:internal-error", "a hiccup"))
        with pytest.raises(Lost, match="may have arrived"):
            await sends[0]
        await sends[1]
        assert server.bodies == ["q", "again", "again"]
        await connection.ready()
        await sender.send(Message(body="after"))
        link = next(link for link in reversed(server.links) if link.engine_link.is_sender)
        await link.send_soon(Message(body="x"))
        message, delivery = await waiting
        assert (message.body, delivery.accept()) == ("x", True)
        assert len(server.connections) == 1

    reconnecting(test)


@pytest.mark.parametrize("condition", [None, Condition("amqp:not-allowed", "never")])
def test_a_session_that_the_peer_ends_otherwise_ends_its_links(condition):
    async def test(server, connection, events):
        sender, receiver = await connection.sender("q"), await connection.receiver("q")
        server.holds = True
        sending = asyncio.ensure_future(sender.send(Message()))
        waiting = asyncio.ensure_future(receiver.receive())
        await until(lambda: server.taken)
        server.end_session(condition)
        with pytest.raises(SessionClosed, match="its session was closed by the peer" + (": amqp" if condition else "")):
            await waiting
        with pytest.raises(Lost, match=r"its session was closed.*; the message may have arrived"):
            await sending
        async with connection.sender("q") as other:
            server.holds = False
            await other.send(Message())

    reconnecting(test)


def test_a_link_is_attached_again_where_retry_on_says_so():
    async def test(server, connection, events):
        sender = await connection.sender("q")
        (sending,) = await held(server, sender.send(Message(body=1)))
        server.holds = False
        server.start(server.link.close(Condition("amqp:link:detach-forced", "idle")))
        with pytest.raises(Lost, match="may have arrived"):
            await sending
        await sender.send(Message(body=2))
        assert server.bodies == [1, 2]
        assert len(server.connections) == 1

    reconnecting(test, retry_on=["amqp:link:detach-forced"])


# -- transactions --------------------------------------------------------------------------------------------------


@ways
def test_a_transaction_is_aborted_by_the_loss_of_its_connection(way):
    async def test(server, connection, events):
        sender = await connection.sender("q")
        idle = await connection.transaction()
        busy = await connection.transaction()
        await idle.send(sender, Message(body=1))
        server.holds = True
        committing = asyncio.ensure_future(busy.commit())
        sending = asyncio.ensure_future(idle.send(sender, Message(body=2)))
        await until(lambda: len(server.taken) == 2)
        server.end(way)
        with pytest.raises(Lost, match="the transaction may have been committed"):
            await committing
        with pytest.raises(Lost, match="may have arrived"):
            await sending
        server.holds = False
        await connection.ready()
        for call in (idle.send(sender, Message()), idle.commit()):
            with pytest.raises(TransactionAborted, match="the transaction was aborted"):
                await call
        async with connection.transaction() as afterwards:
            await afterwards.send(sender, Message(body=3))
        assert server.discharged == [[b"3", False]]

    reconnecting(test)


# -- time-outs -----------------------------------------------------------------------------------------------------


def test_a_peer_that_is_silent_for_too_long_counts_as_lost():
    async def main():
        events = []
        async with peer() as server:
            connection = await connect(server.url, heartbeat=0.2, reconnect=QUICK, on_event=events.append)
            sender = await connection.sender("q")
            pipe = core_of(server.connection).host.pipe
            pipe.turn = lambda: None  # it hears and says nothing any more
            pipe.flush = lambda: None
            with pytest.raises(Lost, match="amqp:resource-limit-exceeded"):
                await sender.send(Message(body=1))
            assert events[0].name == "lost"
            assert "local-idle-timeout" in events[0].reason
            await sender.send(Message(body=2))
            assert server.bodies[-1] == 2
            await connection.close()
            core_of(server.connections[0]).host.stop()

    run(main)
