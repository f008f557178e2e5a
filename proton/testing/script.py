"""`Script`: a peer that a test plays byte by byte, for `Joined`.

What a peer says that keeps to AMQP is easier said by a handler; this is for peers that do not, or that must be held at
one point of a conversation.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Callable

from proton.testing.memory import MemoryNetwork

__all__ = ["Player", "Script", "ScriptConnection"]


class ScriptConnection:
    """A connection of a script.

    :param end: the end of the connection in memory.
    """

    def __init__(self, end: Any) -> None:
        self._end = end
        #: all bytes that have come
        self.received: bytearray = bytearray()
        #: True once the program has ended the connection, or it was lost
        self.has_ended: bool = False

    def send(self, data: bytes) -> None:
        """Send bytes to the program."""
        self._end.put(data)

    def close(self) -> None:
        """End the connection in order; the program gets what was sent before."""
        self._end.close()

    def cut(self) -> None:
        """Lose the connection, with what is on its way."""
        self._end.cut()

    def read_frame(self) -> Generator[int, bytes, bytes]:
        """The next frame, with its header: ``frame = yield from connection.read_frame()``."""
        size = yield 4
        return size + (yield int.from_bytes(size, "big") - 4)


class Script:
    """A peer that plays a conversation: `Joined(program, Script(play))`.

        def play(connection):
            header = yield 8  # waits for so many bytes
            connection.send(b"not AMQP")
            connection.close()

    :param play: a generator function, called with the `ScriptConnection` of each connection of the program. It yields
        how many bytes it waits for, and gets them; what it raises comes out of `Joined.run`.
    """

    def __init__(self, play: Callable[[ScriptConnection], Generator[int, bytes, Any]]) -> None:
        self.play: Callable[[ScriptConnection], Generator[int, bytes, Any]] = play
        #: the connections, in order
        self.connections: list[ScriptConnection] = []


class _Conversation:
    """One run of a script's function, and the bytes that it has not taken yet."""

    def __init__(self, script: Script, end: Any) -> None:
        self._end = end
        self._connection = ScriptConnection(end)
        script.connections.append(self._connection)
        self._unread = bytearray()
        self._wanted = 0
        self._generator: Any = script.play(self._connection)
        self._go_on(None)

    def _go_on(self, data: bytes | None) -> None:
        try:
            wanted = self._generator.send(data)
        except StopIteration:
            self._generator = None
            return
        if not isinstance(wanted, int) or wanted < 1:
            raise TypeError(f"expected a script that yields a number of bytes, got {wanted!r}")
        self._wanted = wanted

    def turn(self) -> bool:
        """Take what has come; True if there was something."""
        connection = self._connection
        if connection.has_ended or not self._end.readable:
            return False
        try:
            data = self._end.recv(1 << 30)
        except ConnectionResetError:
            data = b""
        connection.has_ended = not data
        connection.received += data
        self._unread += data
        while self._generator is not None and len(self._unread) >= self._wanted:
            taken = bytes(self._unread[: self._wanted])
            del self._unread[: self._wanted]
            self._go_on(taken)
        return True

    def close(self) -> None:
        """End the conversation."""
        if self._generator is not None:
            self._generator.close()
            self._generator = None


class Player:
    """Plays a script, as a container runs handlers.

    :param script: the script.
    :param network: gets a listener for the connections to places where nothing listens.
    """

    #: it has nothing to do at a later time, and does not end by itself
    deadline: float | None = None
    has_ended: bool = False

    def __init__(self, script: Script, network: MemoryNetwork) -> None:
        self._script = script
        self._network = network
        (self._listener,) = network.listen("script", 5672)
        network.fallback = self._listener
        self._conversations: list[_Conversation] = []

    def turn(self) -> bool:
        """Do what is to be done now; False if there was nothing."""
        busy = False
        accepted = self._network.accept(self._listener)
        while accepted is not None:
            busy = True
            self._conversations.append(_Conversation(self._script, accepted[0]))
            accepted = self._network.accept(self._listener)
        for conversation in self._conversations:
            busy |= conversation.turn()
        return busy

    def end(self) -> None:
        """End the conversation."""
        for conversation in self._conversations:
            conversation.close()
