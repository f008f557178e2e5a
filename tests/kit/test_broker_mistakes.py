"""The broker for tests: what it says to a mistake of its user, before anything has changed."""

from __future__ import annotations

import asyncio

import pytest

from proton import Message, SSLException
from proton.asyncio import connect
from proton.testing import AsyncBroker, Broker

BROKERS = [Broker, AsyncBroker]

OPTIONS = {
    "port as text": ({"port": "5672"}, TypeError, "port takes an int, got str '5672'"),
    "port too high": ({"port": 65536}, ValueError, "port takes 0 to 65535, got 65536"),
    "port below zero": ({"port": -1}, ValueError, "port takes 0 or more, got -1"),
    "host": ({"host": 5}, TypeError, "host takes a str, got int 5"),
    "a misspelt option": (
        {"dead_leters": "x"},
        TypeError,
        "expected options of port, .*, dead_letters, .*, got dead_leters",
    ),
    "one text of nodes": ({"nodes": "abc"}, TypeError, "nodes takes several addresses, got the str 'abc'"),
    "a node": ({"nodes": [1]}, TypeError, "an address in nodes takes a str, got int 1"),
    "dead letters": ({"dead_letters": 1}, TypeError, "dead_letters takes a str, got int 1"),
    "deliveries": ({"max_deliveries": "3"}, TypeError, "max_deliveries takes an int, got str '3'"),
    "no delivery": ({"max_deliveries": 0}, ValueError, "max_deliveries takes 1 or more, or None for no limit, got 0"),
    "records": ({"keep_records": -1}, ValueError, "keep_records takes 0 or more, got -1"),
    "users": ({"credentials": 5}, TypeError, "int"),
    "domain": ({"ssl_domain": "x"}, SSLException, "expected an SSLDomain, got 'x'"),
}

COMMANDS = {
    "a message": (("put", "q", "text"), TypeError, "put takes messages, got str 'text'"),
    "an address": (("put", None, Message()), TypeError, "address takes a str, got NoneType None"),
    "how": (("refuse", "q", None, "", "rudely"), ValueError, "how: expected one of detach, end, close, got 'rudely'"),
    "role": (
        ("refuse", "q", None, "", "end", "receivers"),
        ValueError,
        "role: expected one of sender, receiver, got 'receivers'",
    ),
    "times": (("close_next", None, "", "2"), TypeError, "times takes an int, got str '2'"),
    "times below zero": (("end_next", None, "", -1), ValueError, "times takes 0 or more, got -1"),
    "answer": (("answer_next", "accept"), ValueError, "answer: expected one of accepted, .*, got 'accept'"),
    "when": (
        ("answer_next", "released", None, "", None, "x"),
        TypeError,
        "when takes a function of a message, got str",
    ),
    "credit": (("set_credit", 1.5), TypeError, r"credit takes an int, got float 1\.5"),
    "seconds": (("slow_down", -1), ValueError, "seconds takes 0 or more, got -1"),
    "seconds as text": (("advance", "1"), TypeError, "seconds takes a number, got str '1'"),
    "not a number": (("advance", float("nan")), ValueError, "seconds takes 0 or more, got nan"),
    "an address of messages": (("messages", 3), TypeError, "address takes a str, got int 3"),
    "an address of delayed messages": (("scheduled", None), TypeError, "address takes a str, got NoneType None"),
    "an address to refuse": (("refuse", 5), TypeError, "address takes a str, got int 5"),
    "an address to answer": (("answer_next", "none", None, "", 5), TypeError, "address takes a str, got int 5"),
    "an address to detach": (("detach", 5), TypeError, "address takes a str, got int 5"),
    "an address of links": (("link_count", 5), TypeError, "address takes a str, got int 5"),
    "a condition": (("close_connections", 5), TypeError, "condition takes a str, got int 5"),
    "a description": (("end_next", "app:x", 5), TypeError, "description takes a str, got int 5"),
    "what is not refused": (
        ("allow", "here"),
        ValueError,
        r"expected an address of which links are refused \(none\), got 'here'",
    ),
    "a node that is there": (("make_queue", "here"), ValueError, "there is a node at 'here' already"),
    "a node that is not": (("delete", "gone"), ValueError, "there is no node at 'gone'"),
}

#: commands that need a running broker
RUNNING = ["cut", "end_sessions", "close_connections", "link_count", "stop", "kill", "stall"]


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize(("options", "error", "text"), OPTIONS.values(), ids=OPTIONS)
def test_a_mistake_in_the_options(broker, options, error, text):
    with pytest.raises(error, match=text):
        broker(**options)


async def told(broker, name, arguments):
    result = getattr(broker, name)(*arguments)
    if asyncio.iscoroutine(result):
        await result


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
@pytest.mark.parametrize(("call", "error", "text"), COMMANDS.values(), ids=COMMANDS)
def test_a_mistake_in_a_command(running, call, error, text):
    name, *arguments = call

    async def main():
        broker = AsyncBroker()
        await broker.make_queue("here")
        if running:
            await broker.start()
        with pytest.raises(error, match=text):
            await told(broker, name, arguments)
        assert await broker.addresses() == ["here"]
        if running:
            await broker.stop()

    asyncio.run(main())
    broker = Broker()
    broker.make_queue("here")
    if running:
        broker.start()
    with pytest.raises(error, match=text):
        getattr(broker, name)(*arguments)
    assert broker.addresses == ["here"]
    if running:
        broker.stop()


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("name", RUNNING)
def test_a_command_for_a_stopped_broker(broker, name):
    with pytest.raises(RuntimeError, match="the broker does not run"):
        asyncio.run(told(broker(), name, ()))


def test_what_a_condition_raises_reaches_the_task_that_waits():
    async def main():
        async with AsyncBroker() as broker:
            with pytest.raises(ZeroDivisionError):
                await broker.wait_for(lambda seen: 1 / 0)
            waiting = asyncio.ensure_future(broker.wait_for(lambda seen: seen.connections and 1 / 0))
            async with connect(broker.url):
                with pytest.raises(ZeroDivisionError):
                    await waiting

    asyncio.run(main())


@pytest.mark.parametrize("broker", BROKERS)
def test_a_url_without_a_port(broker):
    made = broker()
    with pytest.raises(RuntimeError, match="the broker has no port before its first start"):
        assert made.url
    assert repr(made) == f"{broker.__name__}('amqp://127.0.0.1:0', stopped)"
    assert broker(5672).url == "amqp://127.0.0.1:5672"


@pytest.mark.parametrize("command", ["messages", "scheduled", "wait_for_messages"])
def test_an_address_that_cannot_exist_is_a_mistake(command):
    broker = Broker(nodes=["orders"])
    with pytest.raises(ValueError, match="there is no node at 'ordrs'"):
        getattr(broker, command)("ordrs")
    assert broker.messages("orders") == []


def test_what_was_refused_is_allowed_once():
    broker = Broker()
    broker.refuse("q", times=1)
    broker.refuse(None)
    with pytest.raises(ValueError, match=r"links are refused \('q', None\), got 'Q'"):
        broker.allow("Q")
    broker.allow("q")
    broker.allow(None)
