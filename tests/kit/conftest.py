"""The fixtures of the plugin, which pytest knows by itself where the package is installed."""

from __future__ import annotations

from pytest_pure_proton import (
    amqp_broker,
    amqp_broker_factory,
    amqp_certificates,
    amqp_tls_broker,
)

__all__ = ["amqp_broker", "amqp_broker_factory", "amqp_certificates", "amqp_tls_broker"]
