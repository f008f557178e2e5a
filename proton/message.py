"""`Message`: a message's sections as attributes (3.2), and the bytes of them.

No link or transport is known here beyond what `send` and `recv` call. The header and properties sections are kept
as lists in wire order and wire units (milliseconds, plain integers), as short as their last field that is set: what
`decode` reads is stored as it came and what `encode` writes is stored as it goes; the properties of the class
convert. Keep true: class attributes hold the defaults, so an untouched message costs nothing; `decode` stores only
when the whole message was read.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Callable

from proton.codec import attributes, sections
from proton.codec.decode import DECODE, DECODE_ERRORS, DEFAULT_LIMITS, DecodeLimits
from proton.codec.encode import ENCODE, encode_binary, encode_buffer, encode_list
from proton.codec.sections import (
    decode_header,
    decode_properties,
    encode_annotations,
    encode_application_properties,
    encode_header,
    encode_properties,
)
from proton.codec.types import AnnotationDict, symbol
from proton.codec.unencodable import located, with_advice
from proton.exceptions import DataException, MessageException
from proton.warn import unknown_options

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from typing import Generic, TypedDict, TypeVar, Union
    from uuid import UUID

    from typing_extensions import Unpack

    from proton.codec.types import AMQPValue
    from proton.endpoints.delivery import Delivery
    from proton.endpoints.receiver import Receiver
    from proton.endpoints.sender import Sender

__all__ = ["Message"]

_SND_SETTLED = 1  # sender-settle-mode settled (2.8.2)
_NULL_BODY = b"\x00\x53\x77\x40"  # an amqp-value section with null: what a message without a body ends with
_BINARY_BODIES = (b"\x00\x53\x75\xb0", b"\x00\x53\x77\xb0")  # a data or amqp-value section with a long binary
_MAX_DESCRIPTOR_BYTES = 64  # bytes of the longest descriptor of a section, in its symbolic form
_MAX_ULONG = 0xFFFFFFFFFFFFFFFF
_NO_PARTS: list[Any] = []
_NO_FIELDS: Sequence[Any] = ()


# -- sections -----------------------------------------------------------------------------------------------------


def _joined(parts: Sequence[Any]) -> Any:
    """The one body that several data or sequence sections make up."""
    if isinstance(parts[0], bytes):
        return b"".join(parts)
    return [value for part in parts for value in part]


#: bytes from which on a body is taken out of its message, or put into it, without one copy more of the whole
LARGE_MESSAGE = 65536


def _expect(expected: type, value: Any) -> Any:
    if value is not None and type(value) is not expected:
        raise DataException(f"expected {expected.__name__}, found {type(value).__name__}")
    return value


def _received_annotations(value: Any) -> AnnotationDict | None:
    return AnnotationDict.from_wire(value) if type(value) is dict else _expect(dict, value)


# -- properties of the class, by the list that holds the field ----------------------------------------------------

if TYPE_CHECKING:
    _Read = TypeVar("_Read")
    _Written = TypeVar("_Written")

    class _Field(Generic[_Read, _Written]):
        """A property of `Message` as checkers see it: what is read, and what may be set."""

        def __get__(self, message: Message, owner: type[Message]) -> _Read: ...
        def __set__(self, message: Message, value: _Written) -> None: ...

    _Annotations = dict[Any, AMQPValue]
    _Id = Union[int, str, bytes, UUID, None]

    class MessageKeywords(TypedDict, total=False):
        """The attributes that the constructor of a `Message` takes by name."""

        properties: dict[str, AMQPValue] | None
        message_format: int
        inferred: bool
        sections: Sequence[bytes] | Sequence[list[AMQPValue]]
        ttl: float | timedelta | None
        instructions: _Annotations | None
        annotations: _Annotations | None
        footer: _Annotations | None
        durable: bool
        priority: int
        first_acquirer: bool
        delivery_count: int
        id: _Id
        user_id: bytes | str | None
        address: str | None
        subject: str | None
        reply_to: str | None
        correlation_id: _Id
        content_type: str | None
        content_encoding: str | None
        expiry_time: float | datetime | None
        creation_time: float | datetime | None
        group_id: str | None
        group_sequence: int | None
        reply_to_group_id: str | None


def _with(fields: Sequence[Any], position: int, value: Any) -> Sequence[Any]:
    """`fields` with one replaced, made just long enough for it."""
    # Never changed in place: a copy of the message (`copy.copy`) shares the lists.
    if value is None and position >= len(fields):
        return fields
    return [*fields[:position], *([None] * (position - len(fields))), value, *fields[position + 1 :]]


def _header_field(position: int, convert: Callable[[Any], Any], doc: str) -> Any:
    """The property of a header field; a field that is absent has its default (3.2.1)."""
    default = sections.HEADER_DEFAULTS[position]

    def get(self: Message) -> Any:
        fields = self._header
        value = fields[position] if position < len(fields) else None
        return default if value is None else value

    def put(self: Message, value: Any) -> None:
        self._header = _with(self._header, position, convert(value))

    return property(get, put, doc=doc)


def _property_field(position: int, convert: Callable[[Any], Any], doc: str, shown: Callable[[Any], Any]) -> Any:
    """The property of a field of the properties section: `shown` turns what is stored, `None` too, to what is read."""

    def get(self: Message) -> Any:
        fields = self._fields
        return shown(fields[position] if position < len(fields) else None)

    def put(self: Message, value: Any) -> None:
        self._fields = _with(self._fields, position, convert(value))

    return property(get, put, doc=doc)


def _text_field(position: int, name: str, doc: str) -> Any:
    return _property_field(position, partial(attributes.text, name), doc, attributes.plain)


def _symbol_field(position: int, name: str, doc: str) -> Any:
    convert = partial(attributes.text, name)
    return _property_field(position, convert, doc, lambda text: None if text is None else symbol(text))


def _id_field(position: int, doc: str) -> Any:
    return _property_field(position, attributes.message_id, doc, lambda value: value)


def _time_field(position: int, name: str, doc: str) -> Any:
    return _property_field(position, lambda value: attributes.point_in_time(name, value), doc, _seconds)


_DATETIME = "A datetime is taken too; one without a time zone is local time, as everywhere in Python."


def _seconds(milliseconds: int | None) -> float:
    return milliseconds / 1000.0 if milliseconds else 0.0


def _annotations_field(attribute: str, doc: str) -> Any:
    def put(self: Message, value: Any) -> None:
        setattr(self, attribute, AnnotationDict(value, raise_on_error=False) if isinstance(value, dict) else value)

    return property(attrgetter(attribute), put, doc=doc)


class Message:
    """A message: a body, and what says how to deliver and to read it (3.2).

    :param body: any AMQP value.
    :param kwargs: further attributes by name; `UserWarning` for one that a message does not have.
    """

    #: The priority of a message that says nothing of it (3.2.1).
    DEFAULT_PRIORITY = 4

    body: AMQPValue = None
    #: Application properties: a dict with string keys, or `None` (3.2.5).
    properties: dict[str, AMQPValue] | None = None

    #: The message-format of its transfer, 0 for the one of AMQP 1.0 (3.2.16); it is not among the bytes (2.8.11).
    message_format: int = 0

    _inferred = False
    # Set only on messages that have several; those with one section, nearly all, need no attribute for it.
    _parts: Any = None  # the values of several data or sequence sections, which `body` has as one
    _instructions: Any = None
    _annotations: Any = None
    _footer: Any = None
    _header: Sequence[Any] = ()
    _fields: Sequence[Any] = ()

    instructions: _Field[AnnotationDict | None, _Annotations | None] = _annotations_field(
        "_instructions", "Delivery annotations: `None`, or an `AnnotationDict` copied from the dict set (3.2.2)."
    )
    annotations: _Field[AnnotationDict | None, _Annotations | None] = _annotations_field(
        "_annotations", "Message annotations: `None`, or an `AnnotationDict` copied from the dict set (3.2.3)."
    )
    footer: _Field[AnnotationDict | None, _Annotations | None] = _annotations_field(
        "_footer", "What follows the body: `None`, or an `AnnotationDict` copied from the dict set (3.2.9)."
    )

    durable: _Field[bool, bool] = _header_field(
        sections.DURABLE, bool, "Whether intermediaries must not lose the message."
    )
    priority: _Field[int, int] = _header_field(
        sections.PRIORITY,
        lambda value: attributes.unsigned("priority", 0xFF, value),
        "How urgent the message is, 0 to 255.",
    )
    first_acquirer: _Field[bool, bool] = _header_field(
        sections.FIRST_ACQUIRER, bool, "Whether no other receiver has acquired the message before."
    )
    delivery_count: _Field[int, int] = _header_field(
        sections.DELIVERY_COUNT,
        lambda value: attributes.unsigned("delivery_count", 0xFFFFFFFF, value),
        "How many deliveries of the message failed before.",
    )

    id: _Field[_Id, _Id] = _id_field(sections.ID, "What identifies the message: int, str, bytes, UUID, or `None`.")
    user_id: _Field[bytes, bytes | str | None] = _property_field(
        sections.USER_ID,
        attributes.user_id,
        "The user that made the message, as bytes; a str is taken as UTF-8.",
        lambda value: value or b"",
    )
    address: _Field[str | None, str | None] = _text_field(sections.TO, "address", "The node that the message is for.")
    subject: _Field[str | None, str | None] = _text_field(sections.SUBJECT, "subject", "What the message is about.")
    reply_to: _Field[str | None, str | None] = _text_field(
        sections.REPLY_TO, "reply_to", "The node that replies go to."
    )
    correlation_id: _Field[_Id, _Id] = _id_field(
        sections.CORRELATION_ID, "The id of the message that this one answers, as `id`."
    )
    content_type: _Field[symbol | None, str | None] = _symbol_field(
        sections.CONTENT_TYPE, "content_type", "The MIME type of the body, a `symbol` or `None`."
    )
    content_encoding: _Field[symbol | None, str | None] = _symbol_field(
        sections.CONTENT_ENCODING, "content_encoding", "How the body was encoded, a `symbol` or `None`."
    )
    expiry_time: _Field[float, float | datetime | None] = _time_field(
        sections.EXPIRY_TIME,
        "expiry_time",
        "When the message expires: seconds since 1970-01-01 UTC, 0.0 for never. " + _DATETIME,
    )
    creation_time: _Field[float, float | datetime | None] = _time_field(
        sections.CREATION_TIME,
        "creation_time",
        "When the message was made: seconds since 1970-01-01 UTC, 0.0 for unknown. " + _DATETIME,
    )
    group_id: _Field[str | None, str | None] = _text_field(
        sections.GROUP_ID, "group_id", "The group that the message belongs to."
    )
    group_sequence: _Field[int, int | None] = _property_field(
        sections.GROUP_SEQUENCE,
        lambda value: attributes.unsigned("group_sequence", 0xFFFFFFFF, value) or None,
        "The position of the message in its group.",
        lambda value: value or 0,
    )
    reply_to_group_id: _Field[str | None, str | None] = _text_field(
        sections.REPLY_TO_GROUP_ID, "reply_to_group_id", "The group that replies belong to."
    )

    def __init__(self, body: AMQPValue = None, **kwargs: Unpack[MessageKeywords]) -> None:
        self.body = body
        if self.__class__ is Message:  # the class of a program may have defaults of its own
            # What `encode` reads: CPython 3.11 looks at the defaults of the class without its caches.
            self.properties = self._parts = self._instructions = self._annotations = self._footer = None
            self._header = self._fields = ()
            self._inferred = False
            self.message_format = 0
        for name, value in kwargs.items():
            # An id of the usual classes is kept as it is: `Message(id=7, body=None)` takes 0.56 us instead of 0.95
            # (CPython 3.11). Not in classes of programs, which may have an `id` of their own.
            if name == "id" and self.__class__ is Message and not self._fields:
                kind = value.__class__
                if kind is str or (kind is int and 0 <= value <= _MAX_ULONG):  # type: ignore[operator]
                    self._fields = (value,)
                    continue
            if not hasattr(self.__class__, name) and not hasattr(self, name):
                unknown_options("Message", [name], _attributes(self.__class__))
            setattr(self, name, value)

    @property
    def inferred(self) -> bool:
        """Whether a binary body goes as a data section and a list as a sequence; otherwise any body is one value."""
        return self._inferred

    @inferred.setter
    def inferred(self, value: object) -> None:
        self._inferred = bool(value)

    @property
    def sections(self) -> list[AMQPValue] | None:
        """The values of the data or sequence sections of the body: bytes, or lists (3.2.6, 3.2.7); None for one value.

        Setting them sets `body`, to all of them joined, and `inferred`. Changing `body` afterwards makes one section.

        :raises TypeError: set to something else than several bytes or several lists.
        """
        if not self._inferred or not isinstance(self.body, (bytes, bytearray, memoryview, list, tuple)):
            return None
        return list(self._several() or [self.body])

    @sections.setter
    def sections(
        self, values: Sequence[bytes | bytearray | memoryview | list[AMQPValue] | tuple[AMQPValue, ...]]
    ) -> None:
        parts = [bytes(x) if isinstance(x, (bytearray, memoryview)) else x for x in values]
        kinds = {bytes if isinstance(x, bytes) else list if isinstance(x, (list, tuple)) else None for x in parts}
        if kinds not in ({bytes}, {list}):
            raise TypeError(f"sections takes bytes, or lists, one at least, got {values!r:.80}")
        # `body` is set beside the parts, for programs that know only one; `_several` finds out when they have parted.
        self._parts = parts
        self.body = _joined(parts)
        self._inferred = True

    def _several(self) -> list[Any] | None:
        """The values of several sections, unless the body was changed since they were set."""
        parts = self._parts
        if parts is None or len(parts) < 2 or self.body != _joined(parts):
            return None
        return parts  # type: ignore[no-any-return]

    @property
    def ttl(self) -> float:
        """How long the message is of use, in seconds from its sending; 0.0 for no limit. A timedelta is taken too."""
        fields = self._header
        return _seconds(fields[sections.TTL]) if len(fields) > sections.TTL else 0.0

    @ttl.setter
    def ttl(self, value: float | timedelta | None) -> None:
        # No limit may be said as 0, `None` or infinity; the field is left out then.
        self._header = _with(self._header, sections.TTL, attributes.duration("ttl", value))

    def clear(self) -> None:
        """Resets every attribute of the message to its default; attributes of the application stay."""
        self.body = self.properties = None
        self._inferred = False
        self._instructions = self._annotations = self._footer = None
        self._header = self._fields = ()
        self._parts = None
        self.message_format = 0

    # -- bytes

    def encode(self) -> bytes:
        """The bytes of the message: the sections that have something set, and always a body (3.2).

        Raises `MessageException` for a value that no AMQP type takes, or an application property key that is no
        string; `OverflowError` for a number out of range; `UnicodeEncodeError` for text that cannot be encoded.
        """
        out: list[bytes] = []
        try:
            # The order of the sections is that of 3.2; receivers may rely on it.
            if self._header:
                encode_header(out, self._header)
            if self._instructions is not None:
                encode_annotations(out, "instructions", b"\x00\x53\x71", self._instructions)
            if self._annotations is not None:
                encode_annotations(out, "annotations", b"\x00\x53\x72", self._annotations)
            if self._fields:
                encode_properties(out, self._fields)
            properties = self.properties
            if properties is not None:
                encode_application_properties(out, properties)
            body = self.body
            encoder = ENCODE[type(body)]
            prefix = b"\x00\x53\x77"
            if self._inferred:
                if encoder is encode_binary or encoder is encode_buffer:
                    prefix = b"\x00\x53\x75"
                elif encoder is encode_list:
                    prefix = b"\x00\x53\x76"
                if self._parts is not None:
                    *before, body = self._several() or [body]
                    for part in before:
                        out.append(prefix)
                        encoder(out, part)
            out.append(prefix)
            encoder(out, body)
            if self._footer is not None:
                encode_annotations(out, "footer", b"\x00\x53\x78", self._footer)
        except (OverflowError, UnicodeEncodeError, RecursionError) as error:
            raise located(error, self._encoded_parts()) from None
        except DataException as error:
            raise MessageException(with_advice(error, self._encoded_parts())) from error
        return b"".join(out)

    def _encoded_parts(self) -> dict[str, Any]:
        """What the program has put into the message, by the name that it used: for the text of an error."""
        return {name: getattr(self, name) for name in ("instructions", "annotations", "properties", "body", "footer")}

    def _encode_in_pieces(self) -> list[bytes]:
        """As `encode`, in pieces, so that a large body of bytes is not copied."""
        body = self.body
        if type(body) is not bytes or self._several() is not None:
            return [self.encode()]
        around = copy.copy(self)
        around.body = around._parts = None
        before, after = around._encode_around_body()
        prefix = b"\x00\x53\x75" if self._inferred else b"\x00\x53\x77"
        return [before + prefix + b"\xb0" + len(body).to_bytes(4, "big"), body, after]

    def _encode_around_body(self) -> tuple[bytes, bytes]:
        """The bytes of the sections before a body that comes from elsewhere, and of the one after it.

        Raises as `encode`, and `MessageException` if there is a body.
        """
        if self.body is not None:
            raise MessageException(f"expected a message without a body of its own, got the body {self.body!r:.50}")
        footer: list[bytes] = []
        if self._footer is not None:
            encode_annotations(footer, "footer", b"\x00\x53\x78", self._footer)
        after = b"".join(footer)
        return self.encode()[: -len(after + _NULL_BODY)], after

    def decode(self, data: bytes, limits: DecodeLimits = DEFAULT_LIMITS) -> None:
        """Replaces the content by what `data` says; several data sections become one body, as do several sequences.

        :param data: one whole message, any bytes-like object. `MessageException` when it is malformed; the message
            is clear then.
        :param limits: what decoding may cost.
        """
        data = data if type(data) is bytes else bytes(memoryview(data))
        limits = limits if len(data) <= limits.unmetered else limits.metered()
        header = fields = _NO_FIELDS
        instructions = annotations = properties = footer = body = None
        kind = code = start = pos = 0
        chunks: list[Any] = []
        sequences: list[Any] = []
        size = len(data)
        try:
            while pos < size:
                start, code = pos, 0
                if data[pos] == 0 and data[pos + 1] == 0x53:
                    code = data[pos + 2]
                    pos += 3
                else:
                    code, pos = sections.section_code(data, pos, limits)
                # The sections that nearly every message has first; as `decode_fields` reads them, not as maps.
                if code == 0x73:
                    fields, pos = decode_properties(data, pos, limits)
                    continue
                if code == 0x70:
                    header, pos = decode_header(data, pos, limits)
                    continue
                value, pos = DECODE[data[pos]](data, pos + 1, limits)
                if code == 0x77:
                    kind, body = code, value
                elif code == 0x75:
                    kind = code
                    chunks.append(_expect(bytes, value) or b"")
                elif code == 0x76:
                    kind = code
                    sequences.append(_expect(list, value) or [])
                elif code == 0x74:
                    properties = value if type(value) is dict else _expect(dict, value)
                elif code == 0x72:
                    annotations = _received_annotations(value)
                elif code == 0x71:
                    instructions = _received_annotations(value)
                elif code == 0x78:
                    footer = _received_annotations(value)
                # Any other described value is passed over: routers add sections of their own.
        except DECODE_ERRORS as error:
            self.clear()
            raise sections.section_fault(error, code, start) from error
        several = chunks if kind == 0x75 else sequences if kind == 0x76 else _NO_PARTS
        if several:
            body = several[0] if len(several) == 1 else _joined(several)
        if len(several) > 1 or self._parts is not None:
            self._parts = several
        self.body, self.properties = body, properties
        self._inferred = kind == 0x75 or kind == 0x76
        self._instructions, self._annotations, self._footer = instructions, annotations, footer
        self._header, self._fields = header, fields

    def _decode_pieces(self, pieces: list[bytes], limits: DecodeLimits = DEFAULT_LIMITS) -> None:
        """As `decode` of the pieces joined; a body of bytes at the end is joined alone, so that it is copied once.

        :param pieces: the bytes of one whole message, in order.
        :param limits: what decoding may cost.
        """
        first = pieces[0]
        size = sum(map(len, pieces))
        pos = 0
        found = sections.section_at(first)
        while found is not None and found[0] not in (0x75, 0x77) and found[2] < len(first):
            pos += found[2]
            found = sections.section_at(first[pos : pos + _MAX_DESCRIPTOR_BYTES])
            if found is None or found[2] > _MAX_DESCRIPTOR_BYTES:
                found = sections.section_at(first[pos:])
        # The constructor behind the section's own descriptor: bytes with another descriptor are not the whole body.
        if found is None or pos + found[2] != size or first[pos : pos + 4] not in _BINARY_BODIES:
            self.decode(b"".join(pieces), limits)
            return
        start = pos + found[1]
        self.decode(first[: start - 5] + b"\xa0\x00", limits)
        self.body = b"".join([first[start:], *pieces[1:]])

    # -- links

    def send(self, sender: Sender, tag: str | bytes | None = None) -> Delivery:
        """Sends the message over a link and returns its delivery.

        :param sender: the link; it settles the delivery at once when its `snd_settle_mode` says so.
        :param tag: the delivery tag, `bytes` or `str`; one is made when it is empty.
        """
        encoded = self.encode()
        delivery = sender.delivery(tag or sender.delivery_tag())
        if self.message_format:
            delivery.message_format = self.message_format
        sender.stream(encoded)
        sender.advance()
        if sender.snd_settle_mode == _SND_SETTLED:
            delivery.settle()
        return delivery

    def recv(self, link: Receiver) -> Delivery | None:
        """Reads and decodes the message of the link's current delivery, advances the link, returns the delivery.

        `None` when the link is a sender, or has no current delivery, or has it only in part. Raises `LinkException`
        for an aborted delivery, `MessageException` for malformed bytes.

        :param link: the receiver; any link will do.
        """
        if link.is_sender:
            return None
        delivery = link.current
        if delivery is None or delivery.partial:
            return None
        encoded = link.recv(delivery.pending) or b""
        delivery.encoded = encoded
        # Before decoding: a message that is malformed must not stay current and keep back those behind it.
        link.advance()
        # The peer settled it already: this end settles it, too (2.6.12).
        if link.remote_snd_settle_mode == _SND_SETTLED:
            delivery.settle()
        self.decode(encoded)
        self.message_format = delivery.message_format
        return delivery

    def __repr__(self) -> str:
        parts = ((name, getattr(self, name)) for name in _SHOWN)
        return f"Message({', '.join(f'{name}={value!r}' for name, value in parts if value)})"


def _attributes(kind: type) -> list[str]:
    return [name for name in dir(kind) if isinstance(getattr(kind, name), property) or name in ("body", "properties")]


_SHOWN = (
    "inferred",
    "address",
    "reply_to",
    "durable",
    "ttl",
    "priority",
    "first_acquirer",
    "delivery_count",
    "id",
    "correlation_id",
    "user_id",
    "group_id",
    "group_sequence",
    "reply_to_group_id",
    "instructions",
    "annotations",
    "properties",
    "body",
)
