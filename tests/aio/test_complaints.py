"""What users of other clients complain of, by the numbers of the survey: 1 to 4, connections that are lost."""

import asyncio
import logging
import time

import pytest

from proton import Message
from proton.asyncio import ConnectionClosed, LinkClosed, Lost, Timeout, connect, serve
from tests.support.aio import broker, run
from tests.support.aio_relay import cuttable, relay
from tests.support.programs import free_port

pytestmark = pytest.mark.usefixtures("each_loop")

FAST = [0.01] * 1000


# -- 1: an await on a lost connection hangs ---------------------------------------------------------------------------


def test_complaint_01_a_send_while_the_connection_is_down_ends_at_its_time_out():
    async def main():
        async with cuttable(reconnect=FAST, close_timeout=0.2) as (_, line, connection):
            sender = await connection.sender("q")
            line.stop()
            with pytest.raises(Lost, match="the message may have arrived"):
                await sender.send(Message(body="held"))
            with pytest.raises(Timeout, match=r"waiting for credit: sender to 'q', whose connection is lost") as told:
                await sender.send(Message(), timeout=0.05)
            assert str(told.value).endswith("): timed out after 0.05 s")
            with pytest.raises(Timeout, match=r"opening sender to 'other', whose connection is lost \("):
                await connection.sender("other").open(timeout=0.05)
            with pytest.raises(Timeout):
                await connection.ready(timeout=0.05)

    run(main)


def test_complaint_01_every_await_ends_if_reconnecting_gives_up():
    async def main():
        async with cuttable(reconnect=[0.01, 0.01]) as (_, line, connection):
            sender, receiver = await connection.sender("q"), await connection.receiver("q")
            ask = await connection.requester("q")
            line.stop()
            while connection.is_connected:
                await asyncio.sleep(0)
            waiting = [
                asyncio.ensure_future(each)
                for each in (
                    receiver.receive(),
                    ask(Message(body="held"), timeout=None),
                    connection.ready(timeout=None),
                    sender.send(Message(), timeout=None),
                    connection.receiver("r").open(timeout=None),
                )
            ]
            for result in await asyncio.gather(*waiting, return_exceptions=True):
                assert isinstance(result, ConnectionClosed), result
            for late in (sender.send(Message()), receiver.receive(), ask(Message()), connection.ready()):
                with pytest.raises(ConnectionClosed):
                    await late
            await connection.wait_closed()

    run(main)


@pytest.mark.parametrize("reconnect", [False, True])
def test_complaint_01_close_is_bounded_whatever_the_peer_does(reconnect):
    async def main():
        async with broker() as peer, relay(peer.listener.port) as line:
            connection = await connect(line.url, reconnect=reconnect)
            sender = await connection.sender("q")
            line.freeze()
            with pytest.raises(Timeout):
                await sender.close(timeout=0.05)
            started = time.monotonic()
            await connection.close(timeout=0.05)
            assert 0.04 < time.monotonic() - started < 5
            await connection.wait_closed()

    run(main)


def test_complaint_01_close_while_a_connection_is_made_again_is_at_once():
    async def main():
        async with cuttable(reconnect=[60.0] * 9) as (_, line, connection):
            line.stop()
            await asyncio.sleep(0.02)
            assert not connection.is_connected
            await asyncio.wait_for(connection.close(timeout=None), 5)

    run(main)


# -- 2: the iterator hangs for ever, or ends silently -----------------------------------------------------------------


async def bodies_of(receiver, found):
    async for message, delivery in receiver:
        found.append(message.body)
        delivery.accept()


def test_complaint_02_iterating_ends_normally_after_our_own_close():
    async def main():
        async with broker() as peer, connect(peer.url) as connection:
            for end in ("link", "connection"):
                receiver = await connection.receiver("q")
                iterating = asyncio.ensure_future(bodies_of(receiver, []))
                await asyncio.sleep(0)
                await (receiver if end == "link" else connection).close()
                await iterating
                assert [each async for each in receiver] == []

    run(main)


