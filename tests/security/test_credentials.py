"""`Credentials`: each form in which a program can name its users; strangers cost what a wrong password costs."""

import hashlib

import pytest

from proton import Credentials, ScramVerifier
from proton.transport.sasl.credentials import PlainServer
from proton.transport.sasl.exchange import AuthenticationFailed, TemporaryAuthFailure

SHA256 = ScramVerifier.make("SCRAM-SHA-256", "pencil", iterations=8)
SHA1 = ScramVerifier.make("SCRAM-SHA-1", "pencil", iterations=8)


class Lookup:
    def lookup(self, user):
        return {"fred": "pencil", "secure": SHA256, "none": None}.get(user)


class Check:
    def check(self, user, password):
        return (user, password) == ("fred", "pencil")


class Both(Check, Lookup):
    pass


def check(user, password):
    return (user, password) == ("fred", "pencil")


class Named(Lookup):
    mechanisms = ("SCRAM-SHA-256", "SCRAM-SHA-1")


ALL = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"]
FORMS = [
    ({"fred": "pencil"}, ALL),
    ({"fred": SHA256}, ["SCRAM-SHA-256"]),
    ({"fred": str(SHA256)}, ["SCRAM-SHA-256"]),
    ({"fred": [SHA1, str(SHA256)], "anne": "x"}, ["SCRAM-SHA-256", "SCRAM-SHA-1"]),
    ({"fred": SHA1, "anne": SHA256}, None),
    (Lookup(), ALL),
    (Named(), ["SCRAM-SHA-256", "SCRAM-SHA-1"]),
    (Check(), []),
    (Both(), ALL),
    (check, []),
]


@pytest.mark.parametrize("users, scram", FORMS)
def test_every_form(users, scram):
    credentials = Credentials(users)
    assert credentials.mechanisms() == [*(scram or []), "PLAIN"]  # what all users can use
    assert credentials.check("fred", "pencil") is True
    for user, password in (("fred", "Pencil"), ("fred", ""), ("nobody", "pencil"), ("nobody", ""), ("", "pencil")):
        assert credentials.check(user, password) is False
    assert "pencil" not in repr(credentials)


def test_an_empty_password_lets_no_client_in():
    credentials = Credentials({"fred": "", "anne": []})
    assert not credentials.check("fred", "") and not credentials.check("anne", "")


def test_only_true_is_yes():
    assert Credentials(lambda user, password: "no").check("fred", "x") is False


@pytest.mark.parametrize("users", [5, "fred", object()], ids=str)
def test_what_is_not_hook(users):
    with pytest.raises(TypeError, match="expected a mapping, a callable"):
        Credentials(users)


def test_of():
    credentials = Credentials({})
    assert Credentials.coerce(credentials) is credentials and Credentials.coerce(None) is None
    assert isinstance(Credentials.coerce({}), Credentials)


@pytest.mark.parametrize("known", ["pencil", SHA256, SHA1, [SHA1, SHA256]], ids=["text", "SHA-256", "SHA-1", "both"])
def test_a_stranger_costs_what_a_wrong_password_costs(monkeypatch, known):
    made = []
    real = hashlib.pbkdf2_hmac
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", lambda *arguments: made.append(1) or real(*arguments))
    credentials = Credentials({"fred": known})
    costs = []
    for ask in (
        lambda: credentials.check("fred", "wrong"),
        lambda: credentials.check("fred", "pencil"),
        lambda: credentials.check("nobody", "wrong"),
        lambda: credentials.verifier("fred", "SCRAM-SHA-256"),
        lambda: credentials.verifier("nobody", "SCRAM-SHA-256"),
    ):
        made.clear()
        ask()
        costs.append(len(made))
    assert costs == [1, 1, 1, 1, 1]


def test_verifiers_for_the_mechanism_that_is_asked_for():
    credentials = Credentials({"fred": [SHA1, SHA256], "anne": "pencil"})
    assert credentials.verifier("fred", "SCRAM-SHA-256") == (SHA256, True)
    assert credentials.verifier("fred", "SCRAM-SHA-1") == (SHA1, True)
    assert credentials.verifier("fred", "SCRAM-SHA-512")[1] is False
    verifier, known = credentials.verifier("anne", "SCRAM-SHA-512")
    assert known and verifier.accepts("pencil")
    assert credentials.verifier("nobody", "SCRAM-SHA-1")[0].iterations == verifier.iterations


