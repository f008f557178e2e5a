"""`Poller`, which watches many selectables at once, and `Waker`, which ends its wait from any thread.

Keep true: an idle selectable costs nothing per turn. The selector hears of changes only, and deadlines sit in a
heap in which a later deadline is noticed when the earlier entry falls due: a busy connection moves its own all the
time. The choice of the selector module is made here and nowhere else.

A selector knows one owner of a descriptor, programs may have several (`_Shared`), and may close a socket before
its selectable has gone: the number is given to another one, and epoll has forgotten what the selector's map still has.
"""

from __future__ import annotations

import contextlib
import functools
import operator
import socket
import sys
import threading
import warnings
import weakref
from typing import TYPE_CHECKING, Any, Callable

from proton.io.deadlines import DeadlineHeap
from proton.io.selectable import Selectable

if sys.version_info >= (3, 10):
    import selectors
else:
    # The last Python that this library imports on; newer ones have taken its improvements over.
    try:
        with warnings.catch_warnings():
            # It takes `Mapping` from where Python 3.9 has it for the last time.
            warnings.simplefilter("ignore", DeprecationWarning)
            import selectors2 as selectors
    except ImportError:
        import selectors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from selectors import SelectorKey
    from typing import Protocol

    class Selector(Protocol):
        """What a loop can wait with: what the poller uses of the standard library's `selectors.BaseSelector`."""

        def register(self, fileobj: int, events: int, data: object = None) -> object: ...
        def unregister(self, fileobj: int) -> object: ...
        def modify(self, fileobj: int, events: int, data: object = None) -> object: ...
        def get_key(self, fileobj: int) -> SelectorKey: ...
        def select(self, timeout: float | None = None) -> Sequence[tuple[SelectorKey, int]]: ...
        def close(self) -> None: ...


__all__ = ["NEVER", "READ", "WRITE", "Poller", "Waker"]

READ: int = selectors.EVENT_READ
WRITE: int = selectors.EVENT_WRITE

#: later than any deadline
NEVER = float("inf")


class Waker:
    """Ends a wait from any thread. Its pair of sockets is made by the first wait and lives until `close`."""

    def __init__(self) -> None:
        #: True when `wake` was called since the last `clear`: the loop must not wait now
        self.pending: bool = False
        self._closed = False
        self._receiver: socket.socket | None = None
        self._sender: socket.socket | None = None
        # A descriptor must not be closed, and given anew, under a writer. A signal handler may come in between.
        self._lock = threading.RLock()

    def fileno(self) -> int:
        """The descriptor that becomes readable on `wake`; made when it is first asked for, -1 after `close`."""
        with self._lock:
            if self._receiver is None:
                if self._closed:
                    return -1
                self._receiver, self._sender = pair = socket.socketpair()
                # Not `__del__`: the collector may finalize the sockets of a dropped container before it, and they warn.
                weakref.finalize(self, _close, *pair).atexit = False
                self._receiver.setblocking(False)
                self._sender.setblocking(False)
            return self._receiver.fileno()

    def wake(self) -> None:
        """End the wait that is under way, or the next one; from any thread."""
        # The order counts: a waiter makes the descriptor first and looks at `pending` after that.
        self.pending = True
        with self._lock:
            if self._sender is not None:
                # Full of earlier calls, it is readable, which is all that matters.
                with contextlib.suppress(BlockingIOError):
                    self._sender.send(b"\0")

    def clear(self) -> None:
        """Take notice: forget what `wake` was called for."""
        receiver = self._receiver
        if receiver is not None:
            with contextlib.suppress(BlockingIOError):
                receiver.recv(4096)
        self.pending = False

    def close(self) -> None:
        """Close the sockets; later calls of `wake` do nothing."""
        with self._lock:
            self._closed = True
            ends, self._receiver, self._sender = (self._receiver, self._sender), None, None
            _close(*ends)


def _close(*sockets: socket.socket | None) -> None:
    for sock in sockets:
        if sock is not None:
            sock.close()


class _Watch:
    """What the selector was last told about one selectable."""

    __slots__ = ("fd", "mask")

    def __init__(self) -> None:
        self.fd = -1
        self.mask = 0


class _Shared(dict[Any, int]):
    """The selectables that watch one descriptor, and what each of them waits for there; None is the waker."""

    def spread(self, mask: int, ready: list[tuple[Selectable, int]]) -> bool:
        """Add the members that wait for what the descriptor is ready for; True if the waker is one of them."""
        woken = False
        for member, wanted in self.items():
            if member is None:
                woken = bool(mask & wanted)
            elif mask & wanted:
                ready.append((member, mask & wanted))
        return woken


