"""`Url`: the small, old parser and builder of AMQP addresses such as `amqps://user:pass@host:5671/queue`.

Only text lives here: nothing is resolved or connected (a service name such as `amqp` is looked up for its
port, no more). The parser is our own, because the library's quotes the whole authority, password included,
in its errors, and its treatment of odd authorities changes between Python releases.

Keep true: `str(url)` parses back to the same parts, so it holds the password; `repr`, which ends up in
logs, never does. No exception text may quote more than the part that is wrong.
"""

from __future__ import annotations

import functools
import re
from typing import Any, ClassVar

from proton.lazy import socket, urllib_parse

__all__ = ["Url", "connection_url", "without_password"]

#: the schemes of URLs to connect to and to listen on; the second is another word for the first
_SCHEMES = ("amqp", "tcp", "amqps")
_UNESCAPED = (
    "expected at most one '@', between password and host: write @ / ? # : % in user name and password as "
    "%40 %2F %3F %23 %3A %25, and give an address that has an '@' apart from the URL"
)

# Not every system lists both names (2.8.19).
_WELL_KNOWN = {"amqp": 5672, "amqps": 5671}

_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")

_PARTS = ("scheme", "username", "password", "host", "port", "path")

# A URL read from a file brings its line end along; none of these can be a part of a URL.
_DROPPED = {ord(character): None for character in "\t\r\n"}
_LEADING = "".join(map(chr, range(0x21)))


def _port_number(value: Any) -> int:
    # A number first: names are looked up in a file of the system.
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return socket.getservbyname(value)
    except (OSError, ValueError):  # ValueError: the name holds a null character
        number = _WELL_KNOWN.get(value.lower())
        if number is None:
            raise ValueError(f"Not a valid port number or service name: {value!r}") from None
        return number


def _quote(text: str) -> str:
    return text if text.isascii() and text.isalnum() else urllib_parse.quote(text, safe="")


def _unquote(text: str) -> str:
    return urllib_parse.unquote(text) if "%" in text else text


