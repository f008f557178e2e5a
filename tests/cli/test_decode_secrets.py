"""What `decode` takes for a secret: by the key of a map, and within texts."""

import time

import pytest

from proton import UNDESCRIBED
from proton.cli.decode.secrets import hide
from proton.cli.decode.values import json_of, text_of
from proton.codec.types import Array, Described, symbol
from tests.support import captures as made
from tests.support.engines import AMQP_HEADER, frame, state
from tests.support.violations import attach, transfer

SECRET_KEYS = [
    "password",
    "Passwd",
    "pwd",
    "pw",
    "user_pass",
    "api-secret",
    "token",
    "x-opt-token",
    "accessToken",
    "SharedAccessKey",
    "access_key",
    "api_key",
    "apiKey",
    "APIKEY",
    "API-Key",
    "key",
    "keys",
    "sig",
    "Authorization",
]


@pytest.mark.parametrize("key", SECRET_KEYS)
@pytest.mark.parametrize("kind", [str, symbol, str.encode])
def test_values_with_a_secret_key_are_hidden(key, kind):
    inner = {kind(key): "w0rd"}
    value = Described(1, [inner, symbol("other"), {symbol("other"): {kind(key): b"w0rd"}}, ({kind(key): 1},)])
    in_array = Array(UNDESCRIBED, 25, inner)
    for shown in (text_of(hide(value)), str(json_of(hide(value)))):
        assert "w0rd" not in shown
        assert shown.count("***") == 3
    assert "w0rd" not in text_of(hide([in_array])) and "***" in text_of(hide(in_array))
    assert hide({kind(key): None}) == {kind(key): None}


SHOWN_KEYS = ["tokens-used", "subject", "passenger", "monkey", "partition-key", "x-opt-partition-key", "routing_key"]


@pytest.mark.parametrize("key", [*SHOWN_KEYS, "publicKey", "significant", "spin", "", "5"])
def test_other_values_are_shown(key):
    assert hide({symbol(key): 1, key.encode(): b"2", 5: 3}) == {symbol(key): 1, key.encode(): b"2", 5: 3}


SECRET_TEXTS = {
    "SharedAccessSignature sr=sb%3a%2f%2fx&sig=abc%3d&se=15": "SharedAccessSignature sr=sb%3a%2f%2fx&sig=***&se=15",
    "Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=a+b/c=;EntityPath=q": (
        "Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=***;EntityPath=q"
    ),
    "user=fred password = 'pencil 2', more": "user=fred password = ***, more",
    '{"user": "fred", "apiKey": "abc", "n": 5}': '{"user": "fred", "apiKey": ***, "n": 5}',
    "see amqp://fred:pencil@host/q": "see amqp://fred:***@host/q",
    "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln.": "jwt ***.",
    "Bearer abc.def": "Bearer ***",
}


@pytest.mark.parametrize("text", SECRET_TEXTS)
def test_secrets_within_texts_are_hidden(text):
    expected = SECRET_TEXTS[text]
    assert hide({"note": [text]}) == {"note": [expected]}
    assert hide(symbol(text)) == expected and type(hide(symbol(text))) is symbol
    assert hide(text.encode()) == expected.encode()


SHOWN_TEXTS = [
    "a = 5",
    "key = 'x'",
    "tokens=5",
    "amqp://host:5672/a",
    "fred@host",
    "12:30",
    "Basic needs first",
    "x" * 70 + "=1",
]


@pytest.mark.parametrize("text", SHOWN_TEXTS)
def test_other_texts_are_shown(text):
    assert hide(text) == text
    raw = text.encode() + b"\xff"
    assert hide(raw) is raw


@pytest.mark.parametrize(
    "piece", ["a", "a=", "eyJ", "eyJ.", "://", "://a:", 'a="', "a='", "a  ", "pw=", '"', "=", "a-"]
)
def test_a_long_text_is_searched_in_time_of_its_length(piece):
    started = time.perf_counter()
    hide(piece * (300_000 // len(piece)))
    assert time.perf_counter() - started < 5  # 0.2 s; a square of the length would take an hour


def test_the_address_and_the_name_of_a_link_are_texts_too():
    data = (
        AMQP_HEADER
        + frame(0, "open", container_id="c")
        + attach(name="n?sig=Pa55word", handle=0, target=state(0x29, "q?token=Pa55word"))
        + transfer(delivery_id=0, payload=b"\0\x53\x77\xa1\x02hi")
    )
    for how in ((), ("--json",), ("--diagram",), ("--messages",), ("--messages", "--json")):
        out = made.decoded(data, "--format", "raw", *how)[1]
        assert "***" in out and "55" not in out