def _descriptor(selectable: Selectable) -> int:
    """The descriptor of a selectable that may have been closed by its owner, -1 then."""
    try:
        return selectable.fileno()
    except (OSError, ValueError):
        return -1


class Poller:
    """Waits for selectables, with any object that has the interface of the standard library's selectors.

    :param selector: the selector, which stays its owner's to close; when left out, the best one of the
        platform, made on first use.
    """

    def __init__(self, selector: Selector | None = None) -> None:
        self._selector: Any = selector
        # A selector of the program may wait for more than this container: it is not closed here.
        self._owned = selector is None
        #: the selectables that are watched
        self.watches: dict[Selectable, _Watch] = {}
        self._shared: set[int] = set()  # the descriptors whose key has a `_Shared`
        self._forget_deadlines()
        self._waker_fd = -1

    def _forget_deadlines(self) -> None:
        self._deadlines: DeadlineHeap[Selectable] = DeadlineHeap()
        #: the deadlines under which selectables wait; only an earlier one has to be told to `update`
        self.armed: dict[Selectable, float] = self._deadlines.armed

    def __contains__(self, selectable: Selectable) -> bool:
        return selectable in self.watches

    def add(self, selectable: Selectable, writing: bool | None = None) -> None:
        """Watch a selectable, as it is now.

        :param writing: overrides the selectable's own interest.
        """
        self.watches[selectable] = _Watch()
        self.update(selectable, writing)

    def update(self, selectable: Selectable, writing: bool | None = None) -> None:
        """Take notice of what has changed about a selectable; unknown ones are ignored.

        :param writing: overrides the selectable's own interest.
        """
        watch = self.watches.get(selectable)
        if watch is None:
            return
        mask = READ if selectable.reading else 0
        if selectable.writing if writing is None else writing:
            mask |= WRITE
        if mask != watch.mask or selectable.driver is None:  # the socket of a transport stays the same
            fd = selectable.fileno()
            if mask != watch.mask or fd != watch.fd:
                self._register(selectable, watch, fd, mask)
        # Only an earlier deadline makes an entry; a later one, as busy connections have it, is found by `deadline`.
        deadline = selectable.deadline
        if deadline and deadline < self.armed.get(selectable, NEVER):
            self._deadlines.arm(selectable, deadline)

    def _register(self, selectable: Selectable, watch: _Watch, fd: int, mask: int) -> None:
        if self._selector is None:
            self._selector = selectors.DefaultSelector()
        # `selectors` takes no empty mask: what waits for nothing is not registered.
        wanted = fd if mask and fd >= 0 else -1
        known = watch.fd if watch.mask and watch.fd >= 0 else -1
        watch.mask = mask
        if wanted != known:
            watch.fd = -1  # should the selector refuse the new one
            if known in self._shared:
                self._share(known, 0, selectable)
            elif known >= 0:
                self._selector.unregister(known)
            if wanted >= 0:
                # Not looked up before: that a descriptor has another owner is rare, and `register` tells it.
                try:
                    self._selector.register(wanted, mask, selectable)
                except KeyError:
                    self._share(wanted, mask, selectable)
        elif wanted in self._shared:
            self._share(wanted, mask, selectable)
        elif wanted >= 0:
            try:
                self._selector.modify(wanted, mask, selectable)
            except (KeyError, OSError):
                # Closed and opened anew under the same number, of which epoll has not heard.
                watch.fd = -1
                with contextlib.suppress(KeyError):
                    self._selector.unregister(wanted)
                self._selector.register(wanted, mask, selectable)
        watch.fd = fd

    def _share(self, fd: int, mask: int, member: Selectable | None) -> None:
        """Change what one of several waits for on their descriptor, 0 for nothing; those with another one go."""
        key = self._selector.get_key(fd)
        members = key.data if isinstance(key.data, _Shared) else _Shared({key.data: key.events})
        members.pop(member, None)
        gone = [other for other in members if other is not None and _descriptor(other) != fd]
        # Not `modify`: the descriptor may be another one than that which was registered.
        self._selector.unregister(fd)
        self._shared.discard(fd)
        for other in gone:
            del members[other]
        if mask:
            members[member] = mask
        try:
            if len(members) > 1:
                wanted = functools.reduce(operator.or_, members.values())
                self._selector.register(fd, wanted, members)
                self._shared.add(fd)
            elif members:
                [(only, wanted)] = members.items()
                self._selector.register(fd, wanted, only)
        except (OSError, ValueError):
            # It was closed without their knowledge. A selectable that leaves has not caused it.
            gone.extend(members)
            if mask:
                raise
        finally:
            for other in gone:
                if other is None:
                    self._waker_fd = -1
                elif other in self.watches:
                    self.watches[other].fd = -1

    def remove(self, selectable: Selectable) -> None:
        """Watch a selectable no longer; before its descriptor is closed."""
        watch = self.watches.pop(selectable, None)
        if watch is not None:
            self._register(selectable, watch, -1, 0)
            self._deadlines.disarm(selectable)

    def deadline(self) -> float | None:
        """The earliest time at which a selectable falls due; None when none will."""
        # Usually nothing waits, and a turn saves a call.
        first = self._deadlines.first() if self._deadlines.armed else None
        while first is not None:
            selectable = first[2]
            deadline = selectable.deadline
            if deadline is not None and deadline <= first[0]:
                return first[0]
            # It has moved away since: look again then.
            self._deadlines.disarm(selectable)
            # With the interest as it was: for a transport it differs from `selectable.writing`, see `IOHandler._flush`.
            self.update(selectable, bool(self.watches[selectable].mask & WRITE))
            first = self._deadlines.first()
        return None

    def due(self, now: float) -> list[Selectable]:
        """The selectables whose deadline has come; each is told once for a deadline."""
        found: list[Selectable] = []
        deadline = self.deadline()  # each time, since it moves on those that wait for a later time by now
        while deadline is not None and deadline <= now:
            found.append(self._deadlines.pop())
            deadline = self.deadline()
        return found

    def wait(
        self, timeout: float | None, waker: Waker | None = None, hook: Callable[..., Any] | None = None
    ) -> list[tuple[Selectable, int]]:
        """Wait for readiness: pairs of a selectable and READ, WRITE or both.

        :param timeout: seconds at most, 0 for a look only, None for no limit.
        :param waker: ends the wait early.
        :param hook: makes the wait: called with a function to call in turn, and the time-out, its argument.
        """
        if self._selector is None:
            self._selector = selectors.DefaultSelector()
        if waker is not None:
            # Before the look at `pending`: a `wake` in between finds the descriptor and makes it readable.
            if self._waker_fd < 0:
                self._waker_fd = waker.fileno()
                if self._waker_fd >= 0:
                    try:
                        self._selector.register(self._waker_fd, READ, None)
                    except KeyError:
                        self._share(self._waker_fd, READ, None)
            if waker.pending:
                timeout = 0
        ready: list[tuple[Selectable, int]] = []
        selector = self._selector
        try:
            found = selector.select(timeout) if hook is None else hook(selector.select, timeout)
        except (OSError, ValueError):
            # It is closed when a signal handler of the program has ended the container in the meantime.
            if self._selector is selector and not self._drop_closed():
                raise
            found = []
        woken = waker is not None and waker.pending
        # The readiness is only collected: handlers run later, and may remove selectables that are in the list.
        for key, mask in found:
            data = key.data
            if data is None:
                woken = True
            elif type(data) is not _Shared:
                ready.append((data, mask))
            elif data.spread(mask, ready):
                woken = True
        if woken and waker is not None:
            waker.clear()
        return ready

    def _drop_closed(self) -> bool:
        """Forget the descriptors that were closed under their selectables; with them some selectors fail altogether."""
        closed = [
            (selectable, watch)
            for selectable, watch in self.watches.items()
            if watch.mask and watch.fd >= 0 and _descriptor(selectable) != watch.fd
        ]
        for selectable, watch in closed:
            self._register(selectable, watch, -1, watch.mask)
        return bool(closed)

    def close(self) -> None:
        """Watch nothing any more, and close the selector if this poller made it; it starts anew when used again."""
        # One by one, since a selector of the program goes on to be used.
        for selectable in list(self.watches):
            self.remove(selectable)
        self._forget_deadlines()
        selector = self._selector
        if selector is not None and self._waker_fd >= 0:
            selector.unregister(self._waker_fd)
        self._waker_fd = -1
        if selector is not None and self._owned:
            selector.close()
            self._selector = None
