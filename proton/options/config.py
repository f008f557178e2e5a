"""The connection configuration file: what `Container.connect` uses when it is given no URL.

A JSON object, in which comments are allowed. Here the file is found, read and turned into options of a
connection; nothing is connected. A missing file is not an error: the defaults describe a local TLS server.
Whatever is wrong in a file is told with file, line and key, and never with a value that may be secret.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Any, Callable

from proton.exceptions import SSLException
from proton.lazy import json
from proton.logs import log
from proton.url import Url

__all__ = ["Config", "configured_options", "find_config", "read_config", "strip_comments"]

#: Names a configuration file, in place of the usual ones.
VARIABLE = "MESSAGING_CONNECT_FILE"

_FILES = (
    os.path.join(os.curdir, "connect.json"),
    os.path.join("~", ".config", "messaging", "connect.json"),
    os.path.join(os.sep, "etc", "messaging", "connect.json"),
)

#: the rights of the group and of all others to read and to write
_OTHERS = stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH | stat.S_IWOTH

# A quoted string, which is kept whatever is in it, or a comment.
_STRING_OR_COMMENT = re.compile(
    r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|//[^\n\r]*|/\*.*?\*/""",
    re.DOTALL,
)

# What tells where a key of correct JSON stands.
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[{}\[\]:\n]')

_NAMES = {dict: "an object", list: "a list", str: "a string", int: "a number", float: "a number", bool: "a boolean"}

_KINDS: dict[str, tuple[type, ...]] = {
    "scheme": (str,),
    "host": (str,),
    "port": (int, str),
    "user": (str,),
    "password": (str,),
    "sasl": (dict,),
    "sasl.enabled": (bool,),
    "sasl.enable": (bool,),
    "sasl.mechanisms": (list, str),
}
# Checked for amqps alone: a file may keep the settings of TLS while it is switched off.
_TLS_KINDS: dict[str, tuple[type, ...]] = {
    "tls": (dict,),
    "tls.ca": (str,),
    "tls.cert": (str,),
    "tls.key": (str,),
    "tls.verify": (bool,),
}


class Config(dict[str, Any]):
    """What a configuration file says, and where it says it.

    :param content: the object in the file.
    :param path: the file.
    :param text: what is in it, without comments.
    """

    def __init__(self, content: dict[str, Any], path: str = "connect.json", text: str = "") -> None:
        super().__init__(content)
        self.path = path
        self.text = text

    def find(self, key: str, default: Any = None) -> Any:
        """The value of a key, in which a dot leads into an object; the default also for null.

        :param key: for example ``"sasl.enabled"``.
        """
        value: Any = self
        for name in key.split("."):
            value = value.get(name)
            if value is None:
                return default
        return value

    def place(self, key: str) -> str:
        """Where a key stands: file, line and key, as errors begin."""
        line = _lines_of_keys(self.text).get(key)
        return f"{self.path}:{line}: {key}" if line else f"{self.path}: {key}"

    def check(self, kinds: dict[str, tuple[type, ...]]) -> None:
        """Compare values with the types that they are to have.

        :raises ValueError: one of them has another.
        """
        for key, allowed in kinds.items():
            value = self.find(key)
            # By exact type: a boolean does not count as a number.
            if value is not None and type(value) not in allowed:
                expected = " or ".join(_NAMES[kind] for kind in allowed)
                raise ValueError(f"{self.place(key)}: expected {expected}, got {_NAMES[type(value)]}")


def _lines_of_keys(text: str) -> dict[str, int]:
    """The line of each key of a JSON object, by its path."""
    lines: dict[str, int] = {}
    path: list[str] = []
    key = word = ""
    line = at = 1
    # A second, simple walk: the parser of the library does not say where a key stands.
    for token in _TOKEN.findall(text):
        if token == "\n":
            line += 1
        elif token == ":":
            key = word
            lines[".".join([*path[1:], key])] = at
        elif token in "{[":
            path.append(key)
        elif token in "}]":
            path.pop()
        else:
            word, at = json.loads(token), line
    return lines


