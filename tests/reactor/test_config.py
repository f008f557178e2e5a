"""The connection configuration file: where it is looked for, and what it changes."""

import json
import os

import pytest

from proton.exceptions import SSLUnavailable
from proton.reactor import Container
from proton.reactor import config as configuration
from proton.reactor.config import configured_options, find_config, read_config, strip_comments


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

    return lambda config: configured_options(config, Domain)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ('{"a": 1} // rest\n', '{"a": 1}  \n'),
        ('{/* in\n two lines */"a": 1}', '{ "a": 1}'),
        ('{"a": "http://x"}', '{"a": "http://x"}'),
        ('{"a": "/* no */"}', '{"a": "/* no */"}'),
        (r'{"a": "\"// no"} // yes', r'{"a": "\"// no"}  '),
        ("{'a': '// no'}", "{'a': '// no'}"),
        ("a /* x */ b // y", "a   b  "),
        ("/**/", " "),
    ],
)
def test_comments_become_a_space(text, expected):
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


def test_the_variable_names_the_only_file(no_configuration, monkeypatch):
    write(no_configuration / "here" / "connect.json", {"host": "here"})
    named = no_configuration / "named.json"
    monkeypatch.setenv("MESSAGING_CONNECT_FILE", str(named))
    assert read_config() == {}
    write(named, {"host": "named"})
    assert read_config() == {"host": "named"}
    monkeypatch.setenv("MESSAGING_CONNECT_FILE", "")
    assert read_config() == {"host": "here"}


def test_a_folder_is_no_configuration(no_configuration):
    os.mkdir(no_configuration / "here" / "connect.json")
    assert read_config() == {}


def test_bad_json_is_a_value_error(no_configuration):
    write(no_configuration / "here" / "connect.json", '{"host": }')
    with pytest.raises(json.JSONDecodeError):
        Container().connect()


def test_an_array_is_no_configuration(no_configuration):
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
    assert options({"tls": tls} if tls is not None else {})["ssl_domain"].calls == calls


def test_tls_is_looked_at_for_amqps_only(options):
    assert options({"scheme": "amqp", "tls": {"ca": "a"}})["ssl_domain"] is None


def test_connect_uses_the_file_and_passes_the_rest_on(no_configuration):
    write(no_configuration / "here" / "connect.json", {"scheme": "amqp", "host": "h", "user": "u", "password": "p"})
    handler = object()
    connection = Container().connect(
        handler=handler, user="other", password="other", sasl_enabled=False, virtual_host="v", heartbeat=5
    )
    connector = connection._overrides
    assert [str(url) for url in connector.address] == ["amqp://h:5672"]
    assert (connector.user, connector.password, connector.sasl_enabled) == ("u", "p", True)
    assert (connector.heartbeat, connection.hostname) == (5, "v")
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
