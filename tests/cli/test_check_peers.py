"""`check` on peers that are not an AMQP 1.0 broker: each is named in a sentence, with its exit code."""

from __future__ import annotations

import socket

import pytest

from proton.cli import codes, main
from tests.support.wrong_peers import (
    WrongPeer,
    answers,
    closes_at_once,
    closes_when_asked,
    dribbles,
    is_silent,
    says,
    serves_http,
    serves_without_sasl,
)

SASL = b"AMQP\x03\x01\x00\x00"
#: (what it does, the sentence after its address, the exit code), by name
IN_CLEAR = {
    "a web server that waits for a line": (
        serves_http,
        "is an HTTP server, it says 'HTTP/1.1 400 Bad Request'; AMQP 1.0 was expected "
        "[cure: use the port of AMQP: 5672, or 5671 with TLS]",
        codes.CONNECTION,
    ),
    "a web server that answers at once": (
        answers(b"HTTP/1.0 501 Unsupported\r\n\r\n", SASL),
        "is an HTTP server, it says 'HTTP/1.0 501 Unsupported'; AMQP 1.0 was expected",
        codes.CONNECTION,
    ),
    "AMQP 0-9-1": (
        answers(b"AMQP\x00\x00\x09\x01"),
        "speaks AMQP 0-9-1, another protocol than AMQP 1.0; AMQP 1.0 was expected "
        "[cure: enable AMQP 1.0 in the broker (RabbitMQ 3: rabbitmq-plugins enable rabbitmq_amqp1_0), "
        "or use a client of AMQP 0-9-1]",
        codes.CONNECTION,
    ),
    "AMQP 0-10": (answers(b"AMQP\x01\x01\x00\x0a"), "speaks AMQP 0-10, another protocol", codes.CONNECTION),
    "AMQP that wants TLS by its own header": (
        answers(b"AMQP\x02\x01\x00\x00"),
        "speaks AMQP 1.0, and wants TLS first",
        codes.CONNECTION,
    ),
    "a TLS alert": (
        answers(b"\x15\x03\x01\x00\x02\x02\x46", SASL),
        "speaks TLS, where clear text was expected [cure: use amqps:// in place of amqp://]",
        codes.CONNECTION,
    ),
    "SSH": (says(b"SSH-2.0-OpenSSH_9.2p1\r\n"), "is an SSH server, it says 'SSH-2.0-OpenSSH_9.2p1'", codes.CONNECTION),
    "SMTP": (says(b"220 mx.example.com ESMTP\r\n"), "is a mail server (SMTP), it says '220 mx.", codes.CONNECTION),
    "FTP": (says(b"220 ProFTPD Server ready\r\n"), "is an FTP server, it says '220 ProFTPD", codes.CONNECTION),
    "IMAP": (says(b"* OK ready\r\n"), "is a mail server (IMAP)", codes.CONNECTION),
    "POP3": (says(b"+OK ready\r\n"), "is a mail server (POP3)", codes.CONNECTION),
    "Redis": (answers(b"-ERR unknown command\r\n"), "is a Redis server", codes.CONNECTION),
    "NATS": (says(b'INFO {"server_id":"x"}\r\n'), "is a NATS server", codes.CONNECTION),
    "MySQL": (says(b"\x4a\x00\x00\x00\x0a8.0.36\x00"), "is a MySQL or MariaDB server", codes.CONNECTION),
    "OpenWire": (
        says(b"\x00\x00\x00\xf0\x01ActiveMQ\x00"),
        "speaks OpenWire, the protocol of ActiveMQ",
        codes.CONNECTION,
    ),
    "bytes that nothing is known of": (
        says(b"\x00\x01\x02 hello"),
        "speaks an unknown protocol, it says '\\x00\\x01\\x02 hello'",
        codes.CONNECTION,
    ),
    "it closes at once": (closes_at_once, "closes the connection at once, without an answer", codes.CONNECTION),
    "it closes when asked": (closes_when_asked, "closes the connection at once, without an answer", codes.CONNECTION),
    "it is silent": (is_silent, "takes the connection and stays silent for", codes.TIMEOUT),
    "it is slow": (dribbles(SASL[:5]), "is slow: 5 of the 8 bytes of a protocol header within", codes.TIMEOUT),
}


def check(capsys, url, *options, timeout=2):
    """The exit code and the lines of the failures."""
    code = main(["check", url, "--timeout", str(timeout), *options])
    written = capsys.readouterr()
    assert written.err == ""
    return code, [line for line in written.out.splitlines() if line.startswith("failed")]


@pytest.mark.parametrize("name", IN_CLEAR)
def test_a_peer_in_clear_text_is_named(capsys, name):
    behave, sentence, code = IN_CLEAR[name]
    with WrongPeer(behave) as peer:
        found = check(capsys, f"amqp://127.0.0.1:{peer.port}")
        assert found[0] == code
        assert len(found[1]) == 1
        assert f"failed   protocol   127.0.0.1:{peer.port} {sentence}" in found[1][0]


