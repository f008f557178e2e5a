"""Every name that the documented API has is there, with its parameters, defaults, values and bases."""

import inspect
import re

import pytest

import proton
from proton import Collector, Connection, Data, Event, Message, Terminus, Transport
from tests.api import contract, contract_security
from tests.support.engines import linked, pump, put


def parsed(text):
    """The kind, name, and the rest of each line of a class."""
    for line in text.strip().splitlines():
        line = line.strip()
        found = re.fullmatch(r"(static |classmethod )?(\w+)(\(.*\))", line)
        if found:
            yield (found[1] or "method").strip(), found[2], found[3]
        elif " = " in line:
            name, value = line.split(" = ", 1)
            yield "constant", name, value
        elif line.startswith("class "):
            yield "class", line[6:], ""
        else:
            name, _, settable = line.partition(" ")
            yield "attribute", name, settable


def rows(*tables):
    for table in tables:
        for name, text in table.items():
            for kind, member, rest in parsed(text):
                yield pytest.param(name, kind, member, rest, id=f"{name}.{member}")


ROWS = list(rows(contract.CLASSES, contract.ADDITIONS, contract_security.CLASSES))


@pytest.fixture(scope="module")
def samples():
    """An object of each class whose members are found on objects."""
    a, b, sender, receiver = linked()
    delivery = put(sender, b"x")
    pump(a, b)
    message = Message(body="x")
    samples = {
        "Connection": a.connection,
        "Delivery": delivery,
        "Disposition": delivery.local,
        "Endpoint": a.connection,
        "Event": Event(Event.LINK_FLOW, sender),
        "Link": sender,
        "Message": message,
        "Receiver": receiver,
        "SASL": Transport().sasl(),
        "SSL": Transport().ssl(proton.SSLDomain(proton.SSLDomain.MODE_CLIENT)),
        "Sender": sender,
        "Session": sender.session,
        "Terminus": sender.source,
        "Transport": Transport(),
        "Url": proton.Url("amqp://h"),
        "EventType": Event.DELIVERY,
    }
    assert isinstance(sender.source, Terminus) and isinstance(Collector(), Collector)
    return samples


def parameters(function):
    return list(inspect.signature(function).parameters.values())


def check_parameters(text, function):
    """Ours may have defaults where there were none, and more parameters behind that have defaults."""
    namespace = {}
    exec(f"def expected{text.replace('=...', '=None')}: pass", namespace)
    expected, ours = parameters(namespace["expected"]), parameters(function)
    for theirs, own in zip(expected, ours):
        assert (own.name, own.kind) == (theirs.name, theirs.kind)
        if theirs.default is not theirs.empty and "=..." not in text:
            assert own.default == theirs.default, own.name
    assert len(ours) >= len(expected), f"expected {text}, got {ours}"
    for extra in ours[len(expected) :]:
        assert extra.default is not extra.empty or extra.kind in (extra.VAR_POSITIONAL, extra.VAR_KEYWORD)


@pytest.mark.parametrize("name, kind, member, rest", ROWS)
def test_member(name, kind, member, rest, samples):
    cls = getattr(proton, name)
    if kind in ("method", "static", "classmethod"):
        raw = inspect.getattr_static(cls, member)
        assert isinstance(raw, staticmethod) is (kind == "static"), raw
        assert isinstance(raw, classmethod) is (kind == "classmethod"), raw
        check_parameters(rest, raw.__func__ if kind != "method" else raw)
    elif kind == "constant":
        value = getattr(cls, member)
        assert str(value) == rest or repr(value) == rest or int(value) == int(rest)
    elif kind == "class":
        assert inspect.isclass(getattr(cls, member))
    else:
        owner = samples.get(name, cls)
        value = getattr(owner, member)
        if rest == "rw":
            setattr(owner, member, value)


@pytest.mark.parametrize("name", contract.CONSTRUCTORS)
def test_constructor(name):
    cls = getattr(proton, name)
    text = contract.CONSTRUCTORS[name]
    if cls.__init__ is not object.__init__:
        check_parameters("(self, " + text[1:] if text != "()" else "(self)", cls.__init__)
    else:
        assert text == "()" or cls.__new__ is not object.__new__


@pytest.mark.parametrize("name", contract.BASES)
def test_base(name):
    base = contract.BASES[name]
    cls = getattr(proton, base, None) or getattr(__import__("builtins"), base)
    assert issubclass(getattr(proton, name), cls)


@pytest.mark.parametrize("name", contract.MODULE)
def test_module_attribute(name):
    assert isinstance(getattr(proton, name), contract.MODULE[name])


def test_nothing_else_is_exported():
    known = {*contract.CLASSES, *contract.ADDITIONS, *contract.CONSTRUCTORS, *contract.BASES}
    known |= {*contract.MODULE, *contract.OURS, *contract_security.CLASSES}
    assert set(proton.__all__) - known == set()
    expected = {*contract.CLASSES, *contract.CONSTRUCTORS, *contract.BASES, *contract.OURS}
    assert expected - set(proton.__all__) == set()


def test_every_class_of_the_contract_is_there():
    for name in contract.CLASSES:
        assert inspect.isclass(getattr(proton, name)), name
    assert len(ROWS) > 440


@pytest.mark.parametrize("cls", [Connection, proton.Session, proton.Sender, proton.Delivery, Transport, Event])
def test_wrap_gives_what_it_got(cls):
    assert cls.wrap(None) is None
    connection = Connection()
    assert cls.wrap(connection) is connection


def test_type_names_and_numbers_of_data():
    numbers = [getattr(Data, name.upper()) for name in Data.type_names.values()]
    assert numbers == list(Data.type_names) == list(range(1, 26))
