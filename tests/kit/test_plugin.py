"""The pytest plugin: what its fixtures give, and that a session which does not use them is not disturbed."""

from __future__ import annotations

import asyncio
import configparser
import os
import subprocess
import sys
import textwrap

import pytest

from proton import ConnectionException, Message
from proton.asyncio import connect
from proton.utils import BlockingConnection
from tests.support.programs import ROOT

FIXTURES = [
    "amqp_async_broker",
    "amqp_broker",
    "amqp_broker_factory",
    "amqp_certificates",
    "amqp_joined",
    "amqp_tls_broker",
]


def test_a_broker(amqp_broker):
    amqp_broker.put("q", Message(body="x"))
    with BlockingConnection(amqp_broker.url) as connection:
        assert connection.create_receiver("q").receive(timeout=10).body == "x"


def test_brokers_with_options(amqp_broker_factory):
    first, second = amqp_broker_factory(), amqp_broker_factory(credentials={"fred": "secret"})
    assert first.port != second.port
    BlockingConnection(second.url, user="fred", password="secret", allow_insecure_mechs=True).close()
    with pytest.raises(ConnectionException):
        BlockingConnection(second.url, user="fred", password="wrong", allow_insecure_mechs=True)


def test_a_broker_with_tls(amqp_tls_broker, amqp_certificates):
    assert amqp_tls_broker.url.startswith("amqps://")
    BlockingConnection(amqp_tls_broker.url, ssl_domain=amqp_certificates.client_domain()).close()
    with pytest.raises(ConnectionException):
        BlockingConnection(amqp_tls_broker.url)


def test_a_broker_in_the_loop_of_the_test(amqp_async_broker):
    async def main():
        async with amqp_async_broker as broker, connect(broker.url) as connection:
            async with connection.sender("q") as sender:
                await sender.send(Message(body="x"))
            return [message.body for message in await broker.messages("q")]

    assert asyncio.run(main()) == ["x"]


@pytest.fixture
def session(tmp_path):
    """Runs a file of tests in a pytest of its own, which finds the plugin by its entry point."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    site = tmp_path / "site"
    (site / "pure_proton-0.dist-info").mkdir(parents=True)
    entry_points = "[pytest11]\n" + config["options.entry_points"]["pytest11"].strip()
    (site / "pure_proton-0.dist-info" / "entry_points.txt").write_text(entry_points, encoding="utf-8")
    (site / "pure_proton-0.dist-info" / "METADATA").write_text("Name: pure-proton\nVersion: 0\n", encoding="utf-8")
    for name in ("proton", "pytest_pure_proton.py"):
        (site / name).symlink_to(ROOT / name)

    def run(code, *arguments):
        folder = tmp_path / "tests"
        folder.mkdir(exist_ok=True)
        (folder / "test_it.py").write_text(textwrap.dedent(code), encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "-q", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(site), "PYTEST_ADDOPTS": ""},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def test_a_session_that_uses_no_fixture_imports_nothing_of_the_package(session):
    ended = session(
        """
        import sys

        def test_modules():
            assert "pytest_pure_proton" in sys.modules
            assert [name for name in sys.modules if name.split(".")[0] in ("proton", "cryptography")] == []
        """
    )
    assert ended.returncode == 0, ended.stdout


def test_pytest_tells_what_the_fixtures_are(session):
    listed = session("", "--fixtures").stdout
    for name in FIXTURES:
        assert f"{name} " in listed or f"{name}\n" in listed
    assert "A `proton.testing.Broker` on a free port" in listed


def test_brokers_are_stopped_after_a_test_that_fails_too(session):
    ended = session(
        """
        import pytest
        from proton import Message

        kept = []

        def test_it(amqp_broker, amqp_broker_factory):
            kept.extend([amqp_broker, amqp_broker_factory()])
            amqp_broker.stop()
            amqp_broker.start()
            kept[1].stall()
            pytest.fail("expected")

        def test_after():
            assert [broker.running for broker in kept] == [False, False]
        """
    )
    assert "1 failed, 1 passed" in ended.stdout, ended.stdout
    assert "expected" in ended.stdout
