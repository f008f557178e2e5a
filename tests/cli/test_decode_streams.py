"""TCP put in order: segments in any order, twice, overlapping, missing; numbers that begin again at 0; which port."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import captures as made
from tests.support.fuzzing import fuzz

SAID = made.recorded()
IN_ORDER = made.segments(SAID, 100)
EXPECTED = made.by_end(made.objects(made.pcap(IN_ORDER, made.RAW))[1])


def frames(contents, *arguments):
    code, found = made.objects(made.pcap(contents, made.RAW), *arguments)
    return code, made.by_end(found)


def test_the_order_of_both_directions_is_that_of_the_capture():
    _, found = made.objects(made.pcap(IN_ORDER, made.RAW))
    names = [name for _, name, _ in made.frames_of(found)]
    assert names[:8] == ["SASL", "SASL", "sasl-mechanisms", "sasl-init", "sasl-outcome", "AMQP", "open", "begin"]
    assert names[-4:] == ["detach", "end", "close", "close"]


@given(st.data())
@fuzz
def test_any_order_and_any_number_of_copies_give_the_same_frames(data):
    shuffled = data.draw(st.permutations(IN_ORDER))
    copies = data.draw(st.lists(st.tuples(st.sampled_from(IN_ORDER), st.integers(0, len(IN_ORDER))), max_size=20))
    for content, at in copies:
        shuffled.insert(at, content)
    assert frames(shuffled) == (0, EXPECTED)


@given(st.data())
@fuzz
def test_segments_that_overlap_give_the_same_frames(data):
    contents = []
    for direction in (0, 1):
        stream = made.joined(SAID, direction)
        cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=12)) | {0, len(stream)})
        for start, end in zip(cuts, cuts[1:]):
            before, behind = data.draw(st.integers(0, 200)), data.draw(st.integers(0, 200))
            start, end = max(0, start - before), min(len(stream), end + behind)
            ends = (made.CLIENT, made.SERVER)[:: 1 - 2 * direction]
            contents.append(made.tcp(ends, 1001 + 4000 * direction + start, 0, made.ACK, stream[start:end]))
    assert frames(IN_ORDER[:3] + data.draw(st.permutations(contents)))[1] == EXPECTED


@pytest.mark.parametrize("start", [0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF - 300, 0x7FFFFFFF, 0])
def test_numbers_begin_again_at_zero(start):
    assert frames(made.segments(SAID, 100, starts=(start, start))) == (0, EXPECTED)


def test_keep_alives_and_old_segments_change_nothing():
    ends = (made.CLIENT, made.SERVER)
    probes = [
        made.tcp(ends, 1000, 0, made.ACK, b"\0"),
        made.tcp(ends, 1001, 0, made.ACK, b"A"),
        made.tcp(ends, 900, 0, 16),
    ]
    contents = IN_ORDER[:8] + probes + IN_ORDER[8:]
    assert frames(contents) == (0, EXPECTED)


def test_a_missing_segment_is_said_and_the_rest_is_shown():
    stream = made.joined(SAID, 0)
    number = next(at for at, each in enumerate(IN_ORDER) if b"hello" in each)
    code, found = made.objects(made.pcap(IN_ORDER[:number] + IN_ORDER[number + 1 :], made.RAW))
    texts = [each["text"] for each in found if each["kind"] == "fault"]
    size = len(IN_ORDER[number]) - 40
    assert (code, texts) == (5, [f"{size} bytes are missing in the capture"])
    (fault,) = (each for each in found if each["kind"] == "fault")
    at = stream.index(b"hello")
    assert fault["byte"] <= at < fault["byte"] + size
    lost = [name for name in EXPECTED["client"] if name not in made.by_end(found)["client"]]
    assert lost == [("transfer", fault["byte"])]
    assert made.by_end(found)["server"] == EXPECTED["server"]


def test_the_beginning_may_be_missing():
    for begin in range(3, len(IN_ORDER) - 12):
        code, shown = frames(IN_ORDER[begin:])
        for end, expected in EXPECTED.items():
            names = [name for name, _ in shown[end]]
            assert names == [name for name, _ in expected][len(expected) - len(names) :]
            # At most one frame is lost in the middle of which the capture begins; numbers of bytes are others.
            assert names


def test_connections_on_other_ports_are_found_by_their_bytes():
    ends = (("192.0.2.1", 40001), ("192.0.2.2", 7000))
    amqp = made.segments(SAID, 100, ends=ends)
    http = made.segments(
        [(0, b"GET / HTTP/1.1\r\n\r\n"), (1, b"HTTP/1.1 200 OK\r\n")], ends=(("192.0.2.1", 40002), ("192.0.2.2", 80))
    )
    assert frames(http + amqp) == (0, EXPECTED)
    code, found = made.objects(made.pcap(http + amqp, made.RAW), "--port", "5672")
    assert (code, found) == (5, [{"kind": "note", "text": f"expected AMQP, got none in {len(http + amqp)} packets"}])
    assert frames(http + amqp, "--port", "1", "--port", "7000") == (0, EXPECTED)
    code, found = made.objects(made.pcap(http, made.RAW), "--port", "80")
    assert (code, len([each for each in found if "got HTTP" in each.get("text", "")])) == (5, 2)


@pytest.mark.parametrize("midway", [False, True])
def test_which_end_is_the_client(midway):
    # Without a SYN, the port tells.
    contents = IN_ORDER[4:] if midway else IN_ORDER
    _, found = made.objects(made.pcap(contents, made.RAW))
    assert found[0]["ends"] == ["192.0.2.1:40000", "192.0.2.2:5672"]


def test_connections_one_after_the_other_between_the_same_ports():
    again = made.segments(SAID, 100, starts=(70000, 90000))
    for first in (IN_ORDER, made.segments(SAID, 100, finish=False)):
        code, found = made.objects(made.pcap(first + again, made.RAW))
        assert code == 0
        for number in (1, 2):
            assert made.by_end([each for each in found if each["connection"] == number and "from" in each]) == EXPECTED


def test_one_connection_can_be_chosen():
    others = [made.segments(SAID, 100, ends=(("192.0.2.1", port), made.SERVER)) for port in (1, 2, 3)]
    mixed = [each for group in zip(*others) for each in group]
    code, found = made.objects(made.pcap(mixed, made.RAW), "--connection", "2")
    assert code == 0
    assert {each["connection"] for each in found} == {2}
    assert found[0]["ends"][0] == "192.0.2.1:2"
    assert made.by_end(found[1:]) == EXPECTED
