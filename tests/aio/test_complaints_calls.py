"""What users of other clients complain of, by the numbers of the survey: 5 to 9, calls at once and given up."""

import asyncio
import sys

import pytest

from proton import Message
from proton.asyncio import ConnectionClosed, connect
from tests.support.aio import broker, run
from tests.support.aio_relay import relay

pytestmark = pytest.mark.usefixtures("each_loop")

FAST = [0.01] * 1000


# -- 5: CancelledError is swallowed, or becomes another ---------------------------------------------------------------


def awaits(peer, connection, sender, receiver, ask):
    """Everything that waits for a peer that says nothing."""
    return {
        "send": sender.send(Message(body="held"), timeout=None),
        "flush": sender.flush(timeout=None),
        "receive": receiver.receive(),
        "stream": receiver.receive_stream(),
        "iterate": receiver.__anext__(),
        "request": ask(Message(body="held"), timeout=None),
        "wait_closed": connection.wait_closed(),
        "open": connection.sender("slow").open(timeout=None),
        "ready": connection.ready(timeout=None),
        "incoming": connection.incoming().__anext__(),
    }


async def with_awaits(test):
    async with broker() as peer, relay(peer.listener.port) as line:
        connection = await connect(line.url, close_timeout=0.05)
        sender, receiver = await connection.sender("q"), await connection.receiver("empty")
        ask = await connection.requester("q")
        await sender.send_soon(Message(body="held"))
        await asyncio.sleep(0.02)
        line.freeze()
        slow = connection.sender("slow")
        opening = asyncio.ensure_future(slow.open(timeout=None))  # `ready` waits for it
        await asyncio.sleep(0)
        made = awaits(peer, connection, sender, receiver, ask)
        try:
            await test(made)
        finally:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            for each in made.values():
                each.close() if hasattr(each, "close") else None
            await connection.close()


def test_complaint_05_a_cancellation_comes_out_of_every_await_as_such():
    async def test(made):
        tasks = {name: asyncio.ensure_future(each) for name, each in made.items()}
        before = asyncio.all_tasks()
        await asyncio.sleep(0.02)
        assert [name for name, task in tasks.items() if task.done()] == []
        assert asyncio.all_tasks() == before, "a call has made a task"
        for task in tasks.values():
            task.cancel()
        await asyncio.wait(tasks.values(), timeout=5)
        assert [name for name, task in tasks.items() if not task.cancelled()] == []

    run(with_awaits, test)


def test_complaint_05_wait_for_raises_its_own_time_out():
    async def test(made):
        waits = [asyncio.wait_for(each, 0.02) for each in made.values()]
        for result in await asyncio.gather(*waits, return_exceptions=True):
            assert isinstance(result, asyncio.TimeoutError), result

    run(with_awaits, test)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout came with Python 3.11")
def test_complaint_05_asyncio_timeout_works_around_every_await():
    async def test(made):
        async def one(each):
            async with asyncio.timeout(0.02):
                await each

        for result in await asyncio.gather(*map(one, made.values()), return_exceptions=True):
            assert type(result) is TimeoutError, result

    run(with_awaits, test)


# -- 6: a cancellation leaves the connection out of step --------------------------------------------------------------


def test_complaint_06_a_cancelled_send_is_not_unsent_and_its_outcome_comes_late():
    late = []

    async def main():
        async with broker() as peer, connect(peer.url, on_late_outcome=late.append) as connection:
            sender = await connection.sender("q")
            task = asyncio.ensure_future(sender.send(Message(body="x"), tag="first"))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            receipt = await sender.send(Message(body="y"), tag="second")
            assert receipt.tag == b"second"
            while not late:
                await asyncio.sleep(0)
            assert late[0].tag == b"first"
            assert [peer.queue("q").get_nowait().body for _ in range(2)] == ["x", "y"]

    run(main)
    assert len(late) == 1


