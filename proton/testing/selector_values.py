"""The values of a selector: how they compare and compute, the patterns of LIKE, and what names stand for.

An expression is a function of a message, whose value is True, False, a number, a text, or None for the unknown.
Keep true: whatever the message has, none of these functions raises. Exact numbers have 64 bits, as Java's long.
"""

from __future__ import annotations

import math
import operator
import uuid
from typing import Any, Callable

from proton import Message, decimal32, decimal64
from proton.testing.selector_words import wrapped

__all__: list[str] = []

Evaluate = Callable[[Message], Any]
Relation = Callable[[Any, Any], bool]

# Kinds of values. A name may stand for any of them, so it is checked when a message has come.
CONDITION, NUMBER, TEXT, ANY = "a condition", "a number", "a string", "a value"
#: the kind of what a property may have and a literal cannot be: bytes, a UUID, a list
OTHER = "another value"

RELATIONS: dict[str, Relation] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


# -- values --------------------------------------------------------------------------------------------------------


def kind_of(value: Any) -> str:
    """What a value is: `CONDITION`, `NUMBER`, `TEXT` or `OTHER`."""
    # `bool` is an `int` for Python, and so are the bits of a decimal.
    if isinstance(value, bool):
        return CONDITION
    if isinstance(value, str):
        return TEXT
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, (decimal32, decimal64))):
        return NUMBER
    return OTHER


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Two numbers; both approximate if one is, as in Java."""
    if isinstance(left, float) != isinstance(right, float):
        return _as_float(left), _as_float(right)
    return left, right


def compare(relation: Relation, left: Any, right: Any) -> bool | None:
    """Values of different kinds are neither equal nor unequal; only numbers have an order."""
    if left is None or right is None:
        return None
    kind = kind_of(left)
    if kind is NUMBER:
        return relation(*_alike(left, right)) if kind_of(right) is NUMBER else False
    if kind is OTHER or kind is not kind_of(right) or relation not in (operator.eq, operator.ne):
        return False
    return relation(left, right)


def calculate(sign: str, left: Any, right: Any) -> Any:
    """A number; None where an operand is unknown or not a number, and for the division of an exact number by 0."""
    if left is None or right is None or kind_of(left) is not NUMBER or kind_of(right) is not NUMBER:
        return None
    left, right = _alike(left, right)
    if sign == "/":
        return _divide(left, right)
    result = left * right if sign == "*" else left + right if sign == "+" else left - right
    return result if isinstance(result, float) else wrapped(result)


def _divide(left: Any, right: Any) -> Any:
    if isinstance(left, float):
        if right != 0:
            return left / right
        if left == 0 or left != left:
            return float("nan")
        # The sign of a zero counts.
        return math.copysign(float("inf"), left) * math.copysign(1, right)
    if right == 0:
        return None
    quotient = abs(left) // abs(right)  # towards 0, as in Java
    return wrapped(quotient if (left < 0) == (right < 0) else -quotient)


def signed(negative: bool, value: Any) -> Any:
    """A number after signs; None if it is unknown or not a number."""
    if value is None or kind_of(value) is not NUMBER:
        return None
    if not negative:
        return value
    return -value if isinstance(value, float) else wrapped(-value)


def truth(value: Any) -> bool | None:
    """A condition; None for any other value."""
    return value if isinstance(value, bool) else None


# -- LIKE ----------------------------------------------------------------------------------------------------------


class _Piece:
    """What stands between two `%`: characters, and None for each `_`."""

    def __init__(self, characters: list[str | None]) -> None:
        self.length = len(characters)
        self._literal = None if None in characters else "".join(filter(None, characters))
        # By character, a bit for each place where it may stand.
        self._any = sum(1 << place for place, wanted in enumerate(characters) if wanted is None)
        self._places: dict[str, int] = {}
        for place, wanted in enumerate(characters):
            if wanted is not None:
                self._places[wanted] = self._places.get(wanted, self._any) | 1 << place

    def stands_at(self, text: str, start: int) -> bool:
        return 0 <= start <= len(text) - self.length and self.find(text, start, start + self.length) == start

    def find(self, text: str, start: int, end: int) -> int:
        """Where it is first found between two positions; -1 if it is not.

        Each character is looked at once, whatever the pattern is: `state` has a bit for each length of a beginning
        of the piece that ends here.
        """
        if self._literal is not None:
            return text.find(self._literal, start, end)
        state, last = 0, 1 << (self.length - 1)
        places, wild = self._places, self._any
        for position in range(start, end):
            state = (state << 1 | 1) & places.get(text[position], wild)
            if state & last:
                return position - self.length + 1
        return -1


def like(pattern: str, escape: str | None) -> Callable[[str], bool]:
    """Tells whether a text is like a pattern.

    :raises ValueError: with the index at which `escape` stands before another character than those it escapes.
    """
    pieces: list[list[str | None]] = [[]]
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == escape:
            position += 1
            if pattern[position : position + 1] not in ("%", "_", escape):
                raise ValueError(position)
            pieces[-1].append(pattern[position])
        elif character == "%":
            pieces.append([])
        else:
            pieces[-1].append(None if character == "_" else character)
        position += 1
    first, *middle = map(_Piece, pieces)
    if not middle:
        return lambda text: len(text) == first.length and first.stands_at(text, 0)
    last = middle.pop()

    def matches(text: str) -> bool:
        start, end = first.length, len(text) - last.length
        if start > end or not first.stands_at(text, 0) or not last.stands_at(text, end):
            return False
        for piece in middle:
            found = piece.find(text, start, end)
            if found < 0:
                return False
            start = found + piece.length
        return True

    return matches


# -- names ---------------------------------------------------------------------------------------------------------


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _user(message: Message) -> str | None:
    return message.user_id.decode("utf-8", "replace") or None


def _id_text(value: Any) -> Any:
    """A UUID as its text; brokers differ in what they compare it with."""
    return str(value) if isinstance(value, uuid.UUID) else value


#: The fields of the header and properties (3.2.1, 3.2.4) after `amqp.`, and three names of Qpid's brokers.
FIELDS: dict[str, Evaluate] = {
    "durable": lambda message: message.durable,
    "priority": lambda message: message.priority,
    "ttl": lambda message: _milliseconds(message.ttl) or None,
    "first_acquirer": lambda message: message.first_acquirer,
    "delivery_count": lambda message: message.delivery_count,
    "message_id": lambda message: _id_text(message.id),
    "user_id": _user,
    "to": lambda message: message.address,
    "subject": lambda message: message.subject,
    "reply_to": lambda message: message.reply_to,
    "correlation_id": lambda message: _id_text(message.correlation_id),
    "content_type": lambda message: message.content_type,
    "content_encoding": lambda message: message.content_encoding,
    "absolute_expiry_time": lambda message: _milliseconds(message.expiry_time) or None,
    "creation_time": lambda message: _milliseconds(message.creation_time) or None,
    "group_id": lambda message: message.group_id,
    "group_sequence": lambda message: None if message.group_id is None else message.group_sequence,
    "reply_to_group_id": lambda message: message.reply_to_group_id,
    "delivery_mode": lambda message: "PERSISTENT" if message.durable else "NON_PERSISTENT",
    "redelivered": lambda message: message.delivery_count > 0,
    "jms_type": lambda message: message.subject,
}
#: The header fields of JMS, and the properties that JMS defines, by the mapping of JMS to AMQP.
HEADERS: dict[str, Evaluate] = {
    "JMSMessageID": FIELDS["message_id"],
    "JMSCorrelationID": FIELDS["correlation_id"],
    "JMSType": FIELDS["subject"],
    "JMSDeliveryMode": FIELDS["delivery_mode"],
    "JMSPriority": FIELDS["priority"],
    # 0 is what JMS has where these are not set.
    "JMSTimestamp": lambda message: _milliseconds(message.creation_time),
    "JMSExpiration": lambda message: _milliseconds(message.expiry_time),
    "JMSDestination": FIELDS["to"],
    "JMSReplyTo": FIELDS["reply_to"],
    "JMSRedelivered": FIELDS["redelivered"],
    "JMSXDeliveryCount": lambda message: message.delivery_count + 1,
    "JMSXGroupID": FIELDS["group_id"],
    "JMSXGroupSeq": FIELDS["group_sequence"],
    "JMSXUserID": _user,
}


def property_named(name: str) -> Evaluate:
    """An application property."""
    return lambda message: message.properties.get(name) if message.properties else None


def annotation_named(name: str) -> Evaluate:
    """A message annotation."""
    return lambda message: message.annotations.get(name) if message.annotations else None


# -- expressions ---------------------------------------------------------------------------------------------------


def constant(value: Any) -> Evaluate:
    """The value of a literal."""
    return lambda message: value


def negation(operand: Evaluate) -> Evaluate:
    """NOT."""

    def evaluate(message: Message) -> bool | None:
        value = truth(operand(message))
        return None if value is None else not value

    return evaluate


def junction(deciding: bool, operands: list[Evaluate]) -> Evaluate:
    """Conditions with AND between them, which one that is False decides; or OR, which one that is True decides."""

    def evaluate(message: Message) -> bool | None:
        result: bool | None = not deciding
        for operand in operands:
            value = truth(operand(message))
            if value is deciding:
                return deciding
            if value is None:
                result = None
        return result

    return evaluate


def calculation(first: Evaluate, others: list[tuple[str, Evaluate]]) -> Evaluate:
    """A sum or a product, from left to right."""

    def evaluate(message: Message) -> Any:
        value = first(message)
        for sign, operand in others:
            value = calculate(sign, value, operand(message))
        return value

    return evaluate


def comparison(relation: Relation, left: Evaluate, right: Evaluate) -> Evaluate:
    """Two values beside one of `RELATIONS`."""
    return lambda message: compare(relation, left(message), right(message))


def null_test(operand: Evaluate, wanted: bool) -> Evaluate:
    """IS NULL, or IS NOT NULL."""
    return lambda message: (operand(message) is None) is wanted


def tested(operand: Evaluate, kinds: set[str], test: Callable[[Any], bool], wanted: bool) -> Evaluate:
    """IN or LIKE, or NOT of them: False for a value of another kind, as each comparison."""

    def evaluate(message: Message) -> bool | None:
        value = operand(message)
        if value is None:
            return None
        return kind_of(value) in kinds and test(value) is wanted

    return evaluate
