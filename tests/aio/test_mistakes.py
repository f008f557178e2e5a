"""Mistakes of callers: each raises before anything has changed, and says what was expected and what came."""

import asyncio
import re

import pytest

from proton import Message, MessageException, SSLException
from proton.asyncio import Modified, Rejected, connect, serve
from tests.support.aio import broker, run

MAKING = [
    (lambda: connect(5), "a url must be a str or a Url, not int"),
    (lambda: connect("amqp://host:port"), "port"),
    (lambda: connect("localhost", usr="fred"), r"no option 'usr': did you mean 'user'\?"),
    (lambda: connect("localhost", reconect=True), r"no option 'reconect': did you mean 'reconnect'\?"),
    (lambda: connect("localhost", timeout="5"), "timeout takes seconds or None, got str '5'"),
    (lambda: connect("localhost", timeout=True), "timeout takes seconds or None, got bool True"),
    (lambda: connect("localhost", timeout=float("nan")), "timeout takes 0 or more seconds, got nan"),
    (lambda: connect("localhost", connect_timeout=-1), "connect_timeout takes 0 or more seconds, got -1"),
    (lambda: connect("localhost", close_timeout=[]), r"close_timeout takes seconds or None, got list \[\]"),
    (lambda: connect("localhost", heartbeat="1"), "heartbeat takes .*got str '1'"),
    (lambda: connect("localhost", heartbeat=-1), "heartbeat.*-1"),
    (lambda: connect("localhost", reconnect="yes"), "reconnect takes .*got str 'yes'"),
    (lambda: connect("localhost", reconnect=[-1]), "reconnect.*-1"),
    (lambda: connect("localhost", on_event=5), "on_event takes a callable or None, got int 5"),
    (lambda: connect("localhost", on_late_outcome="x"), "on_late_outcome takes a callable or None, got str 'x'"),
    (lambda: connect("localhost", ssl_domain="x"), "ssl_domain takes SSLDomain or None, got str 'x'"),
    (lambda: connect("localhost", user=5), "user takes a str or None, got int"),
    (lambda: connect("localhost", password=5), "password.*int"),
    (lambda: connect("localhost", container_id=5), "container takes a str or None, got 5"),
    (lambda: connect("localhost", properties=[]), r"properties.*list"),
    (lambda: connect("localhost", max_frame_size="x"), "max_frame_size.*str 'x'"),
    (lambda: connect("localhost", retry_on=5), "retry_on.*int 5"),
    (lambda: connect("localhost", virtual_host=5), "virtual_host takes a str or None, got int"),
    (lambda: connect("localhost", initial_retry="no"), "initial_retry takes a bool, got str 'no'"),
    (lambda: serve(5), "a url must be a str or a Url, not int"),
    (lambda: serve("localhost", timeout="5"), "timeout takes seconds or None, got str '5'"),
    (lambda: serve("localhost", heartbeat="5"), "heartbeat takes seconds or None, got str '5'"),
    (lambda: serve("localhost", container_id=5), "container_id takes str or None, got int 5"),
    (lambda: serve("localhost", credentials=5), "got int 5|int"),
    (lambda: serve("localhost", ssl_domain="x"), "expected an SSLDomain, got 'x'"),
    (lambda: serve("localhost", require_atuh=True), "expected options of .*, got require_atuh"),
    (lambda: Rejected(5), "condition takes a str, a Condition or None, got 5"),
    (lambda: Rejected("a:b", 5), "description takes str or None, got int 5"),
    (lambda: Modified(annotations=5), "annotations.*int 5"),
    (lambda: Modified(failed="yes"), "failed takes a bool, got str 'yes'"),
]


@pytest.mark.parametrize("number", range(len(MAKING)))
def test_mistakes_in_what_is_made(number):
    make, text = MAKING[number]
    with pytest.raises((TypeError, ValueError, OverflowError, SSLException), match=text):
        make()


LINKS = [
    (lambda it: it.sender(5), "address takes str or None, got int 5"),
    (lambda it: it.sender("q", source=5), "source takes str or None, got int 5"),
    (lambda it: it.sender("q", name=5), "name takes str or None, got int 5"),
    (lambda it: it.sender("q", tags=5), "tag.*int 5"),
    (lambda it: it.sender("q", options=5), "int 5"),
    (lambda it: it.sender("q", resend="yes"), "resend takes a bool, got str 'yes'"),
    (lambda it: it.receiver(5), "address takes str or None, got int 5"),
    (lambda it: it.receiver("q", prefetch="x"), "prefetch takes.*str 'x'"),
    (lambda it: it.receiver("q", prefetch=-1), "prefetch takes 0 or more messages, got -1"),
    (lambda it: it.receiver("q", prefetch=1.5), "prefetch takes.*float 1.5"),
    (lambda it: it.receiver("q", prefetch=2**32), "prefetch.*4294967296"),
    (lambda it: it.receiver("q", dynamic="yes"), "dynamic takes a bool, got str 'yes'"),
    (lambda it: it.receiver("q", options=["x"]), "str 'x'"),
    (lambda it: it.requester(5), "address takes str or None, got int 5"),
    (lambda it: it.requester("q", prefetch=-1), "prefetch"),
    (lambda it: it.requester("q", resend=5), "resend takes a bool, got int 5"),
    (lambda it: it.session(incoming_capacity="x"), "incoming_capacity.*str 'x'"),
    (lambda it: it.session(incoming_capacity=-1), "incoming_capacity.*-1"),
    (lambda it: it.session(outgoing_window="x"), "outgoing_window.*str 'x'"),
]


