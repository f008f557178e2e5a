"""`Url`: parsing, defaults, text and comparison, and what must never be shown."""

from __future__ import annotations

import copy
import operator
import pickle
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proton.url import Url, _parsed

# text, (scheme, username, password, host, port, path), str with defaults, str without
PARSED = [
    (None, ("amqp", None, None, "0.0.0.0", 5672, None), "amqp://0.0.0.0:amqp", ""),
    ("", ("amqp", None, None, "0.0.0.0", 5672, None), "amqp://0.0.0.0:amqp", ""),
    ("h", ("amqp", None, None, "h", 5672, None), "amqp://h:amqp", "//h"),
    ("//h", ("amqp", None, None, "h", 5672, None), "amqp://h:amqp", "//h"),
    ("://h", ("amqp", None, None, "h", 5672, None), "amqp://h:amqp", "//h"),
    ("host:1234", ("amqp", None, None, "host", 1234, None), "amqp://host:1234", "//host:1234"),
    ("h:", ("amqp", None, None, "h", 5672, None), "amqp://h:amqp", "//h"),
    ("h:5:6", ("amqp", None, None, "h", 5, None), "amqp://h:5", "//h:5"),
    ("h:99999", ("amqp", None, None, "h", 99999, None), "amqp://h:99999", "//h:99999"),
    ("h:0", ("amqp", None, None, "h", 0, None), "amqp://h:0", "//h:0"),
    ("amqp://h:amqps", ("amqp", None, None, "h", 5671, None), "amqp://h:amqps", "amqp://h:amqps"),
    ("amqps://host", ("amqps", None, None, "host", 5671, None), "amqps://host:amqps", "amqps://host"),
    ("AMQP://HOST/Path", ("amqp", None, None, "host", 5672, "Path"), "amqp://host:amqp/Path", "amqp://host/Path"),
    ("amqp://", ("amqp", None, None, "0.0.0.0", 5672, None), "amqp://0.0.0.0:amqp", "amqp://"),
    ("amqp:///x", ("amqp", None, None, "0.0.0.0", 5672, "x"), "amqp://0.0.0.0:amqp/x", "amqp:///x"),
    ("amqp:5672", ("amqp", None, None, "amqp", 5672, None), "amqp://amqp:5672", "//amqp:5672"),
    (":5672", ("amqp", None, None, "0.0.0.0", 5672, None), "amqp://0.0.0.0:5672", "//:5672"),
    ("unix:/tmp/x", ("amqp", None, None, "unix", 5672, "tmp/x"), "amqp://unix:amqp/tmp/x", "//unix/tmp/x"),
    ("a/b://c", ("amqp", None, None, "a", 5672, "b://c"), "amqp://a:amqp/b://c", "//a/b://c"),
    ("[::1]:99", ("amqp", None, None, "::1", 99, None), "amqp://[::1]:99", "//[::1]:99"),
    ("amqps://[::1]", ("amqps", None, None, "::1", 5671, None), "amqps://[::1]:amqps", "amqps://[::1]"),
    ("::1", ("amqp", None, None, "0.0.0.0", 5672, None), "amqp://0.0.0.0:amqp", ""),
    ("/x", ("amqp", None, None, "0.0.0.0", 5672, "x"), "amqp://0.0.0.0:amqp/x", "/x"),
    ("////x", ("amqp", None, None, "0.0.0.0", 5672, "/x"), "amqp://0.0.0.0:amqp//x", "////x"),
    ("host/", ("amqp", None, None, "host", 5672, ""), "amqp://host:amqp/", "//host/"),
    ("h//x", ("amqp", None, None, "h", 5672, "/x"), "amqp://h:amqp//x", "//h//x"),
    ("h/%20a b", ("amqp", None, None, "h", 5672, "%20a b"), "amqp://h:amqp/%20a b", "//h/%20a b"),
    ("h/p/q?a=b#f", ("amqp", None, None, "h", 5672, "p/q"), "amqp://h:amqp/p/q?a=b#f", "//h/p/q?a=b#f"),
    ("h?q", ("amqp", None, None, "h", 5672, None), "amqp://h:amqp?q", "//h?q"),
    ("#f", ("amqp", None, None, "0.0.0.0", 5672, None), "amqp://0.0.0.0:amqp#f", "#f"),
    ("amqp://h/a#", ("amqp", None, None, "h", 5672, "a"), "amqp://h:amqp/a", "amqp://h/a"),
    ("h/q;{create:x}", ("amqp", None, None, "h", 5672, "q"), "amqp://h:amqp/q;{create:x}", "//h/q;{create:x}"),
    ("amqp://h/q;r", ("amqp", None, None, "h", 5672, "q;r"), "amqp://h:amqp/q;r", "amqp://h/q;r"),
    ("u:p@host:5/x", ("amqp", "u", "p", "host", 5, "x"), "amqp://u:p@host:5/x", "//u:p@host:5/x"),
    ("amqp://u%40x:p%3Ay@h", ("amqp", "u@x", "p:y", "h", 5672, None), "amqp://u%40x:p%3Ay@h:amqp", None),
    ("amqp://u:@h", ("amqp", "u", "", "h", 5672, None), "amqp://u@h:amqp", None),
    ("amqp://:p@h", ("amqp", "", "p", "h", 5672, None), "amqp://:p@h:amqp", "amqp://:p@h"),
    ("amqp://@h", ("amqp", "", None, "h", 5672, None), "amqp://h:amqp", "amqp://h"),
    ("a@b@c", ("amqp", "a@b", None, "c", 5672, None), "amqp://a%40b@c:amqp", "//a%40b@c"),
    ("u:[x]@h", ("amqp", "u", "[x]", "h", 5672, None), "amqp://u:%5Bx%5D@h:amqp", None),
    (" h:5\r\n", ("amqp", None, None, "h", 5, None), "amqp://h:5", "//h:5"),
]


