"""`Joined`: what a handler raises comes out of it once, and the next turn goes on after it."""

from __future__ import annotations

import re

import pytest

from proton import Message
from proton.handlers import MessagingHandler
from proton.testing import Joined


class Program(MessagingHandler):
    """Raises in one of its callbacks; `called` has the names of those that were called."""

    def __init__(self, raises):
        super().__init__()
        self.raises = raises
        self.called = []

    def note(self, name):
        self.called.append(name)
        if name == self.raises:
            raise KeyError(name)

    def on_start(self, event):
        event.container.create_receiver("amqp://broker.example/q")
        event.container.call_soon(self.note, "call_soon")
        event.container.schedule(5, self)
        self.note("on_start")

    def on_connection_opened(self, event):
        self.note("on_connection_opened")

    def on_link_opened(self, event):
        self.note("on_link_opened")

    def on_message(self, event):
        self.note("on_message")

    def on_timer_task(self, event):
        self.note("on_timer_task")


CALLBACKS = ["on_start", "call_soon", "on_connection_opened", "on_link_opened", "on_message", "on_timer_task"]


@pytest.mark.parametrize("raises", CALLBACKS)
def test_what_a_handler_raises_comes_out_once_and_it_goes_on(raises):
    program = Program(raises)
    with Joined(program) as joined:
        joined.broker.put("q", Message(body=1))
        with pytest.raises(KeyError, match=raises):
            joined.advance(10)
        joined.advance(10)
        assert sorted(program.called) == sorted(CALLBACKS)
        assert joined.broker.messages("q") == []
    assert sorted(program.called) == sorted(CALLBACKS)


def test_what_is_raised_at_the_end_ends_the_others_too():
    program, other = Program("late"), Program(None)
    with pytest.raises(KeyError, match="late"), Joined(program) as joined:
        container = joined.add(other)
        joined.run()
        joined.container.call_soon(program.note, "late")
        container.call_soon(other.note, "late")
    assert [each.called.count("late") for each in (program, other)] == [1, 1]


def test_the_fixture_raises_nothing_a_second_time(amqp_joined):
    joined = amqp_joined(Program("on_start"))
    with pytest.raises(KeyError):
        joined.run()


class Ticks(MessagingHandler):
    def on_start(self, event):
        event.container.schedule(10, self)
        event.container.schedule(20, self)
        event.container.schedule(40, self)


def test_a_time_out_says_what_was_seen_and_when_the_last_event_was():
    with Joined(Ticks()) as joined, pytest.raises(TimeoutError) as caught:
        joined.run_until(lambda: False, "a pig that flies", seconds=30)
    text = r"expected a pig that flies within 30 s, got Seen\(0 connections.*\); the last event was at 20.0 s"
    assert re.fullmatch(text, str(caught.value))
