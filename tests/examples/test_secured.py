"""The examples of TLS and SASL, as their users start them: which get in, and what each side prints."""

from __future__ import annotations

import shutil

import pytest

from tests.support.programs import ROOT, Program, free_port

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="ssl_recv.py needs the command openssl")


def example(name, *arguments):
    return Program(ROOT / "examples" / name, *arguments)


@needs_openssl
@pytest.mark.parametrize("asked", [False, True])
def test_ssl_send_to_ssl_recv(tmp_path, asked):
    where = ["-a", f"amqps://127.0.0.1:{free_port()}", "-c", tmp_path, "-m", 3]
    with example("ssl_recv.py", *where, *(["--ask-client"] if asked else [])) as receiver:
        receiver.await_line("listening")
        if asked:
            with example("ssl_send.py", *where) as sender:
                (refusal,) = sender.finish(code=1)[-1:]
            assert refusal.startswith("no connection: SSL Failure: ")
        with example("ssl_send.py", *where, *(["--show-certificate"] if asked else [])) as sender:
            printed = sender.finish()
        lines = receiver.finish()
    assert printed[0].startswith("connected to localhost with TLSv1.")
    assert printed[0].endswith("EXTERNAL" if asked else "ANONYMOUS") and printed[1:] == ["all messages confirmed"]
    assert lines[-3:] == [str({"sequence": number}) for number in (1, 2, 3)]
    assert lines[-4].startswith(("CN=localhost" if asked else "anonymous") + " came with TLSv1.")
    assert asked == ("refused: SSL Failure: peer did not return a certificate" in lines)


@needs_openssl
def test_ssl_send_trusts_no_other_authority(tmp_path):
    address = f"amqps://127.0.0.1:{free_port()}"
    with example("ssl_recv.py", "-a", address, "-c", tmp_path / "one") as receiver:
        receiver.await_line("listening")
        port = free_port()
        with example("ssl_recv.py", "-a", f"amqps://127.0.0.1:{port}", "-c", tmp_path / "other") as other:
            other.await_line("listening")
            with example("ssl_send.py", "-a", address, "-c", tmp_path / "other") as sender:
                (line,) = sender.finish(code=1)
    assert line.startswith("no connection: SSL Failure: certificate verify failed")


LOGINS = [
    ([], "fred", "SCRAM-SHA-256"),
    (["-s", "PLAIN"], "fred", "PLAIN"),
    (["-u", "anne", "-p", "crayon"], "anne", "SCRAM-SHA-256"),
    (["-u", "anne", "-p", "crayon", "-s", "PLAIN SCRAM-SHA-256"], "anne", "SCRAM-SHA-256"),
]


def test_sasl_client_to_sasl_server():
    address = f"127.0.0.1:{free_port()}"
    with example("sasl_server.py", "-a", address, "-m", len(LOGINS), "--allow-insecure") as server:
        server.await_line("listening")
        for arguments, user, mech in LOGINS:
            with example("sasl_client.py", "-a", address, *arguments, "hello") as client:
                assert client.finish() == [f"logged in as {user} with {mech}", "message confirmed"]
        lines = server.finish()[1:]
    assert lines[::2] == [f"{user} has logged in with {mech}" for _, user, mech in LOGINS]
    assert lines[1::2] == [f"{user}: hello" for _, user, _ in LOGINS]


def test_sasl_server_refuses_strangers():
    address = f"127.0.0.1:{free_port()}"
    with example("sasl_server.py", "-a", address) as server:
        server.await_line("listening")
        for arguments, reason in (
            (["-p", "wrong"], "Authentication failed [mech=SCRAM-SHA-256]"),
            (["-u", "nobody"], "Authentication failed [mech=SCRAM-SHA-256]"),
            (["-s", "PLAIN"], "Authentication failed [mech=none]"),
            (["-s", "ANONYMOUS"], "Authentication failed [mech=none]"),
        ):
            with example("sasl_client.py", "-a", address, *arguments) as client:
                (line,) = client.finish(code=1)
            assert line.startswith(f"no connection: {reason}")
        with example("sasl_client.py", "-a", address) as client:
            client.finish()
        lines = server.finish()
    assert [line for line in lines if "logged in" in line] == ["fred has logged in with SCRAM-SHA-256"]
    assert sum("wrong user name or password" in line for line in lines) == 2
    assert not any("pencil" in line for line in lines)


def test_a_mechanism_of_the_program_logs_in():
    with example("custom_sasl_mechanism.py") as program:
        assert program.finish() == ["logged in as fred by X-SIGNED"]
