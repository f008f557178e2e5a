"""What the parity scripts of SASL and TLS share: what can be seen of the layers, and certificates for a while.

The certificates are made by the `openssl` command in a temporary folder, so nothing of them may be printed but what
their subjects say. Texts of OpenSSL differ with its version: of a TLS failure the beginning alone is shown.

Keep true: this module works without anything of the test suite, on any engine with the API.
"""

from __future__ import annotations

import os
import re
import subprocess
from types import SimpleNamespace

RESPONSE = re.compile(r"response=[^\]]*")
CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
{name}
[authority]
basicConstraints = critical, CA:true
[leaf]
basicConstraints = critical, CA:false
subjectAltName = DNS:{host}
"""


def _openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def certificates(folder, **subjects):
    """An authority, `ca`, and certificates for the subjects: each has `cert`, `key` and `host`.

    :param subjects: name to host and lines such as "CN = x".
    """
    made = SimpleNamespace()
    for name, (host, subject) in {"ca": ("ca", "CN = Authority"), **subjects}.items():
        cert, key, config = (os.path.join(folder, f"{name}.{kind}") for kind in ("cert", "key", "cnf"))
        with open(config, "w", encoding="utf-8") as file:
            file.write(CONFIG.format(name=subject, host=host))
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        common = ["req", "-x509", "-utf8", "-new", "-days", "9", "-config", config, "-key", key, "-out", cert]
        if name == "ca":
            _openssl(*common, "-extensions", "authority")
        else:
            request = os.path.join(folder, f"{name}.req")
            _openssl("req", "-utf8", "-new", "-config", config, "-key", key, "-out", request)
            signing = ["-CA", made.ca.cert, "-CAkey", made.ca.key, "-CAcreateserial", "-days", "9"]
            _openssl("x509", "-req", "-in", request, *signing, "-extfile", config, "-extensions", "leaf", "-out", cert)
        setattr(made, name, SimpleNamespace(cert=cert, key=key, host=host))
    return made


def tell(title, *peers):
    """Prints frames and events, but for what does not matter: responses, and bare news of a transport."""
    print(f"-- {title}")
    for peer in peers:
        for line in peer.frames:
            print(f"{peer.name} | {RESPONSE.sub('response=...', line)}")
        peer.frames.clear()
        for line in peer.events():
            if line != "TRANSPORT":
                print(f"{peer.name} {line}")


def look(peer):
    """Prints what the SASL layer of a peer and its transport say."""
    transport, sasl = peer.transport, peer.transport.sasl()
    print(f"{peer.name} mech={sasl.mech} outcome={sasl.outcome} user={sasl.user!r} as={sasl.authorization!r}")
    print(f"{peer.name} transport user={transport.user!r} authenticated={transport.authenticated}")


def reason(peer):
    """Prints the condition of a transport; of TLS failures how they begin."""
    condition = peer.transport.condition
    if condition is None:
        print(f"{peer.name} no condition")
        return
    text = condition.description
    print(f"{peer.name} {condition.name}: {text[:13] if text.startswith('SSL Failure: ') else text}")
