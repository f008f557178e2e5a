"""Where the responses of a `SyncRequestResponse` come to: an address of the program, or one that the peer makes."""

import threading

import pytest

from proton import Message, Timeout, symbol
from proton.reactor import LinkOption
from proton.testing import Broker
from proton.utils import BlockingConnection, SyncRequestResponse
from tests.support.loops import SECONDS


class Temporary(LinkOption):
    def apply(self, link):
        link.source.capabilities.put_object(symbol("temporary-queue"))


@pytest.fixture
def broker():
    with Broker() as running:
        yield running


@pytest.fixture
def connection(broker):
    with BlockingConnection(broker.url, timeout=SECONDS) as made:
        yield made


def answer_one(url):
    with BlockingConnection(url, timeout=SECONDS) as connection:
        requests, responses = connection.create_receiver("service"), connection.create_sender(None)
        request = requests.receive()
        responses.send(Message(address=request.reply_to, correlation_id=request.correlation_id, body=2 * request.body))
        requests.accept()


def test_responses_come_to_an_address_of_the_program(broker, connection):
    service = threading.Thread(target=answer_one, args=(broker.url,))
    service.start()
    with SyncRequestResponse(connection, "service", reply_to="answers") as client:
        assert client.reply_to == "answers"
        assert client.call(Message(body=21)).body == 42
    service.join(SECONDS)


def test_options_are_for_the_link_of_the_responses(connection):
    with SyncRequestResponse(connection, "service", reply_options=Temporary()) as client:
        assert client.receiver.source.dynamic and client.reply_to
        capabilities = client.receiver.source.capabilities
        capabilities.rewind()
        assert capabilities.next() and capabilities.get_object() == symbol("temporary-queue")
        assert not client.sender.target.capabilities.next()


def test_a_time_out_names_the_service(connection):
    client = SyncRequestResponse(connection, "service")
    with pytest.raises(Timeout, match="timed out: Waiting for response from 'service'$"):
        client.call(Message(body=1), timeout=0.1)