def parts(url: Url) -> tuple[object, ...]:
    return url.scheme, url.username, url.password, url.host, url.port, url.path


@pytest.mark.parametrize("text, expected, with_defaults, without", PARSED, ids=[repr(row[0]) for row in PARSED])
def test_parsing_and_text(text, expected, with_defaults, without):
    url = Url(text)
    assert parts(url) == expected
    assert str(url) == with_defaults
    if without is not None:
        assert str(Url(text, defaults=False)) == without


@pytest.mark.parametrize("text", [None, ""])
def test_an_empty_url_without_defaults_has_no_parts(text):
    assert parts(Url(text, defaults=False)) == (None,) * 6


@pytest.mark.parametrize("text", [row[0] for row in PARSED if row[0] and ";" not in row[0]])
@pytest.mark.parametrize("defaults", [True, False])
def test_the_text_parses_back_to_the_same_url(text, defaults):
    url = Url(text, defaults=defaults)
    again = Url(str(url), defaults=False)
    assert [part or None for part in parts(again)] == [part or None for part in parts(url)]
    assert str(again) == str(url)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_user_and_password_survive_the_text(username, password):
    again = Url(str(Url("amqps://h/q", username=username, password=password)))
    assert (again.username or "", again.password or "") == (username, password)
    assert (again.host, again.path) == ("h", "q")


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"path": "/x"}, "amqp://h:5/x"),
        ({"path": "x"}, "amqp://h:5/x"),
        ({"path": "//x"}, "amqp://h:5//x"),
        ({"path": ""}, "amqp://h:5/"),
        ({"path": None}, "amqp://h:5"),
        ({"host": "::1"}, "amqp://[::1]:5/p"),
        ({"host": "[::1]"}, "amqp://[::1]:5/p"),
        ({"host": "HH"}, "amqp://HH:5/p"),
        ({"host": None}, "amqp://:5/p"),
        ({"port": None}, "amqp://h/p"),
        ({"port": ""}, "amqp://h/p"),
        ({"port": 0}, "amqp://h:0/p"),
        ({"port": 7}, "amqp://h:7/p"),
        ({"port": Url.Port("amqps")}, "amqp://h:amqps/p"),
        ({"scheme": None}, "//h:5/p"),
        ({"scheme": "amqps"}, "amqps://h:5/p"),
        ({"username": ""}, "amqp://h:5/p"),
        ({"username": "é", "password": "p:/@"}, "amqp://%C3%A9:p%3A%2F%40@h:5/p"),
        ({"password": "x"}, "amqp://:x@h:5/p"),
    ],
)
def test_setting_parts(changes, text):
    url = Url("amqp://h:5/p")
    for name, value in changes.items():
        setattr(url, name, value)
    assert str(url) == text
    assert str(Url("amqp://h:5/p", defaults=False, **changes)) == text


