"""Link recovery: unsettled deliveries go on with a new link, and both ends agree (2.6.13, 3.4.1, 3.4.6)."""

import pytest

from proton import Delivery, LinkException, Transport
from tests.support.engines import Peer, connected, frame, linked, pump, state

ACCEPTED, REJECTED, RELEASED = Delivery.ACCEPTED, Delivery.REJECTED, Delivery.RELEASED


def read(link):
    """The bytes of the current delivery, which is advanced past."""
    delivery = link.current
    data = link.recv(delivery.pending) or b""
    link.advance()
    return delivery, data


def put_tagged(sender, tag, body):
    delivery = sender.delivery(tag)
    sender.stream(body)
    sender.advance()
    return delivery


def known(*, recoverable=True, count=3):
    """A link with deliveries "t0", "t1", … that both ends know and neither has settled; all were read."""
    a, b, sender, receiver = linked()
    sender.recoverable = recoverable
    sent = [put_tagged(sender, f"t{n}", b"body %d" % n) for n in range(count)]
    pump(a, b)
    got = [read(receiver)[0] for _ in range(count)]
    a.events(), b.events()
    return a, b, sender, receiver, sent, got


def suspend(a, b, sender, receiver):
    sender.detach()
    pump(a, b)
    receiver.detach()
    pump(a, b)


def attach_again(a, b, sender, receiver, credit=10):
    """New links of the same name at both ends that recover the old ones; the sender's end begins."""
    again = sender.session.sender(sender.name)
    again.recover(sender)
    again.open()
    pump(a, b)
    other = next(link for link in b.connection.links() if link.name == sender.name and link is not receiver)
    other.recover(receiver)
    other.flow(credit)
    other.open()
    a.sent(), b.sent(), a.events(), b.events()
    pump(a, b)
    return again, other


def reconnect(a, b, receiver, **settings):
    """The sender's connection on a new transport to a server that knows what an earlier connection had left."""
    b.transport.unbind()
    a2 = Peer("client", connection=a.connection, collector=a.collector, **settings).bind()
    b2 = Peer("server 2", Transport.SERVER, **settings).bind()
    b2.connection.open()
    pump(a2, b2)
    b2.connection.session_head(0).open()
    other = b2.connection.link_head(0)
    other.recover(receiver)
    other.flow(10)
    other.open()
    b2.events()
    pump(a2, b2)
    return a2, b2, other


def frames_named(peer, name):
    return [f for f in peer.sent() if f.name == name]


def test_the_attach_tells_what_is_unsettled():
    a, b, sender, receiver, sent, got = known()
    got[1].update(ACCEPTED)
    suspend(a, b, sender, receiver)
    a.sent()
    again = sender.session.sender("L")
    again.recover(sender)
    again.open()
    pump(a, b)
    (attach,) = frames_named(a, "attach")
    assert set(attach["unsettled"]) == {b"t0", b"t1", b"t2"} and not attach["incomplete_unsettled"]
    other = b.connection.link_head(0).next(0)
    assert sorted(other.remote_unsettled) == [b"t0", b"t1", b"t2"]
    assert {d.type for d in other.remote_unsettled.values()} == {0} and other.remote_incomplete_unsettled is False


def test_an_attach_that_recovers_nothing_has_no_map():
    a, b, sender, receiver, _, _ = known()
    suspend(a, b, sender, receiver)
    a.sent()
    sender.session.sender("L").open()
    pump(a, b)
    (attach,) = frames_named(a, "attach")
    assert attach["unsettled"] is None


