"""The tree of the public exceptions, and the one private signal, which never leaves the engine."""

import pytest

import proton
from proton import exceptions
from proton.exceptions import ProtocolViolation

BASES = {
    "Timeout": "ProtonException",
    "Interrupt": "ProtonException",
    "MessageException": "ProtonException",
    "DataException": "ProtonException",
    "TransportException": "ProtonException",
    "ConnectionException": "ProtonException",
    "SessionException": "ProtonException",
    "LinkException": "ProtonException",
    "SSLException": "TransportException",
    "SSLUnavailable": "SSLException",
    "SASLException": "TransportException",
}


@pytest.mark.parametrize("name", BASES)
def test_base(name):
    assert getattr(exceptions, name).__bases__ == (getattr(exceptions, BASES[name]),)


def test_root():
    assert exceptions.ProtonException.__bases__ == (Exception,)
    assert sorted(exceptions.__all__) == sorted([*BASES, "ProtonException"])


@pytest.mark.parametrize("name", sorted(set(BASES) - {"SASLException"}))
def test_public_name(name):
    assert getattr(proton, name) is getattr(exceptions, name)


def test_violation_is_not_public_exception():
    violation = ProtocolViolation("amqp:not-allowed", "expected this, got that")
    assert (violation.condition, violation.description) == ("amqp:not-allowed", "expected this, got that")
    assert not isinstance(violation, exceptions.ProtonException)
