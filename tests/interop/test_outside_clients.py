"""Public clients of others through the broker of the test kit: docs/testing.md lists what they need and it does not do.

PROTON_CLIENTS names a folder with the packages cli-proton-python, rabbitmq-amqp-python-client 2, and azure-eventhub
with azure-core, certifi and typing-extensions, as `pip install --no-deps --target FOLDER` makes it; tests whose package
is not there are skipped.
"""

from __future__ import annotations

import ast
import os
import pathlib
import sys

import pytest

from proton import Message
from proton.testing import Broker
from tests.interop.services import EventHub, RabbitMQ
from tests.support.programs import ROOT, Program, our_environment

CLIENTS = os.environ.get("PROTON_CLIENTS", "")


def needs(package):
    missing = not CLIENTS or not (pathlib.Path(CLIENTS) / package).is_dir()
    return pytest.mark.skipif(missing, reason=f"PROTON_CLIENTS names no folder with {package}")


def run(code, *arguments):
    """The lines that a program prints, which finds the clients and this package."""
    environment = our_environment()
    environment["PYTHONPATH"] = os.pathsep.join([environment.get("PYTHONPATH", str(ROOT)), CLIENTS])
    with Program("-c", code, *arguments, environment=environment) as program:
        return program.finish()


def cli(role, *arguments):
    return run(f"import sys; from cli_proton_python.{role} import main; sys.exit(main())", *arguments)


@needs("cli_proton_python")
def test_cli_proton_python_sends_browses_selects_and_receives():
    with Broker() as broker:
        url = broker.url.replace("amqp://", "") + "/q"
        cli("sender", "-b", url, "-c", "5", "--msg-content", "hello", "--msg-property", "n~1")
        assert [message.body for message in broker.messages("q")] == ["hello"] * 5
        broker.put("q", Message(body="other"))
        common = ("-b", url, "--log-msgs", "dict", "--timeout", "1")
        assert len(cli("receiver", *common, "--recv-browse")) == 6
        chosen = [ast.literal_eval(line) for line in cli("receiver", *common, "--recv-selector", "n = 1", "-c", "5")]
        assert [message["content"] for message in chosen] == ["hello"] * 5
        assert [message.body for message in broker.messages("q")] == ["other"]
        assert [outcome.state for outcome in broker.seen.outcomes] == ["ACCEPTED"] * 5


RABBITMQ = """
import sys, threading
from rabbitmq_amqp_python_client import Connection, ConnectionParameters, Message
connection = Connection(ConnectionParameters(port=int(sys.argv[1])))
publisher = connection.publisher_builder().queue("q").build()
print(publisher.publish(Message("hello")).outcome.state.value)
done = threading.Event()
def handle(context, message):
    print(message.body_as_string())
    context.accept()
    done.set()
consumer = connection.consumer_builder().queue("q").message_handler(handle).build()
done.wait(20)
consumer.close()
publisher.close()
connection.close()
"""


@needs("rabbitmq_amqp_python_client")
@pytest.mark.skipif(sys.version_info < (3, 10), reason="the client needs Python 3.10")
def test_the_client_of_rabbitmq_publishes_and_consumes():
    with Broker(credentials={"guest": "guest"}, allow_insecure_mechs=True) as broker:
        assert run(RABBITMQ, broker.port) == ["accepted", "hello"]
        assert [(link.role, link.address) for link in broker.seen.links] == [
            ("sender", "/queues/q"),
            ("receiver", "/queues/q"),
        ]
        broker.wait_for(lambda seen: seen.outcomes)
        assert [outcome.state for outcome in broker.seen.outcomes] == ["ACCEPTED"]


