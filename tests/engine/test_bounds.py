"""What a slow, dead, silent or unusual peer may cost: bounded output, bounded time, and nothing cut off by a close."""

import pytest

from proton import LinkException, Message
from tests.support.engines import Peer, connected, frame, frames, linked, names, pump, take

MIB = 1 << 20


def test_a_close_waits_for_what_may_still_be_sent():
    a, b, sender, receiver = linked(credit=1000)
    for number in range(1000):
        sender.send(Message(id=number, body=b"x" * 1000))
    a.connection.close()
    pump(a, b)
    assert receiver.queued == 1000
    assert b.connection.state & b.connection.REMOTE_CLOSED


def test_a_close_does_not_wait_for_credit():
    a, b, sender, receiver = linked(credit=2)
    for _ in range(5):
        sender.send(Message(body=b"x" * MIB))
    a.connection.close()
    pump(a, b)
    assert receiver.queued == 2
    assert b.connection.state & b.connection.REMOTE_CLOSED


def test_a_socket_that_takes_little_does_not_pile_up_output():
    a, _, sender, _ = linked(credit=10)
    sender.send(Message(body=b"x" * (20 * MIB)))
    most = 0
    for _ in range(500):
        pending = a.transport.pending()
        most = max(most, pending)
        a.transport.pop(len(a.transport.peek(min(pending, 5000))))
    assert most < 400_000, f"expected some 256 KiB of output at a time, got {most}"


def test_peek_shows_as_much_as_it_is_asked_for():
    a, b, sender, _ = linked(credit=10)
    for letter in b"xyz":
        sender.send(Message(body=bytes([letter]) * 100_000))
    whole = a.transport.peek(a.transport.pending())
    for size in (1, 10, 70_000):
        shown = a.transport.peek(size)
        assert shown == whole[:size]
        a.transport.pop(size)
        whole = whole[size:]
    assert take(a.transport)[: len(whole)] == whole
    assert b.transport.condition is None


