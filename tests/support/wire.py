"""`Wire`: an engine and its end of the socket to a container that the test steps itself, in the same thread.

Keep true: nothing here waits; the container does, for what the engine has to say.
"""

from __future__ import annotations

import socket

from proton.driver import MOVED
from tests.support.engines import Peer

TURNS = 10_000


class Wire:
    """The peer's engine and its end of the socket."""

    def __init__(self, sock, mode=None):
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else the container idles, and idling is counted
        self.sock = sock
        self.peer = Peer("peer", mode).bind()

    def exchange(self):
        """Reads all that has come and writes all that there is to say."""
        driver = self.peer.driver
        while driver.read_from(self._receive) == MOVED:
            pass
        while driver.write_to(self.sock.send, False) == MOVED:
            pass

    def _receive(self, size):
        return self.sock.recv(1 << 20)

    def step(self, container, done):
        """Both sides in turn until `done`."""
        for _ in range(TURNS):
            if done():
                return
            container.process()
            self.exchange()
        raise AssertionError(f"not done after {TURNS} turns")


def connected(container, handler):
    """Begins a container that listens on `handler.acceptor`; an engine that is connected to it, with a session open."""
    container.start()
    container.process()
    wire = Wire(socket.create_connection(("127.0.0.1", handler.acceptor.port)))
    connection = wire.peer.connection
    connection.container = "peer"
    connection.open()
    session = connection.session()
    session.open()
    return wire, session