class Url:
    """A URL of the form ``scheme://user:password@host:port/path``; every part may be missing.

    Text without ``scheme://`` is read as host, port and path. Deprecated by the reference in favour of plain
    text, and accepted everywhere that text is.

    :param url: the text, or another `Url` to copy; nothing for an empty one
    :param defaults: fill in missing scheme, host and port, see :meth:`defaults`
    :param kwargs: `scheme`, `username` (or `user`), `password`, `host`, `port`, `path` replace that part of `url`
    :raise ValueError: for text that is not a URL
    :raise AttributeError: for another keyword
    """

    AMQP = "amqp"
    AMQPS = "amqps"

    class Port(int):
        """An integer port number that remembers the text it was made from, often a service name.

        Equal to its number and to its text, therefore unhashable; `str` gives the text, `int` and `repr` the number.

        :param value: a number, its digits, or a service name (``amqp`` and ``amqps`` are always known)
        :raise ValueError: for another form
        """

        name: str

        def __new__(cls, value: Any) -> Url.Port:
            port = super().__new__(cls, _port_number(value))
            port.name = str(value)
            return port

        def __eq__(self, other: object) -> bool:
            return self.name == other or int(self) == other

        def __ne__(self, other: object) -> bool:
            return not self == other

        __hash__: ClassVar[None] = None  # type: ignore[assignment]

        def __str__(self) -> str:
            return self.name

        def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]
            return (self.name,)

    _has_colons = False  # more than a port has
    _has_lone_percent = False  # in user name or password: one that begins no escape

    scheme: str | None
    username: str | None
    password: str | None

    def __init__(self, url: str | Url | None = None, defaults: bool = True, **kwargs: str | int | None) -> None:
        if isinstance(url, Url):
            vars(self).update(vars(url))
        elif isinstance(url, str) and "@" not in url:
            # Texts with an `@` may hold a password, and are not kept in the cache.
            vars(self).update(vars(_parsed(url)))
        else:
            self._parse(url)
        # After the text, whose parts they replace; before the defaults, which depend on the scheme.
        for name, value in kwargs.items():
            name = "username" if name == "user" else name
            if name not in _PARTS:
                raise AttributeError(f"'Url' object has no attribute {name!r}")
            setattr(self, name, value)
        if defaults:
            self.defaults()

    def _parse(self, text: Any) -> None:
        self.scheme = self.username = self.password = None
        self._host: str | None = None
        self._port: Any = None
        self._path: str | None = None  # with its leading slash
        self._tail = ""  # parameters, query and fragment: kept only for the text
        if not text:
            return
        if not isinstance(text, str):
            raise TypeError(f"a url must be a str or a Url, not {type(text).__name__}")
        text = text.lstrip(_LEADING).translate(_DROPPED)
        # A colon alone makes no scheme: in `host:5672/path` it comes before the port.
        before, colon, after = text.partition(":")
        if colon and after.startswith("//") and "/" not in before:
            self.scheme = _checked_scheme(before)
            text = after
        if text.startswith("//"):
            text = text[2:]
        end = min((at for at in map(text.find, "/?#") if at >= 0), default=len(text))
        try:
            self._parse_authority(text[:end])
        except ValueError:
            if "@" in text[end:]:  # what looks like a host is the beginning of a password
                raise ValueError(_UNESCAPED) from None
            raise
        self._parse_path(text[end:])

    def _parse_authority(self, text: str) -> None:
        # At the last `@`: one that is not escaped can only be a part of the password.
        user_info, at, host_port = text.rpartition("@")
        if at:
            username, colon, password = user_info.partition(":")
            self._has_lone_percent = _LONE_PERCENT.search(user_info) is not None
            self.username = _unquote(username)
            self.password = _unquote(password) if colon else None
        if "[" in host_port or "]" in host_port:
            # The colons of an IPv6 literal are not those before a port.
            literal, bracket, rest = host_port.partition("]")
            if not bracket or not literal.startswith("[") or rest[:1] not in ("", ":"):
                raise ValueError(f"expected an IPv6 literal like [::1] or [::1]:5672, not {host_port!r}")
            host, port = literal + bracket, rest[1:]
        else:
            host, _, port = host_port.partition(":")
        self._has_colons = ":" in port
        self._host = host.lower() or None
        self._port = port.partition(":")[0] or None

    def _parse_path(self, text: str) -> None:
        end = min((at for at in map(text.find, "?#") if at >= 0), default=len(text))
        path, tail = text[:end], text[end:]
        if self.scheme is None:
            # Old addresses carry options after a semicolon; only text without a scheme is read that way.
            at = path.find(";", path.rfind("/") + 1)
            if at >= 0:
                path, tail = path[:at], path[at:] + tail
        self._path = path or None
        self._tail = "" if tail in ("?", "#") else tail

    @property
    def host(self) -> str | None:
        """The host name or address, an IPv6 literal without its brackets; None when it is missing.

        A host with a colon is taken as an IPv6 literal and gets brackets in the text.
        """
        host = self._host
        return host[1:-1] if host and host.startswith("[") else host

    @host.setter
    def host(self, host: str | None) -> None:
        self._host = f"[{host}]" if host and ":" in host and not host.startswith("[") else host

    @property
    def port(self) -> Url.Port | None:
        """The port as a `Url.Port`, None when it is missing.

        It may be set to a number or a service name, and is not judged before it is read.

        :raise ValueError: on reading text that is neither a number nor a known service name
        """
        if self._port in (None, ""):
            return None
        # Made for each reading: what was set is kept as it is, and judged here.
        try:
            return self.Port(self._port)
        except ValueError:
            if not self._is_unescaped:
                raise
            # What looks like a port is the beginning of a password.
            hint = "with /, ? and # written as %2F, %3F and %23"
            raise ValueError(f"expected a port, or user name and password {hint} before the @") from None

    @port.setter
    def port(self, port: str | int | None) -> None:
        # A Port is kept as its text, so that comparing and copying do not depend on where it came from.
        self._port = port.name if isinstance(port, self.Port) else port

    @property
    def host_port(self) -> str:
        """`host:port` with the port as a number and an IPv6 literal in brackets; missing parts are left out."""
        port = self.port
        return (self._host or "") + ("" if port is None else f":{int(port)}")

    @property
    def path(self) -> str | None:
        """What follows the slash after the host: the address in most programs. None when there is no slash.

        Query and fragment are not part of it, and it is not percent-decoded.
        """
        return None if self._path is None else self._path[1:]

    @path.setter
    def path(self, path: str | None) -> None:
        self._path = path if path is None or path.startswith("/") else "/" + path

    def defaults(self) -> Url:
        """Fill in what is missing of scheme (``amqp``), host (``0.0.0.0``) and port (the scheme's own).

        :return: this object
        :raise ValueError: when the port is missing and the scheme is not the name of a known service
        """
        self.scheme = self.scheme or self.AMQP
        self._host = self._host or "0.0.0.0"
        if self._port in (None, ""):
            self._port = self.Port(self.scheme).name
        return self

    def _completed(self) -> Url:
        """This URL as that of a place to connect to: checked, and with its defaults filled in."""
        # Refused: the text that is parsed as host may be a part of the password, and would be asked of a resolver.
        if self._is_unescaped:
            raise ValueError(_UNESCAPED)
        if self._has_colons:
            raise ValueError(
                "expected host:port, got more than one ':' (an IPv6 address needs brackets, as [::1]:5672)"
            )
        if self.scheme is not None:
            self.scheme = self.scheme.lower()
            if self.scheme not in _SCHEMES:
                raise ValueError(f"expected a URL with the scheme amqp or amqps, got one with {self.scheme!r}")
            if self.scheme == "tcp" and self._port in (None, ""):
                self._port = self.AMQP  # no service of that name is known
        self.defaults()
        port = self.port  # a bad one shows on reading: better here than in the loop
        if port is not None and not 0 <= int(port) <= 0xFFFF:
            raise ValueError(f"expected a port from 0 to 65535, got {int(port)}")
        return self

    @property
    def has_lone_percent(self) -> bool:
        """True if user name or password came with a percent sign that begins no escape; it is kept as it is."""
        return self._has_lone_percent

    @property
    def _is_unescaped(self) -> bool:
        """Whether what stands as host and path may be a password that was not percent-encoded."""
        return "@" in (self._path or "") + self._tail

    def _text(self, password: str | None) -> str:
        user_info = _quote(self.username) if self.username else ""
        if password:
            user_info += ":" + password
        authority = (user_info + "@" if user_info else "") + (self._host or "")
        if self._port not in (None, ""):
            authority += f":{self._port}"
        path = self._path or ""
        scheme = self.scheme + ":" if self.scheme else ""
        # A path that begins with two slashes would be read as an authority without these.
        slashes = "//" if scheme or authority or path.startswith("//") else ""
        return scheme + slashes + authority + path + self._tail

    def _without_password(self) -> str:
        # The text of `repr`, without its class and quotes.
        return repr(self)[5:-2] if self._is_unescaped else self._text(None)

    def __str__(self) -> str:
        return self._text(_quote(self.password) if self.password else None)

    def __repr__(self) -> str:
        # What follows the last `@` is the only part that is certainly not the password.
        if self._is_unescaped:
            scheme = self.scheme + "://" if self.scheme else "//"
            return f"Url({scheme + '***@' + (self._path or self._tail).rpartition('@')[2]!r})"
        return f"Url({self._text('***' if self.password else None)!r})"

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]


