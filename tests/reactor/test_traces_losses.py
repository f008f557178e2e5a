"""Each way in which a connection ends: callbacks, raw events (in brackets) and the log, in one order."""

import logging
import socket
import struct

import pytest

from proton.handlers import MessagingHandler
from proton.reactor import Container
from tests.support.loops import (
    MECHANISMS,
    OUTCOME_OK,
    SASL_HEADER,
    authenticate,
    frame,
    peer,
    read_to_end,
    receive,
    receive_frame,
    side,
    watchdog,
)

SIGNIFICANT = (
    "on_connection_local_open",
    "on_connection_remote_open",
    "on_connection_remote_close",
    "on_connection_local_close",
    "on_connection_unbound",
    "on_transport_error",
    "on_transport_tail_closed",
    "on_transport_head_closed",
    "on_transport_closed",
)


class Raw:
    def __init__(self, trace):
        self.trace = trace

    def on_unhandled(self, method, event):
        if method in SIGNIFICANT:
            self.trace.append(f"({side(event)} {method[3:]})")


class Traced(MessagingHandler):
    """Notes what happens in `trace`: first the callbacks for an event, then the event itself."""

    def __init__(self, trace, closing=False):
        super().__init__()
        self.trace = trace
        self.closing = closing
        self.add(Raw(trace))

    def on_disconnected(self, event):
        self.trace.append(f"{side(event)} disconnected {event.transport.condition and event.transport.condition.name}")

    def on_transport_error(self, event):
        self.trace.append(f"{side(event)} transport_error")
        super().on_transport_error(event)

    def on_connection_opened(self, event):
        self.trace.append("opened")
        if self.closing:
            event.connection.close()

    def on_connection_error(self, event):
        self.trace.append("error")
        super().on_connection_error(event)

    def on_connection_closing(self, event):
        self.trace.append("closing")

    def on_connection_closed(self, event):
        self.trace.append("closed")


@pytest.fixture
def trace():
    """A list that the log is written to."""
    lines = []

    class Writing(logging.Handler):
        def emit(self, record):
            line = f"{record.levelname}: {record.getMessage()}"
            if ": Connection to amqp" not in line:  # why it failed, see test_logging.py
                lines.append(line)

    log, handler = logging.getLogger("proton"), Writing()
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield lines
    log.removeHandler(handler)
    log.setLevel(before)


def traced(trace, *conversations, handler=None, scope="container", **options):
    """What is traced of a client whose peer holds these conversations, without the port."""
    handler = handler or Traced(trace)
    with peer(*conversations) as place:
        container = Container(handler if scope == "container" else MessagingHandler())
        if scope == "connection":
            options["handler"] = handler
        container.connect(place.url, **dict({"reconnect": False}, **options))
        with watchdog(container):
            container.run()
    # A reset may show again when the close is written, or not.
    return [line.replace(f":{place.port}", ":PORT") for line in trace if "Couldn't send" not in line]


CONNECTING = ["(C connection_local_open)", "INFO: Connecting to Url('amqp://127.0.0.1:PORT')..."]
CONNECTED = [*CONNECTING, "opened", "(C connection_remote_open)", "INFO: Connected to 127.0.0.1"]
DISABLED = "INFO: Disconnected, reconnect disabled"
OVER = ["INFO: Disconnected, already closed", "(C connection_unbound)"]
FRAMING = "C disconnected amqp:connection:framing-error"


def end_of_file(reason):
    return [
        "(C transport_head_closed)",
        "(C transport_tail_closed)",
        FRAMING,
        "(C transport_closed)",
        DISABLED,
        "- transport_error",
        # Not at error any more: the loss has been logged with its address.
        f"INFO: amqp:connection:framing-error: {reason}",
        "(- transport_error)",
        "(C connection_unbound)",
    ]


def close_frame(condition=None):
    if condition is None:
        return frame(b"\x00\x53\x18\x45")
    symbol = b"\xa3" + bytes([len(condition)]) + condition
    error = b"\x00\x53\x1d\xc0" + bytes([len(symbol) + 1]) + b"\x01" + symbol
    return frame(b"\x00\x53\x18\xc0" + bytes([len(error) + 1]) + b"\x01" + error)


