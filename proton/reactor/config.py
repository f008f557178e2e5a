"""The connection configuration file: what `Container.connect` uses when it is given no URL.

A JSON object, in which comments are allowed. Here the file is found, read and turned into options of a
connection; nothing is connected. A missing file is not an error: the defaults describe a local TLS server.
"""

from __future__ import annotations

import json
import os
import re
from typing import Any, Callable

__all__ = ["configured_options", "find_config", "read_config", "strip_comments"]

#: Names a configuration file, in place of the usual ones.
VARIABLE = "MESSAGING_CONNECT_FILE"

_FILES = (
    os.path.join(os.curdir, "connect.json"),
    os.path.join("~", ".config", "messaging", "connect.json"),
    os.path.join(os.sep, "etc", "messaging", "connect.json"),
)

# A quoted string, which is kept whatever is in it, or a comment.
_STRING_OR_COMMENT = re.compile(
    r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|//[^\n\r]*|/\*.*?\*/""",
    re.DOTALL,
)


def strip_comments(text: str) -> str:
    """The text with each ``//`` and ``/* */`` comment replaced by a space, except inside quotes."""
    return _STRING_OR_COMMENT.sub(lambda found: found.group(1) or " ", text)


def find_config() -> str | None:
    """The path of the configuration file that counts, None when there is none."""
    named = os.environ.get(VARIABLE)
    candidates = [named] if named else [os.path.expanduser(path) for path in _FILES]
    for path in candidates:
        if os.path.exists(path):
            return path if os.path.isfile(path) else None
    return None


def read_config() -> dict[str, Any]:
    """What the configuration file says, an empty dict when there is none.

    :raises ValueError: (`json.JSONDecodeError`) the file is not JSON.
    :raises AttributeError: it is, but no object.
    """
    path = find_config()
    if path is None:
        return {}
    with open(path, encoding="utf-8") as file:
        text = file.read()
    config = json.loads(strip_comments(text))
    if not isinstance(config, dict):
        raise AttributeError(f"expected a JSON object in {path}, got {type(config).__name__}")
    return config


def configured_options(config: dict[str, Any], make_domain: Callable[[], Any]) -> dict[str, Any]:
    """The options for `Container.connect` that a configuration gives; they override those of the caller.

    :param config: what `read_config` has returned.
    :param make_domain: makes a client's TLS domain; called for scheme ``amqps`` only.
    """
    from_file: dict[str, Any] = {}
    scheme = config.get("scheme", "amqps")
    host = config.get("host", "localhost")
    port = config.get("port", 5671 if scheme == "amqps" else 5672)
    literal = f"[{host}]" if ":" in str(host) and not str(host).startswith("[") else host
    from_file["url"] = f"{scheme}://{literal}:{port}"
    from_file["ssl_domain"] = None
    if config.get("user"):
        from_file["user"] = config["user"]
        if config.get("password"):
            from_file["password"] = config["password"]
    sasl = config.get("sasl") or {}
    # Either spelling; the documentation of other languages has the second one.
    from_file["sasl_enabled"] = sasl.get("enabled", sasl.get("enable", True))
    if sasl.get("mechanisms"):
        from_file["allowed_mechs"] = sasl["mechanisms"]
    if scheme == "amqps":
        from_file["ssl_domain"] = _configure(make_domain(), config.get("tls") or {})
    return from_file


def _configure(domain: Any, tls: dict[str, Any]) -> Any:
    if tls.get("ca"):
        domain.set_trusted_ca_db(str(tls["ca"]))
    if tls.get("cert") and tls.get("key"):
        domain.set_credentials(str(tls["cert"]), str(tls["key"]), None)
    if not tls.get("verify", True):
        domain.set_peer_authentication(domain.ANONYMOUS_PEER, None)
    return domain
