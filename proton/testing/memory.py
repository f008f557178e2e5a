"""`MemoryNetwork`: listeners and connections in memory, in place of the functions that make sockets.

A connection is a pair of ends with a buffer each. They have numbers as descriptors have, so that the container's own
input and output work on them as on sockets; `MemorySelector` says which of them are ready. Nothing here waits.
"""

from __future__ import annotations

import collections
import errno
import os
import selectors
import socket
from typing import Any, NamedTuple

from proton.testing.clock import VirtualClock

__all__ = ["Connect", "MemoryNetwork", "MemorySelector"]

#: Bytes that are on their way in one direction: what the buffers of sockets on one machine hold, roughly.
BUFFER = 1 << 18

#: The first number of an end: larger than that of any descriptor.
FIRST_NUMBER = 1 << 30

#: The first port of listeners that ask for any.
FIRST_PORT = 49152

LOCAL = frozenset(("localhost", "127.0.0.1", "::1"))
ANY = frozenset((None, "", "0.0.0.0", "::"))


class Connect(NamedTuple):
    """An attempt to connect: when, in seconds since the clock's beginning, where to, and what came of it."""

    at: float
    host: str
    port: int
    #: True if something listens there, False if not, None while the network is down
    connected: bool | None


class _Address(NamedTuple):
    family: int
    sockaddr: tuple[Any, ...]


class _End:
    """One end of a connection, with what a container uses of a socket."""

    def __init__(self, network: MemoryNetwork, name: tuple[str, int], peer_name: tuple[str, int]) -> None:
        self._network = network
        self._number = network.new_number(self)
        self._name, self._peer_name = name, peer_name
        self.peer: _End | None = None
        #: the error number of a connect that has failed, None while it is under way
        self.result: int | None = None
        self.incoming: bytearray = bytearray()
        self.has_ended: bool = False
        self.is_reset: bool = False
        self.is_closed: bool = False

    def fileno(self) -> int:
        return -1 if self.is_closed else self._number

    def getsockname(self) -> tuple[str, int]:
        return self._name

    def getpeername(self) -> tuple[str, int]:
        return self._peer_name

    @property
    def readable(self) -> bool:
        if self._network.is_stalled:
            return False
        return bool(self.incoming) or self.has_ended or self.is_reset

    @property
    def writable(self) -> bool:
        if self.result is None:
            return False
        return self.peer is None or self.peer.is_closed or len(self.peer.incoming) < BUFFER

    def recv(self, size: int) -> bytes:
        if self._network.is_stalled:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        if self.is_reset:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        if not self.incoming and not self.has_ended:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        data = bytes(self.incoming[:size])
        del self.incoming[:size]
        return data

    def send(self, data: bytes) -> int:
        if self.peer is None or self.peer.is_closed or self.is_reset:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        room = BUFFER - len(self.peer.incoming)
        if room <= 0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self.peer.incoming += data[:room]
        self._network.changes += 1
        return min(len(data), room)

    def put(self, data: bytes) -> None:
        """As `send`, however much is on its way already."""
        if self.peer is not None and not self.peer.is_closed and not self.is_reset:
            self.peer.incoming += data
            self._network.changes += 1

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            self._network.forget(self._number)
            if self.peer is not None:
                self.peer.has_ended = True

    def cut(self) -> None:
        """Lose the connection: what is on its way is lost, too."""
        for end in (self, self.peer):
            if end is not None:
                end.incoming.clear()
                end.is_reset = True


class _Listener:
    """A place where connections are accepted."""

    def __init__(self, network: MemoryNetwork, host: str | None, port: int) -> None:
        self._network = network
        self._number = network.new_number(self)
        self.host: str | None = host
        self.port: int = port
        self.waiting: collections.deque[_End] = collections.deque()
        self.is_closed: bool = False

    def fileno(self) -> int:
        return -1 if self.is_closed else self._number

    def getsockname(self) -> tuple[str, int]:
        return self.host or "0.0.0.0", self.port

    def takes(self, host: str, port: int) -> bool:
        if self.port != port:
            return False
        return self.host in ANY or self.host == host or {self.host, host} <= LOCAL

    @property
    def readable(self) -> bool:
        return bool(self.waiting) and not self._network.is_stalled

    @property
    def writable(self) -> bool:
        return False

    def close(self) -> None:
        self.is_closed = True
        self._network.forget(self._number)
        for end in self.waiting:
            end.cut()


