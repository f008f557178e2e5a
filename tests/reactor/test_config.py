"""The connection configuration file: where it is looked for, and what it changes."""

import json
import os

import pytest

from proton.exceptions import SSLException, SSLUnavailable
from proton.options import config as configuration
from proton.options.config import Config, configured_options, find_config, read_config, strip_comments
from proton.reactor import Container


@pytest.fixture(autouse=True)
def no_configuration(tmp_path, monkeypatch):
    """An empty home and an empty current folder."""
    monkeypatch.delenv("MESSAGING_CONNECT_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.fixture
def options(monkeypatch):
    """What `connect` makes of a configuration, without TLS."""

    class Domain:
        ANONYMOUS_PEER = 2

        def __init__(self):
            self.calls = []

        def __getattr__(self, name):
            return lambda *args: self.calls.append((name, *args))

    return lambda config: configured_options(Config(config), Domain)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('{"a": 1} // rest\n', '{"a": 1}        \n'),
        ('{/* in\n two lines */"a": 1}', '{     \n             "a": 1}'),
        ('{"a": "http://x"}', '{"a": "http://x"}'),
        ('{"a": "/* no */"}', '{"a": "/* no */"}'),
        (r'{"a": "\"// no"} // yes', r'{"a": "\"// no"}       '),
        ("{'a': '// no'}", "{'a': '// no'}"),
        ("a /* x */ b // y", "a         b     "),
        ("/**/", "    "),
    ],
)
def test_comments_become_blanks(text, expected):
    assert strip_comments(text) == expected


def write(path, config):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(config if isinstance(config, str) else json.dumps(config))


def test_the_first_of_the_usual_files_counts(no_configuration):
    assert find_config() is None
    assert read_config() == {}
    home = no_configuration / "home" / ".config" / "messaging" / "connect.json"
    write(home, {"host": "home"})
    assert read_config() == {"host": "home"}
    write(no_configuration / "here" / "connect.json", {"host": "here"})
    assert read_config() == {"host": "here"}


def test_where_the_usual_files_are(no_configuration, monkeypatch):
    asked = []
    monkeypatch.setattr(os.path, "exists", lambda path: asked.append(path))
    assert find_config() is None
    home = str(no_configuration / "home" / ".config" / "messaging" / "connect.json")
    assert asked == [FILE, home, os.path.join(os.sep, "etc", "messaging", "connect.json")]


def test_the_variable_names_the_only_file(no_configuration, monkeypatch):
    write(no_configuration / "here" / "connect.json", {"host": "here"})
    named = no_configuration / "named.json"
    monkeypatch.setenv("MESSAGING_CONNECT_FILE", str(named))
    assert read_config() == {}
    write(named, {"host": "named"})
    assert read_config() == {"host": "named"}
    monkeypatch.setenv("MESSAGING_CONNECT_FILE", "")
    assert read_config() == {"host": "here"}


def test_a_folder_is_not_a_configuration(no_configuration):
    os.mkdir(no_configuration / "here" / "connect.json")
    assert read_config() == {}


def failing(no_configuration, text):
    """What `connect` raises for a file."""
    write(no_configuration / "here" / "connect.json", text)
    with pytest.raises(Exception) as failure:
        Container().connect()
    return failure.value


FILE = os.path.join(os.curdir, "connect.json")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"host": }', "line 1 column 10 (char 9)"),
        ("", "line 1 column 1 (char 0)"),
        ('{\n  /* two\n lines */\n  "port": x}', "line 4 column 11"),
        ('{"a": 1} // one\n{}', "line 2 column 1"),
    ],
)
def test_bad_json_is_a_value_error_that_names_file_and_place(no_configuration, text, place):
    error = failing(no_configuration, text)
    assert type(error) is json.JSONDecodeError
    # The words between are those of the interpreter's JSON decoder: CPython and PyPy choose other ones.
    assert str(error).startswith(f"{FILE}: ")
    assert f": {place}" in str(error)


