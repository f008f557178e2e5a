"""Every call of the event loop's interface: `Loop`, and `Pipe`, which moves the bytes of a `Driver`.

A face for another loop needs this file anew, and no other one. Only what each loop of asyncio has is used: protocols,
not readers of descriptors, so that the loop of Windows and uvloop do. Rules for editors:
1. No task exists while a connection is open. An attempt to connect is one task, whose cancellation is a failure of it.
2. A future gets results alone, exceptions among them: one that is not retrieved gives no warning.
3. Nothing swallows a `CancelledError`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import os
import socket
import traceback
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Callable

from proton.driver import IO_CONDITION, Driver
from proton.endpoints.condition import Condition
from proton.logs import log

if TYPE_CHECKING:
    Future = asyncio.Future[Any]
    TimerHandle = asyncio.TimerHandle
    Task = asyncio.Task[Any]

__all__ = ["Attempt", "CancelledError", "Loop", "Pipe", "TimeoutErrors", "listen"]

CancelledError = asyncio.CancelledError

#: what a time-out is for programs: from Python 3.11 on the two are one class
TimeoutErrors: tuple[type[Exception], ...] = (
    (TimeoutError,) if asyncio.TimeoutError is TimeoutError else (asyncio.TimeoutError, TimeoutError)
)

#: seconds by which the loop may be late before the log tells, if the connection has no idle time-out
LATE = 10.0

#: the deadline of a wait without a limit
NEVER = math.inf


class Loop:
    """The event loop that a connection belongs to: the one that runs now.

    :raises RuntimeError: none runs.
    """

    __slots__ = ("_loop", "call_at", "call_later", "call_soon", "create_future", "time")

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        # Bound once: they run for each message that has to be waited for.
        self.call_at: Callable[..., TimerHandle] = loop.call_at
        self.call_later: Callable[..., TimerHandle] = loop.call_later
        self.call_soon: Callable[..., object] = loop.call_soon
        self.create_future: Callable[[], Future] = loop.create_future
        self.time: Callable[[], float] = loop.time

    def check(self) -> None:
        """Raise where another loop runs: futures and sockets belong to one.

        :raises RuntimeError: another loop runs, or none.
        """
        running = asyncio.get_running_loop()
        if running is not self._loop:
            raise RuntimeError(
                f"expected a call in the event loop of the connection, {self._loop!r} at {id(self._loop):#x}, "
                f"got one in another, {running!r} at {id(running):#x}"
            )

    def run_soon(self, context: contextvars.Context, callback: Callable[..., object], *args: Any) -> None:
        """Call a function of the program in the next turn; what it raises goes to the loop's exception handler.

        :param context: the context variables that it sees.
        """
        self._loop.call_soon(callback, *args, context=context)

    def create_task(self, coroutine: Coroutine[Any, Any, Any]) -> Task:
        return self._loop.create_task(coroutine)

    async def connect(self, pipe: Pipe, host: str, port: int) -> None:
        """Connect a pipe; if this is cancelled, the loop closes the socket.

        :raises OSError: no address of the host could be connected to.
        """
        await self._loop.create_connection(lambda: pipe, host, port)

    async def wait(self, future: Future, timeout: float | None, late: Callable[[], object]) -> Any:
        """The result of a future.

        :param timeout: seconds, None for no limit.
        :param late: makes the result if none has come in time.
        """
        if timeout is None:
            return await future
        timer = self._loop.call_later(timeout, _give_up, future, late)
        try:
            return await future
        finally:
            timer.cancel()

    def interrupt(self, ended: Future) -> Interrupt:
        """Ends a wait for what a program has given, such as a source of bytes, if a future is done.

        :param ended: the future.
        """
        return Interrupt(self._loop, ended)

    def deadline(self, limit: float | None) -> float | None:
        """The time at which a number of seconds, from now, is over; None for no limit."""
        return None if limit is None else self.time() + limit

    def left(self, deadline: float | None) -> float | None:
        """The seconds until a deadline, 0 after it; None for no limit."""
        return None if deadline is None else max(0.0, deadline - self.time())


class Interrupt:
    """A block whose waits end if a future is done, or if one of them takes too long.

    What the block waits for is the program's: no future of ours could be given a result. So the task is cancelled, as
    `asyncio.timeout` does, and the cancellation goes no further than the block. One from outside does, from Python 3.11
    on also if both come at once.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, ended: Future) -> None:
        self._loop = loop
        self._ended = ended
        self._task: Any = None
        self._is_over = False
        self._was_cancelled = False
        self._cancellations = 0  # of others, before the block
        self._due = NEVER
        self._timer: TimerHandle | None = None
        #: True if a wait has taken too long
        self.is_late: bool = False

    def __enter__(self) -> Interrupt:
        self._task = asyncio.current_task(self._loop)
        if hasattr(self._task, "cancelling"):
            self._cancellations = self._task.cancelling()
        self._ended.add_done_callback(self._stop)
        return self

    def limit(self, seconds: float | None) -> None:
        """From now on the next wait may take this many seconds, None for no limit."""
        self._due = NEVER if seconds is None else self._loop.time() + seconds
        if seconds is not None and self._timer is None:
            self._timer = self._loop.call_at(self._due, self._check)

    def _check(self) -> None:
        # Each piece moves the deadline: one timer that looks again costs less than one for each of them.
        self._timer = None
        if self._loop.time() < self._due:
            if self._due != NEVER:
                self._timer = self._loop.call_at(self._due, self._check)
        elif not self._was_cancelled:
            self.is_late = True
            self._stop(None)

    def _stop(self, _: Any) -> None:
        # The call may have been scheduled before the end of the block.
        if not self._is_over and not self._was_cancelled:
            self._was_cancelled = True
            self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._is_over = True
        self._ended.remove_done_callback(self._stop)
        if self._timer is not None:
            self._timer.cancel()
        if not self._was_cancelled:
            return False
        is_ours = not hasattr(self._task, "uncancel") or self._task.uncancel() <= self._cancellations
        return is_ours and kind is not None and issubclass(kind, CancelledError)


