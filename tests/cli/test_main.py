"""What all commands share: help, arguments, exit codes, errors in one line, no password in any of them."""

from __future__ import annotations

import configparser
import importlib
import logging
import subprocess
import sys

import pytest

from proton.cli import COMMANDS, codes, common
from tests.support.programs import ROOT, free_port, our_environment


def test_help_names_each_command_and_code(run):
    ended = run("--help")
    assert ended.code == codes.DONE
    for name, command in COMMANDS.items():
        assert name in ended.out and command.help in ended.out
    assert "exit codes:\n  0    done\n  1    refused" in ended.out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_ends_with_examples(run, name):
    ended = run(name, "--help")
    assert ended.code == codes.DONE
    assert ended.out.endswith(importlib.import_module(COMMANDS[name].module).EXAMPLES)
    assert f"  pure-proton {name} " in ended.out


def test_only_the_chosen_command_is_imported():
    script = "import sys; import proton.cli; proton.cli.main(['send'])\nprint(sorted(sys.modules))"
    found = subprocess.run([sys.executable, "-c", script], env=our_environment(), capture_output=True, check=True)
    assert b"'proton.cli.send'" in found.stdout
    assert b"'proton.cli.receive'" not in found.stdout


def test_the_package_is_a_program():
    command = [sys.executable, "-m", "proton", "--version"]
    found = subprocess.run(command, env=our_environment(), capture_output=True, check=True)
    assert found.stdout.startswith(b"pure-proton ")
    assert importlib.import_module("proton.__main__").main is importlib.import_module("proton.cli").main


def test_the_script_calls_main():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert "pure-proton = proton.cli:main" in setup["options.entry_points"]["console_scripts"]


WRONG = [
    (["send"], "expected a URL, got none"),
    (["send", "amqp://localhost"], "expected an address behind the host"),
    (["send", "amqp://localhost:port/q", "x"], "expected a URL: "),
    (["send", "amqp://localhost/q", "x", "--password-file", "/missing/file"], "--password-file: "),
    (["send", "amqps://localhost/q", "x", "--ca", "/missing/file"], "/missing/file"),
    (["receive", "amqp://localhost/q", "--timeout=-1"], "expected seconds, 0 or more, got -1"),
    (["receive", "amqp://localhost/q", "-n", "0"], "expected 1 or more, got 0"),
    (["receive", "amqp://localhost/q", "--prefetch=-1"], "expected 0 or more, got -1"),
    (["browse", "amqp://localhost/q", "--prefetch=-1"], "expected 0 or more, got -1"),
    (["send", "http://localhost/q", "x"], "expected a URL with amqp:// or amqps://, got http://"),
    (["check", "nonsense://localhost"], "expected a URL with amqp:// or amqps://, got nonsense://"),
    (["nothing"], "invalid choice: 'nothing'"),
    (["recieve", "amqp://localhost/q"], "expected a command, got 'recieve'; did you mean 'receive'?"),
    (["Send"], "did you mean 'send'?"),
    ([], "the following arguments are required: COMMAND"),
]


@pytest.mark.parametrize(("words", "text"), WRONG)
def test_wrong_arguments_are_code_2(run, words, text):
    ended = run(*words)
    assert ended.code == codes.USAGE
    assert text in ended.err


def test_a_connection_that_cannot_be_made_is_code_3(run):
    port = free_port()
    ended = run("send", f"amqp://fred:secret@127.0.0.1:{port}/q", "x")
    assert ended.code == codes.CONNECTION
    assert ended.err.startswith("pure-proton send: connecting to amqp://")
    assert "Connection refused" in ended.err
    assert ended.err.count("\n") == 1
    assert "secret" not in ended.err


def test_a_link_that_is_refused_is_code_1_with_the_reason_of_the_peer(run, broker, queue):
    broker.refuse(None, "amqp:not-found", "no queue\n'x'\x1b[2J")
    ended = run("receive", queue)
    assert ended.code == codes.REFUSED
    assert "amqp:not-found: no queue" in ended.err
    assert ended.err.count("\n") == 1 and "\x1b" not in ended.err