def test_complaint_06_a_cancelled_receive_loses_no_message():
    async def main():
        async with broker() as peer, connect(peer.url) as connection:
            receiver = await connection.receiver("q")
            found = []
            for number in range(200):
                task = asyncio.ensure_future(receiver.receive())
                peer.queue("q").put_nowait(Message(body=number))
                for _ in range(number % 9):
                    await asyncio.sleep(0)
                task.cancel()
                for result in await asyncio.gather(task, return_exceptions=True):
                    if not isinstance(result, asyncio.CancelledError):
                        found.append(result[0].body)
                        result[1].accept()
            while len(found) < 200:
                message, delivery = await receiver.receive(timeout=5)
                found.append(message.body)
                delivery.accept()
            assert found == list(range(200))

    run(main)


def test_complaint_06_the_answer_of_a_cancelled_request_is_not_that_of_the_next():
    async def main():
        async with broker() as peer, connect(peer.url) as connection:
            ask = await connection.requester("service")
            service = peer.queue("service")
            for number in range(20):
                given_up = asyncio.ensure_future(ask(Message(body=("old", number))))
                old = await service.get()
                given_up.cancel()
                await asyncio.gather(given_up, return_exceptions=True)
                current = asyncio.ensure_future(ask(Message(body=("new", number))))
                for request in (old, await service.get()):
                    answer = Message(body=request.body, correlation_id=request.correlation_id)
                    peer.queue(request.reply_to).put_nowait(answer)
                assert tuple((await current).body) == ("new", number)

    run(main)


# -- 7: concurrent sends interleave their frames ----------------------------------------------------------------------


def test_complaint_07_concurrent_sends_leave_whole_and_in_the_order_of_the_calls():
    async def main():
        async with broker() as peer, connect(peer.url, max_frame_size=512) as connection:
            first, second = await connection.sender("a"), await connection.sender("b")
            bodies = [bytes([number]) * (1 + 997 * (number % 7)) for number in range(60)]
            sends = [sender.send(Message(body=body)) for body in bodies for sender in (first, second)]
            await asyncio.gather(*sends)
            for address in ("a", "b"):
                assert [bytes(peer.queue(address).get_nowait().body) for _ in bodies] == bodies

    run(main)


# -- 8: another's cancel kills a background task ----------------------------------------------------------------------


async def cancel_others(spared=()):
    others = asyncio.all_tasks() - {asyncio.current_task()} - set(spared)
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    return len(others)


def test_complaint_08_an_open_connection_has_no_task_that_could_be_cancelled():
    async def main():
        async with broker() as peer:
            before = asyncio.all_tasks()
            async with connect(peer.url, heartbeat=60) as connection:
                sender, receiver = await connection.sender("q"), await connection.receiver("q")
                await asyncio.sleep(0.02)
                mine = asyncio.all_tasks() - before - peer.tasks
                assert mine == set()
                assert await cancel_others(before | peer.tasks) == 0
                await sender.send(Message(body=1))
                message, delivery = await receiver.receive()
                assert message.body == 1
                delivery.accept()

    run(main)


def test_complaint_08_an_attempt_that_is_cancelled_from_outside_is_a_failed_attempt():
    async def main():
        async with broker() as peer:
            spared = asyncio.all_tasks() | peer.tasks
            opening = asyncio.ensure_future(connect(peer.url).open())
            await asyncio.sleep(0)
            assert await cancel_others({opening} | spared) == 1
            with pytest.raises(ConnectionClosed, match="cannot connect to .*: the attempt was cancelled"):
                await opening
            opening = asyncio.ensure_future(connect(peer.url, reconnect=FAST, initial_retry=True).open())
            await asyncio.sleep(0)
            assert await cancel_others({opening} | spared) == 1
            await (await opening).close()

    run(main)


# -- 9: a slow consumer is dropped, or buffers without bound ----------------------------------------------------------


@pytest.mark.parametrize("prefetch", [0, 1, 10])
def test_complaint_09_credit_bounds_what_waits_for_a_slow_consumer(prefetch):
    async def main():
        async with broker() as peer, connect(peer.url) as connection:
            for number in range(100):
                peer.queue("q").put_nowait(Message(body=number))
            receiver = await connection.receiver("q", prefetch=prefetch)
            for number in range(100):
                for _ in range(10):
                    await asyncio.sleep(0)
                assert receiver.queued <= prefetch
                # What was taken and not settled counts as well.
                assert 100 - peer.queue("q").qsize() <= number + max(prefetch, 1) + 1
                message, delivery = await receiver.receive()
                assert message.body == number
                delivery.accept()

    run(main)