#: the same, for peers that speak clear text where TLS was expected
FOR_TLS = {
    "AMQP 1.0 in clear text": (
        answers(SASL),
        "protocol   {place} speaks AMQP 1.0 in clear text; TLS was expected "
        "[cure: use amqp:// in place of amqps://, or the port of TLS (5671)]",
        codes.CONNECTION,
    ),
    "AMQP 1.0 that does not answer others": (
        answers(SASL, SASL),
        "protocol   {place} speaks AMQP 1.0 in clear text; TLS was expected",
        codes.CONNECTION,
    ),
    "HTTP": (serves_http, "protocol   {place} is an HTTP server, it says", codes.CONNECTION),
    "AMQP 0-9-1": (answers(b"AMQP\x00\x00\x09\x01"), "protocol   {place} speaks AMQP 0-9-1", codes.CONNECTION),
    "it closes": (
        closes_when_asked,
        "tls        {place} closes the connection as soon as TLS begins",
        codes.CONNECTION,
    ),
    "it is silent": (is_silent, "protocol   {place} takes the connection and stays silent", codes.TIMEOUT),
    "bytes that nothing is known of": (
        says(b"\x00\x01\x02 hello"),
        "protocol   {place} speaks an unknown protocol",
        codes.CONNECTION,
    ),
}


@pytest.mark.parametrize("name", FOR_TLS)
def test_a_peer_in_clear_text_on_a_port_for_tls_is_named(capsys, name):
    behave, sentence, code = FOR_TLS[name]
    with WrongPeer(behave) as peer:
        found = check(capsys, f"amqps://127.0.0.1:{peer.port}")
        assert found[0] == code
        assert len(found[1]) == 1
        assert sentence.format(place=f"127.0.0.1:{peer.port}") in found[1][0]


def test_garbage_behind_a_good_header_is_named(capsys):
    with WrongPeer(says(SASL + b"\xff" * 64)) as peer:
        code, lines = check(capsys, f"amqp://127.0.0.1:{peer.port}")
    assert code == codes.CONNECTION
    assert "the peer begins as AMQP 1.0, and goes on with what is not: malformed frame" in lines[0]


def test_a_login_that_is_not_answered_is_out_of_time(capsys):
    with WrongPeer(says(SASL)) as peer:
        code, lines = check(capsys, f"amqp://127.0.0.1:{peer.port}", timeout=1)
    assert code == codes.TIMEOUT
    assert "failed   login      the login has not ended within 1 s" in lines[0]


def test_a_login_that_the_peer_leaves_is_refused(capsys):
    with WrongPeer(answers(SASL, SASL)) as peer:
        code, lines = check(capsys, f"amqp://127.0.0.1:{peer.port}")
    assert code == codes.REFUSED
    assert "failed   login      the login ends early: " in lines[0]


def test_a_peer_without_sasl_is_opened_without(capsys):
    with WrongPeer(serves_without_sasl) as peer:
        code = main(["check", f"amqp://user:secret@127.0.0.1:{peer.port}"])
    lines = capsys.readouterr().out.splitlines()
    assert code == codes.DONE
    assert "begins without SASL" in next(line for line in lines if " protocol " in line)
    sentence = "noticed  sasl       the peer takes no SASL: it lets everything in; the login that was given is not used"
    assert any(line.startswith(sentence) for line in lines)
    assert any("container-id 'plain'" in line for line in lines)
    assert "secret" not in "".join(lines)


# -- the way there ---------------------------------------------------------------------------------------------------


def test_nothing_listens(capsys):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    code, lines = check(capsys, f"amqp://127.0.0.1:{port}")
    assert code == codes.CONNECTION
    assert lines == [
        f"failed   connect    127.0.0.1:{port} refuses the connection: nothing listens there "
        "[cure: start the broker, or check the port (5672, with TLS 5671)]"
    ]


def test_nothing_answers(capsys):
    # The queue of the listener is full, and the system drops what else is sent to it.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        place = listener.getsockname()
        waiting = [socket.create_connection(place)]
        for _ in range(2):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(place)
        code, lines = check(capsys, f"amqp://127.0.0.1:{place[1]}", timeout=1)
        for sock in waiting:
            sock.close()
    assert code == codes.TIMEOUT
    assert f"failed   connect    127.0.0.1:{place[1]} has not answered within" in lines[0]


def test_the_host_is_not_known(capsys, monkeypatch):
    def getaddrinfo(*_):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    code, lines = check(capsys, "amqp://broker.example.com")
    assert code == codes.CONNECTION
    assert lines == [
        "failed   resolve    the host 'broker.example.com' is not known: Name or service not known "
        "[cure: check the spelling, and the name servers of this machine]"
    ]


def test_the_resolver_is_silent(capsys, monkeypatch):
    asked = []
    with WrongPeer(is_silent) as peer:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: asked.append(peer.stopped.wait()))
        code, lines = check(capsys, "amqp://broker.example.com", timeout=0.2)
    assert code == codes.TIMEOUT
    assert "the resolver has not answered for 'broker.example.com' within 0." in lines[0]


def test_each_address_of_a_name_is_told(capsys, monkeypatch):
    with WrongPeer(answers(b"AMQP\x00\x00\x09\x01")) as peer:
        places = [("127.0.0.2", peer.port), ("127.0.0.1", peer.port)]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
        main(["check", f"amqp://broker.example.com:{peer.port}", "--timeout", "2"])
        lines = capsys.readouterr().out.splitlines()
    text = "\n".join(lines)
    assert "resolve    broker.example.com is 127.0.0.2 (IPv4), 127.0.0.1 (IPv4), in " in text
    assert f"noticed  connect    127.0.0.2:{peer.port} refuses the connection: nothing listens there" in text
    assert f"ok       connect    127.0.0.1:{peer.port} connects in " in text
    assert f"failed   protocol   127.0.0.1:{peer.port} speaks AMQP 0-9-1" in text
