"""The examples, unchanged, through RabbitMQ: their addresses name a queue, or carry a user and a password."""

from __future__ import annotations

import contextlib

import pytest

from tests.support.programs import ROOT, Program

VERSE = "Twas brillig, and the slithy toves"


def example(name, *arguments):
    return Program(ROOT / "examples" / name, *arguments)


def bodies(first, last):
    return [str({"sequence": number}) for number in range(first, last + 1)]


@pytest.mark.parametrize("user", ["", "guest:guest@"], ids=["anonymous", "guest"])
def test_helloworld(rabbitmq, queue, user):
    with example("helloworld.py", "-a", f"{user}{rabbitmq.address}/{queue}") as program:
        assert program.finish() == ["Hello World!"]
        assert program.errors == []


def test_a_wrong_password_is_refused(rabbitmq, queue):
    with example("helloworld.py", "-a", f"guest:wrong@{rabbitmq.address}/{queue}") as program:
        assert program.finish(code=1) == []


def test_simple_send_then_simple_recv(rabbitmq, queue):
    address = f"{rabbitmq.address}/{queue}"
    with example("simple_send.py", "-a", address, "-m", 1000) as sender:
        assert sender.finish() == ["all messages confirmed"]
        assert sender.errors == []
    # What the first receiver was sent ahead and did not take is there for the second one.
    for first, last in ((1, 300), (301, 1000)):
        with example("simple_recv.py", "-a", address, "-m", last - first + 1) as receiver:
            assert receiver.finish() == bodies(first, last)
            assert receiver.errors == []


def test_two_simple_recv_share_a_queue(rabbitmq, queue):
    address = f"{rabbitmq.address}/{queue}"
    with contextlib.ExitStack() as stack:
        receive = ("simple_recv.py", "-a", address, "-m", 50)
        one, other = (stack.enter_context(example(*receive)) for _ in range(2))
        sender = stack.enter_context(example("simple_send.py", "-a", address, "-m", 100))
        assert sender.finish() == ["all messages confirmed"]
        assert sorted(one.finish() + other.finish()) == sorted(bodies(1, 100))


def test_client_needs_a_dynamic_address(rabbitmq, queue):
    with example("client.py", "-a", f"{rabbitmq.address}/{queue}", VERSE) as client:
        assert client.finish(code=1) == []


def test_server_needs_a_relay(rabbitmq, queue):
    with example("server.py", "-a", f"{rabbitmq.address}/{queue}") as server:
        assert server.finish(code=1)[0] == "the broker does not offer ANONYMOUS-RELAY"
