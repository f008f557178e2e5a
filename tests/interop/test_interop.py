"""Two programs over a real socket, ours and the reference's: nothing lost, nothing twice, values equal.

The reference runs in an environment of its own, because its package has our name: PROTON_REFERENCE_PYTHON is the
python there. Where it is unset those pairs are skipped. An editor must keep: both sides run the same peer scripts.
"""

from __future__ import annotations

import os

import pytest

from tests.support.programs import ROOT, Program, free_port, reference_environment

PEERS = ROOT / "tests" / "interop" / "peers"
REFERENCE = os.environ.get("PROTON_REFERENCE_PYTHON")
needs_reference = pytest.mark.skipif(not REFERENCE, reason="PROTON_REFERENCE_PYTHON is unset: no reference peer")
MIB = 1 << 20

pairs = pytest.mark.parametrize(
    ("sending", "receiving"),
    [
        pytest.param("ours", "ours", id="ours to ours"),
        pytest.param("ours", "reference", marks=needs_reference, id="ours to reference"),
        pytest.param("reference", "ours", marks=needs_reference, id="reference to ours"),
    ],
)


def peer(engine, script, url, *arguments):
    if engine == "ours":
        return Program(PEERS / script, url, *arguments)
    return Program(PEERS / script, url, *arguments, python=REFERENCE, environment=reference_environment())


def exchange(sending, receiving, send=(), receive=(), sender_listens=False):
    """Runs a sender against a receiver; what each printed."""
    url = f"127.0.0.1:{free_port()}/interop"
    sides = (sending, "send.py", send), (receiving, "receive.py", receive)
    (engine, script, arguments), other = sides if sender_listens else reversed(sides)
    with peer(engine, script, url, "--listen", *arguments) as listening:
        listening.await_line("listening")
        with peer(other[0], other[1], url, *other[2]) as connecting:
            printed = listening.finish()[1:], connecting.finish()
    sent, received = printed if sender_listens else reversed(printed)
    return sent, received


def lines(printed, word):
    return sorted((line for line in printed if line.startswith(word + " ")), key=lambda line: int(line.split()[1]))


def numbers(count):
    return [str(number) for number in range(count)]


def compare(sent, received, count, word):
    """The same lines on both sides, each number once."""
    assert [line.split()[1] for line in lines(received, word)] == numbers(count)
    differences = [pair for pair in zip(lines(sent, word), lines(received, word)) if pair[0] != pair[1]]
    assert differences == []
    assert len(lines(sent, word)) == count


@pairs
def test_values_of_every_type_arrive_as_they_were(sending, receiving):
    sent, received = exchange(sending, receiving, ["--count", 2000], ["--outcome", "accepted"])
    compare(sent, received, 2000, "message")
    compare(sent, received, 2000, "outcome")
    assert {line.split()[2] for line in lines(sent, "outcome")} == {"accepted"}


@pairs
@pytest.mark.parametrize("outcome", ["released", "rejected", "modified", "mixed", "none"])
def test_sender_learns_the_outcome_that_the_receiver_chose(sending, receiving, outcome):
    sent, received = exchange(sending, receiving, ["--count", 2000], ["--outcome", outcome])
    compare(sent, received, 2000, "message")
    compare(sent, received, 2000, "outcome")
    words = {"accepted", "released", "rejected", "modified"} if outcome == "mixed" else {outcome}
    assert {line.split()[2] for line in lines(sent, "outcome")} == words


@pairs
def test_receiver_that_settles_second(sending, receiving):
    sent, received = exchange(sending, receiving, ["--count", 200], ["--outcome", "mixed", "--wait"])
    compare(sent, received, 200, "outcome")
    assert received.count("settled later") == 200


@pairs
@pytest.mark.parametrize("sender_listens", [False, True], ids=["sender connects", "receiver connects"])
def test_settled_messages_have_no_outcome(sending, receiving, sender_listens):
    receive = ["--settled"] if sender_listens else []
    sent, received = exchange(sending, receiving, ["--count", 2000, "--settled"], receive, sender_listens)
    compare(sent, received, 2000, "message")
    assert [line.split()[1] for line in lines(received, "settled")] == numbers(2000)
    assert lines(sent, "outcome") == lines(received, "outcome") == []


@pairs
@pytest.mark.parametrize("prefetch", [2, 10, 500])
def test_receiver_that_connects(sending, receiving, prefetch):
    receive = ["--outcome", "mixed", "--prefetch", prefetch]
    sent, received = exchange(sending, receiving, ["--count", 500], receive, sender_listens=True)
    compare(sent, received, 500, "message")
    compare(sent, received, 500, "outcome")


@pairs
@pytest.mark.parametrize("settled", [False, True], ids=["unsettled", "settled"])
def test_body_of_20_mib(sending, receiving, settled):
    send = ["--count", 2, "--size", 20 * MIB] + ["--settled"] * settled
    sent, received = exchange(sending, receiving, send)
    compare(sent, received, 2, "message")
    assert f".. {len('binary()') + 2 * 20 * MIB} " in lines(received, "message")[0]


@pytest.mark.parametrize(
    ("asking", "answering"),
    [
        pytest.param("ours", "ours", id="ours asks ours"),
        pytest.param("ours", "reference", marks=needs_reference, id="ours asks reference"),
        pytest.param("reference", "ours", marks=needs_reference, id="reference asks ours"),
    ],
)
def test_request_and_response(asking, answering):
    url = f"127.0.0.1:{free_port()}/requests"
    with peer(answering, "respond.py", url) as server:
        server.await_line("listening")
        with peer(asking, "request.py", url, "--count", 300) as client:
            asked, answered = client.finish(), server.finish()
    compare(asked, answered, 300, "request")
    compare(asked, answered, 300, "response")