def test_the_usual_number_of_iterations_can_be_said():
    class Users(Lookup):
        iterations = 8

    credentials = Credentials(Users())
    assert credentials.verifier("nobody", "SCRAM-SHA-256")[0].iterations == SHA256.iterations


def test_the_usual_number_of_iterations_of_a_mapping_is_known():
    verifiers = [ScramVerifier.make("SCRAM-SHA-256", "x", iterations=number) for number in (9, 9, 5)]
    credentials = Credentials(dict(zip("abc", verifiers)))
    assert credentials.verifier("nobody", "SCRAM-SHA-256")[0].iterations == 9


def test_a_stored_password_that_cannot_be_typed_lets_no_client_in():
    credentials = Credentials({"fred": "\u0007"})
    assert credentials.verifier("fred", "SCRAM-SHA-256")[1] is False and not credentials.check("fred", "\u0007")


@pytest.mark.parametrize("entry", [5, b"pencil", ["pencil", 5], {"a": "b"}, "SCRAM-SHA-256$rubbish"], ids=str)
def test_a_mapping_that_holds_something_else(entry):
    with pytest.raises(TypeError, match="user 'fred': expected") as caught:
        Credentials({"fred": entry})
    assert "pencil" not in str(caught.value) and "rubbish" not in str(caught.value)


def test_users_that_may_act_as_others():
    class Users(Lookup):
        def authorize(self, user, authorization):
            return (user, authorization) == ("fred", "admin")

    assert Credentials(Users()).authorizes("fred", "admin") and Credentials(Users()).authorizes("fred", None)
    assert not Credentials(Users()).authorizes("anne", "admin")
    assert Credentials({}).authorizes("fred", "fred") and not Credentials({}).authorizes("fred", "admin")


class Broken:
    def lookup(self, user):
        raise KeyError("the secret pencil")

    check = authorize = lookup

    def __init__(self, entry=None):
        if entry is not None:
            self.lookup = lambda user: entry
            self.check = None


def test_a_hook_that_raises_ends_the_login_and_shows_nothing():
    for ask in (
        lambda: Credentials(Broken()).verifier("fred", "SCRAM-SHA-1"),
        lambda: Credentials(lambda user, password: 1 / 0).check("fred", "x"),
        lambda: Credentials(Broken("SCRAM-SHA-256$rubbish")).check("fred", "x"),
        lambda: Credentials(Broken(5)).check("fred", "x"),
        lambda: Credentials(Broken()).authorizes("fred", "x"),
    ):
        with pytest.raises(TemporaryAuthFailure, match="has raised") as caught:
            ask()
        assert "pencil" not in str(caught.value) and "rubbish" not in str(caught.value)


PLAIN = [
    (b"\0fred\0pencil", "fred", None),
    (b"admin\0fred\0pencil", "fred", "admin"),
    (b"\0p\xc2\xaale\0x", "pale", None),  # prepared
]


@pytest.mark.parametrize("response, user, authorization", PLAIN)
def test_plain(response, user, authorization):
    server = PlainServer(Credentials({"fred": "pencil", "pale": "x"}))
    assert server.receive(None) == b""
    assert server.receive(response) is None
    assert (server.user, server.authorization) == (user, authorization)


REFUSED = [
    (b"", "expected 3 parts"),
    (b"fred\0pencil", "expected 3 parts"),
    (b"\0\0pencil", "expected 3 parts"),
    (b"\0fred\0pencil\0", "expected 3 parts"),
    (b"\0fred\0Pencil", "wrong user name or password"),
    (b"\0nobody\0pencil", "wrong user name or password"),
    (b"\0fred\0", "expected 3 parts"),
    (b"\0fred\0pencil\xff", "expected UTF-8"),
    (b"\0\x07\0pencil", "special characters"),
]


@pytest.mark.parametrize("response, reason", REFUSED)
def test_plain_refused(response, reason):
    server = PlainServer(Credentials({"fred": "pencil"}))
    with pytest.raises(AuthenticationFailed, match=reason) as caught:
        server.receive(response)
    assert server.user is None and "encil" not in str(caught.value)