def test_an_empty_path_can_be_set():
    url = Url("h/p")
    url.path = ""
    assert url.path == ""


def test_host_is_read_without_brackets():
    url = Url("h")
    url.host = "[::1]"
    assert url.host == "::1"


def test_keywords_replace_parts_and_defaults_fill_the_rest():
    url = Url("x", username="u", password="p", host="q", port=7, path="z", scheme="amqps")
    assert str(url) == "amqps://u:p@q:7/z"
    assert str(Url(scheme="amqps")) == "amqps://0.0.0.0:amqps"
    assert str(Url("x:5", port=None)) == "amqp://x:amqp"
    assert Url("x", user="me").username == "me"


@pytest.mark.parametrize("name", ["nosuch", "_host", "AMQP", "Port"])
def test_an_unknown_keyword_is_an_attribute_error(name):
    with pytest.raises(AttributeError, match=f"'Url' object has no attribute '{name}'"):
        Url("x", **{name: 1})


@pytest.mark.parametrize("value, name", [(5, "int"), (b"h", "bytes"), (["h"], "list")])
def test_only_text_is_parsed(value, name):
    with pytest.raises(TypeError, match=f"a url must be a str or a Url, not {name}"):
        Url(value)


@pytest.mark.parametrize("text", ["amqp://[::1", "amqp://::1]", "[::1]x:9", "x[::1]", "u:secret@[::1"])
def test_a_bad_ipv6_literal_is_a_value_error_that_shows_no_password(text):
    with pytest.raises(ValueError, match="expected an IPv6 literal like") as caught:
        Url(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["1a://h", "a b://h", "é://h", "a_b://h"])
def test_a_bad_scheme_is_a_value_error(text):
    with pytest.raises(ValueError, match="a scheme is a letter and then"):
        Url(text)


@pytest.mark.parametrize("text", ["foo:bar", "amqp://foo:bar/x"])
def test_a_bad_port_is_refused_when_it_is_read(text):
    url = Url(text)
    with pytest.raises(ValueError, match="Not a valid port number or service name: 'bar'"):
        _ = url.port
    with pytest.raises(ValueError, match="'bar'"):
        _ = url.host_port


def test_a_scheme_that_is_not_service_has_no_default_port():
    with pytest.raises(ValueError, match="Not a valid port number or service name: 'zz'"):
        Url("zz://h")
    url = Url("zz://h", defaults=False)
    assert url.port is None
    assert Url("zz://h:5").port == 5


def test_defaults_returns_the_url():
    url = Url("h", defaults=False)
    assert url.defaults() is url
    assert parts(url) == ("amqp", None, None, "h", 5672, None)


def test_a_url_is_copied():
    first = Url("u:p@h:7/x?q#f")
    second = Url(first, path="y")
    assert str(second) == "amqp://u:p@h:7/y?q#f"
    assert first.path == "x"
    assert copy.deepcopy(first) == first == pickle.loads(pickle.dumps(first))


def test_repr_hides_the_password_and_nothing_else():
    assert repr(Url("amqp://h:5/x")) == "Url('amqp://h:5/x')"
    assert repr(Url("u:secret@h:5/x?q")) == "Url('amqp://u:***@h:5/x?q')"
    assert repr(Url("h", password="secret")) == "Url('amqp://:***@h:amqp')"
    assert repr(Url("u:@h:5")) == "Url('amqp://u@h:5')"


