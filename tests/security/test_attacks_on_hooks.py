"""Users of a server: a guess learns nothing, a hook that fails lets no client in, identities are the program's say."""

from __future__ import annotations

import hashlib

import pytest

from proton import SASL, Credentials, ScramVerifier
from tests.support.attacks import (
    CHUNKS,
    DENIED,
    PASSWORD,
    USER,
    client,
    kept_out,
    last,
    login,
    offer,
    server,
    speak,
)
from tests.support.engines import Frame, pump, split, take

SCRAMS = ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"]
MECHS = ["PLAIN", *SCRAMS]
EACH_MECH = pytest.mark.parametrize("mech", MECHS)
LEAK = "text-of-the-hook"


class Directory:
    """An object with every hook; `known` is what it knows of each user."""

    iterations = 500

    def __init__(self, known):
        self.known = known
        self.asked = []

    def lookup(self, user):
        self.asked.append(user)
        return self.known.get(user)


def verifiers(password, iterations=500):
    return [ScramVerifier.make(mech, password, iterations) for mech in SCRAMS]


FORMS = {
    "passwords": {USER: PASSWORD, "other": "x"},
    "verifiers": Directory({USER: verifiers(PASSWORD)}),
    "texts": Directory({USER: [str(verifier) for verifier in verifiers(PASSWORD)]}),
}


def attempt(users, mech, user, password, chunk=None):
    """One login between two engines; what happened, in a form that can be compared."""
    a, b = client(mech, user, password, True), server(users, insecure=True)
    pump(a, b, chunk)
    kept_out(a, f"[mech={mech}]", name=DENIED)
    kept_out(b, f"[mech={mech}]", name=DENIED)
    conditions = a.transport.condition.description, b.transport.condition.description
    frames = [[part.name if isinstance(part, Frame) else part for part in split(peer.wire)] for peer in (a, b)]
    return conditions, frames, b.transport.sasl().outcome, a.transport.sasl().outcome


@pytest.fixture
def hashed(monkeypatch):
    """What is hashed how often, in place of the time that it takes."""
    calls = []
    true = hashlib.pbkdf2_hmac

    def counting(name, password, salt, iterations, *more):
        calls.append((name, iterations))
        return true(name, password, salt, iterations, *more)

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", counting)
    return calls


@EACH_MECH
@pytest.mark.parametrize("form", FORMS)
def test_an_unknown_user_looks_like_a_wrong_password(mech, form, hashed):
    users = FORMS[form]
    seen = []
    for user in (USER, "nobody", "nobody-else"):
        hashed.clear()
        seen.append((attempt(users, mech, user, "wrong"), list(hashed)))
    assert seen[0] == seen[1] == seen[2]
    assert "wrong user name or password" in seen[0][0][0][1]
    server_hashes = len(seen[0][1]) - (mech != "PLAIN")  # the client hashes, too, once the server has challenged it
    assert server_hashes >= 1


@pytest.mark.parametrize("mech", SCRAMS)
@pytest.mark.parametrize("form", FORMS)
def test_challenges_do_not_tell_known_users(mech, form):
    shapes = set()
    for user in (USER, "nobody"):
        salts = set()
        for _ in range(3):
            written = speak(server(FORMS[form]), login(mech, f"n,,n={user},r=abc".encode()))
            nonce, salt, count = last(written)["challenge"].split(b",")
            salts.add(salt)
            shapes.add((len(nonce), len(salt), count))
        assert len(salts) == 1, "a salt that changes belongs to nobody"
    assert len(shapes) == 1


@pytest.mark.parametrize("mech", SCRAMS)
def test_a_user_without_a_verifier_for_the_mechanism(mech, hashed):
    known = [verifier for verifier in verifiers(PASSWORD) if verifier.mechanism != mech]
    hashed.clear()
    a = attempt(Directory({USER: known}), mech, USER, PASSWORD)
    first = list(hashed)
    hashed.clear()
    assert attempt(Directory({}), mech, USER, PASSWORD) == a
    assert hashed == first


def raising(error):
    def hook(*arguments):
        raise error

    return hook


class Broken:
    """Hooks that fail, each in the way that a test says."""

    def __init__(self, **hooks):
        vars(self).update(hooks)


ERRORS = [ValueError(LEAK), KeyError(LEAK), RecursionError(LEAK), AssertionError(LEAK), StopIteration(LEAK)]


@EACH_MECH
@CHUNKS
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_lookup_that_raises(error, mech, chunk):
    a, b = client(mech, USER, PASSWORD, True), server(Broken(lookup=raising(error)), insecure=True)
    pump(a, b, chunk)
    text = kept_out(b, "looking up the user has raised", f"[mech={mech}]", name=DENIED).description
    assert type(error).__name__ in text and LEAK not in text and PASSWORD not in text
    kept_out(a, f"Authentication failed [mech={mech}]", name=DENIED)
    assert (a.transport.sasl().outcome, b.transport.sasl().outcome) == (SASL.SYS, SASL.SYS)
    assert LEAK.encode() not in b.wire


@CHUNKS
def test_a_check_that_raises_and_a_server_that_goes_on(chunk):
    failures = [OSError(LEAK)]

    def check(user, password):
        if failures:
            raise failures.pop()
        return (user, password) == (USER, PASSWORD)

    users = Credentials(check)
    for gets_in in (False, True):
        a, b = client("PLAIN", USER, PASSWORD, True), server(users, insecure=True)
        pump(a, b, chunk)
        assert b.transport.authenticated is gets_in
        if not gets_in:
            assert LEAK not in kept_out(b, "raised OSError", name=DENIED).description
            assert b.transport.sasl().outcome == SASL.SYS


