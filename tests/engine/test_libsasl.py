"""The binding to libsasl2 itself: what is given to it is kept, wiped and freed, and threads do not meet in it."""

import ctypes
import gc
import os
import pathlib
import threading
import weakref

import pytest

from proton import Transport
from proton.transport.sasl import cyrus, libsasl
from proton.transport.sasl.exchange import AuthenticationFailed, TemporaryAuthFailure
from proton.transport.transport_state import state_of
from tests.support.engines import Peer
from tests.support.library import PASSWORD, USER, configuration, is_open, joined, needs_library, needs_users
from tests.support.references import no_collection

#: exchanges of the test that looks for leaks
EXCHANGES = int(os.environ.get("PROTON_SASL_EXCHANGES", "2000"))

pytestmark = needs_library


def client(*mechs, password=PASSWORD):
    """An exchange, and the peer that has begun it."""
    peer = Peer()
    peer.connection.user, peer.connection.password, peer.connection.hostname = USER, password, "localhost"
    peer.transport.sasl().allow_insecure_mechs = True
    peer.bind()
    state = state_of(peer.transport)
    return cyrus.begin_client(state.ensure_sasl(), state, list(mechs)), peer


def server(mech):
    peer = Peer(mode=Transport.SERVER)
    peer.transport.sasl().allow_insecure_mechs = True
    state = state_of(peer.transport)
    exchange = cyrus.begin_server(state.ensure_sasl(), state)
    exchange.name = mech
    return exchange, peer


def log_in(mech, password=PASSWORD):
    """One whole exchange; the user and both sides."""
    a, b = client(mech, password=password)[0], server(mech)[0]
    response = a.initial
    while True:
        challenge = b.receive(response)
        if challenge is None:
            break
        response = a.respond(challenge)
    a.finish(None)
    return b.user, a, b


@pytest.fixture
def configured(monkeypatch):
    monkeypatch.setenv("PN_SASL_CONFIG_PATH", configuration())


def resident():
    """KiB of this process that are in memory."""
    path = pathlib.Path("/proc/self/statm")
    if not path.exists():
        pytest.skip("the system does not tell how much memory a process has")
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