def test_equality_is_that_of_the_text():
    assert Url("x") == Url("amqp://x:amqp")
    assert Url("x") == "amqp://x:amqp"
    assert operator.ne(Url("x"), Url("x")) is False
    assert Url("x") != "x"
    assert Url("u:a@x") != Url("u:b@x")
    assert Url("x") is not None and Url("x") != 5
    with pytest.raises(TypeError, match="unhashable"):
        hash(Url("x"))


@pytest.mark.parametrize(
    "text, expected",
    [("h:5", "h:5"), ("amqps://h", "h:5671"), ("[::1]", "[::1]:5672"), ("/x", "0.0.0.0:5672")],
)
def test_host_port(text, expected):
    assert Url(text).host_port == expected


def test_host_port_without_defaults_leaves_out_what_is_missing():
    assert Url("h", defaults=False).host_port == "h"
    assert Url(None, defaults=False).host_port == ""


@pytest.mark.parametrize(
    "value, number, name",
    [
        ("amqp", 5672, "amqp"),
        ("amqps", 5671, "amqps"),
        ("5", 5, "5"),
        (5, 5, "5"),
        (5.5, 5, "5.5"),
        ("-1", -1, "-1"),
    ],
)
def test_port_values(value, number, name):
    port = Url.Port(value)
    assert (int(port), str(port), port.name, repr(port)) == (number, name, name, str(number))
    assert port == number and port == name and number == port
    assert operator.ne(port, name) is False
    assert port != "x" and port is not None and port != number + 1
    assert f"{port}|{port:d}|{port!r}" == f"{name}|{number}|{number}"


def test_port_is_equal_to_another_port_of_the_same_number():
    assert Url.Port("amqp") == Url.Port(5672)
    assert Url.Port("amqp") != "5672"
    with pytest.raises(TypeError, match="unhashable"):
        hash(Url.Port("amqp"))
    again = pickle.loads(pickle.dumps(Url.Port("amqps")))
    assert (int(again), str(again)) == (5671, "amqps")


@pytest.mark.parametrize("value", ["zz", "", "5.5", "amqp ", "a\0b", "١x"])
def test_a_port_that_is_invalid_is_a_value_error(value):
    with pytest.raises(ValueError, match="Not a valid port number or service name"):
        Url.Port(value)


def test_amqp_ports_are_known_without_a_services_list(monkeypatch):
    def missing(name):
        raise OSError("service/proto not found")

    monkeypatch.setattr(socket, "getservbyname", missing)
    assert [int(Url(scheme=scheme).port) for scheme in ("amqp", "amqps")] == [5672, 5671]


def test_other_services_are_looked_up(monkeypatch):
    monkeypatch.setattr(socket, "getservbyname", {"spool": 4711}.__getitem__)
    assert Url("spool://h").port == 4711


@pytest.mark.parametrize("text", ["amqp://fred:sec/ret@localhost", "amqp://fred:sec?ret@h:5672", "fred:sec#ret@h"])
def test_a_password_that_is_not_encoded_is_not_taken_for_a_port(text):
    with pytest.raises(
        ValueError, match="user name and password with /, . and # written as %2F, %3F and %23"
    ) as caught:
        Url(text).port  # noqa: B018
    assert "sec" not in str(caught.value) and "ret" not in str(caught.value)


def test_urls_of_one_text_share_nothing():
    first, second = Url("amqp://h/a"), Url("amqp://h/a")
    first.host, first.port, first.path = "other", 1, "b"
    assert [str(second), str(Url("amqp://h/a"))] == ["amqp://h:amqp/a"] * 2


def test_no_url_with_a_password_is_kept():
    kept = _parsed.cache_info().currsize
    Url("amqp://anybody:s3cret@h"), Url("amqp://anybody:s3cret@h")
    assert _parsed.cache_info().currsize == kept
