"""`Receiver`: credit for the sender, and messages that have come and were not yet read (2.6.7, 2.6.12).

What is not yet advanced past is in `current` and, behind it, `_waiting`; the delivery whose last frame has not come is
`_arriving`. `_suspended` has the deliveries of an earlier link that the sender is to resume.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from proton.endpoints.arguments import check_count
from proton.endpoints.delivery import Delivery
from proton.endpoints.ends import warn_if_ended
from proton.endpoints.events import Event
from proton.endpoints.link import Link
from proton.endpoints.streaming import BodyReader
from proton.exceptions import LinkException

if TYPE_CHECKING:
    from proton.endpoints.session import Session

__all__ = ["Receiver"]

_TRANSPORT = Event.TRANSPORT
_INT32 = 0x7FFFFFFF


class Receiver(Link):
    """A link over which messages are received (2.6.12)."""

    is_receiver = True

    def __init__(self, session: Session, name: str | None) -> None:
        Link.__init__(self, session, name)
        self._suspended: dict[bytes, Delivery] = {}  # to be resumed by the sender, by tag
        self._waiting: deque[Delivery] = deque()
        self._arriving: Delivery | None = None  # whose last frame has not come
        self._drain_by_call = False  # drain() switched draining on; flow() switches it off again
        self._drained = 0

    def flow(self, n: int) -> None:
        """Grant credit; the flow is written when the transport is next asked for output.

        :param n: messages to add; may be negative.
        :raises OverflowError: not a signed 32-bit number.
        :raises TypeError: not an integer.
        """
        if n.__class__ is not int:
            n = check_count("flow()", n)
        if not -_INT32 - 1 <= n <= _INT32:
            raise OverflowError(f"flow() takes a signed 32-bit number of messages, got {n}")
        self.credit += n
        if self._drain_by_call:
            self._drain_mode = self._drain_by_call = False
        connection = self.connection
        transport = connection.transport
        if connection._ends or transport is None or transport._state.tail_closed:
            warn_if_ended("Receiver.flow()", self)
        if not self._marked:
            self._marked = True
            connection._work.append(self)
        if transport is not None:
            connection._collector.emit(_TRANSPORT, transport)

    def _replenish(self, window: int) -> int:
        """Brings credit up to a window; the sender hears of it when half of the window can be told at once.

        :return: messages of credit that the sender does not yet know of.
        """
        if self._drain_mode:
            self.flow(window - self.credit)
            return 0
        self.credit: int = window
        left = self._link_credit
        grant = window - self.queued - left
        # Without credit left no other message would bring us here again: what is read after this has to be told.
        if (2 * grant >= window or left <= 0 or grant < 0) and not self._marked:
            self.flow(0)
        return grant

    def drain(self, n: int) -> None:
        """Grant credit that the sender must use at once or give back.

        It makes a synchronous get (2.6.8), and stops a link (2.6.10).

        :param n: messages to add.
        """
        if self._drain_by_call or not self._drain_mode:
            self._drain_by_call = False
            self.flow(n)
            self._drain_mode = self._drain_by_call = True
        else:
            self.flow(n)

    @property
    def drain_mode(self) -> bool:
        """True when the sender is to use up or give back all its credit (2.6.7)."""
        return self._drain_mode

    @drain_mode.setter
    def drain_mode(self, drain: bool) -> None:
        self._drain_mode = bool(drain)
        self._drain_by_call = False
        if drain:
            self._mark()

    def draining(self) -> bool:
        """True while a drain is under way: the sender has neither used nor given back all its credit."""
        return self._drain_mode and self.credit > self.queued

    def drained(self) -> int:
        """Messages of credit that the sender gave back since the last call."""
        given_back = self._drained
        self._drained = 0
        return given_back

    def recv(self, limit: int) -> bytes | None:
        """Read from the current delivery.

        :param limit: bytes at most.
        :return: the bytes; ``b""`` when more will come; None at the end of the delivery.
        :raises LinkException: there is no current delivery, or the sender has given it up.
        """
        delivery = self.current
        if delivery is None:
            raise LinkException("[-5]: recv() needs a current delivery, got none")
        if delivery.aborted:
            raise LinkException("[-11]: the sender has aborted the delivery")
        if not delivery._size:
            return b"" if delivery.partial else None
        frames = len(delivery._chunks)
        data = delivery._take_up_to(limit)
        self.session._read(len(data), self, frames - len(delivery._chunks))
        return data

    def reader(self) -> BodyReader:
        """A file object over the body of the current delivery, which may still be coming (3.2.6).

        What is not read keeps the window of the session closed, where that is limited (`Session.incoming_capacity`).

        :raises LinkException: there is no current delivery.
        """
        return BodyReader(self)

    def advance(self) -> bool:
        """Go on to the next delivery; what was not read of the current one is dropped.

        :return: False when there was no current delivery.
        """
        delivery = self.current
        if delivery is None:
            return False
        delivery._advanced = True
        size = delivery._size
        if size:
            frames = len(delivery._chunks)
            delivery._take()
            self.session._read(size, self, frames)
        self.current = self._waiting.popleft() if self._waiting else None
        self.credit -= 1
        self.queued -= 1
        return True

    def _read_current(self, join: bool = True) -> Any:
        """The whole current delivery, advanced past: what `recv` and `advance` do for a message at once.

        :param join: False for a list of bytes.
        """
        delivery = self.current
        if delivery is None:
            raise LinkException("[-5]: expected a current delivery, got none")
        size = delivery._size
        chunks = delivery._chunks
        frames = len(chunks)
        # One frame, nothing of it read: what _take would find out.
        if len(chunks) == 1 and not delivery._offset and join:
            data: Any = chunks[0]
            delivery._chunks = []
            delivery._size = 0
        else:
            data = delivery._take() if join or delivery._offset else chunks
            delivery._chunks = []
            delivery._size = 0
            data = data if join or data is chunks else [data]
        delivery._advanced = True
        session = self.session
        if session._incoming_window < session._low_water or session._window_limit:
            session._read(size, self, frames)
        else:
            session.incoming_bytes -= size
            self.connection._buffered_bytes -= size
        self.current = self._waiting.popleft() if self._waiting else None
        self.credit -= 1
        self.queued -= 1
        return data

    def _queued_here(self) -> Iterable[Delivery]:
        return [self.current, *self._waiting] if self.current is not None else ()

    def _unbind(self) -> None:
        Link._unbind(self)
        self._suspended = {}
        self._cut_arriving()

    def _cut_arriving(self) -> None:
        arriving = self._arriving
        self._arriving = None
        if arriving is not None and arriving._resuming:
            return  # it is complete: its bytes were only repeated
        if arriving is not None and not arriving._settled:
            # The rest cannot come any more: the same to the application as if the sender had given it up.
            frames = len(arriving._chunks)
            self.session._read(len(arriving._take()), self, frames)
            arriving.partial = False
            arriving.aborted = arriving.settled = arriving.updated = True
            self.connection._collector.emit(Event.DELIVERY, arriving)
