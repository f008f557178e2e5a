"""Standard input and output without blocking the loop: heartbeats and credit move while a pipe stands still.

Both work in a daemon thread, by the descriptor. So the end of the program waits neither for a terminal on which
nothing is typed, nor for a lock of a buffered stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import re
import select
import stat
import sys
import threading
from collections.abc import AsyncGenerator
from typing import Any, BinaryIO, Callable

from proton.endpoints.printable import printable

__all__ = ["BLOCK", "Input", "Output", "Worker"]

#: bytes that are read at once
BLOCK = 65536
#: seconds at most that a write takes to end after it is cancelled
STOP_TIMEOUT = 1.0
#: bytes that a pipe takes without a wait once it says that it takes some
PIECE = getattr(select, "PIPE_BUF", 512)
#: what lies between the line ends and tabs of a text
_SHOWN = re.compile(r"[^\n\t]+")


class Worker:
    """A thread that does one thing after another, for coroutines of the loop that it was made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="pure-proton-pipe", daemon=True).start()

    async def do(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in the thread, and return what it returns.

        If this is cancelled, the function goes on.
        """
        return await self.start(function, *arguments)

    def start(self, function: Callable[..., Any], *arguments: Any) -> asyncio.Future[Any]:
        """Have a function called in the thread; the future of what it returns."""
        future = self._loop.create_future()
        self._jobs.put((future, function, arguments))
        return future

    def close(self) -> None:
        """End the thread, after what it does now."""
        self._jobs.put(None)

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            future, function, arguments = job
            result: Any = None
            error: BaseException | None = None
            try:
                result = function(*arguments)
            except BaseException as problem:  # raised again where it is awaited
                error = problem
            # RuntimeError: the loop is closed, and nothing waits any more.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._tell, future, result, error)
            del job, future, function, arguments, result, error

    @staticmethod
    def _tell(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)


def _descriptor(stream: Any) -> int | None:
    try:
        return int(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return None


def _may_block(descriptor: int | None) -> bool:
    """Whether a write may wait for a reader, and the system can say whether it would."""
    if descriptor is None or sys.platform == "win32":
        return False
    return not stat.S_ISREG(os.fstat(descriptor).st_mode)


class Input:
    """Bytes from standard input, or from a binary file.

    :param file: the file; None for standard input.
    """

    def __init__(self, file: BinaryIO | None = None) -> None:
        self._worker = Worker()
        self._begun: list[bytes] = []  # pieces of the line that has no end yet
        self._is_at_end = False
        stream: Any = sys.stdin if file is None else file
        descriptor = _descriptor(stream)
        if descriptor is None:
            self._read: Callable[[int], bytes] = getattr(stream, "buffer", stream).read
        else:
            self._read = lambda size: os.read(descriptor, size)

    async def blocks(self, size: int = BLOCK) -> AsyncGenerator[bytes, None]:
        """Blocks of so many bytes at most, as they come, to the end."""
        while True:
            block = await self._worker.do(self._read, size)
            if not block:
                return
            yield block

    async def lines(self) -> list[bytes]:
        """Whole lines without their ends, as they come, one at least; an empty list at the end."""
        while not self._is_at_end:
            block = await self._worker.do(self._read, BLOCK)
            if not block:
                self._is_at_end = True
                last = b"".join(self._begun)
                return [last] if last else []
            first, *rest = block.split(b"\n")
            self._begun.append(first)
            if rest:
                rest.insert(0, b"".join(self._begun))
                self._begun = [rest.pop()]
                return [line[:-1] if line.endswith(b"\r") else line for line in rest]
        return []

    def close(self) -> None:
        """End the thread that reads."""
        self._worker.close()


class Output:
    """Bytes to standard output, or to a binary file without a buffer.

    :param file: the file; None for standard output.
    """

    def __init__(self, file: BinaryIO | None = None) -> None:
        self._worker = Worker()
        self._stream: Any = sys.stdout if file is None else file
        self._descriptor = _descriptor(self._stream)
        #: whether it is a screen, on which what a peer says must not move the cursor
        self.is_terminal: bool = self._stream.isatty()
        #: bytes of the latest `write` that the system has
        self.written: int = 0
        self._stop_pipe: tuple[int, int] | None = os.pipe() if _may_block(self._descriptor) else None
        if file is None:
            self._stream.flush()

    def shown(self, text: bytes) -> bytes:
        """A text as it may be written: on a terminal, with escapes for what moves the cursor."""
        if not self.is_terminal:
            return text
        decoded = text.decode("utf-8", "backslashreplace")
        return _SHOWN.sub(lambda found: printable(found.group(), sys.maxsize), decoded).encode("utf-8")

    async def write(self, data: bytes) -> None:
        """Write all of it; when this returns, the system has it.

        If it is cancelled, it ends before all is written, and `written` says how much is.

        :raises OSError: it cannot be written: `BrokenPipeError` where its reader has gone.
        """
        self.written = 0
        job = self._worker.start(self._write, data)
        try:
            await asyncio.shield(job)
        except asyncio.CancelledError:
            if self._stop_pipe is not None:
                os.write(self._stop_pipe[1], b"!")
            await asyncio.wait([job], timeout=STOP_TIMEOUT)
            raise

    def _write(self, data: bytes) -> None:
        if self._descriptor is None:
            stream = getattr(self._stream, "buffer", self._stream)
            stream.write(data)
            stream.flush()
            self.written = len(data)
            return
        rest = memoryview(data)
        while rest:
            size = len(rest)
            if self._stop_pipe is not None:
                stopped, _, _ = select.select([self._stop_pipe[0]], [self._descriptor], [])
                if stopped:
                    return
                size = PIECE
            rest = rest[os.write(self._descriptor, rest[:size]) :]
            self.written = len(data) - len(rest)

    def close(self) -> None:
        """End the writing: nothing may be written after it."""
        if self._stop_pipe is not None:
            for number in self._stop_pipe:
                self._worker.start(os.close, number)
        self._worker.close()
