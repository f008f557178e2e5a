"""`check` over TLS: version, cipher and certificate are told, and each reason to refuse a certificate."""

from __future__ import annotations

import datetime
import json
import ssl

import pytest

from proton import SSLDomain
from proton.cli import codes, main
from proton.testing import Broker
from tests.support.wrong_peers import WrongPeer, closes_at_once, is_silent, serves_http


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    certificates = pytest.importorskip("tests.support.certificates")
    folder = tmp_path_factory.mktemp("authorities")
    return [certificates.Authority(folder / name, name) for name in ("Known", "Unknown")]


def day(offset):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)).strftime("%Y-%m-%d")


def check(capsys, port, *options, host="127.0.0.1"):
    code = main(["check", f"amqps://{host}:{port}", "--timeout", "5", *options])
    written = capsys.readouterr()
    assert written.err == ""
    return code, [line for line in written.out.splitlines() if line[9:19].strip() in ("tls", "cert", "protocol")]


def domain(issued, authority=None):
    found = SSLDomain(SSLDomain.MODE_SERVER)
    found.set_credentials(issued.cert, issued.key, None)
    if authority is not None:
        found.set_peer_authentication(SSLDomain.VERIFY_PEER, authority.cert)
    return found


def test_a_broker_with_a_good_certificate(capsys, authorities):
    issued = authorities[0].issue("127.0.0.1", "broker.example.com")
    with Broker(ssl_domain=domain(issued)) as broker:
        code, lines = check(capsys, broker.port, "--ca", authorities[0].cert)
    assert code == codes.DONE
    assert lines[0].startswith("ok       tls        TLSv1.3, cipher TLS_")
    assert lines[1] == (
        "ok       cert       the certificate is for DNS:broker.example.com, IP:127.0.0.1, subject CN=127.0.0.1, "
        f"issued by CN=Known, valid from {day(-1)} to {day(30)}"
    )
    assert lines[2].startswith(f"ok       protocol   127.0.0.1:{broker.port} speaks AMQP 1.0")


