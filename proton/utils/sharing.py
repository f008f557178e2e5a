"""`SharedLoop`: threads that wait for one container share its loop; one of them runs it at a time.

The thread that runs the loop (the runner) holds the lock, except while it waits for the selector. Each other thread
that waits (a follower) sleeps until the runner finds its condition true, or leaves the loop. Rules for editors:
1. The lock is held once or not at all: an operation inside a callback does not take it again. So `release` before
   the wait for the selector frees it, and `_is_owned` tells after an exception whether to release it.
2. A signal handler of the program may raise between any two instructions of the main thread. Nothing that a follower
   does on its way out needs the lock, and each `release` asks `_is_owned` first.
3. A wake-up too many is harmless: each thread looks at its own condition again, with the lock.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, Callable

__all__ = ["SharedLoop", "Watch"]

#: Seconds that a thread waits for the lock before it asks for a break: Python's locks go to the thread that is awake.
LOCK_TIMEOUT = 0.005

#: Seconds of that break.
LOCK_YIELD = 0.001

#: Seconds that a thread waits for the lock, or for the runner's next turn, however little time its operation has.
MIN_WAIT = 0.05


class Watch:
    """What an operation uses: the connection, or links. It is over when one of them has ended.

    :param endpoints: a `Connection`, or links; none where an operation goes on to its end.
    :param own_thread: the condition of the operation is called in its own thread only.
    """

    __slots__ = ("endpoints", "own_thread", "seen", "told")

    def __init__(self, *endpoints: Any, own_thread: bool = False) -> None:
        self.endpoints: tuple[Any, ...] = endpoints
        self.own_thread: bool = own_thread
        #: the number of ends that the connection had when none of these had ended
        self.seen: int = -1
        #: the end was raised
        self.told: bool = False


class SharedLoop:
    """The lock of a container, and the threads that wait for its loop."""

    def __init__(self) -> None:
        lock: Any = threading.RLock()
        #: held by the thread that uses the container; a reentrant lock, since those know their owner
        self.lock: Any = lock
        #: whether this thread holds the lock
        self.is_owned: Callable[[], bool] = lock._is_owned
        #: the identifier of the thread that runs the loop, None when the loop rests
        self.runner: int | None = None
        #: a thread has waited long for the lock: the next one to release it makes a break
        self.starving: bool = False
        #: the blocking connections of the container that are open
        self.connections: set[Any] = set()
        #: a locked lock for each follower, and its condition, None to be woken after the next turn
        self.followers: dict[Any, Callable[[], Any] | None] = {}

    @classmethod
    def of(cls, container: Any) -> SharedLoop:
        """The loop of a container, which gives the lock away in its waits from now on."""
        loop: SharedLoop = container.__dict__.setdefault("_shared_loop", cls())
        container.wait_hook = loop.wait_unlocked
        return loop

    def acquire(self, deadline: float | None) -> bool:
        """Take the lock, which this thread does not hold; False when there was no time left for it.

        :param deadline: as of `time.monotonic`, None for no limit.
        """
        lock = self.lock
        if lock.acquire(False):
            return True
        start = time.monotonic()
        while not lock.acquire(True, LOCK_TIMEOUT):
            if deadline is not None and time.monotonic() > max(deadline, start + MIN_WAIT):
                return False
            # Until the lock is there, the holder makes a break after each turn.
            self.starving = True
        self.starving = False
        return True

    def release(self) -> None:
        """Release the lock, if this thread holds it; if the loop rests, another thread takes it over."""
        if self.is_owned():
            # While the lock is held: a follower that wakes up waits for it, and finds all as it is now.
            if self.followers and self.runner is None:
                self.hand_over()
            self.lock.release()
            if self.starving:
                time.sleep(LOCK_YIELD)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """This thread, which has the lock, runs the loop; inside of a callback it does already."""
        before = self.runner
        try:
            self.runner = threading.get_ident()
            yield
        finally:
            self.runner = before

    def wait_unlocked(self, select: Callable[[float | None], Any], timeout: float | None) -> Any:
        """The wait of the runner for its selector: the other threads have the lock meanwhile."""
        lock = self.lock
        # Their conditions may have become true by what was handled since the last wait.
        if self.followers:
            self.notify()
        if not self.is_owned():
            return select(timeout)  # the program runs the container itself
        try:
            lock.release()
            if self.starving:
                time.sleep(LOCK_YIELD)
            return select(timeout)
        finally:
            # Also after an exception of the selector or a signal handler: the caller goes on with the lock held.
            if not self.is_owned() and not lock.acquire(False):
                self._take_back()

    def _take_back(self) -> None:
        """Takes the lock, whatever signal handlers raise meanwhile; the last of that is raised afterwards."""
        raised: BaseException | None = None
        while not self.is_owned():
            try:
                self.lock.acquire()
            except BaseException as error:
                raised = error
        if raised is not None:
            raise raised

    def follow(self, condition: Callable[[], Any] | None, deadline: float | None) -> bool:
        """Wait, with the lock released, until the condition is true, the loop is free, or the time is over.

        The result is False if the lock could not be had in time. An exception leaves the lock held or not.

        :param condition: is called in the thread of the runner; None to be woken after its next turn.
        :param deadline: as of `time.monotonic`, None for no limit.
        """
        # A lock and not a condition variable: to wake up by it needs no other lock, see rule 2.
        ticket = threading.Lock()
        ticket.acquire()
        limit = -1.0 if deadline is None else max(deadline - time.monotonic(), MIN_WAIT)
        try:
            # Before the release: from then on the runner may find the condition true.
            self.followers[ticket] = condition
            self.release()
            ticket.acquire(True, min(limit, threading.TIMEOUT_MAX))
            return self.acquire(deadline)
        finally:
            woken = self.followers.pop(ticket, self) is self
            if woken and self.runner is None and not self.is_owned():
                self._wake_one()  # a signal handler has raised: another thread is to take the loop over

    def follow_runner(self, seconds: float) -> bool:
        """Wait for the next turn of another thread, with the lock released; False where no other thread runs the loop.

        :param seconds: how long at most. The lock is held again afterwards.
        """
        if self.runner is None or self.runner == threading.get_ident():
            return False
        if not self.follow(None, time.monotonic() + seconds):
            self.acquire(None)
        return True

    def notify(self) -> None:
        """Wake the followers whose conditions are true. The caller holds the lock."""
        for ticket, condition in list(self.followers.items()):
            try:
                over = condition is None or condition()
            except Exception:
                over = True  # the thread itself asks again, and raises it
            if over:
                self._wake(ticket)

    def notify_all(self) -> None:
        """Wake all followers: each looks at its condition."""
        for ticket in list(self.followers):
            self._wake(ticket)

    def hand_over(self) -> None:
        """Nothing runs the loop any more: wake the followers that are done, and one that takes the loop over."""
        self.notify()
        self._wake_one()

    def _wake_one(self) -> None:
        for ticket in list(self.followers):
            if self._wake(ticket):
                return

    def _wake(self, ticket: Any) -> bool:
        # The follower has gone, after a time-out or a signal: its turn to take the loop over goes to the next.
        if self.followers.pop(ticket, self) is self:
            return False  # it has left by itself
        ticket.release()
        return True
