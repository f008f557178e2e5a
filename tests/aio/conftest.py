"""The loops that tests run on: those that use `each_loop` run once on each."""

import pytest

from tests.support import aio_loops


@pytest.fixture(params=list(aio_loops.LOOPS))
def each_loop(request):
    """Has `tests.support.aio.run` use loops of each kind, and gives the name of the kind."""
    before = aio_loops.use(request.param)
    yield request.param
    aio_loops.use(before)
