"""Logging in with tickets (GSSAPI) through the system's SASL library, in a realm that lives in a temporary folder.

The realm's server and both peers are programs; everything they know of Kerberos is in their environment.
"""

from __future__ import annotations

import glob
import os
import shutil
import socket
import subprocess

import pytest

from proton import SASL
from tests.support.library import SASLPASSWD, set_up
from tests.support.programs import ROOT, Program, await_port, free_port, our_environment, reference_environment

PEER = ROOT / "tests" / "interop" / "peers" / "login.py"
REFERENCE = os.environ.get("PROTON_REFERENCE_CYRUS_PYTHON")
needs_reference = pytest.mark.skipif(
    not REFERENCE, reason="PROTON_REFERENCE_CYRUS_PYTHON is unset: no reference peer with the SASL library"
)
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
TOOLS = {name: shutil.which(name, path=PATH) for name in ("kdb5_util", "kadmin.local", "krb5kdc", "kinit")}
PLUGIN = [
    path for lib in ("lib", "lib64", "lib/*", "local/lib") for path in glob.glob(f"/usr/{lib}/sasl2/libgssapiv2*")
]

pytestmark = pytest.mark.skipif(
    not SASL.extended() or SASLPASSWD is None or None in TOOLS.values() or not PLUGIN,
    reason="no Cyrus SASL library with its plugin for GSSAPI, or no krb5-kdc, krb5-admin-server, krb5-user",
)

CONFIGURATION = """
[libdefaults]
  default_realm = TEST
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  TEST = {{
    kdc = 127.0.0.1:{port}
    database_name = {folder}/database
    key_stash_file = {folder}/stash
    acl_file = {folder}/acl
  }}
[kdcdefaults]
  kdc_listen = ""
  kdc_tcp_listen = 127.0.0.1:{port}
[logging]
  kdc = FILE:{folder}/log
"""


def host_name():
    """What the library thinks a server's name is."""
    name = socket.gethostname()
    if "." not in name:
        name = socket.getaddrinfo(name, None, flags=socket.AI_CANONNAME)[0][3] or name
    return name.lower()


@pytest.fixture(scope="module")
def realm(tmp_path_factory):
    """The environment of the users of the realm, with a ticket for alice and the key of the service."""
    folder, port = tmp_path_factory.mktemp("kerberos"), free_port()
    (folder / "configuration").write_text(CONFIGURATION.format(folder=folder, port=port), encoding="utf-8")
    environment = {
        "KRB5_CONFIG": f"{folder}/configuration",
        "KRB5_KDC_PROFILE": f"{folder}/configuration",
        "KRB5CCNAME": f"FILE:{folder}/tickets",
        "KRB5_KTNAME": f"FILE:{folder}/keys",
        "PN_SASL_CONFIG_PATH": str(set_up(folder, mechanisms="GSSAPI CRAM-MD5")),
    }

    def do(name, *arguments, say=None):
        subprocess.run([TOOLS[name], *arguments], env={**os.environ, **environment}, input=say, check=True, timeout=60)

    do("kdb5_util", "create", "-s", "-P", "master-14", "-r", "TEST")
    service = f"amqp/{host_name()}"
    do("kadmin.local", "addprinc", "-randkey", service)
    do("kadmin.local", "ktadd", "-k", f"{folder}/keys", service)
    do("kadmin.local", "addprinc", "-pw", "pencil-14", "alice")
    center = subprocess.Popen([TOOLS["krb5kdc"], "-n", "-r", "TEST"], env={**os.environ, **environment})
    try:
        await_port(port)
        do("kinit", "alice", say=b"pencil-14\n")
        yield environment
    finally:
        center.kill()
        center.wait()


def log_in(client, server, realm, **others):
    """What a client and a server have printed; `others` is for the client's environment."""
    url = f"127.0.0.1:{free_port()}"

    def peer(engine, environment, *arguments):
        own = our_environment() if engine == "ours" else reference_environment()
        python = {} if engine == "ours" else {"python": REFERENCE}
        return Program(PEER, url, "GSSAPI", *arguments, environment={**own, **environment}, **python)

    with peer(server, realm, "--listen") as listening:
        listening.await_line("listening")
        with peer(client, {**realm, **others}, "--host", host_name()) as connecting:
            return connecting.finish(), listening.finish()[1:]


@pytest.mark.parametrize(
    ("client", "server"),
    [
        pytest.param("ours", "ours", id="ours to ours"),
        pytest.param("ours", "reference", marks=needs_reference, id="ours to reference"),
        pytest.param("reference", "ours", marks=needs_reference, id="reference to ours"),
    ],
)
def test_ticket_lets_in_and_messages_go_through_its_layer(client, server, realm):
    theirs, ours = log_in(client, server, realm)
    assert theirs == ["0 in GSSAPI 0 True False", "0 answer 0 same", "0 answer 1 same", "0 answer 2 same"]
    assert ours == ["0 in GSSAPI 0 True False", "0 user alice"]


def test_without_a_ticket_the_reason_is_told(realm):
    theirs, ours = log_in("ours", "ours", realm, KRB5CCNAME="FILE:/nonexistent")
    assert theirs[0].startswith("0 refused amqp:unauthorized-access SASL(-1): generic failure: GSSAPI Error: ")
    assert theirs[0].endswith("(Authentication failed [mech=none])") and theirs[1] == "0 outcome 3"
    assert ours[0].endswith("refused amqp:connection:framing-error connection aborted")