def test_complaint_02_iterating_raises_at_a_loss_without_reconnect():
    async def main():
        async with cuttable() as (_, line, connection):
            iterating = asyncio.ensure_future(bodies_of(await connection.receiver("q"), []))
            await asyncio.sleep(0.01)
            line.cut()
            with pytest.raises(Lost, match="receiver from 'q': the connection to .* was lost"):
                await iterating

    run(main)


@pytest.mark.parametrize("what", ["link", "connection"])
def test_complaint_02_iterating_raises_if_the_peer_closes(what):
    async def main():
        async with broker() as peer, connect(peer.url) as connection:
            iterating = asyncio.ensure_future(bodies_of(await connection.receiver("q"), []))
            await asyncio.sleep(0.01)
            await (peer.links[0] if what == "link" else peer.connections[0]).close()
            with pytest.raises((LinkClosed, ConnectionClosed), match="closed by the peer"):
                await iterating

    run(main)


def test_complaint_02_iterating_goes_on_over_a_loss_with_reconnect_and_events_are_told():
    events, found = [], []

    async def main():
        async with cuttable(reconnect=FAST, on_event=events.append) as (peer, line, connection):
            receiver = await connection.receiver("q")
            iterating = asyncio.ensure_future(bodies_of(receiver, found))
            for number in range(3):
                peer.queue("q").put_nowait(Message(body=number))
                while number not in found or peer.links[-1].unsettled:
                    await asyncio.sleep(0)
                line.cut()
                while connection.is_connected:
                    await asyncio.sleep(0)
                await connection.ready()
            await receiver.close()
            await iterating

    run(main)
    assert found == [0, 1, 2]
    assert [event.name for event in events] == ["lost", "connecting", "restored"] * 3


# -- 3: after a reconnect the consumer is attached to nothing ---------------------------------------------------------


def test_complaint_03_ready_means_that_links_are_attached_with_credit():
    async def main():
        async with cuttable(reconnect=FAST) as (peer, line, connection):
            receiver, sender = await connection.receiver("q", prefetch=7), await connection.sender("r")
            line.cut()
            while connection.is_connected:
                await asyncio.sleep(0)
            assert not receiver.is_open
            await connection.ready()
            assert receiver.is_open
            assert sender.is_open
            ours = peer.links[2:]
            assert sorted(link.address for link in ours) == ["q", "r"]
            giving = next(link for link in ours if link.address == "q")
            while not giving.credit:
                await asyncio.sleep(0)
            assert giving.credit == 7
            peer.queue("q").put_nowait(Message(body="again"))
            message, _ = await receiver.receive()
            assert message.body == "again"
            await sender.send(Message())

    run(main)


# -- 4: connect and its robust form differ; the first connect; a flood of lines ---------------------------------------


def test_complaint_04_the_first_connect_raises_unless_it_is_to_be_tried_again():
    port = free_port()

    async def main():
        with pytest.raises(ConnectionClosed, match=f"cannot connect to 127.0.0.1:{port}"):
            await connect(f"127.0.0.1:{port}", reconnect=FAST)
        opening = asyncio.ensure_future(connect(f"127.0.0.1:{port}", reconnect=FAST, initial_retry=True).open())
        await asyncio.sleep(0.05)
        assert not opening.done()
        async with serve(f"127.0.0.1:{port}"):
            connection = await opening
            await connection.close()

    run(main)


def test_complaint_04_an_outage_of_many_attempts_is_told_in_few_lines(caplog):
    attempts = []

    def note(event):
        if event.name == "connecting":
            attempts.append(event.attempt)

    async def main():
        async with cuttable(reconnect=[0.001] * 5000, on_event=note) as (_, line, connection):
            line.stop()
            while len(attempts) < 70:
                await asyncio.sleep(0.001)
            await connection.close()

    caplog.set_level(logging.WARNING)
    run(main)
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("proton")]
    assert 0 < len(lines) <= 12, lines
    assert attempts[:70] == list(range(1, 71))
