"""Tasks: when they fire, in which order, and which handler gets them. Time is virtual."""

import pytest

from proton.reactor import Container
from tests.support.loops import VirtualContainer


class Noting:
    def __init__(self):
        self.fired = []

    def named(self, name):
        return Named(self, name)


class Named:
    def __init__(self, noting, name):
        self.noting = noting
        self.name = name

    def on_timer_task(self, event):
        self.noting.fired.append((self.name, event.container.now))


def test_tasks_fire_in_the_order_of_their_deadlines():
    noting = Noting()
    container = VirtualContainer()
    for name, delay in (("c", 3), ("a", 1), ("b", 2), ("at once", 0), ("late already", -5)):
        container.schedule(delay, noting.named(name))
    container.run()
    assert noting.fired == [
        ("late already", 1000.0),
        ("at once", 1000.0),
        ("a", 1001.0),
        ("b", 1002.0),
        ("c", 1003.0),
    ]


def test_equal_deadlines_fire_in_the_order_of_scheduling():
    noting = Noting()
    container = VirtualContainer()
    for name in "bdac":
        container.schedule(1, noting.named(name))
    container.run()
    assert [name for name, _ in noting.fired] == list("bdac")


def test_a_cancelled_task_neither_fires_nor_keeps_the_container_running():
    noting = Noting()
    container = VirtualContainer()
    task = container.schedule(5, noting.named("x"))
    task.cancel()
    task.cancel()
    container.run()
    assert noting.fired == []
    assert container.clock.now == 1000.0


def test_a_task_that_is_due_in_the_same_turn_can_be_cancelled():
    """It fired in spite of `cancel`, since its event was queued."""
    container = VirtualContainer()
    noting = Noting()

    class Canceller:
        def on_timer_task(self, event):
            event.context.cancel()  # its own: nothing happens
            task.cancel()

    container.schedule(1, Canceller())
    task = container.schedule(1, noting.named("x"))
    container.schedule(1, noting.named("y"))
    container.run()
    assert [name for name, _ in noting.fired] == ["y"]


def test_a_task_whose_handler_has_raised_can_be_cancelled():
    """Its event would come again."""
    container = VirtualContainer()

    class Raising:
        raised = 0

        def on_timer_task(self, event):
            self.raised += 1
            raise ZeroDivisionError

    raising = Raising()
    task = container.schedule(1, raising)
    with pytest.raises(ZeroDivisionError):
        container.run()
    task.cancel()
    while container.process():
        pass
    assert raising.raised == 1


@pytest.mark.parametrize(
    ("delay", "error", "text"),
    [
        ("1", TypeError, "delay takes seconds, a number, got str '1'"),
        (None, TypeError, "delay takes seconds, a number, got NoneType None"),
        (float("nan"), ValueError, "delay takes seconds, a number, got nan"),
    ],
)
def test_a_delay_that_is_not_a_number_raises_before_anything_changed(delay, error, text):
    container = VirtualContainer()
    with pytest.raises(error) as failure:
        container.schedule(delay, None)
    assert str(failure.value) == text
    assert container.timer_deadline is None


def test_a_pending_task_alone_keeps_the_container_running():
    noting = Noting()
    container = VirtualContainer()
    container.schedule(100, noting.named("x"))
    container.run()
    assert noting.fired == [("x", 1100.0)]
    # Not more than one wait of the loop's own length for each, and the last one exact.
    assert len(container.waiting.waits) == 32


def test_the_task_is_the_context_of_its_event():
    seen = []

    class Handler:
        def on_timer_task(self, event):
            seen.append((event.context is task, event.task is task, event.container, event.reactor, event.connection))

    handler = Handler()
    container = VirtualContainer()
    task = container.schedule(1, handler)
    assert task.handler is handler and task.container is container
    container.run()
    assert seen == [(True, True, container, container, None)]


def test_without_a_handler_the_container_gets_the_event():
    noting = Noting()
    container = VirtualContainer(noting.named("container"))
    container.schedule(1, None)
    container.run()
    assert noting.fired == [("container", 1001.0)]


def test_delays_count_from_the_time_of_the_turn():
    noting = Noting()

    class Slow:
        def on_timer_task(self, event):
            container.clock.now += 10
            container.schedule(1, noting.named("next"))

    container = VirtualContainer()
    container.schedule(1, Slow())
    container.run()
    # Scheduled for 1002, which the slow handler has run past.
    assert noting.fired == [("next", 1011.0)]


def test_a_task_may_schedule_the_next_one():
    class Recurring:
        times = []

        def on_timer_task(self, event):
            self.times.append(event.container.now)
            if len(self.times) < 4:
                event.container.schedule(2, self)

    container = VirtualContainer()
    recurring = Recurring()
    container.schedule(0.5, recurring)
    container.run()
    assert recurring.times == [1000.5, 1002.5, 1004.5, 1006.5]


def test_an_earlier_task_overtakes_while_the_loop_runs():
    noting = Noting()

    class Starter:
        def on_reactor_init(self, event):
            event.container.schedule(50, noting.named("late"))
            event.container.schedule(1, self)

        def on_timer_task(self, event):
            event.container.schedule(1, noting.named("early"))

    container = VirtualContainer(Starter())
    container.run()
    assert noting.fired == [("early", 1002.0), ("late", 1050.0)]


def test_the_deadline_is_that_of_the_first_task_not_cancelled():
    container = VirtualContainer()
    assert container.timer_deadline is None
    first = container.schedule(1, None)
    container.schedule(2, None)
    assert container.timer_deadline == 1001.0
    first.cancel()
    assert container.timer_deadline == 1002.0


def test_tasks_compare_by_deadline():
    container = VirtualContainer()
    late, early = container.schedule(2, None), container.schedule(1, None)
    assert early < late and sorted([late, early]) == [early, late]


def test_thousands_of_cancelled_tasks_are_let_go():
    container = VirtualContainer()
    kept = container.schedule(1e6, None)
    import gc
    import weakref

    tasks = weakref.WeakSet()
    for _ in range(5000):
        task = container.schedule(1e6, None)
        tasks.add(task)
        task.cancel()
    del task
    gc.collect()
    assert len(tasks) < 500
    assert container.timer_deadline == 1000.0 + 1e6
    kept.cancel()
    assert container.timer_deadline is None


def test_the_real_clock_is_that_of_the_wall(monkeypatch):
    from proton.reactor import reactor

    passed = 0.0
    monkeypatch.setattr(reactor.time, "time", lambda: 12345.5)
    monkeypatch.setattr(reactor.time, "monotonic", lambda: 50.0 + passed)
    container = Container()
    assert container.now == 12345.5
    passed = 2.0
    # The clock is set an hour on: deadlines must not all be due at once.
    monkeypatch.setattr(reactor.time, "time", lambda: 15945.5)
    assert container.mark() == 12347.5


@pytest.mark.parametrize("delay", [0.0, 0.01])
def test_real_timers_fire(delay):
    noting = Noting()
    container = Container()
    container.schedule(delay, noting.named("x"))
    before = container.now
    container.run()
    ((_, fired),) = noting.fired
    assert fired >= before + delay
