"""The pytest plugin of `proton.testing`: brokers as fixtures. pytest finds it by its entry point.

A module beside the package: pytest imports it at the start of each session, and with a module of the package would
come all of the package, before a tool that measures coverage listens, in sessions that never use it. Keep true: it
imports nothing but pytest until a fixture is asked for.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from proton.testing import AsyncBroker, Broker, Certificates, Joined

    class BrokerFactory(Protocol):
        """Starts a broker; the parameters are those of `Broker`."""

        def __call__(self, **options: Any) -> Broker: ...

    class Joiner(Protocol):
        """Joins handlers; the parameters are those of `Joined`."""

        def __call__(self, program: object, peer: object = None, **options: Any) -> Joined: ...


def _testing() -> Any:
    return importlib.import_module("proton.testing")


@pytest.fixture
def amqp_broker_factory() -> Iterator[BrokerFactory]:
    """A function that starts a `proton.testing.Broker` with the options given; all are stopped after the test."""
    with contextlib.ExitStack() as started:

        def start(**options: Any) -> Broker:
            broker: Broker = started.enter_context(_testing().Broker(**options))
            return broker

        yield start


@pytest.fixture
def amqp_broker(amqp_broker_factory: BrokerFactory) -> Broker:
    """A `proton.testing.Broker` on a free port, `amqp_broker.url`; it is stopped after the test."""
    return amqp_broker_factory()


@pytest.fixture
def amqp_async_broker() -> Iterator[AsyncBroker]:
    """A `proton.testing.AsyncBroker`, which the test starts in its own loop: `async with amqp_async_broker: ...`.

    One that the test has left running is stopped.

    It is not a coroutine, so that any plugin for asynchronous tests will do, or `asyncio.run` alone.
    """
    broker: AsyncBroker = _testing().AsyncBroker()
    yield broker
    broker.discard()


@pytest.fixture(scope="session")
def amqp_certificates() -> Iterator[Certificates]:
    """A `proton.testing.Certificates`: the authority of `amqp_tls_broker`, and domains for its clients."""
    certificates: Certificates
    with _testing().Certificates() as certificates:
        yield certificates


@pytest.fixture
def amqp_tls_broker(amqp_broker_factory: BrokerFactory, amqp_certificates: Certificates) -> Broker:
    """A broker with a certificate for localhost and 127.0.0.1; clients need `amqp_certificates.client_domain()`."""
    return amqp_broker_factory(ssl_domain=amqp_certificates.server_domain())


@pytest.fixture
def amqp_joined() -> Iterator[Joiner]:
    """A function that makes a `proton.testing.Joined` of a handler: memory and virtual time; ended after the test."""
    with contextlib.ExitStack() as made:

        def join(program: object, peer: object = None, **options: Any) -> Joined:
            joined: Joined = made.enter_context(_testing().Joined(program, peer, **options))
            return joined

        yield join
