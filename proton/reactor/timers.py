"""Timers: `Task`, the heap of pending ones, and the selectable through which any loop learns of the next.

Cancelled tasks stay in the heap and are dropped when they come to its head, or all at once when they are the
most of it. Tasks of equal deadlines fire in the order of scheduling. Times are seconds as of `time.time`.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Any

from proton.io.selectable import Selectable

__all__ = ["Task", "Tasks", "TimerSelectable"]

#: Heaps smaller than this are not worth cleaning.
_SMALL = 64


class Task:
    """A call of ``on_timer_task`` to come. Made by `Container.schedule`.

    :param reactor: the container.
    :param deadline: when it is due, in seconds as of `time.time`.
    :param handler: gets the event; the container's own handlers do when it is None.
    """

    def __init__(self, reactor: Any, deadline: float, handler: Any) -> None:
        self._reactor = reactor
        self._deadline = deadline
        self._handler = handler
        self._cancelled = False
        self._queue: Tasks | None = None

    def __lt__(self, other: Task) -> bool:
        return self._deadline < other._deadline

    def cancel(self) -> None:
        """Do not fire, even if the task is due in this turn and its event is queued."""
        if not self._cancelled:
            self._cancelled = True
            if self._queue is not None:
                self._queue.drop_cancelled(1)
            else:
                self._reactor.drop_event(self)

    @property
    def handler(self) -> Any:
        """The handler that gets the event."""
        return self._handler

    @property
    def container(self) -> Any:
        """The container that the task belongs to."""
        return self._reactor


class Tasks:
    """The pending tasks, the earliest first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Task]] = []
        self._count = itertools.count()
        #: tasks in the heap that were cancelled
        self.cancelled: int = 0

    def add(self, task: Task) -> None:
        """Take a task in."""
        task._queue = self
        heapq.heappush(self._heap, (task._deadline, next(self._count), task))

    def drop_cancelled(self, more: int) -> None:
        """So many more tasks of the heap are cancelled: all of them go when they are the most of it."""
        self.cancelled += more
        if self.cancelled > _SMALL and self.cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if not entry[2]._cancelled]
            heapq.heapify(self._heap)
            self.cancelled = 0

    def deadline(self) -> float | None:
        """When the next task is due, None when there is none."""
        heap = self._heap
        while heap:
            if not heap[0][2]._cancelled:
                return heap[0][0]
            heapq.heappop(heap)
            self.cancelled -= 1
        return None

    def due(self, now: float) -> list[Task]:
        """Takes out the tasks that are due, in order."""
        found = []
        deadline = self.deadline()
        while deadline is not None and deadline <= now:
            task = heapq.heappop(self._heap)[2]
            task._queue = None
            found.append(task)
            deadline = self.deadline()
        return found


class TimerSelectable(Selectable):
    """Expires when the next task of the container is due, and fires it. It has no descriptor."""

    # It is no work by itself: a container with nothing but timers ends when none is pending.
    def __init__(self, reactor: Any) -> None:
        super().__init__(None, reactor)
        reactor.selectable_count -= 1

    @property
    def deadline(self) -> float | None:
        """When the next task is due."""
        deadline: float | None = self._reactor.timer_deadline  # type: ignore[attr-defined]
        return deadline

    @deadline.setter
    def deadline(self, deadline: float | None) -> None:
        raise AttributeError("the deadline of timers is that of the next task")

    def expired(self) -> None:
        """Fire what is due."""
        self._reactor.timer_tick()  # type: ignore[attr-defined]
        self.update()

    def update(self) -> None:
        """Say that the next deadline has changed; after `terminate`, that there will be none."""
        final = self._terminal and not self._terminated
        super().update()
        if final:
            self._reactor.selectable_count += 1
