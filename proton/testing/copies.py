"""Copies of messages: what a broker for tests holds is not what the test holds, so that neither changes the other."""

from __future__ import annotations

import copy
from typing import Any

from proton import Message

__all__ = ["copy_of", "shallow_copy_of"]

#: bodies that cannot change, nearly all of them
_IMMUTABLE = frozenset((str, bytes, int, float, bool, type(None)))


def shallow_copy_of(message: Message) -> Message:
    """A message with the same values, whose own attributes can be set."""
    made: Any = object.__new__(message.__class__)  # a quarter of the time of `copy.copy`: it runs for each message sent
    vars(made).update(vars(message))
    return made  # type: ignore[no-any-return]


def copy_of(message: Message) -> Message:
    """A message that shares nothing that can change."""
    made = shallow_copy_of(message)
    try:
        if type(message.body) not in _IMMUTABLE:
            made.body = copy.deepcopy(message.body)
        if message.properties is not None:
            made.properties = copy.deepcopy(message.properties)
        if message.annotations is not None:
            made.annotations = copy.deepcopy(message.annotations)
        if message.instructions is not None:
            made.instructions = copy.deepcopy(message.instructions)
        if message.footer is not None:
            made.footer = copy.deepcopy(message.footer)
    except TypeError:  # a value that has no copy, such as a memoryview: its bytes are those that a client would get
        made = Message()
        made.decode(message.encode())
        made.message_format = message.message_format
    return made