def test_broker_and_address_stand_for_the_url(run, broker, queue):
    assert run("send", "--broker", broker.url, "--address", "a/b", "one", "two").code == codes.DONE
    assert run("receive", "--broker", broker.url, "--address", "a/b").out == "one\ntwo\n"


def test_frames_are_shown_without_the_password(broker, queue):
    command = [sys.executable, "-m", "proton", "send", queue.replace("//", "//fred:secret@"), "x", "--verbose"]
    found = subprocess.run(command, env=our_environment(), capture_output=True)
    assert found.returncode == codes.DONE
    assert b"@transfer(20)" in found.stderr
    assert b"secret" not in found.stderr


def test_frames_are_shown_by_the_command_that_is_asked_to_alone(run, queue):
    assert "@transfer(20)" in run("send", queue, "x", "--verbose").err
    assert run("send", queue, "x").err == ""


@pytest.mark.parametrize("words", [[], ["--verbose"]])
def test_an_error_that_is_not_foreseen_is_one_line_and_code_70(run, queue, monkeypatch, words):
    def fail(*arguments, **options):
        raise LookupError("a\nb\x1b")

    monkeypatch.setattr(common, "connect", fail)
    ended = run("send", queue, "x", *words)
    assert ended.code == codes.INTERNAL
    assert ended.err.endswith("pure-proton send: unexpected LookupError: a b\\x1b (--verbose shows where)\n")
    assert ("Traceback" in ended.err) == bool(words)
    assert words or ended.err.count("\n") == 1


WITH_PASSWORD = ["send", "receive", "browse", "request", "bench", "check"]


@pytest.mark.parametrize("name", WITH_PASSWORD)
def test_a_user_without_a_password_is_code_2(run, broker, queue, name, monkeypatch):
    monkeypatch.delenv("PROTON_PASSWORD", raising=False)
    texts = ["x"] if name in ("send", "request") else []
    text = f"pure-proton {name}: the user 'fred' needs a password: --password-file or $PROTON_PASSWORD\n"
    assert run(name, queue, *texts, "--user", "fred") == (codes.USAGE, "", text)
    assert run(name, queue.replace("//", "//fred@"), *texts) == (codes.USAGE, "", text)
    assert broker.seen.connections == []
    # These ask for none.
    if name in ("send", "receive"):
        assert run(name, queue, *texts, "--user", "fred", "--mechanisms", "ANONYMOUS").code == codes.DONE


@pytest.mark.parametrize("name", WITH_PASSWORD)
def test_no_password_from_the_terminal_is_one_line(run, queue, name, monkeypatch):
    def ended(prompt):
        raise EOFError

    monkeypatch.delenv("PROTON_PASSWORD", raising=False)
    monkeypatch.setattr("getpass.getpass", ended)
    texts = ["x"] if name in ("send", "request") else []
    done = run(name, queue, *texts, "--user", "fred", is_terminal=True)
    assert done == (codes.USAGE, "", f"pure-proton {name}: expected a password, got the end of the input\n")


LOGGED = [
    ("asyncio/receiver.py", logging.ERROR, [], True),
    ("asyncio/receiver.py", logging.WARNING, [], False),
    ("io/sockets.py", logging.ERROR, [], False),
    ("io/sockets.py", logging.WARNING, ["--verbose"], True),
]


@pytest.mark.parametrize(("file", "level", "words", "is_shown"), LOGGED)
def test_errors_of_links_in_the_log_are_shown_and_the_rest_if_verbose(
    run, queue, monkeypatch, file, level, words, is_shown
):
    def connect(*arguments, **options):
        log.handle(logging.LogRecord("proton", level, f"/x/proton/{file}", 1, "what happened", (), None))
        return made(*arguments, **options)

    log, made = logging.getLogger("proton"), common.connect
    before = list(log.handlers)
    monkeypatch.setattr(common, "connect", connect)
    ended = run("send", queue, "x", *words)
    assert ended.code == codes.DONE
    assert ("pure-proton: what happened\n" in ended.err) == is_shown
    assert log.handlers == before


def test_texts_of_errors_are_one_line():
    assert common.one_line("a\n b\x07") == "a b\\x07"
    assert common.one_line(ValueError()) == "ValueError"
