"""Public: what a program needs to add a SASL mechanism of its own; examples/custom_sasl_mechanism.py adds one.

The names live in transport/sasl; `proton.SASL` is the layer of one transport.
"""

from __future__ import annotations

from proton.transport.sasl.exchange import (
    AuthenticationFailed,
    ClientExchange,
    LoginContext,
    ServerExchange,
    TemporaryAuthFailure,
)
from proton.transport.sasl.mechanisms import register_mechanism

__all__ = [
    "AuthenticationFailed",
    "ClientExchange",
    "LoginContext",
    "ServerExchange",
    "TemporaryAuthFailure",
    "register_mechanism",
]
