"""A broker is upgraded under load: nodes are stopped in an orderly way and started again in turn, then killed.

Nothing may be lost, and only what was unsettled at a loss may come twice. By default a short form runs: so many
messages, one stop, one kill. PROTON_UPGRADE=long runs the long one: 200,000 messages, 20,000 by blocking
connections, each node stopped in turn, then each killed.
"""

from __future__ import annotations

import json
import os
import pathlib

import pytest

from tests.support import artemis, rabbitmq4
from tests.support.client import Client
from tests.support.management import RabbitManagement
from tests.support.programs import ROOT, Program
from tests.support.upgrade import PREFETCH

LONG = os.environ.get("PROTON_UPGRADE") == "long"
#: messages: of programs made of callbacks, and of blocking ones
COUNTS = {"": 200_000, "blocking-": 20_000} if LONG else {"": 5_000, "blocking-": 1_000}
#: messages a second at most, so that there is load for as long as nodes go and come
RATES = {"": 2_500, "blocking-": 300} if LONG else {"": 500, "blocking-": 100}
#: seconds for all of it
SECONDS = 1500.0 if LONG else 100.0
LOG_LINES = 40
PROGRAM = pathlib.Path(ROOT) / "tests" / "support" / "upgrade.py"

pytestmark = pytest.mark.timeout(SECONDS + 100)


def program(kind, what, queue, urls):
    return Program(PROGRAM, kind + what, queue, COUNTS[kind], RATES[kind], *urls)


def await_progress(receiver, fraction, count):
    """Returns once so much has been received."""

    def reached():
        numbers = [int(line[3:]) for line in receiver.lines if line.startswith("at ")]
        return numbers and numbers[-1] >= fraction * count

    receiver.await_state(reached, f"{fraction:.0%} of the messages", SECONDS)


def result_of(running):
    result = json.loads(running.finish(SECONDS)[-1])
    print(running.command[2], result, f"{len(running.errors)} lines of log:", *running.errors, sep="\n")
    return result


def upgrade(nodes, queue, kind):
    """Runs a sender and a receiver while the nodes go and come, and compares their figures."""
    count = COUNTS[kind]
    urls = [node.url for node in nodes]
    others = urls[1:] + urls[:1]
    moves = [(node, "stop") for node in nodes] + [(node, "kill") for node in nodes]
    if not LONG:
        moves = [(nodes[0], "stop"), (nodes[-1], "kill")]
    with program(kind, "receive", queue, others) as receiver, program(kind, "send", queue, urls) as sender:
        for number, (node, move) in enumerate(moves, 1):
            await_progress(receiver, number / (len(moves) + 2), count)
            getattr(node, move)()
            node.start()
        sent, received = result_of(sender), result_of(receiver)
    assert sent["confirmed"] == received["different"] == count
    assert received["received"] >= count
    # What was unsettled at the sender's losses, or at those of the receiver, may come again.
    doubled = received["received"] - count
    unsettled = sent["unsettled at losses"] + PREFETCH * len(moves)
    assert doubled <= unsettled, (sent, received)
    for log in (sender.errors, receiver.errors):
        assert len(log) < LOG_LINES, "\n".join(log)


@pytest.mark.parametrize("kind", COUNTS, ids=["callbacks", "blocking"])
def test_a_cluster_of_three_is_upgraded(kind):
    problem = rabbitmq4.missing("sid")
    if problem:
        pytest.skip(problem)
    with rabbitmq4.running("sid", 3) as cluster:
        with Client(cluster.nodes[0].url) as client:
            queue = RabbitManagement(client).declare("upgraded", **{"x-quorum-initial-group-size": 3})
        upgrade(cluster.nodes, queue, kind)


@pytest.mark.parametrize("kind", COUNTS, ids=["callbacks", "blocking"])
def test_artemis_is_stopped_and_started(kind):
    problem = artemis.missing()
    if problem:
        pytest.skip(problem)
    with artemis.running() as broker:
        upgrade([broker], "upgraded", kind)


@pytest.mark.parametrize("kind", COUNTS, ids=["callbacks", "blocking"])
@pytest.mark.skipif(LONG, reason="the long form is that of the cluster and of Artemis")
def test_one_node_is_stopped_and_started(kind):
    problem = rabbitmq4.missing("trixie")
    if problem:
        pytest.skip(problem)
    with rabbitmq4.running("trixie") as broker:
        with Client(broker.nodes[0].url) as client:
            queue = RabbitManagement(client).declare("upgraded")
        upgrade(broker.nodes, queue, kind)