class MemoryNetwork:
    """The functions of `proton.io.sockets`, in memory: `container.network` takes it.

    :param clock: the clock of the containers.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._objects: dict[int, _End | _Listener] = {}
        self._next_number = FIRST_NUMBER
        self._next_port = FIRST_PORT
        #: the attempts to connect
        self.connects: list[Connect] = []
        #: gets the connections to places where nothing listens
        self.fallback: _Listener | None = None
        #: True while no bytes arrive, in any direction
        self.is_stalled: bool = False
        #: True while connects are neither accepted nor refused
        self.is_down: bool = False
        #: counts what one end has done that the other one sees
        self.changes: int = 0
        #: how many connects are refused
        self.refusals: float = 0

    def new_number(self, owner: _End | _Listener) -> int:
        """A number for something that is as a socket."""
        self._next_number += 1
        self._objects[self._next_number] = owner
        return self._next_number

    def forget(self, number: int) -> None:
        """Drop what has a number."""
        self.changes += 1
        self._objects.pop(number, None)

    def find(self, number: int) -> _End | _Listener | None:
        """What has a number."""
        return self._objects.get(number)

    def listeners(self) -> list[_Listener]:
        """All that listen."""
        return [each for each in self._objects.values() if isinstance(each, _Listener)]

    def cut(self) -> None:
        """Lose all connections."""
        for each in list(self._objects.values()):
            if isinstance(each, _End):
                each.cut()

    # -- the functions of `proton.io.sockets` ----------------------------------------------------------------------

    def resolve(self, host: str | None, port: int, passive: bool = False) -> list[_Address]:
        """One address, whatever the name is."""
        return [_Address(socket.AF_INET, (host or "localhost", int(port)))]

    def listen(self, host: str | None, port: int) -> list[_Listener]:
        """A listener.

        :raises OSError: the port is in use.
        """
        if not port:
            port, self._next_port = self._next_port, self._next_port + 1
        if any(each.port == port and (each.host == host or {each.host, host} & ANY) for each in self.listeners()):
            raise OSError(errno.EADDRINUSE, f"cannot listen on {host}:{port}: {os.strerror(errno.EADDRINUSE)}")
        return [_Listener(self, host, port)]

    def accept(self, listener: _Listener) -> tuple[_End, tuple[str, int]] | None:
        """The next connection that waits, None for none."""
        if not listener.waiting or self.is_stalled:
            return None
        end = listener.waiting.popleft()
        return end, end.getpeername()

    def connect(self, address: _Address) -> tuple[_End, int]:
        """An end of a new connection, and 0: how the connect ends shows later, as with sockets."""
        host, port = address.sockaddr
        end = _End(self, ("localhost", self._next_port), (host, port))
        self._next_port += 1
        listener = None if self.is_down else self._listener(host, port)
        if self.is_down:
            pass  # never answered: the time-out of the connect ends it
        elif listener is None:
            end.result = errno.ECONNREFUSED
        else:
            end.result = 0
            end.peer = _End(self, (host, port), end.getsockname())
            end.peer.result, end.peer.peer = 0, end
            listener.waiting.append(end.peer)
        self.changes += 1
        connected = None if self.is_down else listener is not None
        self.connects.append(Connect(self._clock.elapsed, host, port, connected))
        return end, 0

    def _listener(self, host: str, port: int) -> _Listener | None:
        if self.refusals > 0:
            self.refusals -= 1
            return None
        found = next((each for each in self.listeners() if each.takes(host, port)), self.fallback)
        return None if found is None or found.is_closed else found

    def connect_result(self, end: _End) -> int:
        """How a connect has ended."""
        return end.result or 0


class SelectorKey(NamedTuple):
    """As that of the standard library."""

    fileobj: int
    fd: int
    events: int
    data: Any


class MemorySelector:
    """Says which ends are ready, and waits for nothing.

    Descriptors of the system (those of an `EventInjector`) may be among them: they are looked at, too.
    """

    def __init__(self, network: MemoryNetwork) -> None:
        self._network = network
        self._keys: dict[int, SelectorKey] = {}
        self._system: selectors.BaseSelector | None = None
        #: the time-out of the last `select`, in seconds; None if there was none since it was set so
        self.timeout: float | None = None
        #: whether it has found something
        self.has_found: bool = False

    def register(self, fileobj: int, events: int, data: object = None) -> SelectorKey:
        if fileobj in self._keys:
            raise KeyError(f"{fileobj} is registered already")
        key = self._keys[fileobj] = SelectorKey(fileobj, fileobj, events, data)
        if fileobj < FIRST_NUMBER:
            if self._system is None:
                self._system = selectors.DefaultSelector()
            self._system.register(fileobj, events)
        return key

    def unregister(self, fileobj: int) -> SelectorKey:
        key = self._keys.pop(fileobj)
        if fileobj < FIRST_NUMBER and self._system is not None:
            self._system.unregister(fileobj)
        return key

    def modify(self, fileobj: int, events: int, data: object = None) -> SelectorKey:
        self.unregister(fileobj)
        return self.register(fileobj, events, data)

    def get_key(self, fileobj: int) -> Any:
        return self._keys[fileobj]

    def select(self, timeout: float | None = None) -> list[tuple[Any, int]]:
        found: list[tuple[Any, int]] = []
        for number, key in self._keys.items():
            each = self._network.find(number)
            if each is not None:
                mask = (selectors.EVENT_READ if each.readable else 0) | (selectors.EVENT_WRITE if each.writable else 0)
                if mask & key.events:
                    found.append((key, mask & key.events))
        if self._system is not None:
            found += [(self._keys[key.fd], mask) for key, mask in self._system.select(0)]
        self.timeout = timeout
        self.has_found = bool(found)
        return found

    def close(self) -> None:
        if self._system is not None:
            self._system.close()
            self._system = None
