"""`SyncRequestResponse` and `AtomicCount`."""

import threading
import time
import weakref

import pytest

from proton import LinkException, Message, MessageException, Timeout
from proton.endpoints.endpoint import endpoint_state
from proton.utils import BlockingConnection, SyncRequestResponse
from proton.utils.request import RESPONSE_CREDIT, AtomicCount
from tests.support.loops import SECONDS
from tests.support.references import counting, no_collection
from tests.support.server import serving


@pytest.fixture
def connection():
    with serving() as server:
        made = BlockingConnection(server.url, timeout=SECONDS)
        yield made
        made.close()


def test_a_response_is_returned(connection):
    client = SyncRequestResponse(connection, "service")
    assert client.address == "service" and client.connection is connection
    for body in ("one", "two", "three"):
        request = Message(body=body)
        response = client.call(request)
        assert response.body == body
        assert response.correlation_id == request.correlation_id
        assert request.reply_to == client.reply_to
    assert client.response is None


def test_correlation_ids_count_on(connection):
    first, second = SyncRequestResponse(connection, "service"), SyncRequestResponse(connection, "service")
    ids = [int(client.call(Message(body="x")).correlation_id) for client in (first, second, first)]
    assert ids == [ids[0], ids[0] + 1, ids[0] + 2]
    assert isinstance(first.call(Message(body="x")).correlation_id, str)


def test_without_an_address_each_request_has_one(connection):
    client = SyncRequestResponse(connection)
    with pytest.raises(ValueError, match="Request message has no address: Message"):
        client.call(Message(body="x"))
    assert client.call(Message(body="x", address="anywhere")).body == "x"


def test_no_response_in_time(connection):
    client = SyncRequestResponse(connection, "service")
    connection.timeout = 0.1
    # The service accepts the request, and forgets about it.
    with pytest.raises(Timeout):
        client.call(Message(body="silence"))
    connection.timeout = SECONDS


@pytest.mark.parametrize("body", ["silence", "late"])
def test_a_call_has_a_time_out_of_its_own(connection, body):
    """Sending and waiting together; that of the connection is twenty seconds."""
    client = SyncRequestResponse(connection, "service")
    start = time.monotonic()
    with pytest.raises(Timeout, match="Sending on sender|Waiting for response"):
        client.call(Message(body=body), timeout=0.1)
    assert 0.1 <= time.monotonic() - start < 1
    assert client.call(Message(body="x"), timeout=None).body == "x"
    assert client.call(Message(body="y"), SECONDS).body == "y"


def test_a_response_that_cannot_be_decoded_raises_at_once(connection, caplog):
    """It was a `Timeout` after the full time."""
    client = SyncRequestResponse(connection, "service")
    start = time.monotonic()
    with pytest.raises(MessageException, match="not enough data"):
        client.call(Message(body="garble"), timeout=None)
    assert time.monotonic() - start < 1
    assert client.call(Message(body="x")).body == "x"
    assert caplog.messages == []  # what a call raises is not logged too


def test_a_call_ends_when_the_session_of_its_links_is_made_again():
    """The address for responses is a new one then: to the old one no response would come."""
    with serving() as server:
        connection = BlockingConnection(server.url, timeout=SECONDS, reconnect=[0, 0.01])
        client = SyncRequestResponse(connection, "service")
        start = time.monotonic()
        with pytest.raises(LinkException, match="lost|anew"):
            client.call(Message(body="accept_and_end"), timeout=None)
        assert time.monotonic() - start < 2
        assert client.call(Message(body="x")).body == "x"
        connection.close()


def test_threads_may_call_at_the_same_time(connection):
    client = SyncRequestResponse(connection, "service")
    answers = {}

    def work(number):
        answers[number] = [client.call(Message(body=[number, count])).body for count in range(20)]

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert answers == {number: [[number, count] for count in range(20)] for number in range(4)}


def test_a_late_response_does_not_take_the_place_of_the_next(connection):
    client = SyncRequestResponse(connection, "service")
    connection.timeout = 0.1
    with pytest.raises(Timeout, match="Waiting for response"):
        client.call(Message(body="late"))
    connection.timeout = SECONDS
    # The late one comes first.
    assert [client.call(Message(body=body)).body for body in ("one", "two")] == ["one", "two"]


def test_what_is_not_response_is_passed_over(connection):
    client = SyncRequestResponse(connection, "service")
    connection.create_sender(client.reply_to).send(Message(body="spam", correlation_id="nobody's"))
    assert [client.call(Message(body=body)).body for body in ("one", "two")] == ["one", "two"]


@pytest.mark.parametrize(("arguments", "counts"), [((), [1, 2, 3]), ((10,), [11, 12, 13]), ((0, 5), [5, 10, 15])])
def test_counting(arguments, counts):
    count = AtomicCount(*arguments)
    assert [count.next() for _ in range(3)] == counts


def test_counting_in_threads():
    count = AtomicCount()
    seen = []
    threads = [threading.Thread(target=lambda: seen.extend(count.next() for _ in range(500))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert sorted(seen) == list(range(1, 2501))


def test_credit_for_responses_never_ends(connection):
    client = SyncRequestResponse(connection, "service")
    credits = []
    for number in range(3 * RESPONSE_CREDIT):
        assert client.call(Message(body=number)).body == number
        credits.append(endpoint_state(client.receiver.link).binding.link_credit)
    # The service hears of more when half of it is used.
    assert min(credits) >= RESPONSE_CREDIT // 2 - 1 and max(credits) <= RESPONSE_CREDIT


@counting
def test_what_was_closed_waits_for_no_collector():
    with serving() as server, no_collection():
        connection = BlockingConnection(server.url, timeout=SECONDS)
        client = SyncRequestResponse(connection, "service")
        assert client.call(Message(body="x")).body == "x"
        kept = [weakref.ref(each) for each in (connection, connection.conn, client, client.receiver.link)]
        connection.close()
        del connection, client
        assert [each() for each in kept] == [None] * 4
