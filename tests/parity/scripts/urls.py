"""`Url`: parsing, defaults, text and editing.

Passwords are in the text here as the API keeps them.
"""

from __future__ import annotations

from engines import attempt

from proton import Url

TEXTS = [
    None,
    "",
    "host",
    "host:1234",
    "amqps://host",
    "AMQP://HOST/Path",
    "amqp://u%40x:p%3Ay@h",
    "[::1]:99",
    "/x",
    "h/p/q?a=b#f",
]
TEXTS += [
    "amqp://u:@h",
    "user:pass@host:5/x",
    "amqp:5672",
    "//h",
    "amqp://",
    "host/",
    "host//x",
    "::1",
    "amqp://[::1]",
    "u@h",
]
TEXTS += [
    "amqp://h:amqps",
    "http://h",
    "h:",
    "amqp://u@h:5/",
    "a.b.c:1/x/y",
    "amqp://u%2F:p%25@h",
    "amqp://@h",
    "?q",
    "[::1]",
]
for text in TEXTS:
    for defaults in (True, False):
        try:
            url = Url(text, defaults=defaults)
            parts = [url.scheme, url.username, url.password, url.host, url.port and int(url.port), url.path]
            print(repr(text), defaults, parts, str(url), repr(url))
        except Exception as error:
            print(repr(text), defaults, type(error).__name__)
for text in ("foo:bar", "h:zzz"):
    attempt(text, lambda text=text: Url(text).port)
attempt("bytes", Url, b"host")
attempt("unknown", lambda: Url("h", nosuch=1))
print(Url("h", password="p"), Url("h", scheme="amqps", port=5, path="x", username="u@", host="::1"))
url = Url("amqp://h/x")
for name, value in (
    ("path", "y"),
    ("path", "/z"),
    ("host", "::2"),
    ("port", "amqps"),
    ("port", 7),
    ("username", "q r"),
):
    setattr(url, name, value)
    print(name, value, url, url.host, url.port, url.path)
url.scheme = None
print(url, Url(url) == url, url == str(url), Url("h") == Url("h:5672"), Url("h") != Url("i"))
attempt("hash", hash, url)
port = Url.Port("amqp")
print(
    repr(port),
    str(port),
    int(port),
    port == "amqp",
    port == 5672,
    port == "5672",
    port.name,
    Url.Port(5.5),
    Url.Port("99"),
)
attempt("bad port", Url.Port, "zzz")
print(Url.AMQP, Url.AMQPS, Url(None, defaults=False).defaults())
