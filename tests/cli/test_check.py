"""`check` on the broker of the test kit, its output, its options, and how it is stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from proton import Message
from proton.cli import codes, main
from proton.testing import Broker
from tests.support.programs import ROOT
from tests.support.wrong_peers import WrongPeer, is_silent

pytestmark = pytest.mark.usefixtures("used_package_alone")


def check(capsys, *arguments):
    """The exit code, and the lines that are written."""
    code = main(["check", *arguments])
    written = capsys.readouterr()
    assert written.err == ""
    return code, written.out.splitlines()


def test_each_step_is_a_line(capsys):
    with Broker(credentials={"worker": "secret"}) as broker:
        place = f"127.0.0.1:{broker.port}"
        code, lines = check(capsys, f"amqp://worker:secret@{place}/tasks")
    assert code == codes.DONE
    expected = [
        r"ok       package    proton (is|belongs) .*",
        r"ok       python     \w+ 3\.\d+\.\d+.* on .*",
        r"ok       openssl    .*",
        r"ok       resolve    127\.0\.0\.1 is an address, no name to look up",
        rf"ok       connect    {place} connects in [0-9.]+ ms",
        rf"ok       protocol   {place} speaks AMQP 1\.0 and asks for SASL, in [0-9.]+ ms",
        r"ok       sasl       the peer offers SCRAM-SHA-512 .*",
        r"ok       login      logged in as 'worker' with SCRAM-SHA-512",
        r"ok       broker     .*container-id '.*'",
        r"ok       limits     max-frame-size 32768, channel-max 32767, no idle-timeout",
        r"ok       abilities  offered: .*; desired: none",
        r"ok       roundtrip  [0-9.]+ ms from a begin to its answer, the best of 3",
        r"ok       address    sender to 'tasks' attached: address tasks.*, credit [1-9]\d*",
        r"ok       address    receiver from 'tasks' attached: address tasks.*",
    ]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected):
        assert re.fullmatch(pattern, line), (line, pattern)
    assert "secret" not in "".join(lines)


def test_no_message_is_taken(capsys):
    with Broker() as broker:
        broker.put("tasks", Message(body="stays"))
        code, _ = check(capsys, broker.url, "--address", "tasks")
        assert code == codes.DONE
        assert broker.messages("tasks")[0].body == "stays"
        assert not broker.seen.outcomes


def test_a_wrong_password_is_refused(capsys, monkeypatch):
    monkeypatch.setenv("PROTON_PASSWORD", "not-the-secret")
    with Broker(credentials={"worker": "secret"}) as broker:
        code, lines = check(capsys, broker.url, "--user", "worker")
    assert code == codes.REFUSED
    assert lines[-1] == (
        "failed   login      the peer refuses the login of 'worker': Authentication failed [mech=SCRAM-SHA-512] "
        "[cure: check user name and password, and what the user may do]"
    )
    assert "secret" not in "".join(lines)


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        ([], "give a login: --user"),
        (
            ["--user", "worker", "--mechanisms", "EXTERNAL"],
            "allow a mechanism that the peer offers: --mechanisms",
        ),
    ],
)
def test_no_common_mechanism(capsys, monkeypatch, options, cure):
    monkeypatch.setenv("PROTON_PASSWORD", "secret")
    with Broker(credentials={"worker": "secret"}) as broker:
        code, lines = check(capsys, broker.url, *options)
    assert code == codes.REFUSED
    assert lines[-2].startswith("ok       sasl       the peer offers SCRAM-SHA-512 ")
    assert lines[-1].startswith("failed   login      there is no common mechanism: Authentication failed [mech=none]")
    assert lines[-1].endswith(f"[cure: {cure}]")


def test_a_password_in_clear_text_is_noticed(capsys):
    with Broker(credentials={"worker": "secret"}, allowed_mechs="PLAIN", allow_insecure_mechs=True) as broker:
        code, lines = check(capsys, f"amqp://worker:secret@127.0.0.1:{broker.port}")
    assert code == codes.DONE
    line = next(line for line in lines if " login " in line)
    assert line == (
        "noticed  login      logged in as 'worker' with PLAIN; the password goes over the network as it is "
        "[cure: use amqps://, or a SCRAM mechanism]"
    )


def test_a_login_that_was_not_verified_is_noticed(capsys):
    with Broker() as broker:
        code, lines = check(capsys, f"amqp://joe:secret@127.0.0.1:{broker.port}")
    assert code == codes.DONE
    assert next(line for line in lines if " login " in line) == (
        "noticed  login      logged in as anonymous with ANONYMOUS; the peer does not ask for the user 'joe' and its "
        "password [cure: leave the user out, or have the broker offer a mechanism with a password]"
    )


def test_an_address_that_is_refused(capsys):
    with Broker() as broker:
        broker.refuse("missing")
        code, lines = check(capsys, f"{broker.url}/missing")
    assert code == codes.REFUSED
    assert [line[:40] for line in lines[-2:]] == [
        "failed   address    sender to 'missing' ",
        "failed   address    receiver from 'missi",
    ]
    assert all("refused: amqp:not-found" in line for line in lines[-2:])
    assert all(line.endswith("[cure: check the address, and what the user may do there]") for line in lines[-2:])


def test_the_findings_as_json(capsys):
    with Broker() as broker:
        code, lines = check(capsys, f"{broker.url}/tasks", "--json")
    found = json.loads("\n".join(lines))
    assert (code, found["code"], found["url"]) == (0, 0, broker.url)
    steps = {step["step"]: step for step in found["steps"]}
    assert {step["status"] for step in found["steps"]} == {"ok"}
    assert steps["sasl"]["mechanisms"] == ["ANONYMOUS"]
    assert steps["limits"]["channel_max"] == 32767
    assert steps["roundtrip"]["seconds"] > 0
    assert steps["connect"]["address"] == f"127.0.0.1:{broker.port}"
    assert [step["role"] for step in found["steps"] if step["step"] == "address"] == ["sender", "receiver"]
    assert found["steps"][-2]["credit"] > 0


def test_the_findings_of_a_failure_as_json(capsys):
    with WrongPeer(is_silent) as peer:
        code, lines = check(capsys, f"amqp://user:secret@127.0.0.1:{peer.port}", "--json", "--timeout", "0.5")
    found = json.loads("\n".join(lines))
    assert code == found["code"] == codes.TIMEOUT
    assert found["steps"][-1]["status"] == "failed"
    assert found["steps"][-1]["peer"] == "silent"
    assert found["steps"][-1]["cure"].startswith("check the port")
    assert "secret" not in "".join(lines)


def test_quiet_shows_what_is_not_ok(capsys):
    with Broker() as broker:
        assert check(capsys, broker.url, "--quiet") == (codes.DONE, [])
        broker.refuse("missing")
        code, lines = check(capsys, f"{broker.url}/missing", "--quiet")
    assert code == codes.REFUSED
    assert [line.split()[0] for line in lines] == ["failed", "failed"]


def test_verbose_shows_the_frames(capfd):
    with Broker() as broker:
        code = main(["check", "-v", broker.url])
    written = capfd.readouterr()
    assert code == codes.DONE
    assert "-> @open(16)" in written.err
    assert "@open" not in written.out


def test_the_node_is_asked_for_its_capabilities(capfd):
    with Broker() as broker:
        code = main(["check", "-v", f"{broker.url}/news", "--capability", "topic"])
    attaches = [line for line in capfd.readouterr().err.splitlines() if "-> @attach(18)" in line]
    assert code == codes.DONE
    assert len(attaches) == 2
    assert all("capabilities=" in line and ":topic" in line for line in attaches), attaches


def test_a_mistake_in_the_url_is_a_mistake_of_usage(capsys):
    code = main(["check", "amqp://127.0.0.1:port"])
    written = capsys.readouterr()
    assert (code, written.out) == (codes.USAGE, "")
    assert written.err.startswith("pure-proton check: expected a URL: ")


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent to a process")
def test_an_interrupt_ends_it_at_once():
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with WrongPeer(is_silent) as peer:
        process = subprocess.Popen(
            [sys.executable, "-m", "proton", "check", f"amqp://127.0.0.1:{peer.port}", "--timeout", "100"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        try:
            lines = iter(process.stdout.readline, "")
            assert any(" connect " in line for line in lines)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == codes.INTERRUPTED
    assert "Traceback" not in errors
