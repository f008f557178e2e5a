"""Links made on a connection share a session; those for which the peer gives no handle go to a further one (2.7.2).

The peer answers each frame by itself and has limits; container and peer are stepped in turn, in one thread.
"""

import socket

import pytest

from proton import Endpoint, Message
from proton.endpoints.ends import end_of
from proton.handlers import MessagingHandler
from proton.reactor import Container
from tests.support.engines import AMQP_HEADER, Frame, frame, split

ACTIVE = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
BEGIN = {"next_outgoing_id": 0, "incoming_window": 2048, "outgoing_window": 2048}


class LimitedPeer:
    """Answers opens, begins and attaches; refuses nothing, but takes few links a session and few sessions."""

    def __init__(self, handle_max, channel_max=100):
        self.handle_max, self.channel_max = handle_max, channel_max
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0)
        self.sock = None
        self.attached = []  # channel, handle and name of each attach
        self.closed = False
        self.heard = []  # the names of its frames

    @property
    def url(self):
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def step(self):
        if self.sock is None:
            try:
                self.sock, _ = self.listener.accept()
            except BlockingIOError:
                return
            self.sock.settimeout(0)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else the container idles
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return
        for part in split(data):
            self.sock.sendall(self.answer(part) if isinstance(part, Frame) else AMQP_HEADER)

    def answer(self, part):
        self.heard.append(part.name)
        if part.name == "open":
            return frame(0, "open", container_id="peer", channel_max=self.channel_max)
        if part.name == "begin":
            assert part.channel <= self.channel_max
            return frame(part.channel, "begin", remote_channel=part.channel, handle_max=self.handle_max, **BEGIN)
        if part.name == "attach":
            self.attached.append((part.channel, part["handle"], part["name"]))
            fields = {"name": part["name"], "handle": part["handle"], "role": not part["role"]}
            return frame(part.channel, "attach", source=part["source"], target=part["target"], **fields)
        self.closed = self.closed or part.name == "close"
        return frame(0, "close") if part.name == "close" else b""

    def drop(self):
        self.sock.close()
        self.sock = None
        self.attached.clear()

    def close(self):
        self.listener.close()
        if self.sock is not None:
            self.sock.close()


class Program(MessagingHandler):
    def __init__(self):
        super().__init__(prefetch=0)
        self.errors = []
        self.opened = []
        self.closed = []

    def on_link_opened(self, event):
        self.opened.append(event.link.name)

    def on_link_error(self, event):
        self.errors.append((event.link.name, event.link.condition.name))

    def on_link_closed(self, event):
        self.closed.append(event.link.name)

    def on_session_error(self, event):
        self.errors.append(("session", event.session.condition.name))

    def on_session_closed(self, event):
        self.closed.append("session")


@pytest.fixture
def scene(request):
    peer = LimitedPeer(*getattr(request, "param", (1,)))
    program = Program()
    container = Container(program)
    container.timeout = 0
    container.start()
    connection = container.connect(peer.url, sasl_enabled=False, reconnect=[0] * 5)

    def until(done):
        for _ in range(5000):
            if done():
                return
            container.process()
            peer.step()
        raise AssertionError("not done")

    yield peer, program, container, connection, until
    connection.close()
    until(lambda: peer.closed)
    peer.close()
    container.stop()
    while container.process():
        pass


@pytest.mark.parametrize("early", [True, False], ids=["before the limit is known", "afterwards"])
def test_links_go_to_further_sessions(scene, early):
    """Those that were attached before the begin came are taken back, and attached on another session."""
    peer, program, container, connection, until = scene
    until(lambda: connection.state == ACTIVE)
    if not early:
        container.create_sender(connection, "q", name="first")
        until(lambda: program.opened == ["first"])
        connection.link_head(0).close()
        program.opened.clear(), peer.attached.clear()
    names = [f"L{number}" for number in range(5)]
    for name in names:
        container.create_sender(connection, "q", name=name)
    until(lambda: len(program.opened) == 5)
    assert sorted(program.opened) == names and program.errors == []
    assert max(handle for channel, handle, _ in peer.attached if channel) == 1
    assert len({channel for channel, _, _ in peer.attached}) == 3
    links = [link for link in connection.links() if link.name in names]
    assert [end_of(link) for link in links] == [None] * 5
    assert sorted(len([link for link in links if link.session == x]) for x in connection.sessions()) == [1, 2, 2]


