"""What `examples/broker.py` refuses, it refuses when it opens: an attach without terminus, then a detach (2.6.3)."""

import socket

import pytest

from proton import Described, symbol
from tests.support.engines import AMQP_HEADER, frame, split
from tests.support.programs import ROOT, Program, free_port
from tests.support.stage import attach, begin, source, target

SECONDS = 20


@pytest.fixture(scope="module")
def address():
    place = ("127.0.0.1", free_port())
    with Program(ROOT / "examples" / "broker.py", "-a", f"{place[0]}:{place[1]}") as program:
        program.await_line("listening")
        yield place
        assert program.faults == []


class Conversation:
    def __init__(self, address):
        self.socket = socket.create_connection(address, SECONDS)
        self.socket.sendall(AMQP_HEADER + frame(0, "open", container_id="peer") + begin(reply=False))
        self.received = b""
        self.until("begin")

    def until(self, *names):
        """The frames up to the last of these names."""
        while True:
            parts = [part for part in split(self.whole()) if not isinstance(part, bytes) and part.name is not None]
            if [part.name for part in parts if part.name in names] == list(names):
                self.received = self.received[len(self.whole()) :]
                return parts
            data = self.socket.recv(1 << 16)
            assert data, f"the broker has ended the stream after {parts}"
            self.received += data

    def whole(self):
        """What is there without a frame that is not complete."""
        pos = 0
        while len(self.received) - pos >= 8:
            size = 8 if self.received[pos : pos + 4] == b"AMQP" else int.from_bytes(self.received[pos : pos + 4], "big")
            if pos + size > len(self.received):
                break
            pos += size
        return self.received[:pos]


@pytest.fixture
def conversation(address):
    conversation = Conversation(address)
    with conversation.socket:
        yield conversation
        conversation.socket.sendall(frame(0, "close"))
        conversation.until("close")


def selecting(selector):
    described = Described(symbol("apache.org:selector-filter:string"), selector)
    return Described(source().descriptor, ["q", *[None] * 6, {symbol("selector"): described}])


REFUSED = {
    "a receiver from no address": (False, {"source": source(None)}, "source", "amqp:not-found"),
    "a receiver from a node that is gone": (False, {"source": source("dynamic/gone")}, "source", "amqp:not-found"),
    "a sender to a node that is gone": (True, {"target": target("dynamic/gone")}, "target", "amqp:not-found"),
    "a selector that is not understood": (False, {"source": selecting("a ~ 1")}, "source", "amqp:invalid-field"),
}


@pytest.mark.parametrize(("sends", "fields", "terminus", "condition"), REFUSED.values(), ids=REFUSED)
def test_a_link_is_refused_without_its_terminus(conversation, sends, fields, terminus, condition):
    conversation.socket.sendall(attach("refused", 0, sends=sends, **fields))
    frames = [part for part in conversation.until("attach", "detach") if part.name in ("attach", "detach")]
    refused, detach = frames
    assert (refused["name"], refused[terminus], bool(refused["role"])) == ("refused", None, sends)
    assert detach["closed"] is True and detach["handle"] == refused["handle"]
    assert detach["error"].value[0] == condition and detach["error"].value[1]
    # The connection and the name are free for another try.
    again = attach("refused", 0, sends=sends)
    conversation.socket.sendall(frame(0, "detach", handle=0, closed=True) + again)
    (taken,) = (part for part in conversation.until("attach") if part.name == "attach")
    assert taken["source"] is not None and taken["target"] is not None


def test_a_dynamic_node_goes_with_its_consumer_and_is_refused_then(conversation):
    dynamic = Described(source().descriptor, [None, None, None, None, True])
    conversation.socket.sendall(attach("consumer", 0, sends=False, source=dynamic))
    (taken,) = (part for part in conversation.until("attach") if part.name == "attach")
    node = taken["source"].value[0]
    conversation.socket.sendall(frame(0, "detach", handle=0, closed=True))
    conversation.until("detach")
    conversation.socket.sendall(attach("late", 0, target=target(node)))
    refused, detach = conversation.until("attach", "detach")
    assert refused["target"] is None and detach["error"].value[0] == "amqp:not-found"
    assert node in detach["error"].value[1]
    conversation.socket.sendall(frame(0, "detach", handle=0, closed=True))
