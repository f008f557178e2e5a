"""`read_message`: the message of a received delivery, for every face. It runs once for each message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proton.codec.limits import DEFAULT_LIMITS
from proton.message import LARGE_MESSAGE, Message

if TYPE_CHECKING:
    from proton.endpoints.delivery import Delivery

__all__ = ["read_message"]

_new = Message.__new__


def read_message(delivery: Delivery) -> Message:
    """The message of the delivery that is current on its link; the link goes on to the next one.

    :raises MessageException: the bytes are not a message.
    """
    link = delivery.link
    transport = link.connection.transport
    limits = DEFAULT_LIMITS if transport is None else transport.decode_limits
    # `decode` sets all that the constructor does, which would be called for each message.
    message = _new(Message)
    # Joined first below that size: finding the body in pieces costs more than the copy that it saves.
    if delivery._size < LARGE_MESSAGE:
        message.decode(delivery._read_whole(), limits)
    else:
        message._decode_pieces(delivery._read_whole(False), limits)
    number = delivery._message_format
    if number:
        message.message_format = number
    return message
