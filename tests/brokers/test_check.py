"""`check` on the real brokers: it names each of them, and what it refuses."""

from __future__ import annotations

import json

import pytest

from proton import Message
from proton.cli import codes, main
from proton.utils import BlockingConnection
from tests.support.peers import BROKERS, started


@pytest.fixture(scope="module", params=BROKERS)
def broker(request):
    with started(request.param) as peer:
        yield request.param, peer


PRODUCTS = {
    "RabbitMQ 3.10": "RabbitMQ 3.10.",
    "RabbitMQ 4.0": "RabbitMQ 4.0.",
    "RabbitMQ 4.3": "RabbitMQ 4.3.",
    "Artemis 2.40": "apache-activemq-artemis 2.40.",
}


def check(capsys, *arguments):
    """The exit code, and the steps as data."""
    code = main(["check", "--json", *arguments])
    written = capsys.readouterr()
    assert written.err == ""
    return code, json.loads(written.out)["steps"]


def step(steps, name):
    return next(step for step in steps if step["step"] == name)


def test_check_tells_the_broker(broker, capsys):
    name, peer = broker
    code, steps = check(capsys, peer.url())
    assert code == codes.DONE
    assert step(steps, "broker")["text"].startswith(PRODUCTS[name])
    assert step(steps, "broker")["container_id"]
    assert "PLAIN" in step(steps, "sasl")["mechanisms"]
    assert step(steps, "login")["status"] == "noticed"
    assert step(steps, "limits")["max_frame_size"] >= 32768
    assert step(steps, "limits")["idle_timeout"] > 1
    assert 0 < step(steps, "roundtrip")["seconds"] < 5
    expected = [] if name == "RabbitMQ 3.10" else ["ANONYMOUS-RELAY"]
    assert [
        found for found in step(steps, "abilities")["offered_capabilities"] if found == "ANONYMOUS-RELAY"
    ] == expected


def test_check_attaches_to_an_address_and_takes_nothing(broker, capsys):
    _, peer = broker
    queue = peer.queue()
    connection = BlockingConnection(peer.url(), timeout=10)
    connection.create_sender(queue).send(Message(body="stays", durable=True))
    code, steps = check(capsys, peer.url(), "--address", queue)
    assert code == codes.DONE
    links = [step for step in steps if step["step"] == "address"]
    assert [(link["role"], link["status"]) for link in links] == [("sender", "ok"), ("receiver", "ok")]
    assert links[0]["credit"] > 0
    receiver = connection.create_receiver(queue)
    assert receiver.receive().body == "stays"
    receiver.accept()
    connection.close()


def test_check_tells_an_address_that_names_nothing(broker, capsys):
    name, peer = broker
    code, steps = check(capsys, peer.url(), "--address", peer.unknown)
    links = [step for step in steps if step["step"] == "address"]
    statuses = [link["status"] for link in links]
    if name == "Artemis 2.40":  # it makes the address
        assert (code, statuses) == (codes.DONE, ["ok", "ok"])
        return
    # RabbitMQ 3 takes a sender to any queue.
    expected = (codes.DONE, ["ok", "noticed"]) if name == "RabbitMQ 3.10" else (codes.REFUSED, ["failed", "failed"])
    assert (code, statuses) == expected
    assert "receiver from " in links[1]["text"]
    assert "refused: amqp:not-found: " in links[1]["text"]


def test_check_tells_a_wrong_password(broker, capsys):
    _, peer = broker
    code, steps = check(capsys, peer.url("not-the-secret"))
    assert code == codes.REFUSED
    assert steps[-1]["text"] == f"the peer refuses the login of '{peer.user}': Authentication failed [mech=PLAIN]"


def test_check_tells_clear_text_on_a_port_for_tls(broker, capsys):
    _, peer = broker
    code, steps = check(capsys, peer.url().replace("amqp:", "amqps:"))
    assert code == codes.CONNECTION
    assert steps[-1]["text"] == f"{peer.broker.address} speaks AMQP 1.0 in clear text; TLS was expected"
