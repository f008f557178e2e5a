"""`Stage`: a container that the test steps itself, and a peer that is written out frame by frame over loopback.

The peer answers nothing by itself: each frame that goes to the container stands in a test. What the container writes
is decoded. Keep true: nothing here waits or sleeps; a stage is settled when some turns have brought nothing new.
"""

from __future__ import annotations

import socket

from proton import Described, symbol, ulong
from proton.handlers import MessagingHandler
from proton.reactor import Container
from tests.support.engines import AMQP_HEADER, frame, split

IDLE_TURNS = 8
TURNS = 5000

CALLBACKS = [
    f"{kind}_{what}"
    for kind in ("connection", "session", "link")
    for what in ("opening", "opened", "error", "closing", "closed")
]
CALLBACKS += ["disconnected", "transport_error", "message", "accepted", "rejected", "released", "modified", "settled"]
CALLBACKS += ["taken_back"]
CALLBACKS += ["transaction_declared", "transaction_declare_failed", "transaction_aborted", "transaction_commit_failed"]


def error(name="x:gone", description="no more", info=None):
    """The error field of a close, end or detach."""
    fields = [symbol(name), description] + ([info] if info is not None else [])
    return Described(ulong(0x1D), fields)


def source(address="q"):
    return Described(ulong(0x28), [address])


def target(address="q"):
    return Described(ulong(0x29), [address])


def attach(name="L", handle=0, sends=True, channel=0, **fields):
    """The attach of a peer, which sends or receives."""
    fields.setdefault("initial_delivery_count", 0 if sends else None)
    fields.setdefault("source", source())
    fields.setdefault("target", target())
    return frame(channel, "attach", name=name, handle=handle, role=not sends, **fields)


def begin(reply=True, channel=0, **fields):
    """The begin of a peer: the answer to channel 0, or its own."""
    standard = {"next_outgoing_id": 0, "incoming_window": 100, "outgoing_window": 100}
    return frame(channel, "begin", **{**standard, "remote_channel": 0 if reply else None, **fields})


class Told(MessagingHandler):
    """Notes its callbacks in `calls`, as pairs of its own name and that of the callback without `on_`.

    Its `on_*_error` do not close the connection, as the inherited ones do.

    :param does: what else is to be done in a callback: by its name, a function of the event.
    """

    def __init__(self, calls, name="program", does=None, **settings):
        super().__init__(**settings)
        self.calls, self.name, self.does = calls, name, dict(does or {})
        self.connection = None
        for callback in CALLBACKS:
            self.note(callback)

    def note(self, callback):
        def noting(event):
            self.calls.append((self.name, callback))
            self.connection = event.connection
            action = self.does.get(callback)
            if action is not None:
                action(event)

        setattr(self, "on_" + callback, noting)


class Stage:
    """A container with its program, and the peer's socket.

    :param server: the container listens and the peer connects; else the container has connected.
    :param scope: where the program hangs: "container", "connection" or "link". With "link" another one, named "outer",
        hears what does not belong to a link.
    :param options: of `connect`.
    """

    def __init__(self, server=False, scope="container", does=None, handler=None, **options):
        self.calls = []
        self.scope = scope
        outer = "outer" if scope == "link" else "program"
        settings = options.pop("settings", {})
        self.link_handler = Told(self.calls, does=does, **settings) if scope == "link" else None
        self.handler = handler or Told(self.calls, outer, does, **settings)
        self.container = Container(*([] if scope == "connection" else [self.handler]))
        self.container.start()
        self.container.process()
        self._received = b""
        self.ended = False
        if server:
            acceptor = self.container.acceptor("127.0.0.1", 0, self.handler if scope == "connection" else None)
            self.listener, self.socket = acceptor, socket.create_connection(("127.0.0.1", acceptor.port))
            self.connection = None
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))
            options.setdefault("reconnect", False)
            if scope == "connection":
                options["handler"] = self.handler
            self.connection = self.container.connect(
                f"127.0.0.1:{self.listener.getsockname()[1]}", sasl_enabled=False, **options
            )
            self.turn()
            self.socket = self.listener.accept()[0]
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(0)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.socket.close()
        self.listener.close()
        if self.connection is not None:
            self.connection.close()
        for _ in range(TURNS):
            if not self.container.process():
                return
        if error == (None, None, None):
            raise AssertionError("the container does not end")

    def turn(self):
        self.container.timeout = 0
        self.container.process()

    def settle(self):
        """Turns the loop until nothing is called and nothing written any more."""
        idle = 0
        for _ in range(TURNS):
            before = (len(self.calls), len(self._received))
            self.turn()
            self._read()
            idle = idle + 1 if before == (len(self.calls), len(self._received)) else 0
            if idle == IDLE_TURNS:
                return self
        raise AssertionError("the stage does not come to rest")

    def _read(self):
        try:
            while not self.ended:
                data = self.socket.recv(1 << 20)
                self.ended = not data
                self._received += data
        except BlockingIOError:
            pass
        except ConnectionResetError:
            self.ended = True

    def send(self, *frames, together=True):
        """Has the container read frames: all in one read, or each in a read of its own."""
        for data in [b"".join(frames)] if together else frames:
            self.socket.sendall(data)
            self.settle()
        return self

    def written(self):
        """The frames that the container has written since the last call; protocol headers and heartbeats left out."""
        self._read()
        parts, self._received = split(self._received), b""
        return [part for part in parts if not isinstance(part, bytes) and part.name is not None]

    def told(self, *prefixes):
        """The callbacks since the last call; those that begin with one of the prefixes, or all."""
        calls = [name for _, name in self.calls if not prefixes or name.startswith(prefixes)]
        self.calls.clear()
        return calls

    def forget(self):
        """What was told and written up to now is not a part of the test."""
        self.settle()
        self.written()
        self.calls.clear()
        return self

    # -- the usual beginnings ------------------------------------------------------------------------------------

    def open(self, **fields):
        """The two connections are open."""
        self.send(AMQP_HEADER + frame(0, "open", container_id="peer", **fields))
        self.connection = self.connection or self.handler.connection
        return self.forget()

    def attach(self, sends=False, name="L", answer=True, **fields):
        """A link of the program is asked for, on a new session or that of the link before; the peer has attached it.

        :param sends: the program sends over it.
        :param answer: False leaves attach and, of a first link, begin to the test.
        """
        create = self.container.create_sender if sends else self.container.create_receiver
        link = create(self.connection, "q", name=name, handler=self.link_handler)
        self.settle()
        if answer:
            asked = {part.name: part for part in self.written()}
            channel = asked["attach"].channel
            answers = [begin(channel=channel, remote_channel=channel)] if "begin" in asked else []
            answers.append(attach(name, asked["attach"]["handle"], not sends, channel, **fields))
            self.send(*answers)
            self.forget()
        return link

    def take(self, sends=False, name="L", handle=0):
        """A link of the peer is taken by the program; of a first one the session too.

        :param sends: the program sends over it.
        """
        first = self.connection.session_head(0) is None
        if self.link_handler is not None:
            self.handler.does["link_opening"] = lambda event: setattr(event.link, "handler", self.link_handler)
        self.send(*([begin(reply=False)] if first else []), attach(name, handle, sends=not sends))
        self.forget()
        return [link for link in self.connection.links(0) if link.name == name][0]


def joined(server=False, scope="container", sends=False, **options):
    """A stage with an open connection and one open link, and that link.

    :param server: the peer has connected and attached; else the container.
    :param sends: the program sends over the link.
    """
    stage = Stage(server, scope, **options).open()
    return stage, (stage.take if server else stage.attach)(sends)
