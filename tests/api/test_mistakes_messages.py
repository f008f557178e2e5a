"""What programs put into messages by mistake: the error says where it is and what to use, or a warning says it."""

import dataclasses
import datetime
import decimal
import enum
import fractions
import ipaddress
import pathlib
import warnings

import pytest

from proton import UNDESCRIBED, Array, Data, Described, Message, MessageException, symbol
from tests.support.engines import linked, pump

UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2026, 11, 28, 12, 30, 15, 250_999, tzinfo=UTC)
SECONDS = 1795869015.25


@dataclasses.dataclass
class Point:
    x: int


class Colour(enum.Enum):
    RED = 1


class Number:
    """As the numbers of numpy: what is multiplied wraps around."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value

    def __mul__(self, other):
        return Number((self.value * other) % (1 << 31))


class Mapping:
    def keys(self):
        return ["a"]


class Anything:
    pass


NOTHING = "use one of None, bool, int, float, str, bytes, uuid.UUID, list, dict, or a class of proton such as timestamp"
NO_TYPE = [
    (MOMENT, "datetime.datetime", "use proton.timestamp(int(value.timestamp() * 1000))"),
    (MOMENT.date(), "datetime.date", "use value.isoformat()"),
    (MOMENT.time(), "datetime.time", "use value.isoformat()"),
    (datetime.timedelta(1), "datetime.timedelta", "use value.total_seconds()"),
    (decimal.Decimal("1.5"), "decimal.Decimal", "use str(value) or float(value)"),
    (fractions.Fraction(1, 2), "fractions.Fraction", "use str(value) or float(value)"),
    ({1}, "set", "use list(value)"),
    (frozenset([1]), "frozenset", "use list(value)"),
    (range(3), "range", "use list(value)"),
    ((x for x in "ab"), "generator", "use list(value)"),
    ({}.keys(), "dict_keys", "use list(value)"),
    (1j, "complex", "use [value.real, value.imag]"),
    (Point(1), f"{__name__}.Point", "use dataclasses.asdict(value)"),
    (Colour.RED, "Colour", "use value.value"),
    (pathlib.PurePath("x"), "pathlib.", "use str(value)"),
    (ipaddress.ip_address("::1"), "ipaddress.IPv6Address", "use str(value)"),
    (Mapping(), f"{__name__}.Mapping", "use dict(value)"),
    (Message(), "proton.message.Message", "use value.encode()"),
    (Anything(), f"{__name__}.Anything", NOTHING),
    (Anything, "type", "use an object of AMQP's types"),
]
no_types = pytest.mark.parametrize(("value", "name", "instead"), NO_TYPE, ids=[name for _, name, _ in NO_TYPE])


@no_types
def test_a_value_of_no_amqp_type_is_told_with_its_place_and_what_to_use(value, name, instead):
    with pytest.raises(MessageException) as caught:
        Message(body={"orders": [1, {"when": value}]}).encode()
    text = str(caught.value)
    assert text.startswith(f"no AMQP type for a value of {type(value)!r}") and name in text
    assert f" in body['orders'][1]['when']: {instead}" in text


PLACES = [
    ({"body": Anything()}, "in body: "),
    ({"body": [1, (2, Anything())]}, r"in body\[1\]\[1\]: "),
    ({"body": [Anything()], "inferred": True}, r"in body\[0\]: "),
    ({"body": {frozenset(): 1}}, "in a key of body: use list"),
    ({"body": Described(symbol("d"), [Anything()])}, r"in body.value\[0\]: "),
    ({"body": Described({1: Anything()}, 1)}, r"in body.descriptor\[1\]: "),
    ({"body": Array(UNDESCRIBED, Data.LIST, [1], [Anything()])}, r"in body.elements\[1\]\[0\]: "),
    ({"properties": {"a": Anything()}}, r"in properties\['a'\]: "),
    ({"annotations": {"a": {"b": Anything()}}}, r"in annotations\[symbol\('a'\)\]\['b'\]: "),
    ({"instructions": {"a": Anything()}}, r"in instructions\[symbol\('a'\)\]: "),
    ({"footer": {"a": Anything()}}, r"in footer\[symbol\('a'\)\]: "),
]


@pytest.mark.parametrize(("attributes", "place"), PLACES, ids=[place for _, place in PLACES])
def test_the_place_is_named_in_each_section(attributes, place):
    with pytest.raises(MessageException, match=f"^no AMQP type for a value of <class '.*'> {place}"):
        Message(**attributes).encode()


def test_nothing_is_queued_for_a_message_that_cannot_be_encoded():
    a, b, sender, receiver = linked()
    credit = sender.credit
    with pytest.raises(MessageException, match="in body: use list"):
        sender.send(Message(body={1}))
    assert (sender.credit, sender.queued, sender.unsettled, sender.session.outgoing_bytes) == (credit, 0, 0, 0)
    assert sender.send(Message(body=[1])).tag == "1"


COMPOUNDS = [
    ({"a": 1}, "dict"),
    ([1], "list"),
    ((1, 2), "tuple"),
    (Array(UNDESCRIBED, Data.INT, 1), "Array"),
    (Described(symbol("d"), 1), "Described"),
]


@pytest.mark.parametrize(("value", "name"), COMPOUNDS, ids=[name for _, name in COMPOUNDS])
def test_a_compound_among_the_application_properties_is_sent_with_a_warning(value, name):
    a, b, sender, receiver = linked()
    receiver.flow(1)
    pump(a, b)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sender.send(Message(properties={"simple": "x", "p": value}))
    assert [str(warning.message) for warning in caught] == [
        f"application property 'p' is a {name}: 3.2.5 allows simple types alone, and a peer may refuse the message; "
        "put it into the body"
    ]
    assert caught[0].filename == __file__ and caught[0].category is UserWarning
    pump(a, b)
    message = Message()
    message.recv(receiver)
    assert set(message.properties) == {"simple", "p"}


def test_simple_application_properties_give_no_warning():
    properties = {"a": None, "b": 1, "c": 1.5, "d": "x", "e": b"x", "f": True, "g": symbol("s")}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Message(properties=properties).encode()
    assert caught == []


TIMES = [
    ("expiry_time", MOMENT, SECONDS),
    ("creation_time", MOMENT, SECONDS),
    ("expiry_time", MOMENT.astimezone(datetime.timezone(datetime.timedelta(hours=5))), SECONDS),
    ("expiry_time", datetime.datetime(1969, 12, 31, 23, 59, 59, 500_000, tzinfo=UTC), -0.5),
    ("expiry_time", datetime.datetime(2026, 11, 28, 12, 30), datetime.datetime(2026, 11, 28, 12, 30).timestamp()),
    ("expiry_time", Number(1_795_869_015), 1795869015.0),
    ("creation_time", Number(1_795_869_015), 1795869015.0),
    ("expiry_time", decimal.Decimal("1.001"), 1.001),
    ("expiry_time", fractions.Fraction(-3, 2), -1.5),
    ("ttl", datetime.timedelta(minutes=1, milliseconds=7), 60.007),
    ("ttl", datetime.timedelta(0), 0.0),
    ("ttl", Number(4_000_000), 4000000.0),
    ("ttl", decimal.Decimal("2.5"), 2.5),
    ("ttl", True, 1.0),
]


@pytest.mark.parametrize(("name", "value", "seconds"), TIMES, ids=[f"{name} {value!r:.40}" for name, value, _ in TIMES])
def test_times_are_taken_in_python_s_own_forms_and_in_any_number(name, value, seconds):
    message = Message(**{name: value})
    assert getattr(message, name) == seconds
    copy = Message()
    copy.decode(message.encode())
    assert getattr(copy, name) == seconds


WRONG_TIMES = [
    (
        "ttl",
        MOMENT,
        TypeError,
        "ttl takes seconds or a timedelta, got datetime .*: use expiry_time for a point",
    ),
    ("ttl", "5", TypeError, "ttl must be a number of seconds or a timedelta, got str '5'"),
    ("ttl", [5], TypeError, r"ttl must be a number of seconds or a timedelta, got list \[5\]"),
    ("ttl", datetime.timedelta(-1), OverflowError, "ttl in milliseconds out of range"),
    ("ttl", float("nan"), ValueError, "ttl takes a number of seconds, got nan"),
    ("ttl", decimal.Decimal("inf"), OverflowError, r"ttl takes a number of seconds, got Decimal\('Infinity'\)"),
    (
        "expiry_time",
        datetime.timedelta(1),
        TypeError,
        "expiry_time takes a point in time, .*, got timedelta .* ttl",
    ),
    ("expiry_time", MOMENT.date(), TypeError, "expiry_time must be a number of seconds or a datetime, got date"),
    ("expiry_time", None, TypeError, "expiry_time must be a number of seconds or a datetime, got NoneType None"),
    ("creation_time", "now", TypeError, "creation_time must be a number of seconds or a datetime, got str 'now'"),
    ("creation_time", float("inf"), OverflowError, "creation_time takes a number of seconds, got inf"),
]


@pytest.mark.parametrize(
    ("name", "value", "error", "text"), WRONG_TIMES, ids=[f"{case[0]} {case[1]!r:.40}" for case in WRONG_TIMES]
)
def test_other_times_say_what_is_taken_and_change_nothing(name, value, error, text):
    message = Message(**{name: 5})
    with pytest.raises(error, match=f"^{text}"):
        setattr(message, name, value)
    assert getattr(message, name) == 5.0


ATTRIBUTES = [
    ("address", 5, TypeError, "address takes a str or None, got int 5"),
    ("subject", b"x", TypeError, "subject takes a str or None, got bytes b'x'"),
    ("content_type", 5, TypeError, "content_type takes a str or None, got int 5"),
    ("priority", "high", TypeError, "priority takes an integer, got str 'high'"),
    ("priority", 4.5, TypeError, "priority takes an integer, got float 4.5"),
    ("priority", 256, OverflowError, "priority out of range: expected 0 to 255, got 256"),
    ("delivery_count", None, TypeError, "delivery_count takes an integer, got NoneType None"),
    ("group_sequence", "1", TypeError, "group_sequence takes an integer, got str '1'"),
    ("user_id", 5, TypeError, "user_id must be bytes or str, got int"),
    ("id", 1.5, MessageException, "message id must be int, str, bytes or UUID, got float"),
]


@pytest.mark.parametrize(("name", "value", "error", "text"), ATTRIBUTES, ids=[case[3] for case in ATTRIBUTES])
def test_an_attribute_of_a_wrong_type_names_itself_and_changes_nothing(name, value, error, text):
    message = Message()
    before = getattr(message, name)
    with pytest.raises(error, match=f"^{text}$"):
        setattr(message, name, value)
    assert getattr(message, name) == before and message.encode() == Message().encode()


OPTIONS = [("bdy", "body"), ("adress", "address"), ("corelation_id", "correlation_id"), ("property", "properties")]


@pytest.mark.parametrize(("given", "meant"), OPTIONS)
def test_an_option_that_a_message_does_not_have_is_a_warning_with_the_nearest_one(given, meant):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        message = Message("body", **{given: 1})
    assert str(caught[0].message) == f"Message has no option {given!r}, which is ignored: did you mean {meant!r}?"
    assert caught[0].filename == __file__ and len(caught) == 1
    assert message.encode() == Message("body").encode()


def test_attributes_of_a_subclass_are_options_of_it():
    class Traced(Message):
        trace = None

        def __init__(self, *args, **kwargs):
            self.own = 0
            super().__init__(*args, **kwargs)

    message = Traced("body", trace=5, own=6)
    assert (message.trace, message.own) == (5, 6)
