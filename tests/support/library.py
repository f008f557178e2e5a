"""The system's SASL library in tests: users and a configuration in a temporary folder, and engines that log in.

The first configuration of a process stays, so everything in the tests' own process uses that of `configuration`. A
test that needs another one runs a program, by `run`.
"""

from __future__ import annotations

import atexit
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

from proton import SASL, Transport
from tests.support.engines import SASL_HEADER, Peer, frame, pump
from tests.support.programs import ROOT, our_environment

USER, PASSWORD = "user@proton", "pencil-14"
SASLPASSWD = shutil.which("saslpasswd2", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")
MECHANISMS = (
    "EXTERNAL SCRAM-SHA-512 SCRAM-SHA-384 SCRAM-SHA-256 SCRAM-SHA-224 SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 NTLM PLAIN LOGIN "
    "ANONYMOUS"
)

#: what the package does not have itself, and tests expect of the library's plugins
PLUGINS = ["CRAM-MD5", "DIGEST-MD5", "NTLM", "LOGIN", "SCRAM-SHA-224", "SCRAM-SHA-384"]


def _chooses(mech):
    peer = Peer()
    peer.connection.hostname, peer.connection.user, peer.connection.password = "localhost", USER, PASSWORD
    peer.transport.sasl().allow_insecure_mechs = True
    peer.bind()
    peer.transport.push(SASL_HEADER + frame(0, "sasl-mechanisms", kind=1, sasl_server_mechanisms=[mech]))
    return peer.transport.sasl().mech == mech


_HAS_LIBRARY = SASL.extended() and all(_chooses(mech) for mech in PLUGINS)
needs_library = pytest.mark.skipif(
    not _HAS_LIBRARY, reason=f"no Cyrus SASL library (libsasl2) with plugins for {', '.join(PLUGINS)} on this machine"
)
needs_users = pytest.mark.skipif(
    not _HAS_LIBRARY or SASLPASSWD is None,
    reason="no Cyrus SASL library (libsasl2) with its plugins, or no saslpasswd2 to make users with",
)


def set_up(folder, name="proton-server", mechanisms=MECHANISMS):
    """Writes a configuration, with the one user, into a folder; gives the folder."""
    users = folder / "users"
    if not users.exists():
        user, realm = USER.split("@")
        command = [SASLPASSWD, "-c", "-p", "-f", users, "-u", realm, user]
        subprocess.run(command, input=PASSWORD.encode(), check=True, timeout=60)
    (folder / f"{name}.conf").write_text(
        f"mech_list: {mechanisms}\nsasldb_path: {users}\npwcheck_method: auxprop\nauxprop_plugin: sasldb\n",
        encoding="utf-8",
    )
    return folder


@functools.cache
def configuration():
    """The folder with the configuration of this process."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="proton-sasl-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return str(set_up(folder))


def ends(allowed=None, user=USER, password=PASSWORD, host="localhost", insecure=True, offered=None, **settings):
    """A client and a server that uses the library, not yet joined.

    :param allowed: the mechanisms of the client, `offered` those of the server; None for all.
    :param insecure: whether passwords may be sent in clear, on both sides.
    :param settings: more for the client's connection.
    """
    a, b = Peer("client"), Peer("server", Transport.SERVER)
    a.connection.hostname, a.connection.user, a.connection.password = host, user, password
    for name, value in settings.items():
        setattr(a.connection, name, value)
    for peer, mechanisms in ((a, allowed), (b, offered)):
        peer.transport.sasl().allow_insecure_mechs = insecure
        peer.transport.sasl().allowed_mechs(mechanisms)
        peer.bind()
        peer.connection.open()
    return a, b


def joined(*arguments, chunk=None, **settings):
    """As `ends`, with all bytes moved."""
    a, b = ends(*arguments, **settings)
    pump(a, b, chunk)
    return a, b


def is_open(*peers):
    """Whether each has heard the other's open."""
    return all(peer.connection.state & peer.connection.REMOTE_ACTIVE for peer in peers)


def reason(peer):
    """The description of a transport's condition, "" for none."""
    condition = peer.transport.condition
    return condition.description if condition is not None else ""


def run(source, *arguments, **environment):
    """What a program prints, line by line. It finds this package and these tests."""
    child = {**our_environment(), **environment}
    child["PYTHONPATH"] = os.pathsep.join([part for part in (child.get("PYTHONPATH"), str(ROOT)) if part])
    if "PN_SASL_CONFIG_PATH" not in environment:
        child.pop("PN_SASL_CONFIG_PATH", None)
    done = subprocess.run(
        [sys.executable, "-c", source, *map(str, arguments)],
        env=child,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