def test_bad_json_shows_no_password(no_configuration):
    error = failing(no_configuration, '{"user": "me",\n"password": "secret"\n"host": "h"}')
    assert (error.lineno, error.colno) == (3, 1)
    assert "secret" not in error.doc and "secret" not in str(error)
    assert error.__cause__ is None and error.__suppress_context__


def test_a_file_that_is_not_text_is_a_value_error(no_configuration):
    (no_configuration / "here" / "connect.json").write_bytes(b'{"host": "\xff"}')
    with pytest.raises(ValueError, match="connect.json: expected UTF-8: invalid start byte at byte 10"):
        Container().connect()


def test_a_byte_order_mark_is_passed_over(no_configuration):
    (no_configuration / "here" / "connect.json").write_bytes(b'\xef\xbb\xbf{"host": "h"}')
    assert read_config() == {"host": "h"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"scheme": 5}', "1: scheme: expected a string, got a number"),
        ('{"scheme": "http"}', "1: scheme: expected 'amqp' or 'amqps', got 'http'"),
        ('{"scheme": "amqp",\n"host": ["h"]}', "2: host: expected a string, got a list"),
        ('{"port": 1.5}', "1: port: expected a number or a string, got a number"),
        ('{"port": true}', "1: port: expected a number or a string, got a boolean"),
        (
            '{"host": "h", // where\n\n"port": "nonsense"}',
            "3: port: Not a valid port number or service name: 'nonsense'",
        ),
        ('{"user": {}}', "1: user: expected a string, got an object"),
        ('{"user": "u",\n"password": 12345}', "2: password: expected a string, got a number"),
        ('{"sasl": true}', "1: sasl: expected an object, got a boolean"),
        ('{"enabled": 1, "sasl": {\n"enabled": "no"}}', "2: sasl.enabled: expected a boolean, got a string"),
        ('{"sasl": {"enable": 0}}', "1: sasl.enable: expected a boolean, got a number"),
        ('{"sasl": {"mechanisms": 1}}', "1: sasl.mechanisms: expected a list or a string, got a number"),
        ('{"sasl": {"mechanisms": ["PLAIN", 1]}}', "1: sasl.mechanisms: expected a list of strings, got others in it"),
        ('{"tls": "yes"}', "1: tls: expected an object, got a string"),
        ('{"tls": {\n"ca": false}}', "2: tls.ca: expected a string, got a boolean"),
        ('{"tls": {"cert": 1}}', "1: tls.cert: expected a string, got a number"),
        ('{"tls": {"key": []}}', "1: tls.key: expected a string, got a list"),
        ('{"tls": {"verify": "false"}}', "1: tls.verify: expected a boolean, got a string"),
    ],
)
def test_a_wrong_value_is_told_with_file_line_and_key(no_configuration, text, complaint):
    error = failing(no_configuration, text)
    assert type(error) is ValueError
    assert str(error) == f"{FILE}:{complaint}"
    assert "12345" not in str(error)


def test_null_is_as_good_as_nothing(options):
    nothing = dict.fromkeys(["scheme", "host", "port", "user", "password", "sasl"])
    nothing["tls"] = {"ca": None, "verify": None}
    found = options(nothing)
    assert found.pop("ssl_domain").calls == []
    assert found == {"url": "amqps://localhost:5671", "sasl_enabled": True}


def test_what_tls_does_not_take_is_told_with_the_key():
    class Domain:
        def set_trusted_ca_db(self, path):
            raise SSLException(f"no such file: {path}")

    with pytest.raises(SSLException, match="f:2: tls.ca: no such file: nowhere"):
        configured_options(Config({"tls": {"ca": "nowhere"}}, "f", '{"tls":\n{"ca": "nowhere"}}'), Domain)


def test_a_host_is_nothing_but_a_host(options):
    url = options({"host": "user:secret@h/path"})["url"]
    assert (url.username, url.path) == (None, None)


def test_an_array_is_not_a_configuration(no_configuration):
    write(no_configuration / "here" / "connect.json", "[1]")
    with pytest.raises(AttributeError, match="expected a JSON object .* got list"):
        Container().connect()


