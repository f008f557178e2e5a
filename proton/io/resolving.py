"""`resolve_in_thread`: the system's resolver may take seconds, so it runs in a thread and only its connection waits.

The loop waits for a selectable, whose socket becomes readable when the thread ends: any loop does that, also one that
knows nothing of `Container.wakeup`, and the container runs on until the result is there. Keep true: the thread has no
reference to the container; when the connection is closed meanwhile, its result is dropped.
"""

from __future__ import annotations

import socket
import threading
from typing import Any, Callable

from proton.io.connect import ConnectAttempt, PendingSelectable, failure_level
from proton.logs import log

__all__ = ["ResolveSelectable", "resolve_in_thread", "resolved"]


class _End:
    """A socket by its descriptor, which is closed with the object: a container may be dropped in the middle of work."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._fd = sock.detach()

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            socket.close(fd)

    __del__ = close


# Two sockets rather than `wakeup`: a foreign loop knows selectables only.
class ResolveSelectable(PendingSelectable):
    """Becomes readable when the name of an attempt is resolved, and hands its addresses over."""

    def __init__(self, end: _End, attempt: ConnectAttempt, results: list[Any]) -> None:
        super().__init__(end, attempt)
        self.reading = True
        self._results = results  # one: the addresses, or an exception

    def readable(self) -> None:
        """The thread has ended."""
        if not self._terminal:
            self._stop_waiting()
            resolved(self._attempt, self._results[0])

    def writable(self) -> None:
        """Nothing: the end of the thread shows as readability."""

    def expired(self) -> None:
        """The resolver has not answered in the time that a connect may take."""
        if not self._terminal:
            self._stop_waiting()
            resolved(self._attempt, TimeoutError("the resolver has not answered in time"))

    def _stop_waiting(self) -> None:
        self.terminate()
        self.update()
        self._attempt.driver.watch = None


def resolve_in_thread(attempt: ConnectAttempt, resolve: Callable[[Any, Any], Any], host: Any, port: int) -> None:
    """Find the addresses of an attempt, and go on with it in the loop.

    :param resolve: is called with host and port in a thread that does not keep the program from ending.
    """
    # A list is all that the thread shares with the loop: if the container is dropped meanwhile, nothing keeps it alive.
    results: list[Any] = []
    try:
        ours, theirs = socket.socketpair()
    except OSError as error:
        resolved(attempt, error)
        return
    # A daemon, since a resolver may take minutes, and the program is not to wait for it at its end.
    thread = threading.Thread(target=_work, args=(resolve, host, port, results, theirs), daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # the system has no more threads
        ours.close()
        theirs.close()
        resolved(attempt, error)
        return
    selectable = ResolveSelectable(_End(ours), attempt, results)
    # The thread cannot be stopped; what it finds after the deadline goes to a socket that is closed by then.
    selectable.deadline = attempt.limit()
    attempt.driver.watch = selectable


def _work(resolve: Callable[[Any, Any], Any], host: Any, port: int, results: list[Any], end: socket.socket) -> None:
    try:
        results.append(list(resolve(host, port)))
    except BaseException as error:
        # All of them: an exception that left the thread would be printed, and leave no result for the loop.
        results.append(error)
    finally:
        end.close()  # the other end becomes readable


def resolved(attempt: ConnectAttempt, result: Any) -> None:
    """Go on with an attempt: connect to the first address, or fail.

    :param result: its addresses, or the exception of the resolver.
    """
    # `BaseException`, as `_work` collects it: a `SystemExit` of a program's `resolve` must not pass for addresses.
    if not isinstance(result, BaseException):
        attempt.addresses = iter(result)
        attempt.next()
        return
    reason = getattr(result, "strerror", None) or str(result) or type(result).__name__
    log.log(failure_level(attempt.driver.transport), "Couldn't resolve %s: %s", attempt.place, reason)
    attempt.fail(f"cannot resolve {attempt.place}: {reason}")
