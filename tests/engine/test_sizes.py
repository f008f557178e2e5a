"""What an idle link or session takes in memory, counted by `tracemalloc` over both ends."""

import gc
import sys

import pytest

from proton import Endpoint
from tests.support.engines import accept, connected, pump

tracemalloc = pytest.importorskip("tracemalloc", reason="PyPy does not count what is allocated", exc_type=ImportError)

#: bytes at one end; CPython 3.11 to 3.13 take 1,900 for a link and 1,490 for a session
LINK, SESSION = 2200, 1600
COUNT = 200
#: made before: what the first of a kind makes is not its own. Some are made before the peer has answered, as programs
#: do: what is set later on an object may take its attributes out of their compact form.
FIRST = 40
ACTIVE = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE

compact = pytest.mark.skipif(
    sys.implementation.name != "cpython" or sys.version_info < (3, 11), reason="attributes take other room there"
)


def bytes_of(make, a, b):
    """The bytes that one of what `make` makes takes at one end."""

    def make_some(count):
        made = [make(count + number) for number in range(count)]
        for endpoint in made:
            endpoint.open()
        # In turns: a transport takes no more before its events are handled.
        for _ in range(count):
            pump(a, b)
            a.events(), b.events()
            accept(b)
        return made

    kept = make_some(FIRST)
    tracemalloc.start(1)
    try:
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        kept += make_some(COUNT)
        a.wire.clear(), b.wire.clear()
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(kept) == FIRST + COUNT and all(endpoint.state == ACTIVE for endpoint in kept)
    return taken / COUNT / 2


@compact
@pytest.mark.parametrize("kind", ["sender", "receiver"])
def test_an_idle_link_is_small(kind):
    a, b = connected()
    session = a.connection.session()
    session.open()
    # The name is the program's own.
    size = bytes_of(lambda number: getattr(session, kind)(f"link {number} {kind}"), a, b)
    assert size < LINK, f"{size:.0f} bytes"


@compact
def test_an_idle_session_is_small():
    a, b = connected()
    size = bytes_of(lambda number: a.connection.session(), a, b)
    assert size < SESSION, f"{size:.0f} bytes"
