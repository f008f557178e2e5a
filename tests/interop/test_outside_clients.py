"""Public clients of others through the broker of the test kit: docs/testing.md lists what they need and it does not do.

PROTON_CLIENTS names a folder with the packages cli-proton-python, and rabbitmq-amqp-python-client 2, as
`pip install --no-deps --target FOLDER` makes it; tests whose package is not there are skipped.
"""

from __future__ import annotations

import ast
import os
import pathlib
import sys

import pytest

from proton import Message
from proton.testing import Broker
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
