"""`Selectable`: what it queues, and what it passes on to its delegate."""

import pytest

from proton.io.selectable import Selectable
from tests.support.loops import FakeLoop


class Delegate:
    colour = "green"

    def __init__(self):
        self.closed = 0

    def fileno(self):
        return 7

    def close(self):
        self.closed += 1


def test_a_new_selectable_is_announced_and_counted():
    loop = FakeLoop()
    selectable = Selectable(Delegate(), loop)
    assert loop.events == [("selectable_init", selectable)]
    assert loop.selectable_count == 1
    assert (selectable.reading, selectable.writing, selectable.deadline, selectable.is_terminal) == (
        False,
        False,
        None,
        False,
    )


def test_without_a_delegate_there_is_not_descriptor():
    selectable = Selectable(None, FakeLoop())
    assert selectable.fileno() == -1
    selectable.close()


def test_other_attributes_are_those_of_the_delegate():
    selectable = Selectable(Delegate(), FakeLoop())
    assert selectable.colour == "green"
    assert selectable.fileno() == 7
    with pytest.raises(AttributeError):
        selectable.taste  # noqa: B018


@pytest.mark.parametrize("method", ["readable", "writable", "expired"])
def test_each_kind_of_readiness_queues_its_event(method):
    loop = FakeLoop()
    selectable = Selectable(Delegate(), loop)
    getattr(selectable, method)()
    assert loop.names() == ["selectable_init", "selectable_" + method]


def test_a_false_deadline_means_none():
    selectable = Selectable(None, FakeLoop())
    selectable.deadline = 5.5
    assert selectable.deadline == 5.5
    selectable.deadline = 0
    assert selectable.deadline is None


def test_the_final_event_comes_once_and_ends_all_updates():
    loop = FakeLoop()
    selectable = Selectable(Delegate(), loop)
    selectable.update()
    selectable.terminate()
    assert selectable.is_terminal
    assert loop.selectable_count == 1
    for _ in range(3):
        selectable.update()
    assert loop.names() == ["selectable_init", "selectable_updated", "selectable_final"]
    assert loop.selectable_count == 0


def test_close_closes_the_delegate_once():
    delegate = Delegate()
    selectable = Selectable(delegate, FakeLoop())
    selectable.close()
    selectable.close()
    assert delegate.closed == 1


def test_a_released_delegate_stays_open():
    delegate = Delegate()
    selectable = Selectable(delegate, FakeLoop())
    selectable.release()
    selectable.close()
    assert delegate.closed == 0


def test_a_delegate_needs_no_attribute_of_ours():
    assert Selectable(Delegate(), FakeLoop()).driver is None