MANAGEMENT = """
import sys, threading
from rabbitmq_amqp_python_client import Connection, ConnectionParameters, Message
connection = Connection(ConnectionParameters(port=int(sys.argv[1])))
management = connection.management()
print(management.queue("a/b").quorum().queue().declare().queue_type.value)
management.exchange("events").type("topic").declare()
management.bind(source="events", destination="a/b", binding_key="order.#")
publisher = connection.publisher_builder().exchange("events").key("order.new").build()
for number in range(3):
    print(publisher.publish(Message(str(number))).outcome.state.value)
other = connection.publisher_builder().exchange("events").key("other").build()
other.publish(Message("lost"))
print(management.queue_info("a/b").message_count)
done = threading.Event()
def handle(context, message):
    print(message.body_as_string())
    context.accept()
    if message.body_as_string() == "2":
        done.set()
consumer = connection.consumer_builder().queue("a/b").message_handler(handle).build()
done.wait(20)
consumer.close()
publisher.publish(Message("left"))
publisher.close()
other.close()
print(management.queue("a/b").purge())
management.unbind(source="events", destination="a/b", binding_key="order.#")
management.bind(source="events", destination="a/b", binding_key="x", arguments={"n": 1})
print(len(management.list_bindings(source="events", destination="a/b", binding_key="x")))
print(management.unbind(source="events", destination="a/b", binding_key="x", arguments={"n": 1}))
management.exchange("events").delete()
management.queue("a/b").delete()
try:
    management.queue_info("a/b")
except Exception as error:
    print(error)
connection.close()
"""


@needs("rabbitmq_amqp_python_client")
@pytest.mark.skipif(sys.version_info < (3, 10), reason="the client needs Python 3.10")
def test_the_client_of_rabbitmq_declares_binds_purges_and_deletes():
    with RabbitMQ() as service:
        lines = run(MANAGEMENT, service.broker.port)
        assert lines[:5] == ["quorum", "accepted", "accepted", "accepted", "3"]
        assert lines[5:8] == ["0", "1", "2"]
        assert lines[8:11] == ["1", "1", "True"]
        assert "404" in lines[11]
        assert (service.queues, service.exchanges, service.bindings) == ({}, {}, [])
        assert sorted(service.broker.addresses) == ["/management", "dead"]


# The client reads the fields of performatives by their numbers, though nulls at the end may be left out (1.4): without
# the first lines it fails at the first transfer of each peer that leaves them out.
EVENT_HUBS = """
import sys
from azure.eventhub._pyamqp import _transport
COUNTS = {0x10: 10, 0x11: 8, 0x12: 14, 0x13: 11, 0x14: 11, 0x15: 6, 0x16: 3, 0x17: 1, 0x18: 1}
decode_frame = _transport.decode_frame
def decode_all_fields(data):
    kind, fields = decode_frame(data)
    payload = [fields.pop()] if kind == 0x14 else []
    return kind, fields + [None] * (COUNTS.get(kind, 0) - len(fields)) + payload
_transport.decode_frame = decode_all_fields

from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient
text = "Endpoint=sb://127.0.0.1:%s;SharedAccessKeyName=n;SharedAccessKey=a2V5;UseDevelopmentEmulator=true;EntityPath=hub"
text %= sys.argv[1]
with EventHubProducerClient.from_connection_string(text, retry_total=0) as producer:
    print(producer.get_partition_ids())
    batch = producer.create_batch()
    for body in ("one", "two"):
        event = EventData(body)
        event.properties = {"n": 1}
        batch.add(event)
    producer.send_batch(batch)
    producer.send_event(EventData("three"), partition_id="0")
    print(producer.get_partition_properties("0")["last_enqueued_sequence_number"])
consumer = EventHubConsumerClient.from_connection_string(text, "$Default", retry_total=0)
def show(context, event):
    print(context.partition_id, event.sequence_number, event.offset, event.body_as_str(), event.properties)
    if event.sequence_number == 2:
        consumer.close()
consumer.receive(show, partition_id="0", starting_position="-1")
"""


@needs("azure/eventhub")
def test_the_client_of_event_hubs_sends_and_receives():
    with EventHub() as service:
        assert run(EVENT_HUBS, service.broker.port) == [
            "['0']",
            "2",
            "0 0 0 one {b'n': 1}",
            "0 1 1 two {b'n': 1}",
            "0 2 2 three {}",
        ]
        place = f"sb://127.0.0.1:{service.broker.port}/hub"
        assert set(service.audiences) == {place, place + "/consumergroups/$Default"}
        service.broker.wait_for(lambda seen: not service.broker.connection_count, "end of the connections")
        assert [event.body for event in service.events()] == [b"one", b"two", b"three"]
