"""The fixtures of the plugin, which pytest knows by itself where the package is installed; and those of these tests."""

from __future__ import annotations

import importlib.util
import pathlib
import socket
import threading
import time

import pytest

from pytest_pure_proton import (
    amqp_async_broker,
    amqp_broker,
    amqp_broker_factory,
    amqp_certificates,
    amqp_joined,
    amqp_tls_broker,
)

__all__ = [
    "amqp_async_broker",
    "amqp_broker",
    "amqp_broker_factory",
    "amqp_certificates",
    "amqp_joined",
    "amqp_tls_broker",
]

HERE = pathlib.Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Tests of certificates are skipped where the package that makes them cannot be had."""
    if importlib.util.find_spec("cryptography") is None:
        for item in (item for item in items if item.path.parent == HERE):
            if "certificate" in item.name or "amqp_certificates" in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.skip(reason="cryptography is not installed: it has no wheels for PyPy"))


@pytest.fixture
def nothing_of_the_system(monkeypatch):
    """The test makes no socket and no thread, and waits for nothing."""

    def forbidden(*arguments, **options):
        raise AssertionError("expected nothing of the system to be used")

    monkeypatch.setattr(socket.socket, "__init__", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    monkeypatch.setattr(threading.Thread, "start", forbidden)
    monkeypatch.setattr(time, "sleep", forbidden)
