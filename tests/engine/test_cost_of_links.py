"""The end of a link costs the same among few and among many links: calls are counted, and what is copied."""

import pytest

from proton import Connection
from proton.endpoints.endpoint import endpoint_state
from tests.engine.test_cost import calls, drop_events, exchange
from tests.support.engines import accept, connected, pump
from tests.support.references import counting

tracemalloc = pytest.importorskip("tracemalloc", reason="PyPy does not count what is allocated", exc_type=ImportError)

FEW, MANY = 100, 2000
#: bytes that may be allocated at once: a copy of a list of many links takes more
MOST_ALLOCATED = 8 * MANY // 2


def attached(count):
    """Two ends with so many links, half of them in each direction, all of which are open."""
    a, b = connected()
    session = a.connection.session()
    session.open()
    links = []
    for number in range(count):
        make = session.sender if number % 2 else session.receiver
        links.append(make(f"link {number}"))
        links[-1].open()
        # A transport takes no more before the events of some are handled.
        pump(a, b)
        drop_events(a, b)
        if number % 8 == 7 or number == 0:
            accept_new(a, b, links)
    accept_new(a, b, links)
    active = Connection.LOCAL_ACTIVE | Connection.REMOTE_ACTIVE
    assert len(links) == count and all(link.state == active for link in links)
    return a, b, links, {link.name: link for link in b.connection.links(0)}


def accept_new(a, b, links):
    while links[-1].state & Connection.REMOTE_UNINIT:
        accept(b)
        pump(a, b)
        drop_events(a, b)


def retire(link):
    """As the loops do, once the program has heard of it."""
    endpoint_state(link).retire()


def free(link):
    link.free()


WAYS = [("close", retire), ("close", free), ("detach", retire), ("detach", free)]


def end(a, b, link, other, way):
    act, let_go = way
    getattr(link, act)()
    exchange(a, b)
    getattr(other, act)()
    exchange(b, a)
    let_go(link), let_go(other)
    exchange(a, b)
    drop_events(a, b)


def cost(count, way):
    a, b, links, others = attached(count)
    # The oldest, one in the middle, the newest; before that one whose calls fill caches.
    end(a, b, links[10], others[links[10].name], way)
    return [calls(lambda n=n: end(a, b, links[n], others[links[n].name], way)) for n in (0, count // 2, count - 2)]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]}-{way[1].__name__}")
def test_the_end_of_a_link_costs_the_same_among_many(way):
    few, many = cost(FEW, way), cost(MANY, way)
    # A heap of numbers that are free again is a few calls.
    assert all(abs(x - y) < 20 for x, y in zip(few, many)), (few, many)


@counting
@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]}-{way[1].__name__}")
def test_the_end_of_a_link_copies_no_list_of_links(way):
    a, b, links, others = attached(MANY)
    end(a, b, links[10], others[links[10].name], way)
    tracemalloc.start(1)
    try:
        before = tracemalloc.get_traced_memory()[0]
        end(a, b, links[0], others[links[0].name], way)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < MOST_ALLOCATED, f"{peak} bytes"
