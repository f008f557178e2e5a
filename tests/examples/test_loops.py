"""Containers under asyncio and tornado, by adaptors: what works under the own loop works there.

Both adaptors go through the same tests. An editor must keep: no wait without a limit, and nothing left open at the end.
"""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from proton import Delivery, Message
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, EventInjector
from tests.support.event_loops import Asyncio, Tornado
from tests.support.loops import SECONDS, Recorder, authenticate, frame, peer, read_to_end


@pytest.fixture(params=[Asyncio, Tornado], ids=["asyncio", "tornado"])
def loop(request):
    loop = request.param()
    yield loop
    assert (loop.left, loop.complaints) == ([], [])


class Exchange(Recorder):
    """Sends to itself, and has a timer."""

    count = 20

    def __init__(self):
        super().__init__()
        self.sent = self.confirmed = 0
        self.fired = 0

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        event.container.create_sender(f"127.0.0.1:{self.acceptor.port}/q")
        event.container.schedule(0.01, self)

    def on_timer_task(self, event):
        self.fired += 1

    def on_sendable(self, event):
        while event.sender.credit and self.sent < self.count:
            self.sent += 1
            event.sender.send(Message(body=b"x" * 1000))

    def on_accepted(self, event):
        self.confirmed += 1
        if self.confirmed == self.count:
            event.connection.close()

    def on_connection_closed(self, event):
        self.acceptor.close()


def test_an_exchange(loop):
    exchange = Exchange()
    loop.run(lambda: [exchange])
    assert (exchange.confirmed, exchange.fired) == (20, 1)
    assert {"C connection_closed", "S connection_closed"} <= set(exchange.calls)


def test_the_loop_is_left_to_others(loop):
    """Neither side keeps the other from its turn."""
    seen = []

    class Ticking(MessagingHandler):
        def on_start(self, event):
            self.left = 5
            event.container.schedule(0, self)

        def on_timer_task(self, event):
            seen.append("container")
            self.left -= 1
            if self.left:
                event.container.schedule(0.001, self)

    async def beside(container):
        while seen.count("container") < 5:
            seen.append("other")
            await asyncio.sleep(0)

    loop.run(lambda: [Ticking()], beside)
    assert seen.count("container") == 5
    first, last = seen.index("container"), len(seen) - 1 - seen[::-1].index("container")
    assert "other" in seen[first:last]


def test_tasks_fire_in_order_and_cancelled_ones_do_not(loop):
    fired = []

    class Tasks(MessagingHandler):
        def on_start(self, event):
            container = event.container
            for name, delay in (("third", 0.03), ("first", 0), ("second", 0.015), ("never", 0.02)):
                task = container.schedule(delay, Named(name))
                if name == "never":
                    task.cancel()

    class Named:
        def __init__(self, name):
            self.name = name

        def on_timer_task(self, event):
            fired.append(self.name)
            if self.name == "first":
                event.container.schedule(-1, Named("at once"))

    loop.run(lambda: [Tasks()])
    # On a busy machine the second may be due before the first was called.
    assert [name for name in fired if name != "at once"] == ["first", "second", "third"]
    assert fired.index("first") < fired.index("at once")


def test_a_touch_sends_what_was_done_outside_of_callbacks(loop):
    """A touch within a callback does nothing."""
    got = []

    class Receiving(MessagingHandler):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.sender = event.container.create_sender(f"127.0.0.1:{self.acceptor.port}/q")
            self.opened = asyncio.Event()

        def on_link_opened(self, event):
            event.container.touch()
            if event.sender == self.sender:
                self.opened.set()

        def on_message(self, event):
            got.append(event.message.body)
            if len(got) == 3:
                self.sender.connection.close()
                self.acceptor.close()

    receiving = Receiving()

    async def beside(container):
        while not hasattr(receiving, "opened"):
            await asyncio.sleep(0)
        await receiving.opened.wait()
        for number in range(3):
            receiving.sender.send(Message(body=number))
            container.touch()
            await asyncio.sleep(0)

    loop.run(lambda: [receiving], beside)
    assert got == [0, 1, 2]


