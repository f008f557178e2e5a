"""`DeadlineHeap`: which of many things is due first, for the tasks of a container and for what its poller watches.

Things that were taken out, or that wait for another time by now, stay in the heap and are dropped when they come to its
head, or all at once if they are more than half of it. Keep true: among equal deadlines the first that was armed is due
first.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Generic, TypeVar

__all__ = ["DeadlineHeap"]

#: Below this number of stale entries, cleaning the heap costs more than it frees.
MIN_STALE = 64

_Thing = TypeVar("_Thing")


# One class for both, since both need cheap removal and cheap postponing: a heap has neither, so entries go stale.
class DeadlineHeap(Generic[_Thing]):
    """Things with deadlines, the earliest first."""

    def __init__(self) -> None:
        #: the things that wait, with the deadline under which each is found: what else the heap has is stale
        self.armed: dict[_Thing, float] = {}
        self._heap: list[tuple[float, int, _Thing]] = []
        # Behind the deadline in each entry: equal deadlines are never decided by comparing the things.
        self._count = itertools.count()

    def arm(self, thing: _Thing, deadline: float) -> None:
        """Have a thing wait for a deadline, in place of the one that it has waited for.

        :param deadline: in seconds, on any clock.
        """
        self.armed[thing] = deadline
        heapq.heappush(self._heap, (deadline, next(self._count), thing))

    def disarm(self, thing: _Thing) -> bool:
        """Take a thing out; False if it does not wait."""
        armed = self.armed
        if armed.pop(thing, None) is None:
            return False
        # Stale entries would stay until they fall due, an idle time-out later; removed one by one they would cost a
        # walk each.
        if len(self._heap) - len(armed) > max(MIN_STALE, len(armed)):
            self._heap = [entry for entry in self._heap if armed.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)
        return True

    def first(self) -> tuple[float, int, _Thing] | None:
        """The entry that is due first: its deadline, a number, the thing; None if nothing waits."""
        heap = self._heap
        armed = self.armed
        while heap:
            entry = heap[0]
            if armed.get(entry[2]) == entry[0]:
                return entry
            heapq.heappop(heap)
        return None

    def pop(self) -> _Thing:
        """Takes out the thing that is due first, after `first` has found it."""
        thing = heapq.heappop(self._heap)[2]
        del self.armed[thing]
        return thing
