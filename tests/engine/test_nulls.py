"""Fields without a value that are written as nulls all the same: some peers read fields by index, without the count."""

import pytest

from proton import Message
from tests.support.engines import Script, linked, pump, take

#: the descriptors of begin, attach and transfer: with so many fields each is written at the least
LEAST = {0x10: 10, 0x11: 8, 0x12: 14, 0x14: 6}


def counts(data):
    """Descriptor and number of fields of each frame."""
    found = []
    pos = 8 if data.startswith(b"AMQP") else 0
    while pos < len(data):
        size = int.from_bytes(data[pos : pos + 4], "big")
        body = data[pos + 4 * data[pos + 4] : pos + size]
        if body:
            found.append((body[2], body[5] if body[3] == 0xC0 else int.from_bytes(body[8:12], "big")))
        pos += size
    return found


def test_begin_and_attach_have_all_fields():
    a, b, sender, receiver = linked()
    for peer in (a, b):
        written = counts(bytes(peer.wire))  # the header is in front alone
        assert {code for code, _ in written} >= {0x10, 0x11, 0x12}
        for code, count in written:
            assert count >= LEAST.get(code, 0), hex(code)


SENT = {
    "small": lambda sender: sender.send(Message(body="x")),
    "large tag": lambda sender: sender.send(Message(body="x"), tag=b"t" * 32),
    "settled": lambda sender: sender.send(Message(body="x")).settle(),
    "in frames": lambda sender: sender.send(Message(body="x" * 2000)),
    "in frames, settled": lambda sender: sender.send(Message(body="x" * 2000)).settle(),
    "with a state": lambda sender: sender.send(Message(body="x")).update(36),
}


@pytest.mark.parametrize("name", SENT)
def test_a_transfer_has_its_fields_up_to_more(name):
    a, b, sender, receiver = linked(server={"max_frame_size": 512})
    SENT[name](sender)
    transfers = [count for code, count in counts(take(a.transport)) if code == 0x14]
    assert transfers and all(count >= 6 for count in transfers)


def test_an_aborted_delivery_has_them_too():
    a, b, sender, receiver = linked()
    delivery = sender.delivery("t")
    sender.stream(b"part")
    pump(a, b)
    delivery.abort()
    assert counts(take(a.transport)) == [(0x14, 10)]


@pytest.mark.parametrize("fields", [4, 5, 6, 7, 11])
@pytest.mark.parametrize("settled", [None, False, True])
@pytest.mark.parametrize("more", [None, False, True])
def test_a_transfer_is_read_the_same_with_any_nulls_behind_it(fields, settled, more):
    script = Script()
    receiver = script.receiver(credit=10)
    values = [b"\x43", b"\x43", b"\xa0\x01t", b"\x43"]
    values += [{None: b"\x40", False: b"\x42", True: b"\x41"}[flag] for flag in (settled, more)]
    needed = 6 if more is not None else 5 if settled is not None else 4
    content = b"".join((values + [b"\x40"] * 5)[: max(fields, needed)])
    body = b"\x00\x53\x14\xc0" + bytes((len(content) + 1, max(fields, needed))) + content + b"payload"
    script.transport.push((len(body) + 8).to_bytes(4, "big") + b"\2\0\0\0" + body)
    delivery = receiver.current
    assert (delivery.tag, delivery.settled, delivery.partial) == ("t", bool(settled), bool(more))
    assert delivery.pending == 7 and script.transport.condition is None
