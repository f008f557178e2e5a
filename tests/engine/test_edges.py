"""Edges of the engine that only a mutant of its sources has shown to be untested: counts, places, resumed links."""

import pytest

from proton import Transport
from tests.support.engines import (
    AMQP_HEADER,
    SASL_HEADER,
    Peer,
    Script,
    accept,
    connected,
    frame,
    frames,
    linked,
    pump,
    take,
)

# -- input -----------------------------------------------------------------------------------------------------------


def test_frames_of_sasl_are_counted_at_both_ends():
    client, server = Peer("client"), Peer("server", Transport.SERVER)
    for peer in (client, server):
        peer.transport.sasl().allowed_mechs("ANONYMOUS")
        peer.bind()
    pump(client, server)
    assert client.transport.sasl().outcome == client.transport.sasl().OK
    # mechanisms and outcome one way, init the other; then headers of AMQP, which are not frames
    assert (client.transport.frames_input, server.transport.frames_input) == (2, 1)


@pytest.mark.parametrize("offset", [2, 3, 5])
def test_a_sasl_frame_without_a_performative_is_told_whatever_its_header(offset):
    transport = Transport(Transport.SERVER)
    transport.sasl().allowed_mechs("ANONYMOUS")
    body = bytes.fromhex("40 5341 c00301 40")
    size = 4 * offset + len(body)
    header = size.to_bytes(4, "big") + bytes((offset, 1, 0, 0)) + bytes(4 * offset - 8)
    transport.push(SASL_HEADER + header + body)
    expected = "expected a performative (constructor 0x00), got constructor 0x40"
    assert transport.condition.description == f"cannot decode a frame of {size} bytes: {expected}"


@pytest.mark.parametrize(
    ("size", "text"),
    [(7, "malformed frame: expected 8 bytes at least, got 7"), (8, "cannot decode a frame of 8 bytes: ")],
)
def test_the_smallest_sasl_frame_is_a_header(size, text):
    transport = Transport(Transport.SERVER)
    transport.sasl().allowed_mechs("ANONYMOUS")
    transport.push(SASL_HEADER + size.to_bytes(4, "big") + bytes((2, 1, 0, 0)))
    assert transport.condition.description.startswith(text)


def test_a_held_open_leaves_the_same_room_however_it_comes():
    """A server that has no connection yet holds the open of its peer, and takes a bounded amount of what follows."""
    data = AMQP_HEADER + frame(0, "open", container_id="c")
    rooms = set()
    for cut in (len(data), 8, len(data) - 5):
        transport = Transport(Transport.SERVER)
        transport.push(data[:cut])
        if cut < len(data):
            transport.push(data[cut:])
        rooms.add(transport.capacity())
    assert len(rooms) == 1


# -- links -----------------------------------------------------------------------------------------------------------


def test_reading_a_delivery_in_parts_or_whole_leaves_nothing_pending():
    _, _, sender, receiver = pair = linked()
    for _ in range(3):
        sender.delivery(sender.delivery_tag())
        sender.stream(b"0123456789")
        sender.advance()
    pump(*pair[:2])
    for reads in ([10], [4, 6], []):
        delivery = receiver.current
        assert [len(receiver.recv(size)) for size in reads] == reads
        receiver.advance()
        assert delivery.pending == 0
    assert receiver.session.incoming_bytes == 0


def recovering(**attach):
    """A receiver that goes on with a suspended link, whose scripted sender attaches again with these fields."""
    a, b, sender, receiver = linked()
    sender.recoverable = receiver.recoverable = True
    sender.delivery(b"old")
    sender.stream(b"body")
    sender.advance()
    pump(a, b)
    receiver.recv(10)
    receiver.advance()
    for link in (sender, receiver):
        link.detach()
        pump(a, b)
    again = b.connection.session_head(0).receiver("L")
    again.recover(receiver)
    again.open()
    again.flow(10)
    take(b.transport)
    fields = {"name": "L", "handle": 0, "role": False, "initial_delivery_count": 0, **attach}
    b.transport.push(frame(0, "attach", **fields))
    return b, again


