"""Where and how to connect and to listen: a mistake raises before anything is made, and no text has a password."""

import json
import os
import re
import uuid
import warnings

import pytest

from proton import Connection, SSLDomain, Url
from proton.reactor import ApplicationEvent, Backoff, Container, Selector
from proton.url import connection_url, without_password
from proton.utils import BlockingConnection

SECRETS = ("s3cret", "p4ss", "w0rd")


class Loop(Container):
    """A container that makes no connection in vain: one that is made is a failure."""

    made = 0

    def connection(self, handler=None):
        self.made += 1
        return super().connection(handler)


WAYS = {
    "connect": lambda container, url: container.connect(url),
    "connect to a Url": lambda container, url: container.connect(Url(url, defaults=False)),
    "urls": lambda container, url: container.connect(urls=["amqp://ok", url]),
    "listen": lambda container, url: container.listen(url),
    "create_sender": lambda container, url: container.create_sender(url),
    "create_receiver": lambda container, url: container.create_receiver(url),
    "BlockingConnection": lambda container, url: BlockingConnection(url, container=container),
    "BlockingConnection urls": lambda container, url: BlockingConnection(urls=[url], container=container),
}
ways = pytest.mark.parametrize("way", WAYS)

SCHEMES = ["ampqs", "http", "https", "amqp+ssl", "topic", "queue", "ws"]


@ways
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("rest", ["user:s3cret@127.0.0.1:1/x", "user:s3cret@127.0.0.1", "127.0.0.1:1"])
def test_a_scheme_that_is_not_known_is_refused(way, scheme, rest):
    container = Loop()
    with pytest.raises(ValueError) as caught:
        WAYS[way](container, f"{scheme}://{rest}")
    assert str(caught.value) == f"expected a URL with the scheme amqp or amqps, got one with {scheme!r}"
    assert container.made == 0 and container.selectable_count == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcp://h", "tcp://h:amqp"),
        ("tcp://h:1/x", "tcp://h:1/x"),
        ("AMQP://h", "amqp://h:amqp"),
        ("AMQPS://h", "amqps://h:amqps"),
        ("h", "amqp://h:amqp"),
        ("h:5672/queue://x", "amqp://h:5672/queue://x"),
        ("amqp://h/topic://x", "amqp://h:amqp/topic://x"),
        ("amqp://u%40d:p%40@h", "amqp://u%40d:p%40@h:amqp"),
        (Url(scheme="AMQPS", host="h"), "amqps://h:AMQPS"),
    ],
)
def test_other_urls_are_taken(text, expected):
    assert str(connection_url(text)) == expected


def test_addresses_of_links_are_not_looked_at():
    container = Container()
    connection = container.connect("h:5672/queue://x")
    assert container.create_sender(connection, "topic://x@y").target.address == "topic://x@y"
    assert container.create_receiver(connection, "http://u:p@h@q").source.address == "http://u:p@h@q"
    assert container.create_sender("h:5672/queue://x").target.address == "queue://x"


UNESCAPED = [
    "amqp://fred:p4ss@w0rd@host",
    "amqp://fred:p4ss@x/w0rd@host",
    "amqp://fred:p4ss/w0rd@host",
    "amqp://fred:p4ss/w0rd@host/queue",
    "amqp://fred:12/w0rd@host",
    "amqp://fred:p4ss?w0rd@host",
    "amqp://fred:p4ss#w0rd@host",
    "amqp://fred:p4ss[/w0rd@host",
    "fred:p4ss@w0rd@host",
    "fred:p4ss@x/w0rd@host:5672",
    "ampqs://fred:p4ss@x/w0rd@host",
]
UNESCAPED_TEXT = re.escape(
    "expected at most one '@', between password and host: write @ / ? # : % in user name and password as "
    "%40 %2F %3F %23 %3A %25, and give an address that has an '@' apart from the URL"
)


def all_texts(error):
    """The texts of an exception and of all that led to it."""
    while error is not None:
        yield f"{error} {error!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "connect to a Url"])  # that one has been parsed already
@pytest.mark.parametrize("url", UNESCAPED)
def test_a_password_that_is_not_percent_encoded_is_refused_and_not_shown(way, url, caplog):
    container = Loop()
    with pytest.raises(ValueError, match=f"^{UNESCAPED_TEXT}$") as caught:
        WAYS[way](container, url)
    shown = " ".join(all_texts(caught.value)) + caplog.text
    assert not any(secret in shown for secret in SECRETS)
    assert container.made == 0 and container.selectable_count == 0


@pytest.mark.parametrize("url", [url for url in UNESCAPED if "[" not in url and url.count("@") != 2])
def test_an_object_of_such_a_url_is_refused_and_shows_nothing_of_it(url):
    parsed = Url(url, defaults=False)
    assert not any(secret in repr(parsed) + without_password(parsed) for secret in SECRETS)
    with pytest.raises(ValueError, match=f"^{UNESCAPED_TEXT}$"):
        Container().connect(parsed)


