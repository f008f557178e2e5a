"""Logging in over a real socket between two programs whose engines use the system's SASL library, in both roles.

PROTON_REFERENCE_CYRUS_PYTHON is the python of an environment whose reference engine was built with that library; where
it is unset the pairs with it are skipped.
"""

from __future__ import annotations

import os

import pytest

from tests.support.library import PASSWORD, USER, needs_users, set_up
from tests.support.programs import ROOT, Program, free_port, our_environment, reference_environment

PEER = ROOT / "tests" / "interop" / "peers" / "login.py"
REFERENCE = os.environ.get("PROTON_REFERENCE_CYRUS_PYTHON")
needs_reference = pytest.mark.skipif(
    not REFERENCE, reason="PROTON_REFERENCE_CYRUS_PYTHON is unset: no reference peer with the SASL library"
)
pytestmark = needs_users

MECHANISMS = [
    *("CRAM-MD5", "DIGEST-MD5", "NTLM", "PLAIN", "LOGIN"),
    *("SCRAM-SHA-1", "SCRAM-SHA-224", "SCRAM-SHA-256", "SCRAM-SHA-384", "SCRAM-SHA-512"),
]
DENIED = "amqp:unauthorized-access"
pairs = pytest.mark.parametrize(
    ("client", "server"),
    [
        pytest.param("ours", "ours", id="ours to ours"),
        pytest.param("ours", "reference", marks=needs_reference, id="ours to reference"),
        pytest.param("reference", "ours", marks=needs_reference, id="reference to ours"),
    ],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return set_up(tmp_path_factory.mktemp("sasl"))


def peer(engine, folder, *arguments):
    environment = our_environment() if engine == "ours" else reference_environment()
    environment["PN_SASL_CONFIG_PATH"] = str(folder)
    python = {} if engine == "ours" else {"python": REFERENCE}
    return Program(PEER, *arguments, environment=environment, **python)


def log_in(client, server, folder, mechs, user=USER, password=PASSWORD, offered=""):
    """For each mechanism what the client and what the server have printed."""
    url, words = f"127.0.0.1:{free_port()}", " ".join(mechs)
    login = ["--user", user, "--password", password] if user else []
    with peer(server, folder, url, words, "--listen", "--offered", offered) as listening:
        listening.await_line("listening")
        with peer(client, folder, url, words, *login) as connecting:
            printed = connecting.finish(), listening.finish()[1:]
    return {
        mech: [[line.partition(" ")[2] for line in lines if line.startswith(f"{number} ")] for lines in printed]
        for number, mech in enumerate(mechs)
    }


@pairs
def test_log_in(client, server, folder):
    for mech, (theirs, ours) in log_in(client, server, folder, MECHANISMS).items():
        assert theirs == [f"in {mech} 0 True False", "answer 0 same", "answer 1 same", "answer 2 same"]
        assert ours == [f"in {mech} 0 True False", f"user {USER}"]


@pairs
def test_anonymous(client, server, folder):
    theirs, ours = log_in(client, server, folder, ["ANONYMOUS"], user=None)["ANONYMOUS"]
    assert theirs[0] == "in ANONYMOUS 0 True False" and len(theirs) == 4
    assert ours == ["in ANONYMOUS 0 True False", "user anonymous"]


@pairs
def test_wrong_password(client, server, folder):
    for mech, (theirs, ours) in log_in(client, server, folder, MECHANISMS, password="wrong").items():
        assert theirs == [f"refused {DENIED} Authentication failed [mech={mech}]", "outcome 1"]
        assert ours[0].startswith(f"refused {DENIED} SASL(-13): authentication failure: ")
        assert ours[0].endswith(f"(Failed to authenticate client [mech={mech}])") and ours[1] == "outcome 1"


@pairs
def test_nothing_in_common(client, server, folder):
    theirs, _ = log_in(client, server, folder, ["CRAM-MD5"], offered="NTLM")["CRAM-MD5"]
    assert theirs[0].startswith(f"refused {DENIED} ") and "Authentication failed [mech=none]" in theirs[0]
    assert theirs[1] == "outcome 3"