def _give_up(future: Future, late: Callable[[], object]) -> None:
    if not future.done():
        future.set_result(late())


class Pipe(asyncio.Protocol):
    """Moves the bytes between a driver and the loop's transport.

    :param loop: the loop.
    :param driver: the driver of a bound transport.
    :param handle_events: handles the events of the driver's collector.
    :param on_end: called once, when the pipe is closed and the driver was told.
    """

    def __init__(
        self, loop: Loop, driver: Driver, handle_events: Callable[[], None], on_end: Callable[[Pipe], None]
    ) -> None:
        self.driver = driver
        #: True while the loop's transport takes more output
        self.may_write: bool = True
        #: called when more can be written
        self.on_room: Callable[[], None] | None = None
        self._loop = loop
        self._handle_events = handle_events
        self._on_end = on_end
        self._transport: Any = None
        self._is_reading = True
        self._has_ended_output = False
        self._is_turning = False
        self._timer: TimerHandle | None = None
        self._due = 0.0  # when the timer fires
        driver.on_output = self._schedule

    # -- what the loop calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        self._transport = transport
        self.turn()

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self.driver.received(data)
        self.turn()

    def eof_received(self) -> bool:
        """The peer sends no more; True, since something may still be sent to it."""
        self.driver.eof_received()
        self.turn()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self.stop(exc)

    def pause_writing(self) -> None:
        """The loop's transport holds enough."""
        self.may_write = False

    def resume_writing(self) -> None:
        """It has room again."""
        self.may_write = True
        self.turn()

    # -- turns ---------------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        # What is made within a turn leaves at its end. Between turns one call is scheduled for all that a task does
        # before it waits: the driver announces output once until all of it is taken.
        if not self._is_turning:
            self._loop.call_soon(self.turn)

    def turn(self) -> None:
        """Handles events, writes, and lets time pass."""
        if self._is_turning or self._on_end is _nothing:
            return
        self._is_turning = True
        try:
            collector = self.driver.collector
            # To write may queue events: the end of the output, for instance.
            while True:
                self._handle_events()
                self.flush()
                if not collector.events:
                    break
            # After the output, which puts off the next heartbeat (2.4.5). The tick may make one, or the close of a
            # connection whose peer is silent.
            self.driver.handle_timer(self._loop.time())
            if self.driver.deadline:
                self.flush()
            self._handle_events()
        finally:
            self._is_turning = False
        self._set_timer(self.driver.deadline)
        self._update()

    def flush(self) -> None:
        """Writes what there is, as far as the loop's transport takes it."""
        driver, transport = self.driver, self._transport
        if transport is None:
            return
        while self.may_write:
            data = driver.data_to_send()
            if not data:
                break
            driver.sent(len(data))
            transport.write(data)
        if self.on_room is not None and self.may_write:
            self.on_room()

    def _update(self) -> None:
        """Stops reading or goes on, and closes what has ended."""
        driver, transport = self.driver, self._transport
        if transport is None or transport.is_closing():
            return
        # `close` of the loop's transport sends first what it holds, the peer's close among it.
        if driver.closed:
            transport.close()
            return
        if driver.output_ended and self.may_write and not self._has_ended_output:
            self._has_ended_output = True
            if transport.can_write_eof():
                # The peer may have reset the socket, which the loop tells later.
                with contextlib.suppress(OSError):
                    transport.write_eof()
        has_room = driver.input_ended or driver.room() > 0  # what comes after the end is dropped
        # `room` is 0 while too many events or answers wait: not to read is what slows the peer down.
        if has_room is not self._is_reading:
            self._is_reading = has_room
            if has_room:
                transport.resume_reading()
            else:
                transport.pause_reading()
                self._loop.call_soon(self.turn)  # what has to be handled first may be behind us already

    # -- time ----------------------------------------------------------------------------------------------------

    def _set_timer(self, due: float) -> None:
        """Has the timer fire at a deadline. An earlier one stays: when it fires, it is set anew, once for all turns."""
        # Each read moves the deadline: a timer for each of them would cost more than all else in the turn.
        if due and (self._timer is None or due < self._due):
            if self._timer is not None:
                self._timer.cancel()
            self._due = due
            self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        driver = self.driver
        now = self._loop.time()
        if driver.deadline and now >= driver.deadline:
            self._warn_if_late(now - self._due)
            # The input is read before the deadline counts: the loop polls its sockets before the next call.
            driver.handle_timer(now)
            if driver.deadline and now >= driver.deadline:
                self._loop.call_soon(self._act)
                return
        self.turn()

    def _act(self) -> None:
        self.driver.handle_timer(self._loop.time())
        self.turn()

    def _warn_if_late(self, seconds: float) -> None:
        transport = self.driver.transport
        limits = [limit for limit in (transport.idle_timeout, transport.remote_idle_timeout) if limit]
        limit = min(limits) / 2 if limits else LATE
        if seconds > limit:
            log.warning(
                "The event loop was busy for %.1f seconds: heartbeats are late, and a peer with an idle time-out gives "
                "up; use asyncio.to_thread for code that blocks",
                seconds,
            )

    # -- the end -------------------------------------------------------------------------------------------------

    def abort(self) -> None:
        """Drops the connection, whatever is still to be sent."""
        if self._transport is not None:
            self._transport.abort()

    def stop(self, error: BaseException | Condition | None) -> None:
        """Tells the driver that no bytes will move any more, and the owner that this is over.

        :param error: the reason, None for an end that is an error only if the connection is open.
        """
        on_end, self._on_end = self._on_end, _nothing
        if on_end is _nothing:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.driver.on_output = None
        self.on_room = None
        self.driver.lost(error)
        self._handle_events()
        on_end(self)