@pytest.mark.parametrize(
    ("config", "url"),
    [
        ({}, "amqps://localhost:5671"),
        ({"scheme": "amqp"}, "amqp://localhost:5672"),
        ({"scheme": "amqp", "host": "h", "port": 1}, "amqp://h:1"),
        ({"scheme": "amqp", "port": "amqps"}, "amqp://localhost:amqps"),
        ({"scheme": "amqp", "host": "::1"}, "amqp://[::1]:5672"),
    ],
)
def test_the_url(options, config, url):
    assert options(config)["url"] == url


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {"sasl_enabled": True}),
        ({"user": "u", "password": "p"}, {"user": "u", "password": "p", "sasl_enabled": True}),
        ({"password": "p"}, {"sasl_enabled": True}),
        ({"sasl": {"enabled": False}}, {"sasl_enabled": False}),
        ({"sasl": {"enable": False}}, {"sasl_enabled": False}),
        ({"sasl": {"mechanisms": ["PLAIN"]}}, {"sasl_enabled": True, "allowed_mechs": ["PLAIN"]}),
        ({"sasl": {"mechanisms": ""}}, {"sasl_enabled": True}),
    ],
)
def test_authentication(options, config, expected):
    found = options(dict(config, scheme="amqp"))
    del found["url"]
    assert found.pop("ssl_domain") is None
    assert found == expected


@pytest.mark.parametrize(
    ("tls", "calls"),
    [
        (None, []),
        ({"ca": "a"}, [("set_trusted_ca_db", "a")]),
        ({"cert": "c", "key": "k"}, [("set_credentials", "c", "k", None)]),
        ({"cert": "c"}, []),
        ({"key": "k"}, []),
        ({"verify": True}, []),
        ({"verify": False}, [("set_peer_authentication", 2, None)]),
    ],
)
def test_tls(options, tls, calls):
    assert options({"tls": tls})["ssl_domain"].calls == calls


def test_tls_is_looked_at_for_amqps_only(options):
    for tls in ({"ca": "a"}, 5):
        assert options({"scheme": "amqp", "tls": tls})["ssl_domain"] is None


def test_connect_uses_the_file_and_passes_the_rest_on(no_configuration):
    write(no_configuration / "here" / "connect.json", {"scheme": "amqp", "host": "h", "user": "u", "password": "p"})
    handler = object()
    connection = Container().connect(
        handler=handler, user="other", password="other", sasl_enabled=False, virtual_host="v", heartbeat=5
    )
    connector = connection._overrides
    assert [str(url) for url in connector.address] == ["amqp://h:5672"]
    assert (connector.options.user, connector.options.password, connector.options.sasl_enabled) == ("u", "p", True)
    assert (connector.options.heartbeat, connection.hostname) == (5, "v")
    assert connection.handler.handlers == [handler]


def test_a_url_or_an_address_keeps_the_file_out(no_configuration):
    write(no_configuration / "here" / "connect.json", "no JSON")
    container = Container()
    assert [str(url) for url in container.connect("h")._overrides.address] == ["amqp://h:amqp"]
    assert [str(url) for url in container.connect(urls=["h"])._overrides.address] == ["amqp://h:amqp"]
    with pytest.raises(ValueError, match="One of url or urls required"):
        container.connect(address="h")


def test_a_bad_port_name_fails_where_it_is_needed(no_configuration):
    write(no_configuration / "here" / "connect.json", {"scheme": "amqp", "port": "nonsense"})
    assert read_config() == {"scheme": "amqp", "port": "nonsense"}
    with pytest.raises(ValueError, match="nonsense"):
        Container().connect()


def test_a_missing_tls_library_is_named(monkeypatch, no_configuration):
    container = Container()
    monkeypatch.setattr("proton.reactor.container.make_domain", _unavailable)
    with pytest.raises(SSLUnavailable):
        container.connect()
    assert configuration.VARIABLE == "MESSAGING_CONNECT_FILE"


def _unavailable(mode):
    raise SSLUnavailable("amqps: SSL libraries not found")