@pytest.mark.parametrize("outcome", [ACCEPTED, REJECTED, RELEASED, Delivery.MODIFIED])
def test_the_sender_learns_the_outcome_that_the_receiver_had_come_to(outcome):
    a, b, sender, receiver, sent, got = known(count=1)
    suspend(a, b, sender, receiver)
    got[0].update(outcome)  # while there is no link to say it on
    again, other = attach_again(a, b, sender, receiver)
    assert sent[0].remote_state == outcome and sent[0].updated and not sent[0].settled
    (transfer,) = frames_named(a, "transfer")
    assert transfer["resume"] is True and bytes(transfer["delivery_tag"]) == b"t0" and not transfer.payload
    sent[0].settle()
    pump(a, b)
    assert got[0].settled and got[0].local_state == outcome
    assert again.unsettled == 0 and other.current is None


def test_what_the_sender_settles_before_it_resumes_is_settled_by_the_transfer():
    a, b, sender, receiver, sent, got = known(count=1)
    suspend(a, b, sender, receiver)
    got[0].update(ACCEPTED)
    again, other = attach_again(a, b, sender, receiver, credit=0)
    assert not frames_named(a, "transfer") and again.queued == 1
    sent[0].settle()
    other.flow(1)
    pump(a, b)
    (transfer,) = frames_named(a, "transfer")
    assert transfer["resume"] is True and transfer["settled"] is True
    assert got[0].settled and again.queued == 0


def test_what_the_receiver_has_no_outcome_for_is_sent_again_and_read_once():
    a, b, sender, receiver, sent, got = known(count=2)
    suspend(a, b, sender, receiver)
    again, other = attach_again(a, b, sender, receiver)
    transfers = frames_named(a, "transfer")
    assert [(bytes(f["delivery_tag"]), f["resume"], f.payload) for f in transfers] == [
        (b"t0", True, b"body 0"),
        (b"t1", True, b"body 1"),
    ]
    assert other.current is None and other.queued == 0 and other.session.incoming_bytes == 0
    for delivery in got:
        delivery.update(ACCEPTED)
        delivery.settle()
    pump(a, b)
    assert [d.remote_state for d in sent] == [ACCEPTED, ACCEPTED] and all(d.settled for d in sent)


def test_without_its_bytes_a_delivery_is_given_up_at_both_ends():
    a, b, sender, receiver, sent, got = known(recoverable=False, count=1)
    suspend(a, b, sender, receiver)
    attach_again(a, b, sender, receiver)
    (transfer,) = frames_named(a, "transfer")
    assert transfer["resume"] is True and transfer["aborted"] is True
    assert sent[0].settled and sent[0].remote_state == 0, "settled without an outcome: to be sent again"
    assert got[0].aborted and got[0].settled
    assert a.events().split().count("DELIVERY") == len(sent)


def test_what_only_the_sender_knows_is_settled_without_an_outcome():
    a, b, sender, receiver, sent, got = known(count=2)
    suspend(a, b, sender, receiver)
    got[0].settle()
    again, other = attach_again(a, b, sender, receiver)
    assert sent[0].settled and sent[0].updated and sent[0].remote_state == 0
    assert not sent[1].settled
    assert [bytes(f["delivery_tag"]) for f in frames_named(a, "transfer")] == [b"t1"]


def test_what_only_the_receiver_knows_counts_as_settled():
    a, b, sender, receiver, sent, got = known(count=2)
    a.transport.unbind()
    sent[0].settle()
    a2, b2, other = reconnect(a, b, receiver)
    assert got[0].settled and got[0].updated and not got[1].settled
    assert got[0].local_state == 0 and b2.events().count("DELIVERY") == 2, "the news, and what was resumed"


def test_an_outcome_settled_before_the_resuming_transfer_came_is_told_then():
    a, b, sender, receiver, sent, got = known(count=1)
    suspend(a, b, sender, receiver)
    again, other = attach_again(a, b, sender, receiver, credit=0)
    got[0].update(ACCEPTED)
    got[0].settle()
    pump(a, b)
    assert not sent[0].settled
    other.flow(1)
    pump(a, b)
    assert sent[0].settled and sent[0].remote_state == ACCEPTED


