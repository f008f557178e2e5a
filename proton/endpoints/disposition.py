"""Delivery states: what each end says about a delivery (3.4), and their wire forms.

`LocalDisposition` collects what `Delivery.update` will send, `RemoteDisposition` shows what the peer sent.
The typed classes (`RejectedDisposition` and so on) are values that a program hands to `update`.
The states themselves are numbers; `STATES` has the ready-made members for those that the specification knows.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from proton.codec.composites import (
    ACCEPTED,
    DECLARED,
    MODIFIED,
    RECEIVED,
    REJECTED,
    RELEASED,
    TRANSACTIONAL_STATE,
    check_fields,
    composite_of,
    encode_composite,
)
from proton.codec.decode import decode_value
from proton.codec.encode import PreEncoded, encode
from proton.codec.types import Described, ulong
from proton.endpoints.condition import Condition, decode_condition, encode_condition
from proton.exceptions import DataException

if TYPE_CHECKING:
    from proton.codec.types import AMQPValue

__all__ = [
    "DispositionType",
    "Disposition",
    "LocalDisposition",
    "RemoteDisposition",
    "ReceivedDisposition",
    "RejectedDisposition",
    "ModifiedDisposition",
    "DeclaredDisposition",
    "TransactionalDisposition",
    "CustomDisposition",
]


class DispositionType(enum.IntEnum):
    """The delivery states of the specification (3.4, 4.5.5, 4.5.6), by the number of their descriptor."""

    EMPTY = 0
    RECEIVED = 0x23
    ACCEPTED = 0x24
    REJECTED = 0x25
    RELEASED = 0x26
    MODIFIED = 0x27
    TRANSACTION_DECLARED = 0x33
    TRANSACTIONAL_STATE = 0x34

    @classmethod
    def or_int(cls, number: int) -> DispositionType | int:
        """The member with this number, or the number where there is none.

        :param number: the number of a descriptor.
        """
        return STATES.get(number, number)


#: looked up, never constructed: making a member from its number costs more than a message's decoding
STATES: dict[int, DispositionType] = {int(state): state for state in DispositionType}


class Disposition:
    """The state of a delivery, as one of its two ends sees it (3.4)."""

    RECEIVED = DispositionType.RECEIVED
    ACCEPTED = DispositionType.ACCEPTED
    REJECTED = DispositionType.REJECTED
    RELEASED = DispositionType.RELEASED
    MODIFIED = DispositionType.MODIFIED
    DECLARED = DispositionType.TRANSACTION_DECLARED
    TRANSACTIONAL_STATE = DispositionType.TRANSACTIONAL_STATE

    #: the state, a `DispositionType`, or an int for one that the specification does not know
    type: DispositionType | int = DispositionType.EMPTY
    #: RECEIVED: the section that was reached, and the offset in it in bytes
    section_number: int = 0
    section_offset: int = 0
    #: MODIFIED: the delivery counts as a failed attempt; it must not come here again
    failed: bool = False
    undeliverable: bool = False
    #: the value of a state that has no attributes of its own here
    data: Any = None
    #: MODIFIED: annotations to merge into those of the message, a dict or None
    annotations: Any = None
    #: REJECTED: the error, a `Condition` or None
    condition: Condition | None = None
    #: transactional states: the transaction's id, bytes or None
    id: Any = None
    #: TRANSACTIONAL_STATE: the outcome inside the transaction, 0 when there is none
    outcome_type: DispositionType | int = DispositionType.EMPTY

    def __repr__(self) -> str:
        fields = sorted(item for item in vars(self).items() if not item[0].startswith("_"))
        shown = ", ".join(
            f"{name}={value.name if isinstance(value, DispositionType) else repr(value)}" for name, value in fields
        )
        return f"{type(self).__name__}({shown})"

    def apply_to(self, local: LocalDisposition) -> None:
        """Make a local disposition say what this one says, without sending it.

        :param local: the `Delivery.local` to change.
        """
        for name in _STATE_FIELDS:
            setattr(local, name, getattr(self, name))


_STATE_FIELDS = (
    "type",
    "section_number",
    "section_offset",
    "failed",
    "undeliverable",
    "data",
    "annotations",
    "condition",
    "id",
    "outcome_type",
)


class LocalDisposition(Disposition):
    """What this end will say about a delivery; set its attributes, then call `Delivery.update`."""


class RemoteDisposition(Disposition):
    """What the peer said last about a delivery; a snapshot that cannot be assigned to."""

    def __init__(self, state: DispositionType | int, value: Any) -> None:
        # `__setattr__` refuses all others: what the peer has said is not for programs to change.
        set_field = self.__dict__.__setitem__
        set_field("type", state)
        set_field("_value", value)
        if state not in _STATE_COMPOSITES:
            set_field("data", None if value == [] else value)
        elif state == DispositionType.RECEIVED:
            set_field("section_number", value[0] or 0)
            set_field("section_offset", value[1] or 0)
        elif state == DispositionType.REJECTED:
            set_field("condition", decode_condition(value[0]))
        elif state == DispositionType.MODIFIED:
            set_field("failed", bool(value[0]))
            set_field("undeliverable", bool(value[1]))
            set_field("annotations", value[2])
        elif state == DispositionType.TRANSACTION_DECLARED:
            set_field("id", value[0])
            set_field("data", value)
        elif state == DispositionType.TRANSACTIONAL_STATE:
            set_field("id", value[0])
            set_field("data", value)
            set_field("outcome_type", decode_state(value[1])[0] if len(value) > 1 else DispositionType.EMPTY)

    _value: Any

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name} attribute is read-only")


class ReceivedDisposition(Disposition):
    """Received up to a section and an offset in it (3.4.1)."""

    type: DispositionType | int = DispositionType.RECEIVED

    def __init__(self, section_number: int | None = None, section_offset: int | None = None) -> None:
        self.section_number: int = section_number or 0
        self.section_offset: int = section_offset or 0


class RejectedDisposition(Disposition):
    """Rejected as invalid, with a condition or without (3.4.3)."""

    type: DispositionType | int = DispositionType.REJECTED

    def __init__(self, condition: Condition | None = None) -> None:
        self.condition = condition


class ModifiedDisposition(Disposition):
    """Given back, with changes to make before it is sent again (3.4.5)."""

    type: DispositionType | int = DispositionType.MODIFIED

    def __init__(
        self,
        failed: bool = True,
        undeliverable: bool | None = None,
        annotations: dict[AMQPValue, AMQPValue] | None = None,
    ) -> None:
        self.failed: bool = _flag("failed", failed)
        self.undeliverable: bool = _flag("undeliverable", undeliverable)
        self.annotations = annotations


def _check_id(id: Any) -> None:
    if not isinstance(id, (bytes, str, bytearray, memoryview)):
        raise TypeError(f"the id of a transaction is bytes or str, got {id!r:.50}")


class DeclaredDisposition(Disposition):
    """A transaction was declared and has this id (4.5.5).

    :param id: the transaction's id, bytes or str.
    :raises TypeError: an id that is neither.
    """

    type: DispositionType | int = DispositionType.TRANSACTION_DECLARED

    def __init__(self, id: bytes | bytearray | memoryview | str) -> None:
        _check_id(id)
        self.id = id


class TransactionalDisposition(Disposition):
    """A state inside a transaction (4.5.6).

    :param id: the transaction's id, bytes or str.
    :param outcome: the outcome in it: a state number or a disposition, of which the number is taken.
    :raises TypeError: an id or an outcome of another type.
    """

    type: DispositionType | int = DispositionType.TRANSACTIONAL_STATE

    def __init__(self, id: bytes | bytearray | memoryview | str, outcome: Disposition | int | None = None) -> None:
        _check_id(id)
        kind = outcome.type if isinstance(outcome, Disposition) else outcome or 0
        if not isinstance(kind, int):
            raise TypeError(f"an outcome is a state number or a disposition, got {outcome!r:.50}")
        self.id = id
        self.outcome_type: DispositionType | int = STATES.get(kind, kind)


class CustomDisposition(Disposition):
    """A state that the specification does not know.

    :param type: the number of its descriptor.
    :param data: its value, anything that can be encoded; None for an empty list.
    :raises TypeError: not a number.
    """

    def __init__(self, type: int, data: AMQPValue = None) -> None:
        if not isinstance(type, int):
            raise TypeError(f"a state is a number, got {type!r:.50}")
        self.type: DispositionType | int = STATES.get(type, type)
        self.data = data


_STATE_COMPOSITES = {
    DispositionType.RECEIVED: RECEIVED,
    DispositionType.ACCEPTED: ACCEPTED,
    DispositionType.REJECTED: REJECTED,
    DispositionType.RELEASED: RELEASED,
    DispositionType.MODIFIED: MODIFIED,
    DispositionType.TRANSACTION_DECLARED: DECLARED,
    DispositionType.TRANSACTIONAL_STATE: TRANSACTIONAL_STATE,
}
#: states that have no fields of their own: their bytes never change, and ranges of them may be merged
FIELDLESS_STATES = {
    DispositionType.ACCEPTED: PreEncoded(b"\x00\x53\x24\x45"),
    DispositionType.RELEASED: PreEncoded(b"\x00\x53\x26\x45"),
}
_STATES_WITH_ID = (DispositionType.TRANSACTION_DECLARED, DispositionType.TRANSACTIONAL_STATE)
_BARE_STATES = {int(state): state for state in FIELDLESS_STATES}


def encode_state(state: DispositionType | int, local: Disposition | None) -> PreEncoded | None:
    """The delivery-state field for a local state; None when there is none."""
    if not state:
        return None
    known = FIELDLESS_STATES.get(state)  # type: ignore[call-overload]
    if known is not None:
        return known  # type: ignore[no-any-return]
    local = local or LocalDisposition()
    if state == DispositionType.RECEIVED:
        return PreEncoded(encode_composite(RECEIVED, (local.section_number or 0, local.section_offset or 0)))
    if state == DispositionType.REJECTED:
        return PreEncoded(encode_composite(REJECTED, (encode_condition(local.condition),)))
    if state == DispositionType.MODIFIED:
        flags = _flag("failed", local.failed), _flag("undeliverable", local.undeliverable)
        return PreEncoded(encode_composite(MODIFIED, (*flags, local.annotations)))
    if state in _STATES_WITH_ID and local.id is not None:
        return PreEncoded(_encode_transactional(state, local))
    # A state that has no fields here is a described list, empty unless the program gave something else (3.4).
    data = local.data if local.data is not None else []
    return PreEncoded(encode(Described(ulong(int(state)), data)))


def _flag(name: str, value: Any) -> bool:
    if value is None or isinstance(value, int):
        return bool(value)
    raise TypeError(f"{name} takes a bool, got {type(value).__name__} {value!r:.50}")  # "no" would mean yes


def check_state(state: DispositionType | int, fields: Disposition) -> None:
    """Raises what is wrong with a state and its fields, which would show when the frame is written."""
    if state not in _STATES_WITH_ID:
        encode_state(state, fields)
    elif fields.id is not None or isinstance(fields, (DeclaredDisposition, TransactionalDisposition)):
        _check_id(fields.id)
        encode_state(state, fields)
    else:
        # An older form, with all of it in `data`: what the peer would refuse shows here (4.5.5, 4.5.6).
        encoded = encode_state(state, fields)
        if encoded is not None:
            decode_state(decode_value(encoded)[0])


def _encode_transactional(state: DispositionType | int, local: Disposition) -> bytes:
    txn_id = local.id.encode("utf-8") if isinstance(local.id, str) else local.id
    if state == DispositionType.TRANSACTION_DECLARED:
        return encode_composite(DECLARED, (txn_id,))
    outcome = local.outcome_type
    inner: PreEncoded | None = None
    if outcome == DispositionType.MODIFIED:
        inner = PreEncoded(encode_composite(MODIFIED, (True, False)))  # a failed attempt, the usual meaning
    elif outcome:
        inner = encode_state(outcome, None)
    return encode_composite(TRANSACTIONAL_STATE, (txn_id, inner))


def decode_state(value: Any) -> tuple[DispositionType | int, Any]:
    """Number and value of a received delivery-state; (EMPTY, None) when there is none that we can name.

    :raises DataException: a field of a state of the specification is of a wrong type.
    """
    if value is None:
        return DispositionType.EMPTY, None
    # Nearly all are these: the walk through the tables costs three times as much.
    if type(value) is Described and type(value.descriptor) is ulong and value.value == []:
        bare = _BARE_STATES.get(value.descriptor)
        if bare is not None:
            return bare, value.value
    found = composite_of(value)
    if found is not None:
        code, fields = found[0].code, found[1]
        state = STATES.get(code, code)
        if state in _STATE_COMPOSITES:
            received = len(fields)
            # Checked here and not where it is read: a wrong field is a fault of the peer's frame (2.7.6).
            fields = check_fields(found[0], fields)
            if state == DispositionType.TRANSACTIONAL_STATE:
                # The outcome within is checked too; `outcome_type` reads it again, which seldom happens (4.5.6).
                decode_state(fields[1])
                fields = fields[:received]  # programs look at them in `data`
        return state, fields
    if isinstance(value, Described) and isinstance(value.descriptor, int):
        state = STATES.get(value.descriptor, int(value.descriptor))
        if state in _STATE_COMPOSITES:
            raise DataException(f"expected a list as the value of delivery state {int(state)}, got {value.value!r:.50}")
        return state, value.value
    return DispositionType.EMPTY, None
