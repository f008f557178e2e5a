"""`Operations`: what the operations of a blocking connection have in common, its links and requests included.

Rules for editors:
1. An operation holds the container's lock, except while it waits (`sharing.py`), so threads share a connection. What
   handlers raise in the pump (`pump.py`), the next operation raises.
2. An operation gives up when no connection will be made any more (`lost_for_good`), so a connection that can be made
   elsewhere, or again, goes on with its links.
3. An operation asks `end_of` about what it uses (`why`), at its start and after each turn; so it does not matter when
   the end has come, and in which thread.
4. No URL in an exception shows a password.
"""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from proton.endpoints.arguments import check_timeout
from proton.endpoints.condition import Condition
from proton.endpoints.endpoint import Endpoint, endpoint_state
from proton.endpoints.ends import End, end_of
from proton.endpoints.notices import shown
from proton.endpoints.printable import condition_text, printable
from proton.exceptions import ConnectionException, LinkException, Timeout
from proton.transport.progress import awaited_of
from proton.utils.errors import ConnectionClosed, LinkDetached
from proton.utils.sharing import SharedLoop, Watch

if TYPE_CHECKING:
    from proton.reactor.container import Container

__all__ = ["MAX_TURN", "Operations"]

#: Turns of the loop that a wait makes at least: to write and to look at the sockets, to read, to handle.
MIN_TURNS = 5

#: Seconds that one wait for the selector takes at most: selectors refuse more than some weeks.
MAX_TURN = 86400

#: Seconds after which a thread that closes looks again whether the container has ended, while other threads use it.
SHARED_WAIT = 0.05

_Result = TypeVar("_Result")
_CLOSED = Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED


def _no_turn(pauses: Callable[[], Any] | None) -> bool:
    """The turn of a loop that has ended."""
    return False


