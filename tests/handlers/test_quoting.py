"""What a peer says stands in one line, of the log and of the text of an exception, whatever it says."""

import logging

import pytest

from proton import Condition, Delivery, TransportException
from proton.handlers import MessagingHandler
from proton.utils import ConnectionClosed, LinkDetached, SendException
from tests.support.engines import AMQP_HEADER, Peer, Script
from tests.support.pairs import opened

EVIL = "gone\nERROR root: all is lost \x1b[31m\u202e" + "x" * 1000
QUOTED = "gone\\nERROR root: all is lost \\x1b[31m\\u202exxx"
NAME = "x:evil\r\nname"


def ended(kind, condition):
    """A client whose peer has ended one of its endpoints with a condition; the link and the deliveries' sender."""
    both = opened(MessagingHandler(), MessagingHandler(auto_accept=False))
    link = both.session.sender("link")
    link.target.address = "there"
    link.open()
    both.settle()
    server = both.pair.server.connection
    endpoint = {"link": server.link_head(0), "session": server.session_head(0), "connection": server}[kind]
    endpoint.condition = condition
    endpoint.close()
    both.settle()
    return link


def one_line(text):
    assert text.isprintable() and len(text) < 700, text
    return text


@pytest.mark.parametrize("kind", ["link", "session", "connection"])
@pytest.mark.parametrize(
    ("condition", "expected"), [(Condition("x:y", EVIL), QUOTED), (Condition(NAME), "x:evil\\r\\nname")]
)
def test_the_default_handlers_log_a_reason_on_one_line(kind, condition, expected, caplog):
    ended(kind, condition)
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert expected in one_line(record.getMessage())


def test_a_transport_error_is_logged_on_one_line(caplog):
    peer = Peer("us").bind()
    peer.transport.condition = Condition(NAME, EVIL, {"more\n": EVIL})
    peer.transport.close_tail()
    MessagingHandler().on_transport_error(next(iter_events(peer.collector, "PN_TRANSPORT_ERROR")))
    (record,) = caplog.records
    text = record.getMessage()
    assert text.startswith(f"x:evil\\r\\nname: {QUOTED}") and "{'more\\n': 'gone\\nERROR" in text
    assert text.isprintable() and len(text) < 1200


def iter_events(collector, name):
    while collector.peek() is not None:
        if collector.peek().type.name == name:
            yield collector.peek()
        collector.pop()


def test_a_message_that_cannot_be_decoded_is_logged_with_the_name_of_its_link_on_one_line(caplog):
    both = opened(None, MessagingHandler())
    link = both.session.sender("li\nnk")
    link.open()
    both.settle()
    link.delivery(b"1")
    link.stream(b"\x00\x53\x01\n junk")
    link.advance()
    both.settle()
    (record,) = caplog.records
    assert one_line(record.getMessage()).startswith("rejected a message on link li\\nnk that cannot be decoded: ")


def test_a_link_that_was_detached_is_named_and_its_reason_quoted_on_one_line():
    text = one_line(str(LinkDetached(ended("link", Condition("x:y", EVIL)))))
    assert text.startswith(
        "sender link to there closed due to: Condition('x:y', 'gone\\nERROR root: all is lost \\x1b["
    )


def test_a_closed_connection_says_why_on_one_line():
    text = one_line(str(ConnectionClosed(ended("connection", Condition("x:y", EVIL)).connection)))
    assert "closed due to: Condition('x:y', 'gone\\nERROR root: all is lost \\x1b[31m\\u202exxx" in text


def test_a_refused_message_says_why_on_one_line():
    text = one_line(str(SendException(Delivery.REJECTED, Condition(NAME, EVIL))))
    assert "due to: Condition('x:evil\\r\\nname', 'gone\\nERROR root" in text


def test_a_second_link_of_the_same_name_is_quoted_in_our_reason():
    script = Script(server=True).raw(AMQP_HEADER).send("open", container_id="peer")
    script.send("begin", next_outgoing_id=0, incoming_window=9, outgoing_window=9)
    script.connection.open()
    script.connection.session_head(0).open()
    for handle in (0, 1):
        script.send("attach", name="li\nnk", handle=handle, role=True)
    (end,) = (frame for frame in script.received() if frame.name == "end")
    assert end["error"].value[1] == "link name already attached: li\\nnk"


def test_what_was_the_end_of_the_input_is_told_on_one_line():
    peer = Peer("us").bind()
    peer.transport.condition = Condition(NAME, EVIL)
    peer.transport.close_tail()
    with pytest.raises(TransportException) as caught:
        peer.transport.push(b"x")
    assert one_line(str(caught.value)).startswith("[-1]: x:evil\\r\\nname: " + QUOTED)
