"""Streams of RabbitMQ 4 by `proton.asyncio`: where reading begins, and filters by properties, SQL and Bloom filter."""

from __future__ import annotations

import pytest

from proton import Described, Message, symbol
from proton.asyncio import connect
from proton.reactor import Filter
from tests.support.aio import run
from tests.support.management import RabbitManagement
from tests.support.peers import started

#: messages of the stream, whose bodies are their numbers
COUNT = 20


def filter_of(key, value, descriptor=None):
    """A filter set with one filter, whose descriptor is its key unless another one is given."""
    return Filter({key: Described(symbol(descriptor or key), value)})


@pytest.fixture(scope="module", params=["RabbitMQ 4.0", "RabbitMQ 4.3"])
def stream(request):
    """The name of a broker, its URL, and the address of a stream with messages."""
    with started(request.param) as peer:
        with peer.probe() as client:
            address = RabbitManagement(client).declare("events", kind="stream")
        run(fill, peer.url(), address)
        yield request.param, peer.url(), address


async def fill(url, address):
    async with connect(url, timeout=10) as connection, connection.sender(address) as sender:
        for number in range(COUNT):
            colour = "green" if number % 2 else "red"
            message = Message(id=f"m-{number}", body=number, subject=colour, durable=True)
            message.properties = {"number": number}
            message.annotations = {symbol("x-stream-filter-value"): colour}
            await sender.send_soon(message)


async def read(url, address, option, is_enough):
    """Bodies and offsets of the messages, up to one that is enough; the keys of the filters in the broker's attach."""
    async with connect(url, timeout=10) as connection, connection.receiver(address, options=option) as receiver:
        told = receiver.engine_link.remote_source.filter
        keys = set(told.get_object()) if told.next() else set()
        bodies, offsets = [], []
        while not bodies or not is_enough(bodies[-1]):
            message, delivery = await receiver.receive(timeout=10)
            bodies.append(message.body)
            offsets.append(message.annotations[symbol("x-stream-offset")])
            delivery.accept()
        return bodies, offsets, keys


def is_last(body):
    return body == COUNT - 1


#: A str: 4.0 sends nothing for a symbol.
FIRST = filter_of("rabbitmq:stream-offset-spec", "first")


@pytest.mark.parametrize(("begin", "first"), [("first", 0), (5, 5), (COUNT - 1, COUNT - 1)])
def test_reading_begins_at_an_offset(stream, begin, first):
    _, url, address = stream
    expected = [*range(first, COUNT)]
    option = filter_of("rabbitmq:stream-offset-spec", begin)
    assert run(read, url, address, option, is_last) == (expected, expected, {symbol("rabbitmq:stream-offset-spec")})


def test_messages_stay_in_a_stream_for_the_next_reader(stream):
    _, url, address = stream
    assert run(read, url, address, FIRST, is_last) == run(read, url, address, FIRST, is_last)


def test_reading_from_the_end_gives_what_is_sent_from_then_on(stream):
    _, url, address = stream
    option = filter_of("rabbitmq:stream-offset-spec", "next")

    async def main():
        async with connect(url, timeout=10) as connection, connection.receiver(address, options=option) as receiver:
            async with connection.sender(address) as sender:
                await sender.send(Message(body="new", durable=True))
            message, delivery = await receiver.receive(timeout=10)
            assert message.body == "new" and delivery.accept()

    run(main)


FILTERS = {
    # what is selected: the filter, and which bodies it takes
    "a property": (("amqp:properties-filter", {symbol("subject"): "green"}), lambda n: n % 2),
    "the beginning of a property": (
        ("amqp:properties-filter", {symbol("message-id"): "&p:m-1"}),
        lambda n: n == 1 or n >= 10,
    ),
    "an application property": (("amqp:application-properties-filter", {"number": COUNT - 1}), is_last),
    "SQL": (
        ("sql-filter", "properties.subject = 'green' AND number > 9", "amqp:sql-filter"),
        lambda n: n % 2 and n > 9,
    ),
}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_selects(stream, name):
    broker, url, address = stream
    given, selects = FILTERS[name]
    option = Filter({**FIRST.filter_set, **filter_of(*given).filter_set})
    bodies, _, keys = run(read, url, address, option, is_last)
    if broker == "RabbitMQ 4.0":
        assert bodies == [*range(COUNT)]  # ignored, in spite of its attach
    else:
        assert bodies == [n for n in range(COUNT) if selects(n)]
    assert symbol(given[0]) in keys


def test_a_bloom_filter_leaves_out_nothing_that_is_wanted(stream):
    """It is about chunks, whose other messages come too."""
    _, url, address = stream
    wanted = filter_of("rabbitmq:stream-filter", ["green"])
    bodies, _, keys = run(read, url, address, Filter({**FIRST.filter_set, **wanted.filter_set}), is_last)
    assert {*range(1, COUNT, 2)} <= {*bodies}
    assert symbol("rabbitmq:stream-filter") in keys
