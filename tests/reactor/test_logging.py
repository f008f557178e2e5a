"""What is logged, under which names and levels, and that no password is ever shown."""

import base64
import errno
import logging
import os
import pathlib
import re
import socket
import subprocess
import sys
import textwrap

import pytest

from proton.handlers import IOHandler
from proton.io import sockets
from proton.reactor import Container
from tests.support.loops import (
    AMQP_HEADER,
    OPEN,
    OUTCOME_OK,
    SASL_HEADER,
    Recorder,
    frame,
    peer,
    read_to_end,
    receive,
    receive_frame,
    run,
)
from tests.support.programs import free_port

PLAIN = bytes.fromhex("00000018 02010000 005340 c00b01e00801a305") + b"PLAIN"


def let_in(sock, outcome=OUTCOME_OK):
    """Plays a server that asks for a password, and believes it."""
    assert receive(sock, 8) == SASL_HEADER
    sock.sendall(SASL_HEADER + PLAIN)
    assert b"PLAIN" in receive_frame(sock)
    sock.sendall(outcome)
    if outcome is OUTCOME_OK:
        assert receive(sock, 8) == AMQP_HEADER
        sock.sendall(AMQP_HEADER + OPEN)
        while receive_frame(sock)[:3] != b"\x00\x53\x18":
            pass
        sock.sendall(frame(b"\x00\x53\x18\x45"))
    read_to_end(sock)


def refuse(sock):
    let_in(sock, OUTCOME_OK[:-1] + b"\x01")


ROOT = pathlib.Path(__file__).resolve().parents[2]


def python(program, **environment):
    """The output of a program in a process of its own: standard output, and all that it logs."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT), **environment)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_warning_is_printed_where_the_program_has_set_nothing_up():
    # An error must be seen without any set-up; a `NullHandler` stood here before.
    output = python(
        """
        import logging, proton
        log = logging.getLogger("proton")
        assert proton.log is log and log.handlers == [proton.handler]
        assert isinstance(proton.handler, logging.Handler) and not proton.logconfigfile
        log.info("nobody hears")
        log.error("somebody sees")
        """,
        PNPY_LOGGER_CONFIG="",
    )
    assert output == "somebody sees\n"


CONFIGURATION = """
[loggers]
keys=root,proton
[handlers]
keys=out
[formatters]
keys=plain
[logger_root]
level=WARNING
handlers=
[logger_proton]
level=DEBUG
handlers=out
qualname=proton
[handler_out]
class=StreamHandler
formatter=plain
args=(sys.stdout,)
[formatter_plain]
format=%(name)s %(levelname)s %(message)s
"""


def test_the_environment_may_name_a_configuration(tmp_path):
    file = tmp_path / "logging.ini"
    file.write_text(CONFIGURATION)
    output = python(
        """
        import logging
        earlier = logging.getLogger("earlier")
        import proton
        assert proton.logconfigfile.endswith("logging.ini") and not earlier.disabled
        assert proton.handler not in logging.getLogger("proton").handlers
        from proton.reactor import Container
        Container().run()
        """,
        PNPY_LOGGER_CONFIG=str(file),
    )
    assert "proton DEBUG <proton.reactor.container.Container object at 0x" in output
    assert all(line.startswith("proton DEBUG ") for line in output.splitlines())
    assert " recvd Event: reactor_init(" in output and " Stopping" in output


@pytest.fixture
def lines(caplog):
    """The log so far: level and text of each line, but for those of single events."""
    caplog.set_level(logging.DEBUG, "proton")

    def read():
        assert {record.name for record in caplog.records} <= {"proton"}
        texts = [(record.levelname, record.getMessage()) for record in caplog.records]
        return [entry for entry in texts if " recvd Event: " not in entry[1] and not entry[1].endswith("Yielding")]

    return read


def test_the_life_of_a_connection(lines):
    class Client(Recorder):
        def on_start(self, event):
            self.acceptor = event.container.listen("127.0.0.1:0")
            event.container.connect(f"127.0.0.1:{self.acceptor.port}")
            self.port = self.acceptor.port

        def on_connection_opened(self, event):
            if not getattr(event.connection, "_acceptor", None):
                self.local = event.transport.driver.watch.getsockname()
                event.connection.close()
                self.acceptor.close()

    client = Client()
    container = run(client)
    there = f"Url('amqp://127.0.0.1:{client.port}')"
    found = lines()
    # The two ends are in one loop: either may be told first.
    assert sorted(found[1:4]) == sorted(
        [
            ("DEBUG", f"Connect trying first transport address: ('127.0.0.1', {client.port})"),
            ("DEBUG", "Connection succeeded"),
            ("INFO", f"Accepted connection from {client.local}"),
        ]
    )
    assert [found[0], *found[4:]] == [
        ("INFO", f"Connecting to {there}..."),
        ("INFO", "Connected to 127.0.0.1"),
        ("INFO", "Disconnected, already closed"),
        ("DEBUG", f"{container} Stopping"),
    ]


def test_each_address_of_a_name(lines, monkeypatch):
    addresses = [sockets.Address(socket.AF_INET, (f"127.0.0.{number}", 5)) for number in (1, 2, 3)]
    monkeypatch.setattr(IOHandler, "resolve", staticmethod(lambda host, port: addresses))
    monkeypatch.setattr(sockets, "connect", lambda address: (socket.socket(), errno.ECONNREFUSED))
    container = Container(Recorder())
    container.connect("three:5", reconnect=False)
    container.run()
    assert lines()[:-1] == [
        ("INFO", "Connecting to Url('amqp://three:5')..."),
        ("DEBUG", "Connect trying first transport address: ('127.0.0.1', 5)"),
        ("DEBUG", "Connection refused: trying next transport address: ('127.0.0.2', 5)"),
        ("DEBUG", "Connection refused: trying next transport address: ('127.0.0.3', 5)"),
        ("DEBUG", "Connection refused, but tried all transport addresses"),
        ("ERROR", "proton.pythonio: Connection refused to all addresses (amqp://three:5)"),
        ("INFO", "Connection to amqp://three:5 failed: proton.pythonio: Connection refused to all addresses"),
        ("INFO", "Disconnected, reconnect disabled"),
    ]


def test_why_a_connection_failed_is_told_without_its_password_whatever_the_program_does(caplog):
    caplog.set_level(logging.INFO, "proton")

    class Calm(Recorder):
        def on_transport_error(self, event):
            pass

    container = Container(Calm())
    port = free_port()
    container.connect(f"amqp://me:secret@127.0.0.1:{port}", reconnect=False)
    container.run()
    place = f"Url('amqp://me:***@127.0.0.1:{port}')"
    assert caplog.messages == [
        f"Connecting to {place}...",
        f"Connection to amqp://me@127.0.0.1:{port} failed: proton.pythonio: Connection refused to all addresses",
        "Disconnected, reconnect disabled",
    ]


def test_another_failure_than_a_refusal(lines, monkeypatch):
    addresses = [sockets.Address(socket.AF_INET, ("127.0.0.1", 5))]
    monkeypatch.setattr(IOHandler, "resolve", staticmethod(lambda host, port: addresses))
    monkeypatch.setattr(sockets, "connect", lambda address: (socket.socket(), errno.ETIMEDOUT))
    container = Container(Recorder())
    container.connect("h:5", reconnect=False)
    container.run()
    assert ("ERROR", "Couldn't connect: h:5: Connection timed out") in lines()


def test_events_are_logged_at_debug_alone(caplog):
    caplog.set_level(logging.INFO, "proton")
    Container(Recorder()).run()
    assert caplog.messages == []


SECRETIVE = """
import logging, os, sys, traceback
from proton import *
from proton.handlers import *
from proton.reactor import *
from proton.utils import *