def test_a_url_that_cannot_be_parsed_shows_no_password():
    with pytest.raises(ValueError, match=f"^{UNESCAPED_TEXT}$"):
        Url("amqp://fred:p4ss[/w0rd@host")
    with pytest.raises(TypeError, match="^urls takes several URLs in a list, got one str$"):
        Container().connect(urls="amqp://fred:p4ss@x/w0rd@host")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("amqp://u:s3cret@h:1/x", "amqp://u@h:1/x"),
        (Url("amqp://u:s3cret@h:1/x"), "amqp://u@h:1/x"),
        (Url("h"), "amqp://h:amqp"),
        ("h:1", "h:1"),
        ("u:[s3cret@h", "//u@h"),
        ("u:s3cret@[h", "***@[h"),
    ],
)
def test_the_connected_address_has_no_password(url, shown):
    connection = Connection()
    connection.url = url
    assert connection.connected_address == without_password(url) == shown


def test_the_program_s_own_url_keeps_its_password():
    url = Url("amqp://u:s3cret@h:1/x")
    container = Container()
    connection = container.connect(url)
    container.start()
    container.process()
    assert connection.connected_address == container.get_connection_address(connection) == "amqp://u@h:1/x"
    assert str(url) == "amqp://u:s3cret@h:1/x" and connection.url.password == "s3cret"
    connection.close()
    container.stop()
    while container.process():
        pass


CLEAR = "The connection to {} goes in clear text: an ssl_domain was given, but the scheme is not amqps"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"url": "amqp://u:s3cret@h"}, "Url('amqp://u:***@h:amqp')"),
        ({"url": "h:1"}, "Url('amqp://h:1')"),
        ({"url": "tcp://h"}, "Url('tcp://h:amqp')"),
        ({"urls": ["amqps://a", "b", "c"]}, "Url('amqp://b:amqp')"),
        ({"url": "amqps://h"}, None),
    ],
)
def test_a_domain_without_the_scheme_that_uses_it_is_a_warning_once_a_connection(arguments, told, caplog):
    container = Container()
    for _ in range(2):
        caplog.clear()
        container.connect(ssl_domain=SSLDomain(SSLDomain.MODE_CLIENT), **arguments)
        warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert warned == ([CLEAR.format(told)] if told else [])


OPTIONS = [
    ("usr", "user"),
    ("pasword", "password"),
    ("hartbeat", "heartbeat"),
    ("reconect", "reconnect"),
    ("virtualhost", "virtual_host"),
    ("ssl_domian", "ssl_domain"),
    ("nobody_knows_this", None),
]


def caught_warnings(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(warning.filename == __file__ for warning in caught)
    assert all(warning.category is UserWarning for warning in caught)
    return [str(warning.message) for warning in caught]


def hint(meant):
    return f": did you mean {meant!r}?" if meant else ""


@pytest.mark.parametrize(("given", "meant"), OPTIONS)
def test_an_option_that_connect_does_not_know_is_a_warning(given, meant):
    told = caught_warnings(lambda: Container().connect("h", **{given: "s3cret"}))
    assert told == [f"connect() has no option {given!r}, which is ignored{hint(meant)}"]


@pytest.mark.parametrize(("given", "meant"), [*OPTIONS, ("timout", "timeout"), ("contaner", "container")])
def test_an_option_that_a_blocking_connection_does_not_know_is_a_warning(given, meant):
    def call():
        with pytest.raises(ValueError, match="port"):
            BlockingConnection(urls=["h:nonsense"], **{given: "s3cret"})

    assert caught_warnings(call) == [f"BlockingConnection has no option {given!r}, which is ignored{hint(meant)}"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("contaner_id", ": did you mean 'container_id'?"),
        ("user", ": set the attribute 'user' of the container"),
        ("pasword", ": set the attribute 'password' of the container"),
        ("handler", ": handlers are given without a name"),
        ("nobody_knows_this", ""),
    ],
)
def test_an_option_that_a_container_does_not_know_is_a_warning(given, told):
    made = caught_warnings(lambda: Container(**{given: "s3cret"}))
    assert made == [f"Container has no option {given!r}, which is ignored{told}"]


