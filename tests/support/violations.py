"""An engine at a known stage of a conversation, pushed bytes that break a rule, and what it must do about them.

`Stage` is a script whose engine has got as far as a test needs; the check methods decode what the engine wrote then.
Keep true: `linked` leaves two sessions with two links each, so that a test can see which survives.
"""

from __future__ import annotations

from proton import Endpoint
from tests.support.engines import AMQP_HEADER, Frame, Script, frame, split, state, take

BOTH = {"whole": None, "byte by byte": 1}


def begin(channel=0, **fields):
    terms = {"next_outgoing_id": 0, "incoming_window": 2048, "outgoing_window": 2048}
    return frame(channel, "begin", **{**terms, **fields})


def attach(channel=0, **fields):
    """Our peer sends on this link unless `role` says otherwise."""
    terms = {"role": False, "initial_delivery_count": 0, "source": state(0x28), "target": state(0x29)}
    return frame(channel, "attach", **{**terms, **fields})


def transfer(channel=0, payload=b"\x00\x53\x77\x40", **fields):
    return frame(channel, "transfer", payload, **{"handle": 0, "delivery_tag": b"t", **fields})


def flow(channel=0, **fields):
    terms = {"next_incoming_id": 0, "incoming_window": 2048, "next_outgoing_id": 0, "outgoing_window": 2048}
    return frame(channel, "flow", **{**terms, **fields})


class Stage(Script):
    """The engine: a receiver R on handle 0 and a sender S on handle 1, on channel 0 and, as R1 and S1, on channel 1."""

    def __init__(self, server=False, **settings):
        super().__init__(server, **settings)
        self.wrote = []

    def greeted(self):
        """The protocol headers were exchanged; the application has opened nothing."""
        self.raw(AMQP_HEADER)
        return self

    def linked(self, credit=3, capacity=0, max_message_size=0):
        self.opened()
        for channel in (0, 1):
            session = self.connection.session()
            session.incoming_capacity = capacity
            session.open()
            receiver = session.receiver(f"R{channel or ''}")
            receiver.max_message_size = max_message_size
            receiver.open()
            receiver.flow(credit)
            sender = session.sender(f"S{channel or ''}")
            sender.open()
            self.received()
            self.raw(begin(channel, remote_channel=channel))
            self.raw(attach(channel, name=receiver.name, handle=0))
            self.raw(attach(channel, name=sender.name, handle=1, role=True, initial_delivery_count=None))
            self.raw(flow(channel, handle=1, delivery_count=0, link_credit=10))
        self.received(), self.peer.events()
        return self

    def feed(self, data, chunk=None):
        """Pushes bytes, `chunk` at a time, until the input closes; takes what is written as it comes."""
        size = chunk or len(data) or 1
        for start in range(0, len(data), size):
            if self.transport.capacity() < 0:
                break
            self.transport.push(data[start : start + size])
            self.wrote += split(take(self.transport))
        self.wrote += split(take(self.transport))
        return self

    def written(self, name):
        return [part for part in self.wrote if isinstance(part, Frame) and part.name == name]

    def check_closed(self, condition, description):
        """The connection ended: one close with the error, the last frame; nothing more in or out."""
        transport = self.transport
        assert (transport.condition.name, transport.condition.description) == (condition, description)
        (close,) = self.written("close")
        assert error_of(close) == (condition, description)
        assert self.wrote[-1] is close, "nothing follows a close"
        assert close.channel == 0
        assert (transport.pending(), transport.peek(1), transport.capacity()) == (-1, None, -1)
        assert transport.closed
        events = self.peer.events()
        assert events.count("TRANSPORT_ERROR") == 1
        assert events.endswith("TRANSPORT_HEAD_CLOSED TRANSPORT_CLOSED")

    def check_ended(self, condition, description):
        """Session 0 was ended with the error; what still comes for it is dropped; session 1 works."""
        (end,) = self.written("end")
        assert (end.channel, error_of(end)) == (0, (condition, description))
        assert not self.written("detach") and not self.written("close")
        session = self.connection.session_head()
        assert session.state & Endpoint.LOCAL_CLOSED and session.condition.name == condition
        self.feed(transfer(0, handle=77, delivery_id=77) + flow(0, handle=77) + attach(0, name="late", handle=0))
        self.feed(frame(0, "disposition", role=True, first=0) + frame(0, "detach", handle=77))
        self.feed(frame(0, "end"))
        assert session.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED
        self.check_link_works(1, "R1")
        self.check_clean_close()

    def check_detached(self, condition, description, name="R"):
        """One link of session 0 was closed with the error; what still comes for it is dropped; the others work."""
        (detach,) = self.written("detach")
        assert (detach.channel, detach["closed"], error_of(detach)) == (0, True, (condition, description))
        assert not self.written("end") and not self.written("close")
        link = next(link for link in self.connection.links() if link.name == name)
        assert link.state & Endpoint.LOCAL_CLOSED and link.condition.name == condition
        handle = 0 if link.is_receiver else 1
        queued = link.queued
        self.feed(transfer(0, handle=handle, delivery_id=50))
        assert link.queued == queued, "a transfer behind the fault is dropped"
        self.feed(frame(0, "detach", handle=handle, closed=True))
        assert link.state == Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED
        self.check_sender_works(next(x for x in self.connection.links() if x.name == "S"))
        self.check_link_works(1, "R1")
        self.check_clean_close()

    def check_link_works(self, channel, name):
        receiver = next(link for link in self.connection.links() if link.name == name)
        before = receiver.queued
        self.feed(transfer(channel, delivery_id=0))
        assert receiver.queued == before + 1
        assert receiver.current.link.name == name

    def check_sender_works(self, sender):
        if sender.state & Endpoint.LOCAL_CLOSED:
            return
        self.wrote.clear()
        sender.delivery("more")
        sender.stream(b"payload")
        sender.advance()
        self.feed(b"")
        assert [part.payload for part in self.written("transfer")] == [b"payload"]

    def check_clean_close(self):
        """The connection lives; both ends close it without an error."""
        assert self.transport.condition is None
        self.wrote.clear()
        self.connection.close()
        self.feed(b"")
        (close,) = self.written("close")
        assert close["error"] is None
        self.feed(frame(0, "close"))
        assert self.transport.closed and self.transport.condition is None


def error_of(part):
    """The condition and the description in the error field of a frame."""
    error = part["error"]
    return (str(error.value[0]), error.value[1]) if error is not None else None
