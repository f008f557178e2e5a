"""TLS sessions that a later connection of this process resumes, under the name of an `SSLSessionDetails`."""

import pytest

from proton import SSL, SSLSessionDetails
from tests.support.engines import pump
from tests.support.secured import client_domain, joined, server_domain

VERSIONS = pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])


@pytest.fixture(scope="module")
def issued(authority):
    return authority.issue("localhost", "127.0.0.1")


def resumed(client, server, name, leave=None):
    pair = joined(client, server, details=SSLSessionDetails(name) if name else None)
    states = pair.client.ssl.resume_status(), pair.server.ssl.resume_status()
    (leave or close_both)(pair)
    return states


def close_both(pair):
    pair.client.connection.close()
    pair.server.connection.close()
    pump(pair.client, pair.server)


def close_one(pair):
    pair.client.connection.close()
    pump(pair.client, pair.server)


# How a program may part from its connection, beside the orderly end at both sides.
PARTINGS = [
    close_one,
    lambda pair: pair.client.transport.close_head(),
    lambda pair: pair.client.transport.close_tail(),
    lambda pair: (pair.client.transport.close_head(), pair.client.transport.close_tail()),
    lambda pair: pair.client.transport.unbind(),
    lambda pair: None,
]


@VERSIONS
@pytest.mark.parametrize("number", range(len(PARTINGS)))
def test_a_session_is_remembered_however_the_connection_ends(authority, issued, version, number):
    client, server = client_domain(authority, set_protocols=version), server_domain(issued)
    name = f"{version} {number}"
    assert resumed(client, server, name, PARTINGS[number]) == (SSL.RESUME_NEW, SSL.RESUME_NEW)
    assert resumed(client, server, name, PARTINGS[number]) == (SSL.RESUME_REUSED, SSL.RESUME_REUSED)


@VERSIONS
def test_a_session_is_resumed_under_its_name(authority, issued, version):
    client, server = client_domain(authority, set_protocols=version), server_domain(issued)
    assert resumed(client, server, f"a {version}") == (SSL.RESUME_NEW, SSL.RESUME_NEW)
    assert resumed(client, server, f"a {version}") == (SSL.RESUME_REUSED, SSL.RESUME_REUSED)
    assert resumed(client, server, f"b {version}") == resumed(client, server, None) == (SSL.RESUME_NEW, SSL.RESUME_NEW)
    other = client_domain(authority, set_protocols=version)
    assert resumed(other, server, f"a {version}") == (SSL.RESUME_NEW, SSL.RESUME_NEW)  # of other settings


def test_four_sessions_are_remembered(authority, issued):
    client, server = client_domain(authority), server_domain(issued)
    for name in "vwxyz":
        assert resumed(client, server, name)[0] == SSL.RESUME_NEW
    assert [resumed(client, server, name)[0] for name in "wxyz"] == [SSL.RESUME_REUSED] * 4
    assert resumed(client, server, "v")[0] == SSL.RESUME_NEW
    assert SSLSessionDetails("v").get_session_id() == "v"
