"""`printable`: the words of a peer, so that they can stand in a log line or in the text of an exception.

Conditions, descriptions, names and addresses are chosen by the peer. A line break in one of them would forge a second
log line; an escape sequence would steer a terminal; a bidirectional control would reorder what a person reads. Each
text of the package that quotes a peer passes through here, once.
"""

from __future__ import annotations

from typing import Any

__all__ = ["MAX_PRINTABLE", "condition_text", "message_text", "outcome_text", "printable"]

#: Characters of a quoted text. A description has at least the 512 bytes of the smallest frame (2.8.19) to say what is
#: wrong in; a peer that says more must not fill the log.
MAX_PRINTABLE = 512

_CUT = "..."


def printable(text: object, limit: int = MAX_PRINTABLE) -> str:
    """The text with escapes (`\\n`, `\\x1b`, `\\u202e`) for all that is not printable, cut to a length.

    Escaped are control characters, line and paragraph separators, bidirectional and other format controls,
    surrogates, and every space except U+0020.

    :param text: what a peer said; an object that is not text is quoted as its `str`, None as an empty text.
    :param limit: the greatest length of the result in characters; what was cut off is marked by `...`.
    """
    if text is None:
        return ""
    # For a subclass the characters count, not what its `str` gives: an Enum's would be `K.A`.
    shown = str.__str__(text) if isinstance(text, str) else str(text)
    if len(shown) <= limit and shown.isprintable():
        return shown
    kept: list[str] = []
    size = 0
    whole = 0  # how many of `kept` fit beside the mark of a cut
    for letter in shown[: limit + 1]:
        escaped = letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        size += len(escaped)
        if size > limit:
            return "".join(kept[:whole]) + _CUT
        kept.append(escaped)
        if size <= limit - len(_CUT):
            whole = len(kept)
    return "".join(kept)


def condition_text(condition: Any) -> str:
    """A condition in one line: its name, and its description if it has one: `amqp:not-found: no queue 'q'`.

    :param condition: a `Condition`, or None, which gives an empty text.
    """
    if condition is None:
        return ""
    name = printable(condition.name)
    return f"{name}: {printable(condition.description)}" if condition.description else name


#: What each outcome (3.4) says of a message that was sent, by its number.
_OUTCOME_WORDS = {
    0: "was settled without an outcome",
    0x24: "was accepted",
    0x25: "was rejected",
    0x26: "was released",
    0x27: "was modified",
}


def message_text(address: str | None) -> str:
    """A message that was sent, by its address: `the message to 'orders'`.

    :param address: where it was sent to, None where that is not known.
    """
    return f"the message to {printable(address)!r}" if address else "the message"


def outcome_text(state: int, address: str | None) -> str:
    """What has become of a message that was sent: `the message to 'orders' was rejected`.

    :param state: the outcome, a `DispositionType` or another number.
    :param address: where it was sent to, None where that is not known.
    """
    return f"{message_text(address)} {_OUTCOME_WORDS.get(state) or f'has the outcome {int(state)}'}"
