"""`Condition`: why an endpoint was closed or a delivery rejected (2.8.14), and its wire form.

The symbols of the specification's error conditions live here and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from proton.codec.composites import ERROR, composite_of, encode_composite
from proton.codec.encode import PreEncoded

if TYPE_CHECKING:
    from proton.codec.types import AMQPValue

__all__ = ["Condition", "decode_condition", "encode_condition", "shortened"]

# 2.8.15 amqp-error, 2.8.16 connection-error, 2.8.17 session-error, 2.8.18 link-error
INTERNAL_ERROR = "amqp:internal-error"
NOT_ALLOWED = "amqp:not-allowed"
NOT_FOUND = "amqp:not-found"
NOT_IMPLEMENTED = "amqp:not-implemented"
INVALID_FIELD = "amqp:invalid-field"
DECODE_ERROR = "amqp:decode-error"
PRECONDITION_FAILED = "amqp:precondition-failed"
RESOURCE_LIMIT_EXCEEDED = "amqp:resource-limit-exceeded"
FRAME_SIZE_TOO_SMALL = "amqp:frame-size-too-small"
UNAUTHORIZED_ACCESS = "amqp:unauthorized-access"
FRAMING_ERROR = "amqp:connection:framing-error"
WINDOW_VIOLATION = "amqp:session:window-violation"
UNATTACHED_HANDLE = "amqp:session:unattached-handle"
HANDLE_IN_USE = "amqp:session:handle-in-use"
TRANSFER_LIMIT_EXCEEDED = "amqp:link:transfer-limit-exceeded"
MESSAGE_SIZE_EXCEEDED = "amqp:link:message-size-exceeded"


class Condition:
    """Why an endpoint was closed, or a delivery rejected (2.8.14).

    :param name: the symbol of the condition, for example ``"amqp:not-found"``.
    :param description: words for people, or None.
    :param info: a map with further facts, or None.
    """

    _judged: Any = None  # a `retry_on` callable, and what it says of this condition

    def __init__(self, name: str, description: str | None = None, info: AMQPValue = None) -> None:
        self.name = name
        self.description = description
        self.info = info

    def __repr__(self) -> str:
        return "Condition({})".format(", ".join(repr(x) for x in (self.name, self.description, self.info) if x))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Condition):
            return False
        return (self.name, self.description, self.info) == (other.name, other.description, other.info)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]


def reason_of(
    condition: str | Condition | None, description: str | None = None, info: AMQPValue = None
) -> Condition | None:
    """The reason of a rejection, as programs give it.

    :param condition: the symbol of the reason, or a `Condition`, or None.
    :param description: the reason in words; without a symbol it is one of ``amqp:precondition-failed``, the name that
        the specification itself has messages rejected with (3.2.1).
    :param info: a map with further facts.
    :raises TypeError: the condition or the description is of another type.
    """
    if description is not None and not isinstance(description, str):
        raise TypeError(f"description takes str or None, got {type(description).__name__} {description!r:.50}")
    if isinstance(condition, str):
        return Condition(condition, description, info)
    if condition is None:
        return None if description is None else Condition(PRECONDITION_FAILED, description, info)
    if not isinstance(condition, Condition):
        raise TypeError(f"condition takes a str, a Condition or None, got {condition!r:.50}")
    return condition


#: bytes of a description that fit, with all else in a close, into the smallest frame that every peer takes (2.8.19)
MAX_DESCRIPTION_BYTES = 400


#: bytes of an error beside its texts: descriptor, list, and the heads of a symbol, a string and a null
_CONDITION_BYTES = 24


def shortened(condition: Condition | None) -> Condition | None:
    """The condition with a description that fits into any frame: ours quote what the peer sent, of whatever size."""
    if condition is None or len(condition.description or "") * 4 <= MAX_DESCRIPTION_BYTES:
        return condition
    octets = (condition.description or "").encode("utf-8", "replace")
    if len(octets) <= MAX_DESCRIPTION_BYTES:
        return condition
    text = octets[: MAX_DESCRIPTION_BYTES - 3].decode("utf-8", "ignore") + "..."
    return Condition(condition.name, text, condition.info)


def fitting(condition: Condition, room: int) -> Condition:
    """The condition as it fits into so many bytes: without its info, and with a shorter description; its name stays.

    A name that does not fit either is one that no peer can expect: it becomes a part of the description.
    """
    name, description = str(condition.name), str(condition.description or "")
    room -= _CONDITION_BYTES
    if len(name) > room:
        name, description = INTERNAL_ERROR, f"{condition.name}: {description}"
    room -= len(name)
    # Cut as bytes, read as characters: half a character is dropped, so the text stays UTF-8 (1.6.20).
    octets = description.encode("utf-8", "replace")
    if len(octets) > room:
        description = octets[: max(0, room - 3)].decode("utf-8", "ignore") + "..." if room >= 3 else ""
    return Condition(name, description)


def encode_condition(condition: Condition | None) -> PreEncoded | None:
    """The `error` value of a frame; None where there is nothing to say.

    :raises AttributeError: what is no `Condition`.
    """
    if condition is None:
        return None
    if not hasattr(condition, "name"):
        raise AttributeError(f"condition takes a Condition or None, got {type(condition).__name__} {condition!r:.50}")
    if not condition.name:
        return None
    return PreEncoded(encode_composite(ERROR, (condition.name, condition.description or None, condition.info or None)))


def decode_condition(value: Any) -> Condition | None:
    """The condition in an `error` field; None if it is not a described list with a name in it."""
    found = composite_of(value) if value is not None else None
    if found is None or found[0] is not ERROR:
        return None
    name, description, info = (found[1] + [None, None, None])[:3]
    if not isinstance(name, str) or not name:
        return None
    return Condition(str(name), description if isinstance(description, str) else None, info)
