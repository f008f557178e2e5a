"""The words of a selector: keywords, names, literals and operators, as JMS and Java write them.

Keep true: whatever the text is, reading raises `InvalidSelector` or nothing.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from typing import Any, NamedTuple, NoReturn

__all__ = ["InvalidSelector", "Lexer", "Token", "wrapped"]

#: Characters of a selector.
MAX_LENGTH = 8192

KEYWORDS = frozenset(("AND", "BETWEEN", "ESCAPE", "FALSE", "IN", "IS", "LIKE", "NOT", "NULL", "OR", "TRUE"))
_OPERATOR = re.compile(r"<>|<=|>=|[-+*/=<>(),]")
_NUMBER = re.compile(
    r"(?P<hex>0[xX][0-9a-fA-F]+)[lL]?"
    r"|(?P<float>(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|[0-9]+(?=[fFdD]))[fFdD]?"
    r"|(?P<octal>0[0-7]+)[lL]?"
    r"|(?P<decimal>0|[1-9][0-9]*)[lL]?"
)
#: Characters of Java identifiers by their Unicode category: those that may begin one, and those that may follow.
_BEGINS = frozenset(("Lu", "Ll", "Lt", "Lm", "Lo", "Nl", "Sc", "Pc"))
_FOLLOWS = _BEGINS | {"Nd", "Mn", "Mc"}
#: Operators of other languages, and what stands for them here.
_MISTAKEN = {"!=": "'<>'", "==": "'='", "&&": "AND", "||": "OR"}


class InvalidSelector(ValueError):
    """A text is not a selector.

    :ivar selector: the text.
    :ivar position: the index of the character at which reading stopped.
    :ivar expected: what could stand there.
    :ivar got: what stands there.
    """

    def __init__(self, selector: str, position: int, expected: str, got: str) -> None:
        super().__init__(f"invalid selector at position {position}: expected {expected}, got {got}")
        self.selector = selector
        self.position = position
        self.expected = expected
        self.got = got

    def __reduce__(self) -> tuple[Any, ...]:
        return InvalidSelector, (self.selector, self.position, self.expected, self.got)


class Token(NamedTuple):
    """A word of a selector. `kind` is a keyword, an operator, "name", "number", "string", or "" for the end."""

    kind: str
    value: Any
    start: int
    end: int


def _begins_name(character: str) -> bool:
    return unicodedata.category(character) in _BEGINS


def _follows_in_name(character: str) -> bool:
    return character == "." or unicodedata.category(character) in _FOLLOWS


def _end_of_name(text: str, start: int) -> int:
    end = start
    while end < len(text) and (_follows_in_name(text[end]) or (text[end] == "-" and text.startswith("amqp.", start))):
        end += 1
    return end


def _is_keyword(word: str) -> bool:
    # Some letters that are not ASCII become ASCII letters as capitals.
    return word.isascii() and word.upper() in KEYWORDS


class Lexer:
    """The words of a text, one after another."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_LENGTH:
            self.fail(MAX_LENGTH, f"{MAX_LENGTH} characters at most", f"{len(text)}")

    def fail(self, position: int, expected: str, got: str) -> NoReturn:
        """Raise `InvalidSelector`."""
        raise InvalidSelector(self.text, position, expected, got)

    def next(self, position: int) -> Token:
        """The word after a position."""
        text = self.text
        start = position
        while text[start : start + 1].isspace():
            start += 1
        if start == len(text):
            return Token("", None, start, start)
        if text[start : start + 2] in _MISTAKEN:
            self.fail(start, _MISTAKEN[text[start : start + 2]], repr(text[start : start + 2]))
        number = _NUMBER.match(text, start)
        if number is not None:
            return self._number(number)
        found = _OPERATOR.match(text, start)
        if found is not None:
            return Token(found.group(), None, start, found.end())
        if text[start] in "'\"":
            return self._quoted(start)
        if not _begins_name(text[start]):
            self.fail(start, "a name, a literal or an operator", repr(text[start]))
        end = _end_of_name(text, start)
        word = text[start:end]
        if _is_keyword(word):
            return Token(word.upper(), None, start, end)
        return Token("name", word, start, end)

    def _quoted(self, start: int) -> Token:
        """A string in single quotes, or a name in double ones; a quote inside is doubled."""
        text, quote = self.text, self.text[start]
        end = start
        while True:
            end = text.find(quote, end + 1)
            if end < 0:
                self.fail(len(text), f"the quote {quote} that closes the one at position {start}", "the end")
            if text[end + 1 : end + 2] != quote:
                break
            end += 1
        value = text[start + 1 : end].replace(quote * 2, quote)
        if quote == "'":
            return Token("string", value, start, end + 1)
        plain = value != "" and _begins_name(value[0]) and all(map(_follows_in_name, value))
        if not value or (plain and not _is_keyword(value)):
            # Meant as a string, nearly always, and as a name it would never match.
            self.fail(start, "a string in single quotes", text[start : end + 1])
        return Token("name", value, start, end + 1)

    def _number(self, found: re.Match[str]) -> Token:
        """A number of Java's syntax: octal, decimal or hexadecimal up to 64 bits, or a float of 32 or 64 bits."""
        start, end = found.span()
        text = self.text
        if end < len(text) and _follows_in_name(text[end]):
            end = _end_of_name(text, end)
            self.fail(start, "a number", repr(text[start:end]))
        value: float
        if found["float"] is not None:
            value = float(found["float"])
            if text[end - 1] in "fF":
                value = _binary32(value)
            if value in (float("inf"), float("-inf")):
                self.fail(start, "a number of 64 bits, or of 32 with the suffix f", text[start:end])
        elif found["decimal"] is not None:
            # One more than the largest: with a sign before it, it is the smallest.
            value = self._exact(found["decimal"], 10, 1 << 63, found)
        else:
            base = 16 if found["hex"] is not None else 8
            # As Java's long: those with the highest bit are negative.
            value = wrapped(self._exact(found["hex"] or found["octal"], base, (1 << 64) - 1, found))
        return Token("number", value, start, end)

    def _exact(self, digits: str, base: int, largest: int, found: re.Match[str]) -> int:
        # By the length first: Python refuses to read more digits than 4,300.
        value = int(digits, base) if len(digits.lstrip("0")) < 80 else largest + 1
        if value > largest:
            self.fail(found.start(), "a number of 64 bits", f"{found.group():.40}")
        return value


def _binary32(value: float) -> float:
    try:
        (rounded,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        return float("inf")
    return float(rounded)


def wrapped(value: int) -> int:
    """As Java's long, which has 64 bits."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)
