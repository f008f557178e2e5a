"""Threads that share one blocking connection: own links, shared links, requests; nothing is lost or mixed up."""

import os
import queue
import re
import threading
from collections import Counter

import pytest

from proton import Message
from proton.utils import BlockingConnection, LinkDetached, SyncRequestResponse
from tests.support.loops import SECONDS
from tests.support.server import serving

THREADS = 8
#: rounds for each thread; a longer run asks for more
ROUNDS = int(os.environ.get("PROTON_SHARING_ROUNDS", "15"))
#: seconds that all threads together may take
PATIENCE = SECONDS + ROUNDS


@pytest.fixture(params=[None, 1.0], ids=["plain", "heartbeat"])
def connection(request):
    with serving(idle_timeout=request.param) as server:
        made = BlockingConnection(server.url, timeout=PATIENCE, heartbeat=request.param)
        yield made
        made.close()
        assert server.connections == 1


def in_threads(work):
    """Has each of the threads do its work; what one raises is raised here."""
    failures = []
    begin = threading.Barrier(THREADS)

    def run(number):
        try:
            begin.wait(SECONDS)
            work(number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a thread did not end"
    if failures:
        raise failures[0]


def test_links_of_their_own(connection):
    def work(number):
        sender = connection.create_sender(f"own-{number}")
        receiver = connection.create_receiver(f"own-{number}", credit=number or None)
        for count in range(ROUNDS):
            delivery = sender.send(Message(body=[number, count]))
            assert delivery.remote_state == delivery.ACCEPTED
            assert receiver.receive().body == [number, count]
            receiver.accept()
        sender.close()
        receiver.close()

    in_threads(work)


def test_links_that_all_use(connection):
    sender, receiver = connection.create_sender("shared"), connection.create_receiver("shared", credit=THREADS)
    received = Counter()

    def work(number):
        for count in range(ROUNDS):
            assert sender.send(Message(body=number * ROUNDS + count)).settled
            # Shared: each thread takes as many as it puts in.
            received[receiver.receive().body] += 1
            receiver.accept()

    in_threads(work)
    assert received == Counter(range(THREADS * ROUNDS))
    assert receiver.link.unsettled == sender.link.unsettled == 0


def test_each_gets_the_response_to_its_request(connection):
    shared = SyncRequestResponse(connection, "service")

    def work(number):
        own = SyncRequestResponse(connection, "service")
        for count in range(ROUNDS):
            for client in (own, shared):
                request = Message(body=[number, count])
                response = client.call(request)
                assert response.body == [number, count]
                assert response.correlation_id == request.correlation_id

    in_threads(work)


def test_links_come_and_go(connection):
    def work(number):
        for count in range(ROUNDS):
            sender = connection.create_sender("shared")
            sender.send(Message(body=[number, count]))
            sender.close()

    in_threads(work)
    receiver = connection.create_receiver("shared", credit=10)
    received = [tuple(receiver.receive().body) for _ in range(THREADS * ROUNDS)]
    assert sorted(received) == [(number, count) for number in range(THREADS) for count in range(ROUNDS)]


@pytest.fixture
def theirs(connection):
    """A sender that another thread has made; and `ask(work)`, which has that thread do something."""
    asked, answers = queue.SimpleQueue(), queue.SimpleQueue()

    def run():
        for work in iter(asked.get, None):
            try:
                answers.put(work())
            except Exception as error:
                answers.put(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def ask(work):
        asked.put(work)
        return answers.get(timeout=SECONDS)

    sender = ask(lambda: connection.create_sender("theirs"))
    yield sender, ask
    asked.put(None)
    thread.join(SECONDS)


def detached(connection, sender):
    """Has the link of another thread detached while this thread sends, and is not told of it."""
    mine = connection.create_sender("mine")
    assert mine.send(Message(body="detach_others")).settled
    connection.wait(lambda: sender.link.state & sender.link.REMOTE_CLOSED)
    assert mine.send(Message(body="x")).settled
    return mine


TEXT = "sender .* to theirs closed due to: Condition\\('x:y', 'go away'\\)"


@pytest.mark.parametrize("who", ["maker", "user"])
def test_the_end_of_a_link_is_told_to_the_next_operation_on_it(connection, theirs, who):
    """It was told to the next operation of the thread that made the link, whatever that was."""
    sender, ask = theirs
    detached(connection, sender)
    assert not isinstance(ask(lambda: connection.create_receiver("other")), Exception)
    if who == "user":
        with pytest.raises(LinkDetached, match=TEXT):
            sender.send(Message(body="x"))
    else:
        answer = ask(lambda: sender.send(Message(body="x")))
        assert isinstance(answer, LinkDetached) and re.fullmatch(TEXT, str(answer))
    assert ask(sender.close) is None  # it was told already


def test_a_close_tells_of_an_end_that_was_not_told(connection, theirs):
    sender, ask = theirs
    detached(connection, sender)
    with pytest.raises(LinkDetached, match=TEXT):
        sender.close()
    sender.close()