@pytest.mark.parametrize("incomplete", [False, True])
def test_a_sender_whose_own_map_was_incomplete_may_send_new_deliveries(incomplete):
    # 2.7.3: what holds back new deliveries is the map of the receiver.
    b, again = recovering(unsettled={b"old": None}, incomplete_unsettled=incomplete)
    b.transport.push(frame(0, "transfer", payload=b"new", handle=0, delivery_id=1, delivery_tag=b"new"))
    assert again.remote_incomplete_unsettled is incomplete and b.transport.condition is None
    assert again.current.tag == "new" and again.recv(10) == b"new"


def test_a_delivery_that_was_cut_within_its_bytes_is_resumed_from_the_first_one():
    # 3.4.1: the receiver names no section and offset that it has, so all bytes are sent again.
    a, b, sender, receiver = linked(client={"max_frame_size": 512}, server={"max_frame_size": 512})
    sender.recoverable = True
    body = bytes(range(256)) * 1200
    sender.delivery(b"cut")
    sender.stream(body)
    sender.advance()
    assert 0 < a.transport.pending() < len(body)  # one turn writes a part of the only chunk
    a = a.rebind(max_frame_size=512)
    take(a.transport)
    a.transport.push(AMQP_HEADER + frame(0, "open", container_id="peer", max_frame_size=512))
    a.transport.push(frame(0, "begin", remote_channel=0, next_outgoing_id=0, incoming_window=999, outgoing_window=9))
    a.transport.push(frame(0, "attach", name="L", handle=0, role=True, unsettled={b"cut": None}))
    window = {"incoming_window": 999, "next_outgoing_id": 0, "outgoing_window": 9}
    a.transport.push(frame(0, "flow", handle=0, link_credit=9, **window))
    transfers = [found for found in frames(take(a.transport)) if found.name == "transfer"]
    assert transfers[0]["resume"] and b"".join(found.payload for found in transfers) == body
    assert sender.session.outgoing_bytes == 0


@pytest.mark.parametrize("properties", [None, {"a": 1}], ids=["plain", "properties"])
@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("sends", [False, True])
def test_a_flow_has_the_delivery_count_as_soon_as_it_is_known(sends, answered, properties):
    """2.7.4: that of a sender always, that of a receiver once it has seen the attach of the sender."""
    a, b = connected()
    session = a.connection.session()
    session.open()
    link = session.sender("L") if sends else session.receiver("L")
    link.open()
    if answered:
        pump(a, b)
        accept(b)
        pump(a, b)
    else:
        take(a.transport)
    link.flow_properties = properties
    if sends:
        link.offered(3)
    else:
        link.flow(5)
    flows = [found for found in frames(take(a.transport)) if found.name == "flow"]
    counts = [flow["delivery_count"] for flow in flows if flow["handle"] is not None]
    assert counts == [0 if sends or answered else None] * len(counts)
    assert counts or (sends and properties is None)


@pytest.mark.parametrize("name", ["incomplete_unsettled", "remote_incomplete_unsettled"])
def test_nothing_is_incomplete_before_an_attach_says_so(name):
    a, b, sender, receiver = linked()
    fresh = sender.session.sender("fresh")
    assert [getattr(link, name) for link in (fresh, sender, receiver)] == [False] * 3


def test_what_was_arriving_on_a_link_that_broke_a_rule_is_given_up_at_once():
    """Without waiting for the answer to our detach: its bytes count no longer."""
    script = Script()
    receiver = script.receiver()
    receiver.max_message_size = 10
    first = {"handle": 0, "delivery_id": 0, "delivery_tag": b"t", "more": True}
    script.send("transfer", payload=b"12345678", **first)
    delivery = receiver.current
    assert delivery.partial and receiver.session.incoming_bytes == 8
    script.send("transfer", payload=b"12345678", handle=0, more=True)
    assert [found.name for found in script.received()] == ["detach"]
    assert delivery.aborted and not delivery.partial and receiver.session.incoming_bytes == 0
