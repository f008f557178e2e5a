"""Timers: `Task`, the heap of pending ones, and the selectable through which any loop learns of the next.

Cancelled tasks stay in the heap and are dropped when they come to its head, or all at once if they are more than half
of it. Tasks of equal deadlines fire in the order of scheduling. Times are seconds as of `time.time`.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Any

from proton.io.selectable import Selectable

__all__ = ["Task", "Tasks", "TimerSelectable"]

#: Below this number of cancelled tasks, cleaning the heap costs more than it frees.
MIN_CANCELLED = 64


class Task:
    """A call of ``on_timer_task`` to come. Made by `Container.schedule`.

    :param reactor: the container.
    :param deadline: when it is due, in seconds as of `time.time`.
    :param handler: gets the event; the container's own handlers do when it is None.
    :param tasks: the pending tasks of the container.
    """

    def __init__(self, reactor: Any, deadline: float, handler: Any, tasks: Tasks) -> None:
        self._reactor = reactor
        self._deadline = deadline
        self._handler = handler
        self._tasks = tasks
        tasks.add(deadline, self)

    def __lt__(self, other: Task) -> bool:
        return self._deadline < other._deadline

    def cancel(self) -> None:
        """Do not fire, even if the task is due in this turn and its event is queued."""
        if not self._tasks.discard(self):
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
        self._pending: set[Task] = set()  # all others in the heap were cancelled
        self._count = itertools.count()

    def add(self, deadline: float, task: Task) -> None:
        """Take a task in.

        :param deadline: when it is due, in seconds as of `time.time`.
        """
        self._pending.add(task)
        heapq.heappush(self._heap, (deadline, next(self._count), task))

    def discard(self, task: Task) -> bool:
        """Take a task out before it is due; False if it is not pending."""
        pending = self._pending
        if task not in pending:
            return False
        pending.remove(task)
        if len(self._heap) - len(pending) > max(MIN_CANCELLED, len(pending)):
            self._heap = [entry for entry in self._heap if entry[2] in pending]
            heapq.heapify(self._heap)
        return True

    def deadline(self) -> float | None:
        """When the next task is due, None when there is none."""
        heap = self._heap
        while heap:
            if heap[0][2] in self._pending:
                return heap[0][0]
            heapq.heappop(heap)
        return None

    def due(self, now: float) -> list[Task]:
        """Takes out the tasks that are due, in order."""
        found = []
        deadline = self.deadline()
        while deadline is not None and deadline <= now:
            task = heapq.heappop(self._heap)[2]
            self._pending.remove(task)
            found.append(task)
            deadline = self.deadline()
        return found


class TimerSelectable(Selectable):
    """Expires when the next task of the container is due, and fires it. It has no descriptor."""

    #: a container with nothing but timers ends when no task is pending
    keeps_running = False

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
