"""One RabbitMQ for the whole run, because Erlang takes seconds to start, and an address of its own for each test.

What RabbitMQ 3.10 with its AMQP 1.0 plugin cannot do, and what the tests here therefore leave out:

* no dynamic sources, no anonymous relay, no transactions, no `modified`: each ends the session, with a condition;
* drain on a classic queue ends the session, and so does a receiver that settles second;
* a subject is the routing key: a message without properties arrives with the name of its queue as its subject;
* no lists in a value section, no described values in a list, no arrays of most types: its session dies without a word,
  as it does of delivery annotations.
"""

from __future__ import annotations

import re

import pytest

from tests.support import rabbitmq as support

#: seconds of silence that the broker tolerates: it asks for a frame each second
HEARTBEAT = 2


@pytest.fixture(scope="session")
def rabbitmq():
    problem = support.missing()
    if problem:
        pytest.skip(problem)
    with support.running(heartbeat=HEARTBEAT) as broker:
        yield broker


@pytest.fixture
def queue(request):
    """The address of a queue that the broker makes when a link is attached to it."""
    return "/queue/" + re.sub(r"\W+", "-", request.node.name)
