"""Standard modules that are imported when they are first used: few programs need them, and all would wait for them.

This is the one place for imports that are put off; elsewhere an import stands at the top of its file. Keep true:
1. A module is in `REASONS` only if what needs it is rare, and if its import costs 1 % of that of `proton` or more.
2. Its attributes are looked up at each use, so it is for paths that are cold, and not for a base class or a decorator.
3. What a Python may lack is looked for with `is_present`; only a use of its attributes raises `ImportError`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Checkers see the modules themselves.
    import base64
    import ctypes
    import datetime
    import difflib
    import hashlib
    import hmac
    import importlib.metadata as importlib_metadata
    import ipaddress
    import json
    import logging.config as logging_config
    import numbers
    import socket
    import ssl
    import stringprep
    import unicodedata
    import urllib.parse as urllib_parse

__all__ = [
    "REASONS",
    "base64",
    "ctypes",
    "datetime",
    "difflib",
    "hashlib",
    "hmac",
    "importlib_metadata",
    "ipaddress",
    "is_present",
    "json",
    "logging_config",
    "numbers",
    "socket",
    "ssl",
    "stringprep",
    "unicodedata",
    "urllib_parse",
]

#: what is imported when it is first used, with what uses it
REASONS = {
    "base64": "SCRAM",
    "ctypes": "the Cyrus SASL library",
    "datetime": "the time for which a certificate is valid",
    "difflib": "the command that was meant by one that is not known",
    "hashlib": "SCRAM, PLAIN at a server, fingerprints of certificates",
    "hmac": "SCRAM, PLAIN at a server",
    "importlib.metadata": "pure-proton --version",
    "ipaddress": "names of certificates; urllib.parse imports it",
    "json": "the connection configuration file, refusals of OAUTHBEARER",
    "logging.config": "the file of PNPY_LOGGER_CONFIG",
    "numbers": "numbers that are neither an int nor a float",
    "socket": "the name of a service as the port of a URL; what opens sockets imports it at the start",
    "ssl": "TLS",
    "stringprep": "user names and passwords that are not of ASCII",
    "unicodedata": "user names and passwords that are not of ASCII",
    "urllib.parse": "URLs with an escape, and user names in the text of a URL",
}


class _Lazy:
    """Stands for a module until one of its attributes is asked for, and after that passes on what it has.

    :param name: the full name of the module.
    """

    __slots__ = ("_module", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: Any = None

    def __getattr__(self, attribute: str) -> Any:
        if self._module is None:
            # It waits for another thread that imports the module, which `sys.modules` would show half made.
            self._module = importlib.import_module(self._name)
        return getattr(self._module, attribute)


def is_present(module: object) -> bool:
    """Whether a module of this file can be imported: some builds of Python lack `ssl` or `ctypes`.

    :param module: what this file has under the name of the module. It is imported.
    """
    name = module._name if isinstance(module, _Lazy) else ""
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


globals().update({name.replace(".", "_"): _Lazy(name) for name in REASONS})
