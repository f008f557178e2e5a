"""Idle time-outs: time is an argument of `tick`, so nothing here waits (2.4.5)."""

import pytest

from proton import Transport
from tests.support.engines import (
    AMQP_HEADER,
    HEARTBEAT,
    Peer,
    Script,
    connected,
    frame,
    frames,
    linked,
    pump,
    put,
    take,
)

EXPIRED = ("amqp:resource-limit-exceeded", "local-idle-timeout expired")


@pytest.mark.parametrize("seconds, milliseconds", [(0, None), (5, 2500), (0.5, 250), (60, 30000)])
def test_half_of_the_timeout_is_announced(seconds, milliseconds):
    a, b = Peer(idle_timeout=seconds).bind(), Peer("server", 2).bind()
    a.connection.open()
    b.connection.open()
    pump(a, b)
    assert a.sent()[0]["idle_time_out"] == milliseconds
    assert b.transport.remote_idle_timeout == (milliseconds or 0) / 1000
    assert a.transport.idle_timeout == seconds


@pytest.mark.parametrize("seconds", [-1, 1 << 32])
def test_range_of_the_timeout(seconds):
    with pytest.raises(OverflowError):
        Transport().idle_timeout = seconds


def test_no_timer_without_a_timeout_or_before_the_beginning():
    a, b = connected()
    assert a.transport.tick(100) == 0.0
    server = Transport(Transport.SERVER)
    server.idle_timeout = 5
    assert server.tick(100) == 0.0


def test_a_timeout_of_the_peer_is_an_event():
    script = Script()
    script.connection.open()
    script.received()
    script.raw(b"AMQP\0\1\0\0").peer.events()
    script.send("open", container_id="x", idle_time_out=5000)
    assert script.peer.events() == "CONNECTION_REMOTE_OPEN TRANSPORT"


def test_heartbeats_at_half_of_what_the_peer_allows():
    script = Script().opened(idle_time_out=5000)
    tick = script.transport.tick
    assert tick(100) == 102.5
    assert tick(101) == 102.5 and script.transport.pending() == 0
    assert tick(102.5) == 105.0
    assert take(script.transport) == HEARTBEAT
    assert tick(103) == 105.0
    session = script.connection.session()
    session.open()
    take(script.transport)
    assert tick(104) == 106.5  # something was said: the count starts again


def test_no_heartbeat_while_output_waits():
    script = Script().opened(idle_time_out=5000)
    script.transport.tick(100)
    script.connection.session().open()
    script.transport.tick(103)
    assert HEARTBEAT not in take(script.transport)


def test_a_peer_that_sends_is_alive():
    script = Script(idle_timeout=5).opened()
    tick = script.transport.tick
    assert tick(100) == 105.0
    script.raw(HEARTBEAT)
    assert tick(104) == 109.0 and tick(108) == 109.0
    assert script.transport.condition is None


def test_a_silent_peer_is_given_up():
    script = Script(idle_timeout=5).opened()
    tick = script.transport.tick
    tick(100)
    tick(105)
    condition = script.transport.condition
    assert (condition.name, condition.description) == EXPIRED
    assert script.peer.events() == "TRANSPORT_ERROR TRANSPORT_TAIL_CLOSED"
    tick(106)
    assert script.peer.events() == ""  # once
    (close,) = script.received()
    assert (close.name, tuple(close["error"].value)) == ("close", EXPIRED)
    assert script.peer.events() == "TRANSPORT_HEAD_CLOSED TRANSPORT_CLOSED"


def test_a_dead_peer_that_takes_nothing_does_not_keep_the_transport():
    script = Script(idle_timeout=5).opened()
    tick = script.transport.tick
    tick(100), tick(105)
    script.peer.events()
    deadline = tick(105)
    assert 105 < deadline < 120 and script.transport.pending() > 0
    tick(deadline + 1)
    assert script.transport.pending() == -1
    assert script.peer.events() == "TRANSPORT_HEAD_CLOSED TRANSPORT_CLOSED"


def test_a_peer_that_never_opens_is_given_up():
    script = Script(idle_timeout=5)
    script.connection.open()
    script.received()
    script.transport.tick(100)
    script.transport.tick(106)
    assert script.transport.condition.description == EXPIRED[1]


def test_both_timeouts_give_the_earlier_deadline():
    script = Script(idle_timeout=3).opened(idle_time_out=10_000)
    assert script.transport.tick(100) == 103.0
    script.raw(HEARTBEAT)
    assert script.transport.tick(102.5) == 105.0


def test_two_engines_keep_each_other_alive():
    a, b = connected(client={"idle_timeout": 4}, server={"idle_timeout": 10})
    now = 0.0
    for _ in range(200):
        now = min(deadline for deadline in (a.transport.tick(now), b.transport.tick(now)) if deadline)
        pump(a, b)
    assert now > 100 and a.transport.condition is None and b.transport.condition is None
    for _ in range(20):  # the server is silent from now on
        now = a.transport.tick(now)
    assert a.transport.condition.description == EXPIRED[1]


def test_frames_are_counted_with_heartbeats():
    script = Script().opened(idle_time_out=5000)
    written, read = script.transport.frames_output, script.transport.frames_input
    assert (written, read) == (1, 1)
    script.raw(HEARTBEAT * 3)
    script.transport.tick(100), script.transport.tick(103)
    take(script.transport)
    assert (script.transport.frames_output, script.transport.frames_input) == (2, 4)


def test_messages_count_as_life():
    a, b, sender, _ = linked(client={"idle_timeout": 4}, server={"idle_timeout": 4})
    for now in range(100):
        put(sender, b"m")
        pump(a, b)
        b.transport.tick(now)
        assert b.transport.condition is None
        if not sender.credit:
            b.connection.link_head(0).flow(10)


def test_input_that_comes_byte_by_byte_counts():
    script = Script(idle_timeout=5).opened()
    for n, byte in enumerate(HEARTBEAT[:-1]):
        script.transport.tick(100 + 4 * n)
        script.raw(bytes([byte]))
    assert script.transport.condition is None


def test_a_client_that_never_opens_is_given_up():
    """A header alone is no more than silence; it is told why."""
    server = Peer("server", Transport.SERVER, handshake_timeout=10.0).bind()
    assert server.transport.tick(1.0) == 11.0
    server.transport.push(AMQP_HEADER)
    assert not server.transport.handshaken and server.transport.tick(5.0) == 11.0
    server.transport.tick(11.0)
    assert server.transport.condition.description == "expected the end of the handshake within 10 s, it is not there"
    assert frames(take(server.transport))[-1].name == "close"


def test_a_client_that_opens_is_not():
    server = Peer("server", Transport.SERVER, handshake_timeout=10.0).bind()
    server.transport.tick(1.0)
    server.transport.push(AMQP_HEADER + frame(0, "open", container_id="c"))
    assert server.transport.handshaken and server.transport.tick(100.0) == 0.0
    assert server.transport.condition is None