def test_new_messages_come_after_those_that_are_resumed():
    a, b, sender, receiver, sent, got = known(count=2)
    sender.detach()
    pump(a, b)
    receiver.detach()
    pump(a, b)
    again = sender.session.sender("L")
    again.recover(sender)
    fresh = put_tagged(again, "fresh", b"new")
    again.open()
    pump(a, b)
    other = next(link for link in b.connection.links() if link is not receiver)
    other.recover(receiver)
    other.flow(10)
    other.open()
    a.sent()
    pump(a, b)
    assert [bytes(f["delivery_tag"]) for f in frames_named(a, "transfer")] == [b"t0", b"t1", b"fresh"]
    assert read(other)[1] == b"new" and (other.queued, other.credit) == (0, 7)
    assert (again.credit, again.queued) == (7, 0) and fresh.link is again and sent[0].link is again


def test_default_tags_stay_unique():
    a, b, sender, receiver, _, _ = known(count=1)
    first = sender.delivery_tag()
    suspend(a, b, sender, receiver)
    again, _ = attach_again(a, b, sender, receiver)
    assert again.delivery_tag() != first


def test_unread_deliveries_move_with_their_bytes():
    a, b, sender, receiver = linked()
    sender.recoverable = True
    receiver.session.incoming_capacity = 1 << 20
    put_tagged(sender, "t0", b"unread")
    pump(a, b)
    suspend(a, b, sender, receiver)
    again, other = attach_again(a, b, sender, receiver)
    assert other.queued == 1 and receiver.queued == 0 and receiver.current is None
    assert other.session.incoming_bytes == len(b"unread")
    delivery, data = read(other)
    assert data == b"unread" and delivery.link is other and other.session.incoming_bytes == 0


def test_a_delivery_that_was_cut_off_is_sent_again_by_the_program():
    a, b, sender, receiver = linked(client={"max_frame_size": 512}, server={"max_frame_size": 512})
    sender.recoverable = True
    delivery = sender.delivery("part")
    sender.stream(b"x" * 600)
    pump(a, b)
    assert receiver.current.partial
    suspend(a, b, sender, receiver)
    again, other = attach_again(a, b, sender, receiver)
    assert delivery.settled and delivery.remote_state == 0
    assert not frames_named(a, "transfer")


@pytest.mark.parametrize("size", [10, 5000])
def test_recovery_over_a_new_connection(size):
    a, b, sender, receiver, _, _ = known(count=0)
    sender.recoverable = True
    body = b"z" * size
    one, two = put_tagged(sender, "one", body), put_tagged(sender, "two", body)
    pump(a, b)
    first, data = read(receiver)
    second, _ = read(receiver)
    assert data == body
    first.update(ACCEPTED)
    a.transport.unbind()
    a2, b2, other = reconnect(a, b, receiver, max_frame_size=512)
    assert sorted(other.remote_unsettled) == [b"one", b"two"]
    assert one.remote_state == ACCEPTED and two.remote_state == 0
    second.update(REJECTED)
    second.settle()
    pump(a2, b2)
    assert two.remote_state == REJECTED and two.settled
    assert other.session.incoming_bytes == 0 and other.current is None


def test_a_map_that_does_not_fit_is_marked_incomplete_and_holds_back_new_messages():
    settings = {"max_frame_size": 512}
    a, b, sender, receiver = linked(credit=100, client=settings, server=settings)
    sender.recoverable = True
    sent = [put_tagged(sender, f"{n:030}", b"m") for n in range(40)]
    pump(a, b)
    got = [read(receiver)[0] for _ in range(40)]
    suspend(a, b, sender, receiver)
    again, other = attach_again(a, b, sender, receiver, credit=100)
    assert again.incomplete_unsettled and again.remote_incomplete_unsettled and other.incomplete_unsettled
    put_tagged(again, "new", b"held back")
    pump(a, b)
    assert again.queued == 1 and other.current is None
    assert not any(d.settled for d in sent + got), "an absent tag says nothing"
    resumed = len(frames_named(a, "transfer"))
    assert 0 < resumed < 40
    for delivery in list(other.unsettled_deliveries)[:resumed]:
        delivery.update(ACCEPTED)
        delivery.settle()
    pump(a, b)
    assert sum(d.settled for d in sent) == resumed


