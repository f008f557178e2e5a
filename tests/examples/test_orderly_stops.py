"""The examples survive an orderly stop of their broker, and their exit status says when they were given up."""

import pytest

from proton import Message
from proton.testing import Broker
from tests.support.programs import ROOT, Program

NAMES = ["amqp:connection:forced", "amqp:internal-error"]


def example(name, *arguments):
    return Program(ROOT / "examples" / name, *arguments)


def numbers(broker):
    return {message.body["sequence"] for message in broker.messages("queue")}


@pytest.mark.parametrize("sessions_first", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_simple_send_survives_an_orderly_stop(name, sessions_first):
    with Broker() as broker:
        broker.set_credit(10)
        broker.slow_down(0.01)
        with example("simple_send.py", "-a", f"{broker.url}/queue", "-m", 150) as program:
            broker.wait_for(lambda seen: len(seen.messages) > 40)
            broker.stop(name, "shutdown", sessions_first)
            broker.start()
            assert program.finish() == ["all messages confirmed"]
            assert any(f"{name}: shutdown" in line for line in program.errors)
            assert any("connected again after" in line for line in program.errors) and len(program.errors) < 10
        assert numbers(broker) == set(range(1, 151))


def test_simple_send_survives_sessions_that_are_ended():
    with Broker() as broker:
        broker.set_credit(10)
        broker.slow_down(0.01)
        with example("simple_send.py", "-a", f"{broker.url}/queue", "-m", 100) as program:
            for count in (30, 60):
                broker.wait_for(lambda seen, count=count: len(seen.messages) > count)
                broker.end_sessions("amqp:internal-error", "shutdown")
            assert program.finish() == ["all messages confirmed"]
        assert numbers(broker) == set(range(1, 101)) and len(broker.seen.connections) == 1


@pytest.mark.parametrize("name", NAMES)
def test_receivers_survive_an_orderly_stop(name):
    with Broker() as first, Broker() as second:
        first.slow_down(0.01)
        first.put("queue", *(Message(id=number, body=number) for number in range(50)))
        second.put("queue", *(Message(id=number, body=number) for number in range(100, 150)))
        urls = [f"{broker.url}/queue" for broker in (first, second)]
        with example("reconnecting_recv.py", "-m", 60, *urls) as program:
            first.wait_for(lambda seen: len(seen.outcomes) > 10)
            first.stop(name, "shutdown")
            lines = program.finish()
        assert f"connected to {first.url.partition('//')[2]}" in lines[0].replace("amqp://", "")
        assert sum(line.startswith("connected to") for line in lines) == 2 and lines[-1].isdigit()


def test_a_message_that_kills_its_session_is_given_up():
    with Broker() as broker:
        broker.answer_next("end", "amqp:internal-error", "function_clause", times=None)
        with example("simple_send.py", "-a", f"{broker.url}/queue", "-m", 1) as program:
            assert program.finish(code=1) == []
            reason = "ended 5 times with amqp:internal-error: function_clause, without progress"
            assert program.errors[-1] == f"gave up: {reason}"
        assert len(broker.seen.messages) == 5
