"""`hide`: decoded values without their secrets: those that a key of a map names, and those within texts.

Rules for editors: a pattern is linear in its text, which the peer chooses: it begins at one place of a word alone.
"""

from __future__ import annotations

import re
from typing import Any

from proton.codec.types import Array, Described

__all__ = ["HIDDEN", "Hidden", "hide"]

#: The words of a key, as in `apiKey`, `api_key`, `API-KEY`, `x-opt-token`.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(["pass", "passcode", "pin", "pw", "pwd", "sas", "sig", "signature"])
_SECRET_PART = re.compile(r"passw(or)?d|passphrase|secret|credential|authorization")
_SECRET_END = re.compile(r"(token|(access|account|api|auth|encryption|master|private|shared|signing|storage)keys?)$")
#: what a key is if it is not a secret
_KEY_BEFORE = frozenset(
    ["dedup", "foreign", "group", "hash", "message", "partition", "primary", "public", "record", "routing", "shard"]
    + ["sort"]
)
#: `key=value` as in connection strings and queries, `"key": "value"` as in JSON
_PAIR = re.compile(r"""(?<![\w.-])([\w.-]{1,64})(["']?\s*=\s*|["']\s*:\s*)("[^"]*"|'[^']*'|[^\s;&,"'{}\[\]]+)""")
#: the password of a URL; a JSON web token; the whole of an HTTP header `authorization`
_OTHERS = (
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)"), r"\1***"),
    (re.compile(r"(?<![\w-])eyJ[\w-]+\.[\w-]+\.[\w-]*"), "***"),
    (re.compile(r"\A((?:Bearer|Basic) )\S+\Z"), r"\1***"),
)


class Hidden:
    """Stands for a value that is not shown."""

    def __repr__(self) -> str:
        return "***"


HIDDEN = Hidden()


def hide(value: Any) -> Any:
    """A decoded value without its secrets."""
    if isinstance(value, str):
        return _without_secrets(value)
    if isinstance(value, dict):
        return {
            hide(key): HIDDEN if _is_secret(key) and item is not None else hide(item) for key, item in value.items()
        }
    kind = type(value)
    if kind is Described:
        return Described(value.descriptor, hide(value.value))
    if kind is Array:
        return Array(value.descriptor, value.type, *map(hide, value.elements))
    if isinstance(value, (list, tuple)):
        return [hide(item) for item in value]
    if kind is bytes or kind is memoryview:
        text = bytes(value).decode("latin-1")
        hidden = _without_secrets(text)
        return value if hidden is text else hidden.encode("latin-1")
    return value


def _is_secret(key: Any) -> bool:
    text = key.decode("latin-1") if isinstance(key, bytes) else key
    return isinstance(text, str) and _names_secret(text)


def _names_secret(key: str) -> bool:
    words = [word.lower() for word in _WORD.findall(key[:256])]
    if not words:
        return False
    joined = "".join(words)
    if not _SECRET_WORDS.isdisjoint(words) or _SECRET_PART.search(joined) or _SECRET_END.search(joined):
        return True
    return words[-1] in ("key", "keys") and _KEY_BEFORE.isdisjoint(words)


def _hide_pair(found: re.Match[str]) -> str:
    key, between, value = found.groups()
    # `key = 5` is a condition of a selector, more often than a secret.
    return f"{key}{between}***" if key.lower() != "key" and _names_secret(key) else f"{key}{between}{value}"


def _without_secrets(text: str) -> str:
    hidden = text
    if "=" in text or '":' in text or "':" in text:
        hidden = _PAIR.sub(_hide_pair, hidden)
    for pattern, shown in _OTHERS:
        hidden = pattern.sub(shown, hidden)
    return text if hidden == text else type(text)(hidden)
