"""Mechanisms that programs register, and what is refused; the example is in tests/examples/test_secured.py."""

import pytest

from proton.sasl import LoginContext, register_mechanism
from proton.transport.sasl.mechanisms import CLIENT_MECHANISMS
from tests.support.engines import pump
from tests.support.secured import ends, reasons


@pytest.mark.parametrize(
    ("name", "sides", "text"),
    [
        ("lower", {"client": len}, "expected a name of 1 to 20"),
        ("X" * 21, {"client": len}, "expected a name of 1 to 20"),
        ("PLAIN", {"client": len}, "PLAIN, which is built in"),
        ("X-NEW", {}, "expected the client's or the server's side of X-NEW, got neither"),
    ],
)
def test_a_wrong_registration_raises_and_adds_nothing(name, sides, text):
    before = list(CLIENT_MECHANISMS)
    with pytest.raises(ValueError, match=text):
        register_mechanism(name, **sides)
    assert list(CLIENT_MECHANISMS) == before


@pytest.mark.parametrize("allowed", [None, "X-OPEN ANONYMOUS"])
def test_a_server_offers_it_only_where_it_is_named(allowed):
    class Open:
        user, authorization = "anyone", None

        def __init__(self, context):
            self.context = context

        def receive(self, response):
            return None

    register_mechanism("X-OPEN", server=Open)
    pair = ends(sasl={"allowed": "X-UNKNOWN"})
    pair.server.transport.sasl().allowed_mechs(allowed)
    pump(pair.client, pair.server)
    assert ("X-OPEN" in reasons(pair)[0]) is (allowed is not None)


def test_what_a_mechanism_knows_of_a_login_does_not_change_and_shows_no_password():
    context = LoginContext("fred", "secret", hostname="example.org")
    assert (context.user, context.password, context.authorization) == ("fred", "secret", None)
    assert (context.hostname, context.encrypted, context.credentials) == ("example.org", False, None)
    with pytest.raises(AttributeError, match="expected no change"):
        context.user = "root"
    with pytest.raises(AttributeError, match="expected no change"):
        del context.password
    assert context.user == "fred" and "fred" in repr(context) and "secret" not in repr(context)


def test_logins_are_equal_by_what_is_known_of_them():
    a, b, other = LoginContext("fred"), LoginContext(user="fred"), LoginContext("fred", encrypted=True)
    assert a == b and hash(a) == hash(b) and a != other and a != "fred"
