"""`DeadlineHeap`: what is due first, whatever was taken out or has moved since."""

import random

import pytest

from proton.io.deadlines import DeadlineHeap


def drained(heap):
    found = []
    while heap.first() is not None:
        found.append(heap.pop())
    return found


def test_equal_deadlines_keep_the_order_of_arming_and_things_are_not_compared():
    heap = DeadlineHeap()
    things = [object() for _ in range(20)]
    for thing in things:
        heap.arm(thing, 1.0)
    assert drained(heap) == things


@pytest.mark.parametrize("later", [0.5, 1.0, 2.0])
def test_a_thing_that_is_armed_again_is_found_once_at_the_new_deadline(later):
    heap = DeadlineHeap()
    heap.arm("a", 1.0)
    heap.arm("b", 1.5)
    heap.arm("a", later)
    assert heap.armed == {"a": later, "b": 1.5}
    assert drained(heap) == sorted(["a", "b"], key={"a": later, "b": 1.5}.get)


def test_a_thing_that_is_taken_out_and_armed_for_the_same_time_is_found_once():
    heap = DeadlineHeap()
    heap.arm("a", 1.0)
    assert heap.disarm("a") and not heap.disarm("a")
    heap.arm("a", 1.0)
    assert drained(heap) == ["a"]


@pytest.mark.parametrize("seed", range(10))
def test_any_order_of_arming_and_taking_out(seed):
    source = random.Random(seed)
    heap, expected = DeadlineHeap(), {}
    for _ in range(2000):
        thing = source.randrange(300)
        if source.random() < 0.6:
            expected[thing] = float(source.randrange(100))
            heap.arm(thing, expected[thing])
        else:
            assert heap.disarm(thing) == (expected.pop(thing, None) is not None)
        first = heap.first()
        assert (first and first[0]) == min(expected.values(), default=None)
    assert sorted(drained(heap)) == sorted(expected)
