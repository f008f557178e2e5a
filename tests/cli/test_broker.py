"""`broker`: a process that clients use, with a log, and that stops in order."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys

import pytest

from proton import ConnectionException
from proton.cli import codes
from proton.testing import Broker
from proton.testing.service import Service
from proton.utils import BlockingConnection
from tests.support.programs import Program, free_port

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
pytestmark = POSIX


@contextlib.contextmanager
def started(*words):
    """A broker as a process, and its URL."""
    port = free_port()
    with Program("-m", "proton", "broker", "--address", f"127.0.0.1:{port}", *words) as program:
        program.await_line("listening on ")
        yield program, next(line.split()[-1] for line in program.lines if line.startswith("listening on "))


def test_clients_use_it_and_the_log_tells(run):
    with started("--verbose") as (program, url):
        assert run("send", f"{url}/q", "x", "--id", "i").code == codes.DONE
        assert run("receive", f"{url}/q").out == "x\n"
        program.signal(signal.SIGTERM)
        program.finish()
    log = "\n".join(program.errors)
    assert log.count("message 'i' to q: accepted") == log.count("from container") / 2 == 1  # no line is there twice
    assert "from container" in log and "message 'i' to q: accepted" in log and "stopped" in log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_in_order(run, number):
    with started() as (program, url):
        client = subprocess.Popen(
            [sys.executable, "-m", "proton", "receive", f"{url}/q", "--follow"],
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        program.await_state(lambda: any("attached" in line for line in program.errors), "link")
        program.signal(number)
        program.finish()
        _, errors = client.communicate(timeout=20)
    assert client.returncode == codes.CONNECTION
    assert "amqp:connection:forced" in errors


def test_quiet_has_no_log(run):
    with started("--quiet") as (program, url):
        assert run("send", f"{url}/q", "x").code == codes.DONE
        program.signal(signal.SIGTERM)
        program.finish()
    assert program.errors == []


def test_it_ends_if_the_broker_fails(run, monkeypatch):
    def fail(self, event):
        raise LookupError("a mistake in the broker")

    def start(self):
        start_in_order(self)
        with pytest.raises(ConnectionException):
            BlockingConnection(self.url, reconnect=False).create_sender("q")

    start_in_order = Broker.start
    monkeypatch.setattr(Service, "on_session_opening", fail)
    monkeypatch.setattr(Broker, "start", start)
    ended = run("broker", "--address", f"127.0.0.1:{free_port()}", "--quiet")
    assert ended.code == codes.INTERNAL
    assert "broker failed: LookupError: a mistake in the broker" in ended.err


def test_only_this_user_is_let_in(run, monkeypatch):
    with started("--user", "fred:pencil") as (program, url):
        place = url.replace("//", "//fred:{}@") + "/q"
        assert run("send", place.format("pencil"), "x").code == codes.DONE
        ended = run("send", place.format("wrong"), "x")
        assert ended.code == codes.CONNECTION and "wrong" not in ended.err
        assert run("send", f"{url}/q", "x").code == codes.CONNECTION
        monkeypatch.setenv("PROTON_PASSWORD", "pencil")
        assert run("send", f"{url}/q", "x", "--user", "fred").code == codes.DONE


def test_passwords_come_from_files(run, tmp_path):
    (tmp_path / "password").write_text("pencil\n")
    with started("--user", "fred:pencil") as (program, url):
        words = ["send", f"{url}/q", "x", "--user", "fred", "--password-file", tmp_path / "password"]
        assert run(*words).code == codes.DONE


def test_tls_with_a_certificate_of_its_own(run, tmp_path):
    pytest.importorskip("cryptography")
    with started("--tls", tmp_path) as (program, url):
        assert url.startswith("amqps://")
        authority = next(line.split()[-1] for line in program.lines if line.startswith("clients trust "))
        assert run("send", f"{url}/q", "x", "--ca", authority).code == codes.DONE
        assert run("send", f"{url}/q", "x", "--insecure").code == codes.DONE
        ended = run("send", f"{url}/q", "x")
        assert ended.code == codes.CONNECTION and "certificate" in ended.err


def test_nodes_dead_letters_and_faults(run):
    words = ["--node", "a", "--node", "b", "--dead-letters", "dead", "--refuse", "b", "--reject", "a"]
    with started(*words) as (program, url):
        assert "rejected: amqp:precondition-failed" in run("send", f"{url}/a", "x").err
        assert run("send", f"{url}/b", "x").code == codes.REFUSED
        assert run("send", f"{url}/c", "x").code == codes.REFUSED
        assert run("receive", f"{url}/dead").code == codes.DONE


def test_connections_are_cut_again_and_again(run):
    with started("--cut-every", "0.2") as (program, url):
        ended = run("receive", f"{url}/q", "--follow")
        assert ended.code == codes.CONNECTION


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["--address", "localhost:x"], codes.USAGE, "HOST:PORT: "),
        (["localhost:x"], codes.USAGE, "HOST:PORT: "),
        (["localhost:5672/q"], codes.USAGE, "expected HOST:PORT, got an address behind it, 'q'"),
        (["localhost", "-a", "localhost"], codes.USAGE, "expected HOST:PORT or --address, got both"),
        (["--cut-every", "0"], codes.USAGE, "expected seconds, more than 0, got 0"),
        (["amqp://192.0.2.1:1"], codes.CONNECTION, "listening on amqp://192.0.2.1:1: "),
        (["--user", "fred"], codes.USAGE, "expected NAME:PASSWORD"),
        (["--address", "192.0.2.1:1"], codes.CONNECTION, "listening on 192.0.2.1:1: "),
    ],
)
def test_what_cannot_be_started_says_why(run, words, code, text):
    ended = run("broker", *words)
    assert ended.code == code
    assert text in ended.err
