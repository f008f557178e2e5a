"""Timers: `Task`, and the selectable through which any loop learns of the next one.

Tasks of equal deadlines fire in the order of scheduling. Times are seconds as of `time.time`.
"""

from __future__ import annotations

from typing import Any

from proton.io.deadlines import DeadlineHeap
from proton.io.selectable import Selectable

__all__ = ["Task", "TimerSelectable"]


class Task:
    """A call of ``on_timer_task`` to come. Made by `Container.schedule`.

    :param reactor: the container.
    :param deadline: when it is due, in seconds as of `time.time`.
    :param handler: gets the event; the container's own handlers do when it is None.
    :param tasks: the pending tasks of the container.
    """

    def __init__(self, reactor: Any, deadline: float, handler: Any, tasks: DeadlineHeap[Task]) -> None:
        self._reactor = reactor
        self._deadline = deadline
        self._handler = handler
        self._tasks = tasks
        tasks.arm(self, deadline)

    def __lt__(self, other: Task) -> bool:
        return self._deadline < other._deadline

    def cancel(self) -> None:
        """Do not fire, even if the task is due in this turn and its event is queued."""
        # It waits either for its time or, once due, in the queue of events: there it would still fire.
        if not self._tasks.disarm(self):
            self._reactor.drop_event(self)

    @property
    def handler(self) -> Any:
        """The handler that gets the event."""
        return self._handler

    @property
    def container(self) -> Any:
        """The container that the task belongs to."""
        return self._reactor


# Its own deadline in the poller, besides the heap of tasks: foreign loops know selectables, and wait for no container.
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
        # Queued, not called: a task of the same turn can still be cancelled, and exceptions come out of `process`.
        self._reactor.timer_tick()  # type: ignore[attr-defined]
        self.update()