def test_known_options_give_no_warning():
    everything = {
        "user": "u",
        "password": "p",
        "allowed_mechs": "PLAIN",
        "allow_insecure_mechs": True,
        "sasl_enabled": True,
        "virtual_host": "v",
        "sni": "s",
        "max_frame_size": 1000,
        "offered_capabilities": "a",
        "desired_capabilities": ["b"],
        "properties": {"c": 1},
        "container_id": "d",
        "token": "t",
        "authorization": "a",
        "session_details": None,
    }
    container = Container(container_id="x", global_handler=None, selector=None)
    others = {"address": None, "handler": None, "reconnect": Backoff(), "heartbeat": 1, "ssl_domain": None}
    assert caught_warnings(lambda: container.connect("h", **others, **everything)) == []


def test_an_option_of_a_program_s_own_container_is_passed_on_to_it():
    class Own(Container):
        def connect(self, *args, own=None, **kwargs):
            raise LookupError(own)

    with pytest.raises(LookupError, match="^5$"):
        BlockingConnection("h", container=Own(), own=5)


def test_options_that_have_no_effect_give_no_warning():
    with pytest.raises(ValueError, match="^One of url or urls required$"):
        BlockingConnection(address="a")
    with pytest.raises(ValueError, match="^One of url or urls required$"):
        Container().connect(address="a")


def test_no_container_id_means_one_for_each_connection():
    container = Container(container_id="me")
    ids = [container.connect("h", container_id=None).container for _ in range(2)]
    assert len(set(ids)) == 2 and all(uuid.UUID(text) for text in ids)
    assert container.connect("h").container == "me" and container.connect("h", container_id="x").container == "x"


def test_a_port_may_be_text():
    container = Container()
    acceptor = container.acceptor("127.0.0.1", "0")
    assert acceptor.port
    acceptor.close()
    container.run()


@pytest.mark.parametrize(
    ("port", "error", "text"),
    [
        ("nonsense", ValueError, "port takes a number, got 'nonsense'"),
        ("", ValueError, "port takes a number, got ''"),
        (None, TypeError, "port takes a number, got NoneType None"),
        (1.5, TypeError, "port takes a number, got float 1.5"),
        ("65536", OverflowError, "port takes 0 to 65535, got 65536"),
        (-1, OverflowError, "port takes 0 to 65535, got -1"),
    ],
)
def test_another_port_is_refused_before_anything_listens(port, error, text):
    container = Container()
    with pytest.raises(error, match=f"^{text}$"):
        container.acceptor("127.0.0.1", port)
    assert container.selectable_count == 0


OTHERS = {
    "a context of another class": (
        lambda c: c.create_sender(c, "a"),
        TypeError,
        "context takes a connection, a session or a URL, got Loop",
    ),
    "no context": (
        lambda c: c.create_receiver(None, "a"),
        TypeError,
        "context takes a connection, a session or a URL, got NoneType",
    ),
    "urls": (lambda c: c.connect(urls=5), TypeError, "urls takes several URLs in a list, got int"),
    "a port out of range": (lambda c: c.connect("h:65536"), ValueError, "expected a port from 0 to 65535, got 65536"),
    "a port below it": (lambda c: c.listen("h:-1"), ValueError, "expected a port from 0 to 65535, got -1"),
    "a selector": (lambda c: Selector(5), TypeError, "Selector takes an expression as a str, got int 5"),
    "an event": (lambda c: ApplicationEvent(5), TypeError, "typename takes a str or an EventType, got int 5"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_other_arguments_say_what_was_expected(case):
    call, error, text = OTHERS[case]
    container = Loop()
    with pytest.raises(error, match=f"^{text}$"):
        call(container)
    assert container.made == 0


@pytest.mark.parametrize("tags", [5, "tags", ["a", "b"], {1}])
def test_tags_that_make_no_tags_are_refused_before_the_link_is_made(tags):
    container = Container()
    connection = container.connect("h")
    with pytest.raises(TypeError, match=f"^tags takes a callable or an iterator, got {type(tags).__name__} "):
        container.create_sender(connection, "a", tags=tags)
    assert connection.link_head(0) is None
    container.create_sender(connection, "a", tags=iter("ab"))
    container.create_sender(connection, "a", tags=lambda: "t")


@pytest.mark.skipif(os.name != "posix", reason="the rights of a file are POSIX's")
@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700, 0o640, 0o620, 0o604, 0o602, 0o644])
@pytest.mark.parametrize("password", ["s3cret", None])
def test_a_configuration_with_a_password_that_others_may_read_or_write_is_a_warning(
    mode, password, tmp_path, monkeypatch, caplog
):
    path = tmp_path / "connect.json"
    path.write_text(json.dumps({"scheme": "amqp", "host": "h", "user": "u", "password": password}), encoding="utf-8")
    path.chmod(mode)
    monkeypatch.setenv("MESSAGING_CONNECT_FILE", str(path))
    Container().connect()
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    text = f"{path} has a password, and others may read or write it: take the rights away with chmod 600"
    assert told == ([text] if password and mode & 0o066 else [])
    assert "s3cret" not in caplog.text