@pytest.mark.parametrize("number", range(len(LINKS)))
def test_mistakes_in_links(number):
    make, text = LINKS[number]
    with pytest.raises((TypeError, ValueError), match=text):
        make(connect("localhost"))


CALLS = {
    "send": (lambda it: it.sender.send("x"), "send takes a Message, got str 'x'"),
    "send tag": (lambda it: it.sender.send(Message(), tag=5), "a delivery tag is str or bytes, got 5"),
    "send timeout": (lambda it: it.sender.send(Message(), timeout="x"), "timeout takes seconds or None, got str 'x'"),
    "send_soon": (lambda it: it.sender.send_soon(None), "send takes a Message, got NoneType None"),
    "send_soon timeout": (lambda it: it.sender.send_soon(Message(), timeout=-1), "timeout takes 0 or more seconds"),
    "flush": (lambda it: it.sender.flush("x"), "timeout takes seconds or None, got str 'x'"),
    "stream": (lambda it: it.sender.send_stream(5), "source takes an iterator of bytes, .*, got int 5"),
    "stream text": (lambda it: it.sender.send_stream("text"), "source takes an iterator of bytes, .*, got str 'text'"),
    "stream piece": (
        lambda it: it.sender.send_stream(["text"]),
        "expected bytes from the source of a body, got 'text'",
    ),
    "stream message": (lambda it: it.sender.send_stream([b"x"], 5), "message takes Message or None, got int 5"),
    "stream body": (lambda it: it.sender.send_stream([b"x"], Message(body=b"y")), "body"),
    "stream size": (lambda it: it.sender.send_stream([b"x"], size="x"), "size.*str 'x'"),
    "stream tag": (lambda it: it.sender.send_stream([b"x"], tag=5), "a delivery tag is str or bytes, got 5"),
    "receive": (lambda it: it.receiver.receive("x"), "timeout takes seconds or None, got str 'x'"),
    "receive_stream": (lambda it: it.receiver.receive_stream("x"), "timeout takes seconds or None, got str 'x'"),
    "drain": (lambda it: it.receiver.drain("x"), "timeout takes seconds or None, got str 'x'"),
    "close link": (lambda it: it.receiver.close("x"), "condition takes a Condition or None, got str 'x'"),
    "close link timeout": (lambda it: it.sender.close(None, "x"), "timeout takes seconds or None, got str 'x'"),
    "detach": (lambda it: it.sender.detach("x"), "timeout takes seconds or None, got str 'x'"),
    "open": (lambda it: it.sender.open("x"), "timeout takes seconds or None, got str 'x'"),
    "ask": (lambda it: it.ask("x"), "a request is a Message, got str 'x'"),
    "ask timeout": (lambda it: it.ask(Message(), timeout="x"), "timeout takes seconds or None, got str 'x'"),
    "ready": (lambda it: it.connection.ready("x"), "timeout takes seconds or None, got str 'x'"),
    "close": (lambda it: it.connection.close("x"), "condition takes a Condition or None, got str 'x'"),
    "close timeout": (lambda it: it.connection.close(None, "x"), "timeout takes seconds or None, got str 'x'"),
    "drain all": (lambda it: it.connection.drain("x"), "timeout takes seconds or None, got str 'x'"),
    "session": (lambda it: it.session.close("x"), "timeout takes seconds or None, got str 'x'"),
    "settled": (lambda it: it.delivery.settled("x"), "timeout takes seconds or None, got str 'x'"),
    "reject": (lambda it: it.delivery.reject(5), "condition takes a str, a Condition or None, got 5"),
    "reject description": (lambda it: it.delivery.reject("a:b", 5), "description takes str or None, got int 5"),
    "modify": (lambda it: it.delivery.modify(annotations=5), "annotations takes dict or None, got int 5"),
    "modify failed": (lambda it: it.delivery.modify("yes"), "failed takes a bool, got str 'yes'"),
    "settle": (lambda it: it.delivery.settle("x"), "an integer is required as a state, got 'x'"),
    "listener": (lambda it: it.peer.listener.drain("x"), "timeout takes seconds or None, got str 'x'"),
}


class Things:
    """What a program has of a connection."""


def test_mistakes_in_calls_change_nothing():
    async def main():
        wrong = {}
        async with broker() as peer, connect(peer.url) as connection:
            it = Things()
            it.peer, it.connection = peer, connection
            it.sender, it.receiver = await connection.sender("q"), await connection.receiver("r")
            it.session, it.ask = await connection.session(), await connection.requester("q")
            peer.queue("r").put_nowait(Message(body="taken"))
            _, it.delivery = await it.receiver.receive()
            for name, (call, text) in CALLS.items():
                try:
                    made = call(it)
                    if asyncio.iscoroutine(made):
                        await asyncio.wait_for(made, 1)
                except (TypeError, ValueError, MessageException) as error:
                    if not re.search(text, str(error)):
                        wrong[name] = repr(error)
                except Exception as error:
                    wrong[name] = repr(error)
                else:
                    wrong[name] = "nothing was raised"
            assert wrong == {}, wrong
            assert it.delivery.accept()
            assert peer.queue("q").empty()
            await it.sender.send(Message(body="x"), tag=b"t")
            assert peer.queue("q").get_nowait().body == "x"
            assert it.session.is_open

    run(main)
