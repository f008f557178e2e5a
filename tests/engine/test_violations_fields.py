"""Fields of a wrong type, out of range, or missing, in every performative: a decode error that names the field.

The cases come from the specification's tables in `codec/composites`, so a field that is added there is tested here.
"""

from __future__ import annotations

import struct

import pytest

from proton import Data, Described, float32, symbol, uint, ulong
from proton.codec import composites
from proton.codec.encode import encode
from tests.support.violations import BOTH, Stage

DECODE = "amqp:decode-error"
PERFORMATIVES = [composites.BY_CODE[code] for code in range(0x10, 0x19)]

# Fields that make the performative a good one in the stage `linked` (open: in the stage `greeted`).
GOOD = {
    "open": ["peer"],
    "begin": [None, uint(0), uint(10), uint(10)],
    "attach": ["new", uint(7), False],
    "flow": [uint(0), uint(10), uint(0), uint(10)],
    "transfer": [uint(0), uint(0), b"t"],
    "disposition": [True, uint(0)],
    "detach": [uint(0)],
    "end": [],
    "close": [],
}
CHANNEL = {"begin": 9}


@pytest.fixture(params=list(BOTH.values()), ids=list(BOTH))
def chunk(request):
    return request.param


def performative(composite, fields):
    body = encode(Described(ulong(composite.code), fields))
    return struct.pack(">IBBH", len(body) + 8, 2, 0, CHANNEL.get(composite.name, 0)) + body


def feed(composite, fields, chunk=None):
    engine = Stage().greeted() if composite.name == "open" else Stage().linked()
    return engine.feed(performative(composite, fields), chunk)


def with_field(composite, index, value):
    fields = GOOD[composite.name] + [None] * (len(composite.fields) - len(GOOD[composite.name]))
    fields[index] = value
    return fields


EVERY_FIELD = [
    pytest.param(composite, index, id=f"{composite.name}.{field.name}")
    for composite in PERFORMATIVES
    for index, field in enumerate(composite.fields)
    if field.type != "*"
]
WRONG = {"float": float32(1.5), "map": {symbol("a"): 1}, "string": "wrong", "binary": b"wrong", "described": None}
WRONG["described"] = Described(symbol("example:no"), "wrong")
FITS = {
    "map": ("map", "fields"),
    "string": ("string", "symbol", "ietf-language-tag"),
    "binary": ("binary", "delivery-tag"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("composite, index", EVERY_FIELD)
def test_field_of_a_wrong_type_is_named(composite, index, wrong, chunk):
    field = composite.fields[index]
    fits = field.type in FITS.get(wrong, ())
    value = {b"tag": None} if fits and field.name == "unsettled" else WRONG[wrong]
    engine = feed(composite, with_field(composite, index, value), chunk)
    if fits:
        assert engine.transport.condition is None
    else:
        engine.check_closed(DECODE, f"{composite.name}: field {field.name} must be {field.type}, received {wrong}")


MANDATORY = [param for param in EVERY_FIELD if param.values[0].fields[param.values[1]].mandatory]


@pytest.mark.parametrize("composite, index", MANDATORY)
def test_missing_mandatory_field_is_named(composite, index, chunk):
    description = f"{composite.name}: mandatory field {composite.fields[index].name} is null"
    feed(composite, with_field(composite, index, None), chunk).check_closed(DECODE, description)
    if not any(field.mandatory for field in composite.fields[:index]):
        feed(composite, GOOD[composite.name][:index], chunk).check_closed(DECODE, description)


MOST = {Data.UBYTE: 0xFF, Data.USHORT: 0xFFFF, Data.UINT: 0xFFFFFFFF, Data.ULONG: 0xFFFFFFFFFFFFFFFF}
# A transfer takes its own way: there an impossible handle is one that is not attached, the other two change nothing.
UNRANGED = ("transfer.handle", "transfer.message-format", "transfer.rcv-settle-mode")
INTEGERS = [
    param
    for param in EVERY_FIELD
    if param.values[0].fields[param.values[1]].number in MOST and param.id not in UNRANGED
]


@pytest.mark.parametrize("composite, index", INTEGERS)
@pytest.mark.parametrize("sign", ["negative", "too large", "boolean"])
def test_number_out_of_range_is_named(composite, index, sign):
    field = composite.fields[index]
    most = MOST[field.number]
    value = {"negative": -1, "too large": ulong(most + 1) if most < 1 << 63 else 1.5, "boolean": True}[sign]
    shown = {float: "double", bool: "bool"}.get(type(value)) or f"the integer {int(value)}"
    engine = feed(composite, with_field(composite, index, value))
    engine.check_closed(DECODE, f"{composite.name}: field {field.name} must be {field.type}, received {shown}")


@pytest.mark.parametrize("composite", PERFORMATIVES, ids=lambda composite: composite.name)
def test_further_fields_are_passed_over(composite):
    fields = with_field(composite, 0, (GOOD[composite.name] + [None])[0]) + ["more", uint(1), None]
    assert feed(composite, fields).transport.condition is None


@pytest.mark.parametrize("composite", PERFORMATIVES, ids=lambda composite: composite.name)
def test_performative_cut_off_at_every_byte_closes_connection(composite):
    """The frame says that it is as short as the bytes are; the bytes of its list are not all there."""
    whole = performative(composite, with_field(composite, 0, (GOOD[composite.name] + [None])[0]))
    for size in range(9, len(whole)):
        engine = Stage().greeted() if composite.name == "open" else Stage().linked()
        engine.feed(struct.pack(">I", size) + whole[4:size])
        condition = engine.transport.condition
        assert condition.description.startswith(f"cannot decode a frame of {size} bytes: ")
        engine.check_closed(DECODE, condition.description)