secret, port, dead, wrong = os.environ["SECRET"], *sys.argv[1:]
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(name)s %(levelname)s %(message)s %(args)r")


def told(error):
    traceback.print_exception(type(error), error, error.__traceback__)
    print(repr(error), str(error))


class Client(MessagingHandler):
    def show(self, event):
        for thing in (event, event.context, event.connection, event.transport, event.connection._overrides):
            print(repr(thing), str(thing))
        print(repr(event.connection.url), event.connection.password, event.transport.sasl(), event.transport.condition)

    on_connection_bound = show

    def on_connection_opened(self, event):
        self.show(event)
        event.connection.close()

    def on_disconnected(self, event):
        self.show(event)


for place, options in [
    (f"amqp://me:{secret}@127.0.0.1:{port}", {}),
    (f"127.0.0.1:{port}", {"user": "me", "password": secret}),
    (f"amqp://me:{secret}@127.0.0.1:{dead}", {}),
    (f"amqp://me:{secret}@127.0.0.1:{wrong}", {}),
    (f"amqp://me:{secret}@no-such-host.invalid:5", {}),
]:
    container = Container(Client())
    connection = container.connect(place, reconnect=[0, 0.01], allowed_mechs="PLAIN", **options)
    print(repr(container), repr(connection._overrides), repr(connection._overrides.address.values))
    container.run()
    try:
        blocking = BlockingConnection(place, allowed_mechs="PLAIN", timeout=20, **options)
        print(repr(blocking), repr(blocking.conn))
        blocking.close()
        print("blocking done")
    except ProtonException as error:
        told(error)

for place in (
    f"amqp://me:{secret}@[::1:5", f"amqp://me:{secret}@h:nonsense", f"am qp://me:{secret}@h", f"h:x@{secret}:p:q@z:no"
):
    try:
        Container().connect(place)
    except ValueError as error:
        told(error)
"""


def test_no_password_is_shown(tmp_path):
    """In no line of the log at any level, trace, exception or repr; of connections that work and that fail."""
    secret = "s3cr3t-w0rd"
    program = tmp_path / "program.py"
    program.write_text(SECRETIVE)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        dead = unused.getsockname()[1]
    environment = dict(os.environ, PYTHONPATH=str(ROOT), SECRET=secret, PYTHONUNBUFFERED="1")
    environment.update(PN_TRACE_FRM="1", PN_TRACE_RAW="1", PN_TRACE_DRV="1")
    with peer(let_in, let_in, let_in, let_in) as right, peer(refuse, refuse) as wrong:
        done = subprocess.run(
            [sys.executable, str(program), str(right.port), str(dead), str(wrong.port)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
    output = done.stdout
    assert done.returncode == 0, output
    assert output.count("blocking done") == 2
    for sign in (
        "amqp:unauthorized-access",
        "Connection refused to all",
        "cannot resolve",
        "expected an IPv6",
        "PLAIN",
    ):
        assert sign in output, f"expected the program to come to {sign}"
    octets = " ".join(re.findall(r":\s((?:[0-9a-f]{2} )+)", output))
    assert "50 4c 41 49 4e" in octets  # the name of the mechanism: frames are traced
    for form in (secret, base64.b64encode(secret.encode()).decode(), secret.encode().hex()):
        assert form not in output
    assert secret.encode().hex(" ") not in octets