#: (what `issue` is told, which authority signs, the sentences of the failures)
REFUSED = {
    "expired": (
        {"days": (-10, -2)},
        0,
        [f"the certificate has expired on {day(-2)} [cure: renew the broker's certificate]"],
    ),
    "not yet valid": (
        {"days": (2, 10)},
        0,
        [f"the certificate is not valid before {day(2)} [cure: check the clocks of both machines, or issue it anew]"],
    ),
    "of an unknown authority": (
        {},
        1,
        [
            "the authority of the certificate is not known here (unable to get local issuer certificate): CN=Unknown "
            "[cure: give the certificate of the authority as --ca; the broker has to send the certificates between]"
        ],
    ),
    "self-signed": (
        {"self_signed": True},
        0,
        [
            "the certificate is self-signed, and not trusted here "
            "[cure: give the certificate itself as --ca, or have an authority sign one]"
        ],
    ),
    "of another name": (
        {"name": "broker.example.com"},
        0,
        [
            "the certificate is for another name: expected '127.0.0.1', got DNS:broker.example.com "
            "[cure: connect by a name of the certificate, or issue one for this name]"
        ],
    ),
    "all of these at once": (
        {"name": "broker.example.com", "self_signed": True, "days": (-10, -2)},
        0,
        ["the certificate has expired", "the certificate is for another name", "the certificate is self-signed"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_certificate_that_is_refused_is_read_and_each_reason_told(capsys, authorities, name):
    settings, signer, sentences = REFUSED[name]
    settings = dict(settings)
    issued = authorities[signer].issue(settings.pop("name", "127.0.0.1"), **settings)
    with WrongPeer(is_silent, issued) as peer:
        code, lines = check(capsys, peer.port, "--ca", authorities[0].cert)
    assert code == codes.CONNECTION
    assert lines[1].startswith("noticed  cert       the certificate is for ")
    assert lines[1].endswith("(read with verification off)")
    assert len(lines) == 2 + len(sentences)
    for line, sentence in zip(lines[2:], sentences):
        assert line.startswith(f"failed   cert       {sentence}")


def test_nothing_is_said_to_a_peer_whose_certificate_is_refused(capsys, authorities):
    with Broker(ssl_domain=domain(authorities[1].issue("127.0.0.1")), credentials={"user": "secret"}) as broker:
        code, lines = check(capsys, broker.port, "--ca", authorities[0].cert)
        assert not broker.seen.connections
    assert code == codes.CONNECTION
    assert not any("protocol" in line for line in lines)


def test_a_certificate_that_is_refused_can_be_passed_over(capsys, authorities):
    with Broker(ssl_domain=domain(authorities[1].issue("broker.example.com", days=(-3, -2)))) as broker:
        code, lines = check(capsys, broker.port, "--insecure")
    assert code == codes.DONE
    assert [line.split()[0] for line in lines] == ["ok", "noticed", "noticed", "noticed", "noticed", "ok"]
    assert f"noticed  cert       the certificate has expired on {day(-2)}, which --insecure passes over" in lines[2]


def test_the_certificate_as_data(capsys, authorities):
    with WrongPeer(is_silent, authorities[1].issue("127.0.0.1", "::1")) as peer:
        main(["check", f"amqps://127.0.0.1:{peer.port}", "--timeout", "5", "--json"])
    found = json.loads(capsys.readouterr().out)
    cert = next(step for step in found["steps"] if step["step"] == "cert")
    assert cert["names"] == ["127.0.0.1", "::1"]
    assert (cert["issuer"], cert["subject"]) == ("CN=Unknown", "CN=127.0.0.1")
    assert cert["valid_to"][:10] == day(30)
    assert len(cert["sha256"]) == 64


def test_tls_on_a_port_for_clear_text(capsys, authorities):
    with WrongPeer(is_silent, authorities[0].issue("127.0.0.1")) as peer:
        code = main(["check", f"amqp://127.0.0.1:{peer.port}", "--timeout", "5"])
    assert code == codes.CONNECTION
    sentence = (
        f"failed   protocol   127.0.0.1:{peer.port} speaks TLS, where clear text was expected "
        "[cure: use amqps:// in place of amqp://]"
    )
    assert sentence in capsys.readouterr().out.splitlines()


def test_a_broker_that_takes_nothing_without_tls(capsys, authorities):
    # It reads headers in clear text, so as to say so.
    with Broker(ssl_domain=domain(authorities[0].issue("127.0.0.1"))) as broker:
        code = main(["check", f"amqp://127.0.0.1:{broker.port}", "--timeout", "5"])
    assert code == codes.CONNECTION
    sentence = (
        "failed   protocol   the peer speaks AMQP 1.0, and wants TLS first [cure: use amqps:// in place of amqp://]"
    )
    assert sentence in capsys.readouterr().out.splitlines()


def test_https(capsys, authorities):
    with WrongPeer(serves_http, authorities[0].issue("127.0.0.1")) as peer:
        code, lines = check(capsys, peer.port, "--ca", authorities[0].cert)
    assert code == codes.CONNECTION
    assert f"failed   protocol   127.0.0.1:{peer.port} is an HTTP server, it says 'HTTP/1.1 400" in lines[-1]


def test_a_peer_that_closes_inside_tls(capsys, authorities):
    with WrongPeer(closes_at_once, authorities[0].issue("127.0.0.1")) as peer:
        code, lines = check(capsys, peer.port, "--ca", authorities[0].cert)
    assert code == codes.CONNECTION
    assert f"failed   protocol   127.0.0.1:{peer.port} closes the connection at once, without an answer" in lines[-1]


def test_a_broker_that_wants_a_certificate_of_this_end(capsys, authorities):
    issued = domain(authorities[0].issue("127.0.0.1"), authorities[0])
    with Broker(ssl_domain=issued) as broker:
        code, lines = check(capsys, broker.port, "--ca", authorities[0].cert)
        assert code == codes.CONNECTION
        assert "failed   tls        " in lines[-1]
        assert "it may want a certificate of this end: --cert and --key]" in lines[-1]
        own = authorities[0].issue("worker", usage="client")
        options = ["--ca", authorities[0].cert, "--cert", own.cert, "--key", own.key]
        code, lines = check(capsys, broker.port, *options)
        assert code == codes.DONE
        assert lines[-1].startswith(f"ok       protocol   127.0.0.1:{broker.port} speaks AMQP 1.0")


def test_versions_that_are_too_old_are_told(capsys, authorities):
    with WrongPeer(is_silent, authorities[0].issue("127.0.0.1"), newest=ssl.TLSVersion.TLSv1_1) as peer:
        code, lines = check(capsys, peer.port, "--ca", authorities[0].cert)
    assert code == codes.CONNECTION
    assert lines == [
        "failed   tls        the peer speaks TLSv1.1 at best, which is not safe and is refused here "
        "[cure: enable TLS 1.2 or 1.3 in the broker]"
    ]


def test_a_certificate_of_this_end_that_is_missing(capsys, tmp_path):
    with WrongPeer(is_silent) as peer:
        code, lines = check(capsys, peer.port, "--cert", str(tmp_path / "none.pem"), "--key", str(tmp_path / "k.pem"))
    assert code == codes.USAGE
    assert "none.pem' of this end cannot be used: No such file or directory" in lines[-1]