class Operations:
    """Runs the operations of a `BlockingConnection`: one at a time, with the lock, until a deadline or an end.

    :param container: the container of the connection.
    :param timeout: seconds that an operation may take.
    :param is_patient: it makes the connection again and again, even if each place has refused.
    """

    def __init__(self, container: Container, timeout: float, is_patient: bool) -> None:
        self.timeout = timeout
        self.is_patient = is_patient
        #: the container and the connection, None after the close
        self.container: Any = container
        self.conn: Any = None
        #: a turn of the container's loop, see `Reactor`
        self.run_once: Callable[[Callable[[], Any] | None], bool] = container._run_once
        #: of the connection: what its engine keeps, for a look at its ends without a call
        self.shared: Any = None
        #: False, or why there is no connection: the transport's condition, or "unknown"
        self.disconnected: Any = False
        #: True once the close has begun
        self.closing = False
        #: the loop, which all connections of the container share
        self.loop: SharedLoop = SharedLoop.of(container)
        #: how often the connection was lost
        self.disconnects: int = 0
        #: attempts to connect that have failed since there was a connection
        self.failures: int = 0
        #: what a handler has raised in the pump
        self.pumped_error: BaseException | None = None
        #: how to call the connection once it is closed
        self.closed_place: str = ""
        #: by link, the thread that has made it
        self.makers: weakref.WeakKeyDictionary[Any, threading.Thread] = weakref.WeakKeyDictionary()
        self._was_open = False  # since the last loss

    def begin(self, connection: Any) -> None:
        """Takes the connection, before it is waited for."""
        self.conn = connection
        self.shared = endpoint_state(connection).shared

    def let_go(self) -> None:
        """The connection is closed: nothing of it, nor its container, is kept."""
        self.closed_place = self.place()
        self.conn = self.container = self.shared = None
        self.run_once = _no_turn

    # -- running -------------------------------------------------------------------------------------------------

    def run(self, operation: Callable[..., _Result], deadline: float | None, *args: Any) -> _Result:
        """Calls an operation with its deadline and arguments, with the lock; inside a callback this thread has it."""
        loop = self.loop
        lock = loop.lock
        # A callback of the program runs with the lock of its thread: taking it again would keep it locked in the wait.
        if loop.is_owned():
            if self.closing or self.pumped_error is not None:
                self.check_open()
            return operation(deadline, *args)
        try:
            # The usual way first: a free lock costs one call.
            if not lock.acquire(False) and not loop.acquire(deadline):
                raise Timeout(f"{self.timed_out(None)}: another thread has used it all the time")
            if self.closing or self.pumped_error is not None:
                self.check_open()
            result = operation(deadline, *args)
            if loop.runner is not None and self.container is not None and not self.container.quiesced:
                self.container.wakeup()  # what has changed is to be written at once
            return result
        finally:
            # Otherwise nothing waits for the lock, and releasing it takes one call.
            if loop.followers or loop.starving or not loop.is_owned():
                loop.release()
            else:
                lock.release()  # nearly always

    def deadline(self, timeout: Any = False) -> float | None:
        """When an operation that begins now has to end, as of `time.monotonic`; None for no limit."""
        if timeout is False:
            timeout = self.timeout
        if timeout is None:
            return None
        if (timeout.__class__ is not int and timeout.__class__ is not float) or not timeout >= 0:
            check_timeout("timeout", timeout)
        return time.monotonic() + float(timeout)

    def check_open(self) -> None:
        """Raises what a handler has raised in the pump, or that the connection is closed."""
        if self.pumped_error is not None:
            error, self.pumped_error = self.pumped_error, None
            raise error
        if self.closing:
            raise self.closed_error()

    def closed_error(self) -> ConnectionException:
        """What to raise once the connection is closed."""
        return ConnectionException(f"Connection {self.place()} is closed")

    def advance(self, container: Container) -> bool:
        """A turn on the way to the end of the container, by the thread that runs its loop; False at the end."""
        if self.loop.follow_runner(SHARED_WAIT):
            return True
        with self.loop.running():
            if self.run_once(None):
                return True
            container.stop()
            container.process()
        return False

    def run_briefly(self, turns: int = MIN_TURNS) -> None:
        """Handles and writes what there is, reads what has come, and waits for nothing."""
        loop, container = self.loop, self.container
        if loop.runner is not None and loop.runner != threading.get_ident():
            container.wakeup()  # that thread does it
            return
        usual = container.timeout
        try:
            with loop.running():
                container.timeout = 0
                for _ in range(turns):
                    self.run_once(None)
        finally:
            container.timeout = usual

    # Inside a callback (`nested`) the outer wait goes on to run the loop afterwards. Only the thread that runs the loop
    # changes the container's time-out. With a time-out of 0 the loop has its look first: what has come counts.
    def wait(
        self,
        condition: Callable[[], Any],
        deadline: float | None,
        msg: str | None,
        watch: Watch,
        begin_with_turn: bool = False,
    ) -> None:
        """Waits until the condition is true, with the lock; raises the end of what is watched, and `Timeout`.

        A true condition goes before an end: what has come before it can be used.
        :param begin_with_turn: without a look at the condition, which cannot be true yet.
        """
        loop, container, shared = self.loop, self.container, self.shared
        me = threading.get_ident()
        why: Exception | None = None
        done = False
        turns = 0

        def over() -> bool:
            nonlocal done, why
            if condition():
                done, why = True, None
            elif watch.endpoints and (self.closing or self.disconnected or shared.ends != watch.seen):
                why = self.why(watch)
                done = why is not None
            return done

        nested = loop.runner == me
        usual: float | None = None
        try:
            while begin_with_turn or not (done or over()):
                begin_with_turn = False
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    if turns >= MIN_TURNS:
                        raise Timeout(self.timed_out(msg))
                    left = 0
                if loop.runner is not None and loop.runner != me:
                    if left == 0 or not container.quiesced:
                        container.wakeup()  # it writes what this thread has made
                    if not loop.follow(None if left == 0 or watch.own_thread else over, deadline):
                        raise Timeout(self.timed_out(msg))
                    done = False  # the condition may be true no longer
                    turns += 2
                    continue
                if usual is None:
                    usual = container.timeout
                    loop.runner = me
                container.timeout = usual if left is None else min(left, MAX_TURN)
                if not self.run_once(over) and not over():
                    raise ConnectionException(f"Connection {self.place()} has ended: its container was stopped")
                turns += 1
        finally:
            if usual is not None:
                container.timeout = usual
            if loop.runner == me and not nested:
                loop.runner = None
        if why is not None:
            raise why

    # -- ends ----------------------------------------------------------------------------------------------------

    def timed_out(self, msg: str | None) -> str:
        """The text of a `Timeout`: what was awaited, and why there is no connection, or what the peer has not sent."""
        text = f"Connection {self.place()} timed out{f': {msg}' if msg else ''}"
        connection = self.conn
        if self.closing or connection is None or not connection.state & Endpoint.LOCAL_ACTIVE:
            return text
        transport = connection.transport
        if self.disconnected:
            text += f": not connected, last attempt: {self.reason()}"
            if transport is None or transport.condition is not None or transport.closed:
                return text  # the next attempt has not begun
        elif not connection.state & Endpoint.REMOTE_UNINIT:
            return text
        return f"{text}: {awaited_of(transport)}"

    def check(self, watch: Watch) -> None:
        """Raises the end of what is watched, if it has ended."""
        if self.closing or self.disconnected or self.shared.ends != watch.seen:
            why = self.why(watch)
            if why is not None:
                raise why

    def why(self, watch: Watch) -> Exception | None:
        """What to raise for the end of what is watched; None when nothing of it has ended."""
        if self.closing:
            return self.closed_error()
        connection = self.conn
        # Without a connection the links have not ended by themselves: the loss goes before their state.
        if self.disconnected and not connection.state & _CLOSED and self.lost_for_good():
            return self.disconnect_error()
        for endpoint in watch.endpoints:
            end = end_of(endpoint)
            error = None if end is None else self.error_of(endpoint, end)
            if error is not None:
                return error
        # Nothing of it has ended so far: until the number grows, one comparison is enough.
        watch.seen = self.shared.ends
        return None

    def error_of(self, endpoint: Any, end: End) -> Exception | None:
        """What to raise for an end of an endpoint; None where something may come yet."""
        connection = self.conn
        if end.endpoint is not connection:
            if end.condition is None and not end.by_peer:
                return LinkException(f"expected an open link, got {endpoint.name}, which was closed")
            return LinkDetached(endpoint, end)
        if end.by_peer:
            return ConnectionClosed(self.conn, end)
        if not connection.state & Endpoint.LOCAL_CLOSED:
            return self.disconnect_error() if self.lost_for_good() else None
        if endpoint is connection and connection.state & Endpoint.REMOTE_ACTIVE and not self.disconnected:
            return None  # the program has closed it, and waits for the peer to do the same
        return self.closed_error()

    def place(self) -> str:
        """The address of the connection, without a password."""
        return self.closed_place or shown(self.conn.url if self.conn is not None else None)

    def lost_for_good(self) -> bool:
        """When there is no connection: true if none will be made."""
        policy = self.conn.reconnect_policy
        if policy.finished or self.conn.state & Endpoint.LOCAL_CLOSED:
            return True
        # Each place has refused once: they are tried again only if the program gave `reconnect`.
        return not self.disconnects and not self.is_patient and self.failures >= len(policy.addresses.values)

    def reason(self) -> str:
        """Why there is no connection, as the last attempt to connect or the loss has told."""
        reason = self.disconnected
        return condition_text(reason) if isinstance(reason, Condition) else str(reason or "unknown")

    def disconnect_error(self) -> ConnectionException:
        """What to raise for a connection that is lost, or cannot be made."""
        reason = printable(str(self.disconnected or "unknown"))
        return ConnectionException(f"Connection {self.place()} disconnected: {reason}")

    def disconnects_with(self, state: Any) -> int:
        """How often the connection was lost, and a link, by its state, or its session has ended and is made again."""
        return int(self.disconnects + state.losses + state.session.losses)

    # -- what the callbacks of the connection tell ---------------------------------------------------------------

    def opened(self) -> None:
        """There is a connection, for the first time or again."""
        self.disconnected = False
        self.failures = 0
        self._was_open = True

    def lost(self, transport: Any) -> None:
        """The connection is lost, or an attempt to make it has failed."""
        # Not cleared by the next attempt, but by its success: an operation that gives up names the last failure.
        self.disconnected = transport.condition or "unknown"
        if self._was_open:
            self._was_open = False
            self.disconnects += 1
