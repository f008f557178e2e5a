"""Arguments of a wrong shape: what cannot be a handler, and URLs and delays that mean nothing."""

import functools
import re
import warnings
from types import SimpleNamespace

import pytest

from proton import UNDESCRIBED, Array, Data, Described, Message, Url, int32, symbol
from proton.endpoints.handler import Handler
from proton.handlers import MessagingHandler
from proton.reactor import Backoff, Container
from proton.utils import BlockingConnection
from tests.api.test_mistakes_connecting import WAYS, Loop

NOT_HANDLERS = {
    "list": [MessagingHandler()],
    "tuple": (MessagingHandler(),),
    "set": set(),
    "str": "x",
    "int": 5,
    "dict": {"on_message": print},
    "function": lambda event: None,
    type(print).__name__: print,  # PyPy calls it otherwise
    "method": MessagingHandler().on_message,
    "partial": functools.partial(print, 1),
    "module": re,
}
HINTS = {
    **dict.fromkeys(["list", "tuple", "set"], ": give each handler by itself, or make them children of one with "),
    **dict.fromkeys(
        ["function", type(print).__name__, "method", "partial"],
        ": expected an object with a method such as on_message or on_timer_task",
    ),
}
GIVEN = {
    "Container": lambda container, handler: Container(handler),
    "handler.add": lambda container, handler: container.handler.add(handler),
    "container.handler": lambda container, handler: setattr(container, "handler", handler),
    "connect": lambda container, handler: container.connect("h", handler=handler),
    "create_sender": lambda container, handler: container.create_sender("h/x", handler=handler),
    "create_receiver": lambda container, handler: container.create_receiver("h/x", handler=handler),
    "acceptor": lambda container, handler: container.acceptor("127.0.0.1", 0, handler),
    "schedule": lambda container, handler: container.schedule(1, handler),
    "declare_transaction": lambda container, handler: container.declare_transaction(None, handler),
}


@pytest.mark.parametrize("kind", NOT_HANDLERS)
@pytest.mark.parametrize("way", GIVEN)
def test_what_cannot_have_event_methods_is_refused(way, kind):
    container = Loop()
    expected = re.escape(f"expected a handler object, got {kind} ") + ".*" + re.escape(HINTS.get(kind, ""))
    with pytest.raises(TypeError, match=f"^{expected}"):
        GIVEN[way](container, NOT_HANDLERS[kind])
    assert container.made == 0 and container.timer_deadline is None and container.handler.handlers == []


@pytest.mark.parametrize(
    "handler", [MessagingHandler(), Handler(), SimpleNamespace(on_timer_task=print), object(), None]
)
def test_any_other_object_is_one(handler):
    container = Container(*[handler] if handler is not None else [])
    assert container.schedule(1, handler).handler is handler


COLONS = "expected host:port, got more than one ':' (an IPv6 address needs brackets, as [::1]:5672)"
URLS = {
    "": "expected a URL, got an empty text",
    " ": "expected a URL, got an empty text",
    "localhost:1:5": COLONS,
    "amqp://localhost:1:5/q": COLONS,
    "::1": COLONS,
    "amqp:/localhost": "expected '//' after the scheme amqp:, got '/'",
    "AMQPS:/localhost/q": "expected '//' after the scheme AMQPS:, got '/'",
}
EMPTY = {
    "connect": "One of url or urls required, got an empty url",
    "BlockingConnection": "One of url or urls required, got an empty url",
}


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("way", [way for way in WAYS if way != "connect to a Url"])
def test_a_url_that_would_lead_elsewhere_is_refused(way, url):
    container = Loop()
    text = EMPTY.get(way, URLS[url]) if url == "" else URLS[url]
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        WAYS[way](container, url)
    assert container.made == 0


@pytest.mark.parametrize("urls", [[], (), ""])
def test_no_url_in_a_list_is_refused(urls):
    with pytest.raises(ValueError, match="^One of url or urls required, got an empty urls$"):
        Loop().connect(urls=urls)


@pytest.mark.parametrize("url", ["[::1]:5", "amqp", "amqp://amqp/", "amqp://u:50%25@h", "amqp://u%40x:p@h", "h/100%"])
def test_urls_like_these_are_taken_without_a_warning(url):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not Container().connect(url).reconnect_policy.addresses.values[0].has_lone_percent


@pytest.mark.parametrize("url", ["amqp://u:s3cret%@h", "amqp://u:50%s3cret@h/q", "amqp://u%x:p@h"])
@pytest.mark.parametrize("parsed", [False, True])
def test_a_percent_sign_that_begins_no_escape_is_a_warning(url, parsed):
    with pytest.warns(UserWarning) as caught:
        connection = Container().connect(Url(url) if parsed else url)
    text = "the user name or password of a URL has a '%' that begins no escape and is taken as it is: write it '%25'"
    assert [str(warning.message) for warning in caught] == [text]
    place = connection.reconnect_policy.addresses.values[0]
    assert "%" in place.password + place.username


NEGATIVE = {
    "Backoff initial": (lambda: Backoff(initial=-1), "initial takes 0 or more, got -1"),
    "Backoff max_tries": (lambda: Backoff(max_tries=-1), "max_tries takes 0 or more, got -1"),
    "reconnect": (
        lambda: Container().connect("h", reconnect=[0, -0.5]),
        "reconnect takes True, False, None, a Backoff or a sequence of seconds of 0 or more, got -0.5 in it",
    ),
    "timeout": (lambda: BlockingConnection("127.0.0.1:1", timeout=-1), "timeout takes 0 or more seconds, got -1"),
}


@pytest.mark.parametrize("name", NEGATIVE)
def test_a_time_below_zero_is_refused(name):
    call, text = NEGATIVE[name]
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        call()


def test_a_delay_below_zero_is_due_at_once():
    """A program computes it, and may be late."""
    container = Container()
    container.schedule(-5, MessagingHandler())
    assert container.timer_deadline <= container.now


HUGE, SURROGATE = 2**64, "\ud800"
PLACES = {
    "body": ({"body": HUGE}, OverflowError, "body"),
    "deep in the body": ({"body": {"a": [1, {"b": HUGE}]}}, OverflowError, "body['a'][1]['b']"),
    "a key": ({"body": {HUGE: 1}}, OverflowError, "a key of body"),
    "an element": ({"body": Array(UNDESCRIBED, Data.INT, int32(1), 2**40)}, OverflowError, None),
    "a described value": ({"body": Described(symbol("x"), [HUGE])}, OverflowError, "body.value[0]"),
    "text": ({"body": SURROGATE}, UnicodeEncodeError, "body"),
    "text in a list": ({"body": ["a", SURROGATE]}, UnicodeEncodeError, "body[1]"),
    "a property": ({"properties": {"p": SURROGATE}}, UnicodeEncodeError, "properties['p']"),
    "an annotation": ({"annotations": {"x-a": HUGE}}, OverflowError, "annotations[symbol('x-a')]"),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_number_or_text_that_cannot_be_sent_is_told_with_its_place(name):
    fields, error, place = PLACES[name]
    with pytest.raises(error) as caught:
        Message(**fields).encode()
    assert str(caught.value).endswith(f" in {place}") or place is None