# LOGIN, PLAIN and CRAM-MD5 keep nothing of a connection. (The library's own DIGEST-MD5 does, with each caller.)
@needs_users
@pytest.mark.parametrize("mech", ["CRAM-MD5", "LOGIN"])
def test_exchanges_leave_nothing(configured, mech):
    for _ in range(100):
        log_in(mech)
    gc.collect()
    objects = len(gc.get_objects())
    # What leaks grows in each round; the system may give the process a large piece in one of them.
    grown = []
    while not grown or (min(grown) >= 1024 + EXCHANGES // 10 and len(grown) < 3):
        memory = resident()
        for _ in range(EXCHANGES // 2):
            assert log_in(mech)[0] == USER
        gc.collect()
        grown.append(resident() - memory)
    assert len(gc.get_objects()) - objects < 100
    assert min(grown) < 1024 + EXCHANGES // 10  # KiB: a tenth of what one buffer each would be


@needs_users
@pytest.mark.parametrize("mech", ["CRAM-MD5", "LOGIN", "SCRAM-SHA-384"])
def test_refused_exchanges_leave_nothing(configured, mech):
    def refused():
        a, b = client(mech, password="wrong")[0], server(mech)[0]
        response = a.initial
        with pytest.raises(AuthenticationFailed):
            while True:
                response = a.respond(b.receive(response))

    for _ in range(20):
        refused()
    gc.collect()
    memory, objects = resident(), len(gc.get_objects())
    for _ in range(EXCHANGES // (100 if mech.startswith("SCRAM") else 20)):
        refused()
    gc.collect()
    assert len(gc.get_objects()) - objects < 100
    assert resident() - memory < 1024


@pytest.mark.parametrize("mech", ["CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-384"])
def test_exchange_that_is_dropped_is_disposed_of_at_once(mech):
    exchange, _peer = client(mech)
    handle = weakref.ref(exchange.handle)
    close = exchange.handle.close
    with no_collection():
        assert close.alive
        del exchange
        assert handle() is None and not close.alive


@needs_users
@pytest.mark.parametrize(("mech", "alive"), [("CRAM-MD5", False), ("LOGIN", False), ("DIGEST-MD5", True)])
def test_connection_of_the_library_lives_as_long_as_its_layer(configured, mech, alive):
    _, a, b = log_in(mech)
    closes = [side.handle.close for side in (a, b)]
    assert [close.alive for close in closes] == [alive, alive]
    assert [side.layer is not None for side in (a, b)] == [alive, alive]
    del a, b
    assert not any(close.alive for close in closes)


@needs_users
@pytest.mark.parametrize("mech", ["CRAM-MD5", "LOGIN", "DIGEST-MD5", "SCRAM-SHA-224"])
def test_password_is_wiped_when_the_exchange_is_over(configured, mech):
    exchange, _peer = client(mech)
    secret = exchange.handle.secret
    assert PASSWORD.encode() in secret.raw
    server_side, _other = server(mech)
    response = exchange.initial
    while True:
        challenge = server_side.receive(response)
        if challenge is None:
            break
        response = exchange.respond(challenge)
    exchange.finish(None)
    assert secret.raw == bytes(len(secret.raw))


def test_password_is_wiped_when_the_exchange_is_dropped():
    exchange, _peer = client("CRAM-MD5")
    secret = exchange.handle.secret
    del exchange
    assert secret.raw == bytes(len(secret.raw))


def test_password_is_wiped_when_the_exchange_fails():
    exchange, _peer = client("DIGEST-MD5")
    secret = exchange.handle.secret
    with pytest.raises(AuthenticationFailed):
        exchange.respond(b"")
    assert secret.raw == bytes(len(secret.raw))


@needs_users
def test_threads_do_not_meet(configured):
    mechs = ["CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-384", "LOGIN"]
    failures = []
    start = threading.Barrier(len(mechs))

    def work(mech):
        try:
            start.wait(60)
            for _ in range(25):
                a, b = joined(mech)
                if not is_open(a, b) or a.transport.sasl().mech != mech or b.transport.user != USER:
                    failures.append((mech, a.transport.condition, b.transport.condition))
        except Exception as error:
            failures.append((mech, error))

    threads = [threading.Thread(target=work, args=(mech,)) for mech in mechs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert not any(thread.is_alive() for thread in threads) and failures == []


def test_one_library_for_all_threads():
    found = []
    threads = [threading.Thread(target=lambda: found.append(libsasl.find())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 8 and all(library is found[0] for library in found)


@pytest.mark.parametrize(
    ("code", "kind", "text"),
    [
        (-13, AuthenticationFailed, "SASL(-13): authentication failure"),
        (-4, libsasl.NothingUsable, "SASL(-4): no mechanism available"),
        (-24, TemporaryAuthFailure, "SASL(-24): remote authentication server unavailable"),
        (-2, TemporaryAuthFailure, "SASL(-2): no memory available"),
    ],
)
def test_errors_in_words(code, kind, text):
    refusal = libsasl.refusal(code)
    assert type(refusal) is kind and refusal.reason.startswith(text)


def test_texts_of_the_library_can_be_shown():
    assert libsasl.printable(b"a\x1b[0m\nb\xff\xc3\xa4") == "a?[0m?b\N{REPLACEMENT CHARACTER}\xe4"
    assert len(libsasl.printable(b"x" * 5000)) == 400
    assert libsasl.printable(None) == ""


def test_wipe_takes_nothing_too():
    libsasl.wipe(None)
    secret = ctypes.create_string_buffer(b"secret")
    libsasl.wipe(secret)
    assert secret.raw == bytes(7)
