"""`Poller` and `Waker`, with every selector that this Python has, and with `selectors2`."""

import collections
import collections.abc
import gc
import os
import select
import selectors
import socket
import threading
import weakref

import pytest

from proton.io.poller import READ, WRITE, Poller, Waker
from proton.io.selectable import Selectable
from tests.support.loops import SECONDS, FakeLoop
from tests.support.references import collect, descriptors


def selector_kinds():
    kinds = [
        getattr(selectors, name)
        for name in ("EpollSelector", "PollSelector", "SelectSelector", "DevpollSelector", "KqueueSelector")
        if hasattr(selectors, name)
    ]
    if not hasattr(collections, "Mapping"):
        # Where it was when selectors2 was written.
        collections.Mapping = collections.abc.Mapping
    try:
        import selectors2
    except ImportError:
        return kinds
    return [*kinds, selectors2.DefaultSelector, selectors2.SelectSelector]


@pytest.fixture(params=selector_kinds(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def poller(request):
    selector = request.param()
    made = Poller(selector)
    yield made
    made.close()
    selector.close()


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def selectable(sock, reading=False, writing=False, deadline=None):
    made = Selectable(sock, FakeLoop())
    made.reading, made.writing, made.deadline = reading, writing, deadline
    return made


class Counting:
    """A selector that counts what it is told."""

    def __init__(self):
        self.calls = []

    def register(self, fd, mask, data=None):
        self.calls.append(("register", fd, mask))

    def modify(self, fd, mask, data=None):
        self.calls.append(("modify", fd, mask))

    def unregister(self, fd):
        self.calls.append(("unregister", fd))

    def select(self, timeout=None):
        return []


def test_readiness_is_reported(poller, pair):
    ours, theirs = pair
    watched = selectable(ours, reading=True, writing=True)
    poller.add(watched)
    assert poller.wait(0) == [(watched, WRITE)]
    theirs.send(b"x")
    assert poller.wait(SECONDS) == [(watched, READ | WRITE)]
    watched.writing = False
    poller.update(watched)
    assert poller.wait(SECONDS) == [(watched, READ)]


def test_nothing_is_reported_after_removal(poller, pair):
    ours, theirs = pair
    watched = selectable(ours, reading=True)
    poller.add(watched)
    theirs.send(b"x")
    poller.remove(watched)
    assert poller.wait(0) == []
    assert watched not in poller
    poller.remove(watched)


def test_nothing_is_reported_without_interest(poller, pair):
    ours, theirs = pair
    watched = selectable(ours)
    poller.add(watched)
    theirs.send(b"x")
    assert poller.wait(0) == []


def test_the_waker_ends_a_wait_from_another_thread(poller):
    waker = Waker()
    assert poller.wait(0, waker) == []
    thread = threading.Timer(0.05, waker.wake)
    thread.start()
    assert poller.wait(SECONDS, waker) == []
    thread.join()
    assert not waker.pending
    waker.close()


def test_a_wake_before_the_first_wait_is_not_lost(poller):
    waker = Waker()
    waker.wake()
    assert poller.wait(SECONDS, waker) == []
    assert not waker.pending
    waker.close()


def test_a_wake_that_came_late_does_not_keep_the_loop_awake(poller):
    class Late(Waker):
        # As if the byte had been written just after `clear` had taken the flag back.
        pending = False

    waker = Late()
    poller.wait(0, waker)
    waker.wake()
    poller.wait(0, waker)
    assert select.select([waker.fileno()], [], [], 0)[0] == []
    waker.close()


def test_only_changes_reach_the_selector(pair):
    counting = Counting()
    poller = Poller(counting)
    watched = selectable(pair[0], reading=True)
    fd = watched.fileno()
    poller.add(watched)
    for _ in range(3):
        poller.update(watched)
    poller.update(watched, writing=True)
    poller.update(watched, writing=True)
    watched.reading = False
    poller.update(watched)
    poller.remove(watched)
    assert counting.calls == [("register", fd, READ), ("modify", fd, READ | WRITE), ("unregister", fd)]


def test_another_descriptor_is_registered_anew():
    counting = Counting()
    poller = Poller(counting)
    watched = selectable(None, reading=True)
    poller.add(watched)
    assert counting.calls == []
    for fd in (5, 6, -1):
        watched.fileno = lambda fd=fd: fd
        poller.update(watched)
    assert counting.calls == [("register", 5, READ), ("unregister", 5), ("register", 6, READ), ("unregister", 6)]


def test_the_earliest_deadline_counts():
    poller = Poller(Counting())
    late, early, never = selectable(None, deadline=9.0), selectable(None, deadline=3.0), selectable(None)
    for watched in (late, early, never):
        poller.add(watched)
    assert poller.deadline() == 3.0
    assert poller.due(2.9) == []
    assert poller.due(3.0) == [early]
    assert poller.due(100.0) == [late]
    assert poller.deadline() is None


def test_a_deadline_that_moves_away_is_not_reported_early():
    poller = Poller(Counting())
    watched = selectable(None, deadline=3.0)
    poller.add(watched)
    for deadline in (4.0, 5.0, 6.0):
        watched.deadline = deadline
        poller.update(watched)
    assert poller.due(5.9) == []
    assert poller.deadline() == 6.0
    assert poller.due(6.0) == [watched]


def test_a_deadline_that_moves_nearer_counts_at_once():
    poller = Poller(Counting())
    watched = selectable(None, deadline=9.0)
    poller.add(watched)
    watched.deadline = 2.0
    poller.update(watched)
    assert poller.due(2.0) == [watched]
    watched.deadline = None
    assert poller.due(100.0) == []


def test_a_deadline_taken_back_is_forgotten():
    poller = Poller(Counting())
    watched = selectable(None, deadline=3.0)
    poller.add(watched)
    watched.deadline = None
    poller.update(watched)
    assert poller.deadline() is None


def test_removed_selectables_do_not_pile_up():
    poller = Poller(Counting())
    alive = weakref.WeakSet()
    for _ in range(1000):
        watched = selectable(None, deadline=1e9)
        alive.add(watched)
        poller.add(watched)
        poller.remove(watched)
        watched._reactor.events.clear()
    gc.collect()
    assert len(alive) < 100


def test_a_selector_that_was_given_stays_open(pair):
    with selectors.DefaultSelector() as selector:
        poller = Poller(selector)
        waker = Waker()
        poller.add(selectable(pair[0], reading=True))
        poller.wait(0, waker)
        poller.close()
        waker.close()
        assert dict(selector.get_map()) == {}


def test_a_poller_makes_its_selector_late_closes_it_and_starts_anew(pair):
    before = descriptors()
    poller = Poller()
    assert descriptors() <= before
    watched = selectable(pair[0], writing=True)
    poller.add(watched)
    assert poller.wait(0) == [(watched, WRITE)]
    poller.close()
    assert descriptors() <= before
    poller.add(watched)
    assert poller.wait(0) == [(watched, WRITE)]
    poller.close()


def test_a_waker_holds_no_descriptor_before_it_is_waited_for_nor_after_close():
    before = descriptors()
    waker = Waker()
    waker.wake()
    assert descriptors() <= before
    assert waker.fileno() >= 0
    waker.close()
    waker.wake()
    waker.close()
    assert waker.fileno() == -1
    assert descriptors() <= before


def test_a_dropped_waker_closes_its_sockets_in_whatever_order_the_collector_comes_to_them():
    class Holder:
        pass

    made, create = [], socket.socketpair
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "socketpair", lambda: made.append(create()) or made[0])
        waker = Waker()
        waker.fileno()
    # A collection that finds the sockets held and the waker in the circle has the waker behind them in its list.
    late = Holder()
    late.circle, late.waker = late, waker
    one, other = made.pop()
    del waker
    gc.collect()
    watched = [weakref.ref(sock) for sock in (one, other)]
    del one, other, late
    collect()  # a ResourceWarning is an error
    assert [ref() for ref in watched] == [None, None]


def test_a_closed_waker_is_not_watched():
    waker = Waker()
    waker.close()
    counting = Counting()
    assert Poller(counting).wait(0, waker) == []
    assert counting.calls == []


def test_very_many_wakes_do_not_block():
    waker = Waker()
    waker.fileno()
    for _ in range(100_000):
        waker.wake()
    assert waker.pending
    waker.close()


def test_two_selectables_on_one_socket_are_both_served(poller, pair):
    ours, theirs = pair
    reader, writer = selectable(ours, reading=True), selectable(ours, writing=True)
    poller.add(reader)
    poller.add(writer)
    assert poller.wait(SECONDS) == [(writer, WRITE)]
    theirs.send(b"x")
    assert poller.wait(SECONDS) == [(reader, READ), (writer, WRITE)]
    reader.writing, writer.writing = True, False
    poller.update(reader)
    poller.update(writer)
    assert poller.wait(SECONDS) == [(reader, READ | WRITE)]


@pytest.mark.parametrize("first", [True, False], ids=["first", "second"])
@pytest.mark.parametrize("masks", [(True, True), (True, False), (False, False)])
def test_a_selectable_that_shares_a_socket_stays_when_the_other_goes(poller, pair, first, masks):
    ours, theirs = pair
    both = [selectable(ours, reading=reading, writing=not reading) for reading in masks]
    for watched in both:
        poller.add(watched)
    goes, stays = both if first else reversed(both)
    poller.remove(goes)
    theirs.send(b"x")
    assert poller.wait(SECONDS) == [(stays, READ if stays.reading else WRITE)]
    stays.reading = stays.writing = True
    poller.update(stays)
    assert poller.wait(SECONDS) == [(stays, READ | WRITE)]
    poller.add(goes)
    assert [found for found, _ in poller.wait(SECONDS)] in ([goes, stays], [stays, goes])
    poller.remove(stays)
    poller.remove(goes)
    assert poller.wait(0) == []


def test_three_selectables_on_one_socket(poller, pair):
    ours, _ = pair
    three = [selectable(ours, writing=True) for _ in range(3)]
    for watched in three:
        poller.add(watched)
    assert poller.wait(SECONDS) == [(watched, WRITE) for watched in three]
    three[1].writing = False
    poller.update(three[1])
    poller.remove(three[0])
    assert poller.wait(SECONDS) == [(three[2], WRITE)]


def test_a_selectable_may_be_added_twice(poller, pair):
    watched = selectable(pair[0], writing=True)
    poller.add(watched)
    poller.add(watched)
    assert poller.wait(SECONDS) == [(watched, WRITE)]
    poller.remove(watched)
    assert poller.wait(0) == []


@pytest.fixture
def reopened():
    """Gives a selectable of a socket that is closed, and a socket of the same number, with its peer."""
    made = []

    def reopen(poller, **interests):
        ours, theirs = socket.socketpair()
        old = selectable(ours, **interests)
        poller.add(old)
        fd = ours.fileno()
        ours.close()
        new, peer = socket.socketpair()
        made.extend([theirs, peer])
        if new.fileno() != fd:
            os.dup2(new.fileno(), fd)
            new.close()
            new = socket.socket(fileno=fd)
        made.append(new)
        return old, new, peer

    yield reopen
    for sock in made:
        sock.close()


@pytest.mark.parametrize("knows", [True, False], ids=["knows", "does not know"])
def test_a_socket_with_the_number_of_one_that_was_closed_is_served(poller, reopened, knows):
    old, ours, theirs = reopened(poller, reading=True)
    if not knows:
        # A delegate that is a number, as that of a pipe.
        old.fileno = ours.fileno
    new = selectable(ours, reading=True, writing=True)
    poller.add(new)
    found = poller.wait(SECONDS)
    assert found == [(new, WRITE)]
    if knows:
        old.writing = True
        poller.update(old)
    poller.remove(old)
    theirs.send(b"x")
    assert poller.wait(SECONDS) == [(new, READ | WRITE)]
    poller.remove(new)
    assert poller.wait(0) == []


def test_a_selectable_may_open_its_descriptor_anew(poller, reopened):
    old, ours, theirs = reopened(poller, reading=True)
    old.fileno = ours.fileno
    old.writing = True
    poller.update(old)
    assert poller.wait(SECONDS) == [(old, WRITE)]


def test_a_socket_closed_too_early_does_not_harm_others(poller, pair):
    early, theirs = socket.socketpair()
    other = selectable(pair[0], writing=True)
    with theirs:
        closed = selectable(early, reading=True)
        poller.add(closed)
        early.close()
        poller.add(other)
        found = poller.wait(SECONDS) or poller.wait(SECONDS)
        assert (other, WRITE) in found
        poller.update(closed)
        assert poller.wait(SECONDS) == [(other, WRITE)]
        poller.remove(closed)
    assert poller.wait(SECONDS) == [(other, WRITE)]


def test_selectables_that_share_a_closed_socket_can_go(poller):
    ours, theirs = socket.socketpair()
    fd = ours.fileno()
    both = [selectable(ours, reading=True), selectable(ours, writing=True)]
    for watched in both:
        watched.fileno = lambda: fd
        poller.add(watched)
    ours.close()
    theirs.close()
    for watched in both:
        poller.remove(watched)
    assert poller.wait(0) == []


def test_a_waker_may_get_the_number_of_a_socket_that_was_closed(poller, reopened):
    old, ours, theirs = reopened(poller, reading=True)

    class Given(Waker):
        def fileno(self):
            return ours.fileno()

    waker = Given()
    theirs.send(b"x")
    assert poller.wait(SECONDS, waker) == []
    old.fileno = ours.fileno
    old.writing = True
    poller.update(old)
    assert poller.wait(SECONDS, waker) == [(old, READ | WRITE)]
    waker.close()


def test_a_failure_of_the_selector_is_told():
    class Failing(Counting):
        def select(self, timeout=None):
            raise OSError("broken")

    poller = Poller(Failing())
    poller.add(selectable(None, reading=True))
    with pytest.raises(OSError, match="broken"):
        poller.wait(0)