NONSENSE = [5, 3.5, True, object(), b"bytes", [5], [None], [b"x"], {"a": 1}, "SCRAM-SHA-256$x", ("a", "b")]


@pytest.mark.parametrize("known", NONSENSE, ids=lambda known: f"{type(known).__name__} {known!r:.12}".split(" at")[0])
@pytest.mark.parametrize("mech", ["PLAIN", "SCRAM-SHA-256"])
def test_a_lookup_that_returns_what_it_should_not(known, mech):
    class Users:
        def lookup(self, user):
            return known

    peer = server(Users(), insecure=True)
    initial = b"\0fred\0" + PASSWORD.encode() if mech == "PLAIN" else b"n,,n=fred,r=abc"
    written = speak(peer, login(mech, initial))
    assert last(written)["code"] in (SASL.SYS, SASL.AUTH)
    kept_out(peer, f"[mech={mech}]", name=DENIED)


@pytest.mark.parametrize("answer", [1, "yes", [True], None, False, 0, object(), ...], ids=str)
def test_only_true_lets_a_user_in(answer):
    asked = []
    peer = server(lambda user, password: asked.append(user) or answer, insecure=True)
    assert last(speak(peer, login("PLAIN", b"\0fred\0pw")))["code"] == SASL.AUTH
    kept_out(peer, "wrong user name or password", name=DENIED)
    assert asked == [USER]


def test_a_check_is_never_asked_for_an_empty_password():
    """Some directories take that for a login without a password, and say yes."""
    asked = []
    for initial in (b"\0fred\0", b"admin\0fred\0", b"\0\0pw", b"\0\0"):
        peer = server(lambda user, password: asked.append(user) or True, insecure=True)
        speak(peer, login("PLAIN", initial))
        kept_out(peer, "not empty", name=DENIED)
    assert asked == []


@pytest.mark.parametrize("iterations", [0, -1, 10**9])
def test_iterations_that_no_client_would_take_fail_where_they_are_given(iterations):
    with pytest.raises(ValueError, match="iterations"):
        Credentials(Broken(lookup=str, iterations=iterations))


IDENTITIES = [
    # what the hook says, the identity asked for; whether the client gets in
    (None, "admin", False),
    (lambda user, identity: False, "admin", False),
    (lambda user, identity: 1, "admin", False),
    (lambda user, identity: None, "admin", False),
    (lambda user, identity: (user, identity) == (USER, "admin"), "root", False),
    (lambda user, identity: (user, identity) == (USER, "admin"), "Admin", False),
    (lambda user, identity: (user, identity) == (USER, "admin"), "admin", True),
    (None, USER, True),
]


@EACH_MECH
@CHUNKS
@pytest.mark.parametrize("row", IDENTITIES, ids=lambda row: f"{row[1]}-{row[2]}")
def test_identity_to_act_as(row, mech, chunk):
    hook, identity, gets_in = row
    users = Broken(lookup={USER: PASSWORD}.get)
    if hook is not None:
        users.authorize = hook
    a, b = client(mech, USER, PASSWORD, True, authorization=identity), server(users, insecure=True)
    pump(a, b, chunk)
    if gets_in:
        assert (b.transport.user, b.transport.sasl().authorization) == (USER, identity)
        assert a.transport.authenticated and b.transport.authenticated
    else:
        kept_out(b, f"user {USER} may not act as {identity}", f"[mech={mech}]", name=DENIED)
        kept_out(a, f"[mech={mech}]", name=DENIED)


@EACH_MECH
def test_an_authorize_that_raises(mech):
    users = Broken(lookup={USER: PASSWORD}.get, authorize=raising(ValueError(LEAK)))
    a, b = client(mech, USER, PASSWORD, True, authorization="admin"), server(users, insecure=True)
    pump(a, b)
    assert LEAK not in kept_out(b, "raised ValueError", name=DENIED).description
    assert (a.transport.sasl().outcome, b.transport.sasl().outcome) == (SASL.SYS, SASL.SYS)


def test_authorize_is_not_asked_before_the_password_is_right():
    asked = []
    users = Broken(lookup={USER: PASSWORD}.get, authorize=lambda *pair: asked.append(pair) or True)
    for mech in MECHS:
        a, b = client(mech, USER, "wrong", True, authorization="admin"), server(users, insecure=True)
        pump(a, b)
        kept_out(b, "wrong user name or password", name=DENIED)
    assert asked == []


@pytest.mark.parametrize("token", [raising(ValueError(LEAK)), lambda: None, lambda: 5, lambda: "", lambda: "a\1b"])
@pytest.mark.parametrize("mech", ["OAUTHBEARER", "XOAUTH2"])
def test_a_token_that_cannot_be_had(token, mech):
    peer = client(mech, USER, insecure=True, token=token)
    take(peer.transport)
    assert speak(peer, offer(mech)) == b""
    assert LEAK not in kept_out(peer, "token", f"[mech={mech}]", name=DENIED).description


def test_control_characters_of_an_identity_are_shown_as_what_they_are():
    peer = server({USER: PASSWORD}, insecure=True)
    speak(peer, login("PLAIN", b"x\nERROR forged\0fred\0" + PASSWORD.encode()))
    text = kept_out(peer, "may not act as", name=DENIED).description
    assert text.isprintable()