def test_links_made_when_the_limit_is_known_are_made_on_the_session_that_has_room(scene):
    peer, program, container, connection, until = scene
    for number in range(7):
        container.create_receiver(connection, "q", name=f"L{number}")
        until(lambda number=number: len(program.opened) == number + 1)
    assert program.errors == []
    assert len(list(connection.sessions())) == 4


def test_links_of_a_session_of_the_program_fail_alone(scene):
    peer, program, container, connection, until = scene
    session = connection.session()
    session.open()
    until(lambda: session.state == ACTIVE)
    for number in range(3):
        container.create_sender(session, "q", name=f"L{number}")
    until(lambda: program.errors and len(program.opened) == 2)
    assert program.errors == [("L2", "amqp:resource-limit-exceeded")]
    assert connection.state == ACTIVE


@pytest.mark.parametrize("scene", [(0, 1)], indirect=True)
def test_no_further_session_without_a_channel(scene):
    peer, program, container, connection, until = scene
    until(lambda: connection.state == ACTIVE)
    for number in range(4):
        container.create_sender(connection, "q", name=f"L{number}")
        until(lambda number=number: len(program.opened) + len(program.errors) == number + 1)
    assert program.opened == ["L0", "L1"]
    assert program.errors == [(name, "amqp:resource-limit-exceeded") for name in ("L2", "L3")]
    assert connection.state == ACTIVE


def test_after_a_reconnect_with_another_limit(scene):
    peer, program, container, connection, until = scene
    until(lambda: connection.state == ACTIVE)
    senders = [container.create_sender(connection, "q", name=f"L{number}") for number in range(2)]
    until(lambda: len(program.opened) == 2)
    for sender in senders:
        sender.send(Message(body="waits for credit"))
    peer.handle_max = 0
    peer.drop()
    until(lambda: len(peer.attached) == 2)
    assert sorted((channel, handle) for channel, handle, _ in peer.attached) == [(0, 0), (1, 0)]
    assert program.errors == []
    assert [sender.queued for sender in senders] == [1, 1]
    assert {sender.session.outgoing_bytes for sender in senders} == {len(Message(body="waits for credit").encode())}


def test_link_that_waits_for_the_answer_to_its_close_is_told_of_the_loss(scene):
    """The peer never answers the detach, and after the reconnect the link is not attached again."""
    peer, program, container, connection, until = scene
    links = [container.create_sender(connection, "q", name=name) for name in ("closed", "stays")]
    until(lambda: len(program.opened) == 2)
    links[0].close()
    until(lambda: "detach" in peer.heard)
    assert program.closed == []
    peer.drop()
    until(lambda: peer.attached)
    assert program.closed == ["closed"]
    assert [name for _, _, name in peer.attached] == ["stays"]
    assert list(connection.links()) == [links[1]]


def test_session_that_waits_for_the_answer_to_its_end_is_told_of_the_loss_with_its_links(scene):
    """The peer never answers the end, and after the reconnect the session is not begun again."""
    peer, program, container, connection, until = scene
    session = connection.session()
    session.open()
    links = [container.create_sender(session, "q", name=name) for name in ("closed", "open")]
    container.create_sender(connection, "q", name="stays")
    until(lambda: len(program.opened) == 3)
    links[0].close()
    session.close()
    until(lambda: "end" in peer.heard)
    assert program.closed == []
    peer.drop()
    until(lambda: peer.attached)
    assert program.closed == ["closed", "session", "open"]
    assert [name for _, _, name in peer.attached] == ["stays"]
    assert session not in list(connection.sessions()) and len(list(connection.links())) == 1
    assert program.errors == []