def after_header(*data):
    def conversation(sock):
        receive(sock, 8)
        for piece in data:
            sock.sendall(piece)
        if data and data[-1] is not SASL_HEADER:
            read_to_end(sock)

    return conversation


def after_open(*data):
    def conversation(sock):
        authenticate(sock)
        sock.sendall(b"".join(data))
        read_to_end(sock)

    return conversation


def reset(sock):
    authenticate(sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def refusing(sock):
    receive(sock, 8)
    sock.sendall(SASL_HEADER + MECHANISMS)
    receive_frame(sock)
    sock.sendall(OUTCOME_OK[:-1] + b"\x01")
    read_to_end(sock)


NO_HEADER = "Expected SASL protocol header: no protocol header found (connection aborted)"
GARBAGE = "Expected SASL protocol header got: Unknown protocol ['garbage!']"

ENDS = {
    "eof at once": (after_header(), [*CONNECTING, *end_of_file(NO_HEADER)]),
    "eof in sasl": (after_header(SASL_HEADER), [*CONNECTING, *end_of_file("connection aborted")]),
    "eof": (authenticate, [*CONNECTED, *end_of_file("connection aborted")]),
    "reset": (
        reset,
        [
            *CONNECTED,
            "ERROR: Couldn't recv: ConnectionResetError(104, 'Connection reset by peer')",
            "(C transport_tail_closed)",
            "C transport_error",
            "ERROR: amqp:connection:framing-error: connection aborted (amqp://127.0.0.1:PORT)",
            "(C transport_error)",
            "(C transport_head_closed)",
            FRAMING,
            "(C transport_closed)",
            DISABLED,
            "(C connection_unbound)",
        ],
    ),
    "close": (
        after_open(close_frame()),
        [
            *CONNECTED,
            "closing",
            "(C connection_remote_close)",
            "(C transport_tail_closed)",
            "closed",
            "(C connection_local_close)",
            "(C transport_head_closed)",
            "(C transport_closed)",
            *OVER,
        ],
    ),
    # Not with `amqp:internal-error` any more, after which it is made again where reconnect is on.
    "close with a condition": (
        after_open(close_frame(b"amqp:not-found")),
        [
            *CONNECTED,
            "error",
            "ERROR: connection at amqp://127.0.0.1:PORT closed by peer: amqp:not-found",
            "(C connection_remote_close)",
            "(C transport_tail_closed)",
            "closed",
            "(C connection_local_close)",
            "(C transport_head_closed)",
            "(C transport_closed)",
            *OVER,
        ],
    ),
    "garbage": (
        after_header(b"garbage!"),
        [
            *CONNECTING,
            "C transport_error",
            f"ERROR: amqp:connection:framing-error: {GARBAGE} (amqp://127.0.0.1:PORT)",
            "(C transport_error)",
            "(C transport_tail_closed)",
            "(C transport_head_closed)",
            FRAMING,
            "(C transport_closed)",
            DISABLED,
            "(C connection_unbound)",
        ],
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_how_a_connection_ends(trace, end):
    conversation, expected = ENDS[end]
    assert traced(trace, conversation) == expected


@pytest.mark.parametrize(
    ("conversation", "mechanism"),
    [(after_header(SASL_HEADER, MECHANISMS.replace(b"ANONYMOUS", b"UNKNOWN_1")), "none"), (refusing, "ANONYMOUS")],
    ids=["no mechanism", "outcome"],
)
@pytest.mark.parametrize("reconnect", [False, None])
def test_a_client_that_is_not_let_in_does_not_try_again(trace, conversation, mechanism, reconnect):
    lines = traced(trace, conversation, reconnect=reconnect)
    failed = f"ERROR: amqp:unauthorized-access: Authentication failed [mech={mechanism}]"
    assert lines[3].startswith(failed)
    # When the local close comes, the ends of the transport may be queued already.
    assert [line for line in lines if line not in (lines[3], "(C connection_local_close)")] == [
        *CONNECTING,
        "C transport_error",
        "(C transport_error)",
        "(C transport_tail_closed)",
        "(C transport_head_closed)",
        "(C transport_closed)",
        *OVER,
    ]


def test_a_silent_peer(trace):
    lines = traced(trace, lambda sock: (authenticate(sock), read_to_end(sock)), heartbeat=0.5)
    assert lines == [
        *CONNECTED,
        "C transport_error",
        "ERROR: amqp:resource-limit-exceeded: local-idle-timeout expired (amqp://127.0.0.1:PORT)",
        "(C transport_error)",
        "(C transport_tail_closed)",
        "(C transport_head_closed)",
        "C disconnected amqp:resource-limit-exceeded",
        "(C transport_closed)",
        DISABLED,
        "(C connection_unbound)",
    ]


CLOSED = [
    "(C connection_local_close)",
    "(C transport_head_closed)",
    "closed",
    "(C connection_remote_close)",
    "(C transport_tail_closed)",
    "(C transport_closed)",
    *OVER,
]


def closed_by_the_client(sock):
    authenticate(sock)
    while receive_frame(sock)[:3] != b"\x00\x53\x18":
        pass
    sock.sendall(close_frame())
    read_to_end(sock)


def test_the_client_closes(trace):
    assert traced(trace, closed_by_the_client, handler=Traced(trace, closing=True)) == [*CONNECTED, *CLOSED]


def test_a_loss_and_a_new_connection(trace):
    """The error of the lost transport comes when the next one is under way."""

    class Second(Traced):
        def on_connection_opened(self, event):
            self.closing = self.trace.count("opened") == 1
            super().on_connection_opened(event)

    lines = traced(trace, authenticate, closed_by_the_client, handler=Second(trace), reconnect=None)
    loss = end_of_file("connection aborted")
    loss[loss.index(DISABLED)] = "INFO: Disconnected, reconnecting immediately..."
    # A program may close it in `on_reconnecting`, so the attempt comes after that.
    told = [line for line in lines if "connected again" not in line]
    assert told == [*CONNECTED, *loss, CONNECTING[1], *CONNECTED[2:], *CLOSED]
    assert "WARNING: amqp://127.0.0.1:PORT: connected again after 0.0 seconds" in lines


def test_a_refused_connection_and_the_next_attempt(trace):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    container = Container(Traced(trace))
    container.connect(f"127.0.0.1:{port}", reconnect=[0, 0.01])
    with watchdog(container):
        container.run()
    reason = "proton.pythonio: Connection refused to all addresses"
    refused = [
        f"INFO: Connecting to Url('amqp://127.0.0.1:{port}')...",
        "(C transport_tail_closed)",
        "C transport_error",
        f"ERROR: {reason} (amqp://127.0.0.1:{port})",
        "(C transport_error)",
        "(C transport_head_closed)",
        "C disconnected proton.pythonio",
        "(C transport_closed)",
    ]
    assert trace == [
        "(C connection_local_open)",
        *refused,
        "INFO: Disconnected will try to reconnect after 0.01 seconds",
        "(C connection_unbound)",
        # The second failure is not at error: one line for the first one, then one for each doubling of the time.
        *(line.replace("ERROR", "INFO") for line in refused if "C disconnected" not in line),
        "INFO: Disconnected, no attempt is left",
        f"ERROR: Gave up a connection to amqp://127.0.0.1:{port}: no attempt is left: {reason}",
        "(C connection_unbound)",
    ]


def test_the_error_after_an_end_of_file_reaches_the_container_alone(trace):
    lines = traced(trace, authenticate, scope="connection")
    error = "INFO: amqp:connection:framing-error: connection aborted"
    expected = [line for line in end_of_file("connection aborted") if not line.endswith(" transport_error)")]
    expected.remove("- transport_error")
    assert lines == [*CONNECTED, *expected]
    # Logged by the container's own handler.
    assert lines.count(error) == 1