def strip_comments(text: str) -> str:
    """The text with each ``//`` and ``/* */`` comment made blank, except inside quotes; all else keeps its place."""
    # Blanks and not nothing, so that lines and columns of errors are those of the file.
    return _STRING_OR_COMMENT.sub(lambda found: found.group(1) or _blank(found.group()), text)


def _blank(text: str) -> str:
    return re.sub(r"[^\r\n]", " ", text)


def find_config() -> str | None:
    """The path of the configuration file that counts, None when there is none."""
    named = os.environ.get(VARIABLE)
    # The variable alone, if it is set: a file that it names and that is missing must not be replaced by another.
    candidates = [named] if named else [os.path.expanduser(path) for path in _FILES]
    for path in candidates:
        if os.path.exists(path):
            return path if os.path.isfile(path) else None
    return None


def read_config() -> Config:
    """What the configuration file says; empty when there is none.

    :raises ValueError: (`json.JSONDecodeError`) the file is not JSON.
    :raises AttributeError: it is, but no object.
    :raises OSError: the file cannot be read.
    """
    path = find_config()
    if path is None:
        return Config({})
    try:
        with open(path, encoding="utf-8-sig") as file:
            # Of the open file: by its path another one may be there by then.
            mode = os.fstat(file.fileno()).st_mode
            text = strip_comments(file.read())
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8: {error.reason} at byte {error.start}") from None
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        # The exception keeps its text: it gets one of the same shape, which has no password in it.
        raise json.JSONDecodeError(f"{path}: {error.msg}", _blank(text), error.pos) from None
    if not isinstance(content, dict):
        raise AttributeError(f"expected a JSON object in {path}, got {type(content).__name__}")
    config = Config(content, path, text)
    if os.name == "posix" and mode & _OTHERS and config.find("password"):
        log.warning("%s has a password, and others may read or write it: take the rights away with chmod 600", path)
    return config


def configured_options(config: Config, make_domain: Callable[[], Any]) -> dict[str, Any]:
    """The options for `Container.connect` that a configuration gives; they override those of the caller.

    :param config: what `read_config` has returned.
    :param make_domain: makes a client's TLS domain; called for scheme ``amqps`` only.
    :raises ValueError: a value is invalid for its key; told with file, line and key.
    """
    config.check(_KINDS)
    from_file: dict[str, Any] = {"url": _url(config), "ssl_domain": None}
    if config.find("user"):
        from_file["user"] = config["user"]
        if config.find("password"):
            from_file["password"] = config["password"]
    # Either spelling; the documentation of other languages has the second one.
    from_file["sasl_enabled"] = config.find("sasl.enabled", config.find("sasl.enable", True))
    mechanisms = config.find("sasl.mechanisms")
    if mechanisms:
        if any(type(mechanism) is not str for mechanism in mechanisms):
            raise ValueError(f"{config.place('sasl.mechanisms')}: expected a list of strings, got others in it")
        from_file["allowed_mechs"] = mechanisms
    if from_file["url"].scheme == Url.AMQPS:
        config.check(_TLS_KINDS)
        from_file["ssl_domain"] = _configure(make_domain(), config)
    return from_file


def _url(config: Config) -> Url:
    scheme = config.find("scheme", Url.AMQPS)
    if scheme not in (Url.AMQP, Url.AMQPS):
        raise ValueError(f"{config.place('scheme')}: expected 'amqp' or 'amqps', got {scheme!r}")
    try:
        port = Url.Port(config.find("port", 5671 if scheme == Url.AMQPS else 5672))
    except ValueError as error:
        raise ValueError(f"{config.place('port')}: {error}") from None
    return Url(scheme=scheme, host=config.find("host") or "localhost", port=port)


def _configure(domain: Any, config: Config) -> Any:
    key = "tls.ca"
    try:
        if config.find(key):
            domain.set_trusted_ca_db(config.find(key))
        key = "tls.cert"
        if config.find(key) and config.find("tls.key"):
            domain.set_credentials(config.find(key), config.find("tls.key"), None)
    except SSLException as error:
        raise type(error)(f"{config.place(key)}: {error}") from error
    # Last, since the other settings are right for a domain that verifies.
    if not config.find("tls.verify", True):
        domain.set_peer_authentication(domain.ANONYMOUS_PEER, None)
    return domain