def _nothing(pipe: Pipe) -> None:
    """Stands for an owner that was told."""


class Attempt:
    """One attempt to connect a pipe: a task, since to resolve a name and to connect are coroutines.

    :param pipe: what is connected; its driver hears of a failure.
    :param limit: seconds, None for no limit.
    """

    def __init__(self, loop: Loop, pipe: Pipe, host: str, port: int, limit: float | None) -> None:
        self._pipe = pipe
        self._place = f"{host}:{port}"
        self._given_up: str | None = None
        self._timer = loop.call_later(limit, self.give_up, "timed out") if limit else None
        self._task = loop.create_task(loop.connect(pipe, host, port))
        self._task.add_done_callback(self._finish)

    def give_up(self, reason: str) -> None:
        """Stop trying.

        :param reason: why, in words.
        """
        self._given_up = self._given_up or reason
        self._task.cancel()

    def _finish(self, task: Task) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if task.cancelled():
            reason = f"cannot connect to {self._place}: {self._given_up or 'the attempt was cancelled'}"
            self._pipe.stop(Condition(IO_CONDITION, reason))
            return
        error = task.exception()
        if error is None:
            if self._given_up:
                self._pipe.abort()
            return
        if not isinstance(error, Exception):
            raise error  # KeyboardInterrupt, SystemExit
        # asyncio of Python 3.9 has the errors of all addresses in a frame that they lead to, and so the pipe too.
        traceback.clear_frames(error.__traceback__)
        verb = "resolve" if isinstance(error, (socket.gaierror, UnicodeError)) else "connect to"
        self._pipe.stop(Condition(IO_CONDITION, f"cannot {verb} {self._place}: {_reason(error)}"))


def _reason(error: BaseException) -> str:
    # asyncio's own text names the address once more. A resolver's numbers are not those of the system.
    number = getattr(error, "errno", None)
    if number and not isinstance(error, socket.gaierror):
        return os.strerror(number)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


async def listen(
    loop: Loop, host: str | None, port: int, backlog: int, make: Callable[[], asyncio.BaseProtocol]
) -> Any:
    """Listen on every address of a host.

    :param make: makes the protocol of each accepted connection.
    :return: an `asyncio.Server`.
    :raises OSError: the name does not resolve, or the port is in use.
    """
    return await loop._loop.create_server(make, host, port, backlog=backlog)
