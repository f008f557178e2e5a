"""Bodies that are too large to hold: written from a source as the peer takes them, read as they come (3.2.6).

`encoded_stream` makes the bytes of a message piece by piece; the transport asks for the next piece when window and
output have room for it, so no more than a frame of it is in memory. `BodyReader` is the other end: what is not read
keeps the session's window closed. Neither knows of frames.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from proton.codec.sections import DATA_SECTION, section_at
from proton.endpoints.arguments import check_count
from proton.exceptions import LinkException, MessageException
from proton.message import Message

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from proton.endpoints.delivery import Delivery
    from proton.endpoints.receiver import Receiver

__all__ = ["BodyReader", "StreamEncoder", "check_size", "encoded_stream"]

_PIECE_BYTES = 65536  # bytes to ask a file for at a time
_MAX_SECTION_BYTES = 0xFFFFFFFF  # 1.6.19: vbin32
_MAX_BYTES_AROUND_BODY = 1 << 20  # bytes of other sections than data: they are held until they are complete


def _pieces(source: Any) -> Iterator[bytes]:
    read = getattr(source, "read", None)
    if read is not None:
        while True:
            piece = read(_PIECE_BYTES)
            if not piece:
                return
            yield _checked(piece)
    else:
        for piece in source:
            # An empty piece would be an empty section, or read as the end of the body.
            if len(_checked(piece)):
                yield _checked(piece)


def _checked(piece: Any) -> bytes:
    if isinstance(piece, bytes):
        return piece
    if isinstance(piece, (bytearray, memoryview)):
        return bytes(piece)
    raise TypeError(f"expected bytes from the source of a body, got {piece!r:.50}")


def encoded_stream(source: Iterable[bytes] | Any, message: Message | None, size: int | None) -> Iterator[bytes]:
    """The bytes of a message, one piece after the other.

    :param size: bytes that the source has, for one data section; None makes a section of each piece.
    :raises ValueError: the source has more or less than that.
    """
    encoder = StreamEncoder(message, size)
    before = encoder.begin()
    if before:
        yield before
    for piece in _pieces(source):
        yield from encoder.piece(piece)
    after = encoder.end()
    if after:
        yield after


class StreamEncoder:
    """Encodes a message whose body comes piece by piece (3.2.6).

    :param message: a message without body, whose other sections go around it; None for none.
    :param size: bytes of the body, for one data section; None makes a section of each piece.
    :raises MessageException: the message has a body.
    """

    def __init__(self, message: Message | None, size: int | None) -> None:
        self._before, self._after = (message if message is not None else Message())._encode_around_body()
        self._size = size
        self._left = size or 0

    def begin(self) -> bytes:
        """What goes before the body."""
        if self._size is None:
            return self._before
        # One section, whose size goes ahead (1.6.19): the body must then have exactly so many bytes.
        return self._before + DATA_SECTION + self._size.to_bytes(4, "big")

    def piece(self, piece: Any) -> Iterator[bytes]:
        """The bytes for a piece of the body.

        :raises TypeError: not bytes.
        :raises ValueError: the body is longer than was said.
        """
        piece = _checked(piece)
        if self._size is None:
            if piece:
                yield DATA_SECTION + len(piece).to_bytes(4, "big")
                yield piece
            return
        self._left -= len(piece)
        if self._left < 0:
            raise ValueError(f"expected a body of {self._size} bytes, got {self._size - self._left} so far")
        yield piece

    def end(self) -> bytes:
        """What goes behind the body.

        :raises ValueError: the body is shorter than was said.
        """
        if self._left:
            raise ValueError(f"expected a body of {self._size} bytes, got {(self._size or 0) - self._left}")
        return self._after


def check_size(size: int | None) -> None:
    if size is not None and not 0 <= check_count("size", size, " (bytes) or None") <= _MAX_SECTION_BYTES:
        raise OverflowError(f"size takes 0 to 2**32 - 1 bytes, got {size}; None makes several sections")


class BodyReader(io.RawIOBase):
    """Reads the body of a message while it comes: a binary file object that does not block (3.2.6).

    Got from `Receiver.reader`. Reading gives None when nothing has come since, and ``b""`` at the end of the body;
    iterating gives the pieces that are there. At the end the link is advanced; the delivery is still to be settled.

    :ivar delivery: the `Delivery` that is read.
    :ivar message: a `Message` with all that comes before the body, once the body has begun; its `footer` at the end.
    """

    def __init__(self, link: Receiver) -> None:
        super().__init__()
        delivery = link.current
        if delivery is None:
            raise LinkException("[-5]: reader() needs a current delivery, got none")
        self.delivery: Delivery = delivery
        self.message: Message = Message()
        self._buffer = b""
        self._remaining = 0  # bytes of the data section that is being read
        self._others: list[bytes] = []  # the other sections, whole
        self._over = False  # no more bytes will come
        self._finished = False

    @property
    def finished(self) -> bool:
        """True when the whole body was read."""
        return self._finished

    def readable(self) -> bool:
        """True always."""
        return True

    def read(self, size: int = -1) -> bytes | None:
        """The next bytes of the body.

        :param size: bytes at most; less than 0 for all that have come.
        :return: None when nothing has come since, ``b""`` at the end.
        :raises LinkException: the sender has given the message up, or the link went on to another one.
        :raises MessageException: the message has no data sections, or is malformed.
        """
        wanted = size if size is not None and size >= 0 else sys.maxsize
        pieces = []
        while wanted and not self._finished:
            if not self._remaining:
                if not self._enter_section():
                    break
                continue
            if not self._buffer and not self._fetch(min(wanted, self._remaining)):
                if self._over:
                    raise MessageException(f"the message ends {self._remaining} bytes before its data section does")
                break
            piece = self._buffer[: min(wanted, self._remaining)]
            self._buffer = self._buffer[len(piece) :]
            self._remaining -= len(piece)
            wanted -= len(piece)
            pieces.append(piece)
        return b"".join(pieces) if pieces or self._finished or not wanted else None

    def readall(self) -> bytes | None:  # type: ignore[override]
        """All that has come, as `read` without a size."""
        return self.read()

    def readinto(self, buffer: Buffer) -> int | None:
        """Read into a writable buffer; the number of bytes, 0 at the end, None when nothing has come since.

        :param buffer: any writable bytes-like object.
        """
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        if data is None:
            return None
        view[: len(data)] = data
        return len(data)

    def __iter__(self) -> BodyReader:
        return self

    def __next__(self) -> bytes:
        data = self.read(_PIECE_BYTES)
        if not data:
            raise StopIteration
        return data

    def _fetch(self, limit: int) -> bool:
        """Takes more bytes from the link; False when there are none now."""
        link = self.delivery.link
        if self.delivery.aborted:
            raise LinkException("[-11]: the sender has aborted the delivery")
        if self._over:
            return False
        if link.current is not self.delivery:
            raise LinkException("the link has been advanced past the delivery that is being read")
        data = link.recv(limit)  # type: ignore[attr-defined]
        # None ends the delivery for good; b"" only says that nothing has come since (see `Receiver.recv`).
        self._over = data is None
        self._buffer += data or b""
        return bool(data)

    def _enter_section(self) -> bool:
        """Comes to the content of the next data section, past all others; False when that has not come yet."""
        while True:
            found = section_at(self._buffer)
            if found is not None and found[0] == 0x75:
                _, start, end = found
                self._show_others()
                self._buffer, self._remaining = self._buffer[start:], end - start
                return True
            # amqp-sequence and amqp-value (3.2.7, 3.2.8) are values, which can only be decoded whole.
            if found is not None and found[0] in (0x76, 0x77):
                raise MessageException("expected data sections, the body is of another kind")
            if found is not None and len(self._buffer) >= found[2]:
                self._others.append(self._buffer[: found[2]])
                self._buffer = self._buffer[found[2] :]
                continue
            # A section is decoded whole, so an unlimited one would have to be held however large the peer makes it.
            held = len(self._buffer) + sum(map(len, self._others))
            if held > _MAX_BYTES_AROUND_BODY:
                raise MessageException(f"expected {_MAX_BYTES_AROUND_BODY} bytes at most around the body, got {held}")
            if not self._fetch(_PIECE_BYTES):
                if self._over:
                    self._finish()
                return False

    def _show_others(self) -> None:
        if self._others:
            self.message.decode(b"".join(self._others))

    def _finish(self) -> None:
        if self._buffer:
            raise MessageException(f"the message ends within a section, after {len(self._buffer)} bytes of it")
        self._show_others()
        self._finished = True
        link = self.delivery.link
        # The program may have settled or advanced past it while it read the last bytes.
        if link.current is self.delivery:
            link.advance()