@pytest.mark.parametrize("most", [0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
def test_windows_and_credit_may_be_as_large_as_a_uint(most):
    a, b, sender, receiver = linked(credit=0)
    window = frame(
        0, "flow", next_incoming_id=0, incoming_window=most, next_outgoing_id=0, outgoing_window=10, handle=0,
        delivery_count=0, link_credit=most,
    )  # fmt: skip
    a.transport.push(window)
    assert sender.credit == most
    sender.send(Message(body="x"))
    pump(a, b)
    assert sender.queued == 0


def test_credit_granted_before_the_attach_is_granted_again_to_a_sender_that_counts_from_elsewhere():
    a = Peer("a").bind()
    a.connection.container = "a"
    a.connection.open()
    session = a.connection.session()
    session.open()
    receiver = session.receiver("L")
    receiver.open()
    receiver.flow(10)
    early = [x for x in frames(take(a.transport)) if x.name == "flow"]
    assert [x["delivery_count"] for x in early] == [None], "2.7.4: unknown before the attach"
    a.transport.push(b"AMQP\x00\x01\x00\x00" + frame(0, "open", container_id="peer"))
    a.transport.push(
        frame(0, "begin", remote_channel=0, next_outgoing_id=0, incoming_window=100, outgoing_window=100)
        + frame(0, "attach", name="L", handle=0, role=False, initial_delivery_count=1000)
    )
    later = [x for x in frames(take(a.transport)) if x.name == "flow"]
    assert [(x["delivery_count"], x["link_credit"]) for x in later] == [(1000, 10)]


def test_a_failed_transport_whose_peer_takes_nothing_gives_up():
    a, _ = connected(client={"idle_timeout": 2.0})
    assert a.transport.tick(100.0) == 102.0
    given_up_at = a.transport.tick(102.0)
    assert a.transport.condition.description == "local-idle-timeout expired"
    assert not a.transport.closed and given_up_at == 104.0
    a.transport.tick(104.0)
    assert a.transport.closed
    assert names(a.collector)[-2:] == ["TRANSPORT_HEAD_CLOSED", "TRANSPORT_CLOSED"]


def test_a_server_that_says_nothing_during_sasl_times_out():
    a = Peer("a", idle_timeout=1.0)
    a.transport.sasl()
    a.bind()
    a.connection.open()
    take(a.transport)
    assert a.transport.tick(10.0) == 11.0
    a.transport.tick(11.0)
    assert a.transport.condition.description == "local-idle-timeout expired"
    assert take(a.transport) == b"", "no AMQP frames before SASL is over"
    assert a.transport.pending() == -1


def test_a_window_that_opens_by_one_frame_wakes_one_of_the_waiting_senders_at_a_time():
    a, b = connected()
    session = a.connection.session()
    session.open()
    senders = [session.sender(f"L{number}") for number in range(50)]
    for sender in senders:
        sender.open()
    pump(a, b)
    peer = b.connection.session_head(0)
    peer.incoming_capacity = b.transport.max_frame_size
    peer.open()
    receivers = {link.name: link for link in b.connection.links()}
    for receiver in receivers.values():
        receiver.open()
        receiver.flow(10)
    pump(a, b)
    for sender in senders:
        sender.send(Message(body=sender.name))
    got = []
    for _ in range(200):
        pump(a, b)
        for receiver in receivers.values():
            if receiver.current is not None:
                message = Message()
                message.decode(receiver.recv(1000))
                got.append(message.body)
                receiver.advance()
    assert sorted(got) == sorted(receivers)


@pytest.mark.parametrize("first, last", [(0, 0x7FFFFFFF), (0x90000000, 0xFFFFFFFF), (1000, 1200), (2, 4)])
def test_a_range_of_any_width_costs_no_more_than_what_it_meets(first, last):
    a, b, sender, receiver = linked(credit=10)
    deliveries = [sender.send(Message(body=number)) for number in range(5)]
    pump(a, b)
    a.transport.push(frame(0, "disposition", role=True, first=first, last=last, settled=True))
    met = [n for n in range(5) if first <= n <= last]
    assert [n for n in range(5) if deliveries[n].settled] == met


def test_a_link_made_anew_under_its_name_attaches_after_the_detach_of_the_old_one():
    a, b, sender, receiver = linked(credit=1)
    sender.send(Message(body="first"))
    sender.send(Message(body="waits for credit"))
    sender.close()
    again = a.connection.session_head(0).sender(sender.name)
    again.open()
    pump(a, b)
    assert again.state & again.REMOTE_UNINIT and b.transport.condition is None
    receiver.flow(1)
    pump(a, b)
    receiver.close()
    pump(a, b)
    assert receiver.queued == 2 and sender.queued == 0
    assert len(list(b.connection.links())) == 2 and b.connection.session_head(0).remote_condition is None
    assert a.connection.session_head(0).remote_condition is None


@pytest.mark.parametrize("own, expected", [(0, 1000), (500, 500), (2000, 2000)])
def test_the_transports_limit_holds_for_receivers_without_one_of_their_own(own, expected):
    a, b = connected(server={"max_message_size": 1000})
    session = a.connection.session()
    session.open()
    sender = session.sender("L")
    sender.open()
    pump(a, b)
    b.connection.session_head(0).open()
    receiver = b.connection.link_head(0)
    receiver.max_message_size = own
    receiver.open()
    receiver.flow(10)
    pump(a, b)
    assert sender.remote_max_message_size == expected
    sender.remote_max_message_size = 0  # as if this end did not care
    sender.delivery("t")
    sender.stream(b"x" * (expected + 1))
    sender.advance()
    pump(a, b)
    assert sender.remote_condition.name == "amqp:link:message-size-exceeded"
    assert f"messages of {expected} bytes at most" in sender.remote_condition.description


def send_whole(sender):
    sender.send(Message(body="x" * 2000))


def send_stream(sender):
    sender.send_stream([b"x" * 2000], size=2000)


def send_pieces(sender):
    sender.send_stream([b"x" * 1000, b"x" * 1000])


@pytest.mark.parametrize("send", [send_whole, send_stream, send_pieces])
@pytest.mark.parametrize("checks", [True, False])
def test_a_sender_keeps_to_the_peers_limit_unless_it_is_told_not_to(send, checks):
    a, b, sender, receiver = linked(server={"max_message_size": 1000})
    assert sender.remote_max_message_size == 1000 and sender.checks_message_size
    sender.checks_message_size = checks
    if checks and send is send_pieces:  # it shows while output is made: the link is ended for it
        send(sender)
        pump(a, b)
        assert "the peer takes messages of 1000 bytes, got " in sender.condition.description
        assert receiver.remote_condition.name == "amqp:link:message-size-exceeded"
    elif checks:
        with pytest.raises(LinkException, match="the peer takes messages of 1000 bytes, got "):
            send(sender)
            pump(a, b)
        assert sender.queued == 0 and sender.state & sender.REMOTE_ACTIVE
    else:
        send(sender)
        pump(a, b)
        assert sender.remote_condition.name == "amqp:link:message-size-exceeded"


def test_an_attach_that_the_peer_does_not_take_ends_its_link_with_a_reason():
    """It closed the connection before: the reason concerns the link alone."""
    a, b = connected(server={"max_frame_size": 512})
    session = a.connection.session()
    session.open()
    link = session.sender("x" * 600)
    link.open()
    session.sender("behind it").open()
    pump(a, b)
    assert link.condition.name == "amqp:frame-size-too-small"
    assert link.condition.description.startswith("attach: the peer takes frames of 512 bytes, got one of ")
    assert a.transport.condition is None and b.connection.remote_condition is None
    assert [link.name for link in b.connection.links(0)] == ["behind it"]