def test_an_injector_and_a_stop_from_another_thread(loop):
    seen = []
    threads = []

    class Listening(MessagingHandler):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.injector = EventInjector()
            event.container.selectable(self.injector)
            self.container = event.container
            threads.append(threading.Thread(target=self.injector.trigger, args=(ApplicationEvent("told"),)))
            threads[0].start()

        def on_told(self, event):
            seen.append("told")
            self.injector.close()
            threads.append(threading.Thread(target=self.container.stop))
            threads[1].start()

    loop.run(lambda: [Listening()])
    for thread in threads:
        thread.join(SECONDS)
    assert seen == ["told"]


def test_an_exception_comes_out(loop):
    class Failing(MessagingHandler):
        def on_start(self, event):
            event.container.schedule(0.001, self)

        def on_timer_task(self, event):
            raise ArithmeticError("on purpose")

    with pytest.raises(ArithmeticError, match="on purpose"):
        loop.run(lambda: [Failing()])


class Reconnecting(Recorder):
    """Connects to a port until it has had `rounds` connections."""

    def __init__(self, port, reconnect, heartbeat=None, rounds=2):
        super().__init__()
        self.port = port
        self.settings = {"reconnect": reconnect, "heartbeat": heartbeat}
        self.rounds = rounds
        self.conditions = []

    def on_start(self, event):
        self.connection = event.container.connect(f"127.0.0.1:{self.port}", **self.settings)

    def on_connection_opened(self, event):
        self.rounds -= 1
        if not self.rounds:
            self.connection.close()

    def on_transport_error(self, event):
        self.conditions.append(event.transport.condition.description)


def drop(sock):
    authenticate(sock)


def close(sock):
    authenticate(sock)
    sock.recv(65536)
    sock.sendall(frame(bytes.fromhex("00531845")))
    read_to_end(sock)


def test_a_lost_connection_is_made_again(loop):
    """On the same descriptor number, most likely: the loop must have forgotten the earlier socket."""
    with peer(drop, drop, close) as server:
        client = Reconnecting(server.port, [0, 0, 0.01, 0.02], rounds=3)
        loop.run(lambda: [client])
    assert client.rounds == 0
    assert client.calls.count("C connection_opened") == 3
    assert client.calls[-1] == "C connection_closed"


def test_a_refused_connection_is_tried_again_later(loop):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        client = Reconnecting(port, [0, 0.01, 0.02])
        loop.run(lambda: [client])
    assert client.conditions == ["Connection refused to all addresses"] * 3
    assert client.calls.count("C disconnected") == 1  # the attempts after it are told by on_reconnecting


def test_a_silent_peer_is_given_up_after_the_heartbeat(loop):
    def silent(sock):
        authenticate(sock)
        read_to_end(sock)

    with peer(silent, close) as server:
        client = Reconnecting(server.port, [0, 0], heartbeat=0.2)
        loop.run(lambda: [client])
    assert client.conditions[0] == "local-idle-timeout expired"
    assert client.calls.count("C connection_opened") == 2


def test_heartbeats_keep_an_idle_connection(loop):
    """Both ends would give up after half a second of silence; they are idle for twice as long."""

    class Idle(Recorder):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            self.connection = event.container.connect(f"127.0.0.1:{self.acceptor.port}", heartbeat=0.5)
            event.container.schedule(1.0, self)

        def on_connection_bound(self, event):
            event.transport.idle_timeout = 0.5

        def on_timer_task(self, event):
            self.frames = self.connection.transport.frames_output
            self.connection.close()
            self.acceptor.close()

    idle = Idle()
    loop.run(lambda: [idle])
    assert "C transport_error" not in idle.calls and "C disconnected" not in idle.calls
    assert idle.frames > 3


def test_large_messages_wait_for_the_socket(loop):
    class Large(Exchange):
        count = 1

        def on_sendable(self, event):
            if not self.sent:
                self.sent = 1
                event.sender.send(Message(body=b"x" * 5_000_000))

        def on_message(self, event):
            self.size = len(event.message.body)

        def on_settled(self, event):
            assert event.delivery.remote_state == Delivery.ACCEPTED

    large = Large()
    loop.run(lambda: [large])
    assert large.size == 5_000_000