def connection_url(value: Any) -> Url:
    """The URL of a place to connect to or to listen on, with its defaults filled in.

    :param value: a text or a `Url`.
    :raises ValueError: it is empty or not a URL, its scheme or port is invalid, or it has an ``@`` too many; the text
        shows no part of what may be a password.
    """
    if isinstance(value, str):
        if value.count("@") > 1:
            raise ValueError(_UNESCAPED)
        if not value.strip():
            raise ValueError("expected a URL, got an empty text")
        scheme, _, rest = value.partition(":")
        if scheme.strip().lower() in _SCHEMES and rest.startswith("/") and not rest.startswith("//"):
            raise ValueError(f"expected '//' after the scheme {scheme.strip()}:, got '/'")
    return Url(value, defaults=False)._completed()


def without_password(url: Any) -> str:
    """The text of a URL as others may see it.

    :param url: a `Url`, or any other object that says where something is.
    """
    if not isinstance(url, Url):
        text = str(url)
        if "@" not in text:
            return text
        try:
            url = Url(text, defaults=False)
        except ValueError:
            # Of text that is not a URL the same holds: only what follows the last `@` is shown.
            return "***@" + text.rpartition("@")[2]
    shown: str = url._without_password()
    return shown


@functools.lru_cache(maxsize=64)
def _parsed(text: str) -> Url:
    """The parts of a text, to be copied: programs connect often, and to few places. No password is kept here."""
    url = Url.__new__(Url)
    url._parse(text)
    return url


def _checked_scheme(text: str) -> str | None:
    """The scheme in lower case; None for an empty one, which `://host` has."""
    rest = text[1:].translate({ord(character): "" for character in "+-."})
    if text and not (text.isascii() and text[0].isalpha() and (not rest or rest.isalnum())):
        raise ValueError(f"a scheme is a letter and then letters, digits, '+', '-' or '.', not {text!r}")
    return text.lower() or None
