"""Spoiled conversations over a socket into a running container: nothing leaves `process`, and the socket is closed."""

from __future__ import annotations

import contextlib
import functools
import logging
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proton.handlers import MessagingHandler
from proton.reactor import Container
from tests.support.fuzzing import conversation, fuzz, parts_of

TURNS = 2000


@functools.cache
def heard(sasl):
    """What a server hears in a valid conversation."""
    return parts_of(conversation(sasl)[0])


class Server(MessagingHandler):
    def __init__(self):
        super().__init__(prefetch=5)
        self.bodies = []
        self.lost = 0

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")

    def on_message(self, event):
        self.bodies.append(event.message.body)

    def on_transport_closed(self, event):
        self.lost += 1


@pytest.fixture(scope="module")
def server():
    logging.getLogger("proton").setLevel(logging.CRITICAL)  # every example is an error to be logged
    server = Server()
    container = Container(server)
    container.timeout = 0.001
    server.container = container
    container.start()
    container.process()
    yield server
    server.acceptor.close()
    container.stop()
    while container.process():
        pass
    logging.getLogger("proton").setLevel(logging.NOTSET)


def converse(server, pieces):
    """Says the pieces and no more; returns when the container has closed the socket."""
    container, lost = server.container, server.lost
    with socket.create_connection(("127.0.0.1", server.acceptor.port)) as sock:
        sock.settimeout(0)
        with contextlib.suppress(OSError):  # the container may have hung up
            for piece in pieces:
                sock.sendall(piece)
                for _ in range(4):  # so that credit is given before what needs it
                    container.process()
            sock.shutdown(socket.SHUT_WR)
        for _ in range(TURNS):
            container.process()
            try:
                if not sock.recv(1 << 16):
                    break
            except BlockingIOError:
                pass
            except OSError:
                break
        else:
            raise AssertionError(f"the socket is open after {TURNS} turns")
    for _ in range(TURNS):
        if server.lost > lost:
            return
        container.process()
    raise AssertionError("the application was not told that the connection is gone")


@pytest.mark.parametrize("sasl", [False, True], ids=["plain", "sasl"])
@fuzz
@given(flips=st.lists(st.tuples(*[st.integers(0, 255)] * 3), max_size=4), size=st.integers(0, 30))
def test_spoiled_conversation(server, sasl, flips, size):
    pieces = [bytearray(piece) for piece in heard(sasl)]
    for index, position, value in flips:
        piece = pieces[index % len(pieces)]
        piece[position % len(piece)] ^= value
    converse(server, pieces[:size])


@fuzz
@given(data=st.binary(max_size=200))
def test_noise(server, data):
    converse(server, [data])


def test_a_good_conversation_still_works_after_all_that(server):
    server.bodies.clear()
    converse(server, heard(False))
    assert "from the application" in server.bodies