def test_a_new_transfer_where_only_resumed_ones_may_come_detaches_the_link():
    settings = {"max_frame_size": 512}
    a, b, sender, receiver = linked(credit=100, client=settings, server=settings)
    for n in range(40):
        put_tagged(sender, f"{n:030}", b"m")
    pump(a, b)
    for _ in range(40):
        read(receiver)
    suspend(a, b, sender, receiver)
    again, other = attach_again(a, b, sender, receiver, credit=100)
    expected = len(frames_named(a, "transfer")) + 40
    data = frame(0, "transfer", b"x", handle=0, delivery_id=expected, delivery_tag=b"new", message_format=0)
    b.transport.push(data)
    assert other.condition.name == "amqp:not-allowed"


def test_a_resumed_delivery_that_the_receiver_does_not_know_is_ignored():
    a, b, sender, receiver = linked()
    data = frame(0, "transfer", b"x", handle=0, delivery_id=0, delivery_tag=b"?", message_format=0, resume=True)
    b.transport.push(data)
    assert receiver.current is None and (receiver.queued, receiver.credit) == (0, 9)
    assert receiver.session.incoming_bytes == 0 and b.transport.condition is None
    put_tagged(sender, "after", b"y")


def test_detach_in_the_middle_of_recovery_can_be_recovered_again():
    a, b, sender, receiver, sent, got = known(count=3)
    suspend(a, b, sender, receiver)
    again, other = attach_again(a, b, sender, receiver, credit=1)
    other.detach()
    pump(a, b)
    again.detach()
    pump(a, b)
    third = sender.session.sender("L")
    third.recover(again)
    third.open()
    pump(a, b)
    last = next(link for link in b.connection.links() if link not in (receiver, other))
    last.recover(other)
    last.flow(10)
    last.open()
    pump(a, b)
    for delivery in got:
        delivery.update(ACCEPTED)
        delivery.settle()
    pump(a, b)
    assert all(d.settled and d.remote_state == ACCEPTED for d in sent)
    assert (third.queued, third.credit) == (0, 7) and sender.unsettled == again.unsettled == 0


def test_misuse_is_told():
    a, b, sender, receiver = linked()
    other = sender.session.sender("other")
    with pytest.raises(LinkException, match="'other'.*of the same direction, got 'L'"):
        other.recover(sender)
    with pytest.raises(LinkException, match="before the attach"):
        sender.recover()
    again = sender.session.sender("L")
    with pytest.raises(LinkException, match="expected a link that was detached, got 'L'"):
        again.recover(sender)


@pytest.mark.parametrize("bad", [{"tag": None}, {5: None}])
def test_a_map_with_other_keys_than_tags_is_a_decode_error(bad):
    a, b = connected()
    b.transport.push(frame(0, "begin", next_outgoing_id=0, incoming_window=9, outgoing_window=9))
    b.transport.push(frame(0, "attach", name="x", handle=0, role=False, unsettled=bad, initial_delivery_count=0))
    assert b.transport.condition.name == "amqp:decode-error"
    assert "unsettled" in b.transport.condition.description


def test_states_in_the_map_are_read():
    a, b = connected()
    b.transport.push(frame(0, "begin", next_outgoing_id=0, incoming_window=9, outgoing_window=9))
    told = {b"t": state(0x24), b"u": None, b"v": state(0x23, 1, 2)}
    b.transport.push(frame(0, "attach", name="x", handle=0, role=False, unsettled=told, initial_delivery_count=0))
    link = b.connection.link_head(0)
    assert link.remote_unsettled[b"t"].type == ACCEPTED and link.remote_unsettled[b"u"].type == 0
    assert link.remote_unsettled[b"v"].section_number == 1
