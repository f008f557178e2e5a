"""When servers use the system's SASL library, and what its configuration says: each test in a process of its own."""

import sys

import pytest

from tests.support.library import USER, needs_library, needs_users, run, set_up

DENIED = "amqp:unauthorized-access"

pytestmark = needs_library

PREAMBLE = """
import sys
from proton import SASL, Transport
from tests.support.library import ends, joined, reason, USER, PASSWORD
from tests.support.engines import SASL_HEADER, Frame, frame, pump, split, take
def show(server):
    for part in split(server.wire):
        if isinstance(part, Frame) and part.name == "sasl-mechanisms":
            print(*part["sasl_server_mechanisms"].elements)
"""


def test_library_without_a_configuration_changes_nothing():
    assert run(PREAMBLE + "a, b = joined(); show(b); print(SASL.extended())") == ["ANONYMOUS", "True"]


@needs_users
def test_first_configuration_of_the_process_stays(tmp_path):
    set_up(tmp_path, "mine", "CRAM-MD5 ANONYMOUS"), set_up(tmp_path, "other", "PLAIN")
    program = """
a, b = ends()
for name in (None, "mine", "other"):
    b.transport.sasl().config_name(name)
for path in (None, sys.argv[1], "/nowhere"):
    b.transport.sasl().config_path(path)
pump(a, b)
show(b)
print(a.transport.sasl().mech, b.transport.user)
b.transport.sasl().config_name("other")
a, b = joined()
show(b)
"""
    lines = run(PREAMBLE + program, tmp_path)
    assert {*lines[0].split()} == {*lines[2].split()} == {"CRAM-MD5", "ANONYMOUS"}
    assert lines[1] == f"CRAM-MD5 {USER}"


@needs_users
def test_configuration_is_still_read_when_a_client_came_first(tmp_path):
    program = """
a, _ = ends()
take(a.transport)
a.transport.push(SASL_HEADER + frame(0, "sasl-mechanisms", kind=1, sasl_server_mechanisms=["NTLM"]))
print(a.transport.sasl().mech)
a, b = ends()
b.transport.sasl().config_path(sys.argv[1])
pump(a, b)
show(b)
"""
    assert run(PREAMBLE + program, set_up(tmp_path, mechanisms="CRAM-MD5")) == ["NTLM", "CRAM-MD5"]


@needs_users
def test_path_of_the_program_comes_before_that_of_the_environment(tmp_path):
    for name, mechanism in (("set", "CRAM-MD5"), ("environment", "ANONYMOUS")):
        (tmp_path / name).mkdir()
        set_up(tmp_path / name, mechanisms=mechanism)
    paths = str(tmp_path / "set"), str(tmp_path / "environment")
    program = "a, b = ends(); b.transport.sasl().config_path(sys.argv[1] or None); pump(a, b); show(b)"
    assert run(PREAMBLE + program, paths[0], PN_SASL_CONFIG_PATH=paths[1]) == ["CRAM-MD5"]
    assert run(PREAMBLE + program, "", PN_SASL_CONFIG_PATH=paths[1]) == ["ANONYMOUS"]


@needs_users
def test_configuration_that_cannot_be_read_lets_no_client_in(tmp_path):
    (tmp_path / "proton-server.conf").write_text("this is no configuration\n", encoding="utf-8")
    program = "a, b = joined(); show(b); print(b.transport.authenticated, b.transport.condition.name); print(reason(b))"
    lines = run(PREAMBLE + program, PN_SASL_CONFIG_PATH=str(tmp_path))
    assert lines[:2] == ["", f"False {DENIED}"] and lines[2].startswith("SASL(-")


def test_library_that_is_missing_changes_nothing(tmp_path):
    missing = 'from proton.transport.sasl import libsasl\nlibsasl.NAMES[:] = ["libnone.so.1"]\n'
    program = """
a, b = ends()
b.transport.sasl().config_name("mine")
b.transport.sasl().config_path(sys.argv[1])
pump(a, b)
show(b)
print(SASL.extended(), a.transport.sasl().mech)
a, _ = ends()
take(a.transport)
a.transport.push(SASL_HEADER + frame(0, "sasl-mechanisms", kind=1, sasl_server_mechanisms=["CRAM-MD5"]))
take(a.transport)
print(reason(a))
"""
    assert run(missing + PREAMBLE + program, tmp_path) == [
        "ANONYMOUS",
        "False ANONYMOUS",
        "Authentication failed [mech=none] (the peer offers: CRAM-MD5)",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="no list of what a process has loaded")
def test_nothing_is_loaded_before_it_is_needed():
    program = """
from proton import *
from tests.support.engines import Peer, pump
a, b = Peer(), Peer(mode=Transport.SERVER)
a.transport.sasl()
for peer in (a, b):
    peer.bind()
    peer.connection.open()
pump(a, b)
print(b.transport.authenticated)
for _ in range(2):
    with open("/proc/self/maps") as maps:
        print("libsasl2" in maps.read())
    SASL.extended()
"""
    assert run(program) == [
        "True",
        "False",
        "True",
    ]
