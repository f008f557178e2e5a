"""`Selector`: which messages a consumer wants, in the selector syntax of JMS.

A recursive descent parser makes closures. Keep true: whatever the text is, the constructor raises `InvalidSelector` or
nothing. Only parentheses nest, and their number is bounded; chains of operators and signs are loops.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple, NoReturn

from proton import Message
from proton.testing.selector_values import (
    ANY,
    CONDITION,
    FIELDS,
    HEADERS,
    NUMBER,
    RELATIONS,
    TEXT,
    Evaluate,
    annotation_named,
    calculation,
    compare,
    comparison,
    constant,
    junction,
    kind_of,
    like,
    negation,
    null_test,
    property_named,
    signed,
    tested,
)
from proton.testing.selector_words import InvalidSelector, Lexer, Token

__all__ = ["InvalidSelector", "Selector"]

#: Parentheses in parentheses. One takes eight calls to parse, of the thousand that Python allows in all.
MAX_NESTING = 50


class Selector:
    """Selects messages by their properties, as brokers do for consumers.

    Names are application properties, or these fields: `JMSMessageID`, `JMSCorrelationID`, `JMSType` (the subject),
    `JMSDeliveryMode` ('PERSISTENT' or 'NON_PERSISTENT'), `JMSPriority`, `JMSTimestamp` and `JMSExpiration`
    (milliseconds), `JMSDestination`, `JMSReplyTo`, `JMSRedelivered`, `JMSXDeliveryCount`, `JMSXGroupID`,
    `JMSXGroupSeq`, `JMSXUserID`; and `amqp.` with a field of the header or properties (`amqp.content_type`), or
    `amqp.annotation.` with a message annotation. A hyphen is part of a name that begins with `amqp.`; any other name
    with characters that Java's identifiers do not have stands in double quotes.

    :param text: the selector; an empty one selects every message.
    :raises InvalidSelector: it has a mistake.
    :raises TypeError: it is not a str.
    """

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"expected the text of a selector, got {type(text).__name__}")
        self._text = text
        self._evaluate = _Parser(text).selector()

    @property
    def text(self) -> str:
        """The text that it was made of."""
        return self._text

    def __repr__(self) -> str:
        return f"Selector({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Selector) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def evaluate(self, message: Message) -> bool | None:
        """True, False, or None where a property that the message does not have leaves it open."""
        value = self._evaluate(message)
        return value if isinstance(value, bool) else None

    def matches(self, message: Message) -> bool:
        """Whether the message is selected: the unknown is not."""
        return self._evaluate(message) is True


class _Expression(NamedTuple):
    """A part of a selector: its value for a message, the kind of that, and where it stands in the text."""

    evaluate: Evaluate
    kind: str
    start: int
    end: int


class _Parser:
    """Reads one selector. Each method reads what it names from the current word on, and returns an expression."""

    def __init__(self, text: str) -> None:
        self._lexer = Lexer(text)
        self._text = text
        self._nesting = 0
        self._end = 0  # where the last word ended
        self._word = self._lexer.next(0)

    def selector(self) -> Evaluate:
        if not self._word.kind:
            return constant(True)
        expression = self._junction()
        if self._word.kind:
            self._fail("an operator or the end")
        return self._of_kind(expression, CONDITION).evaluate

    # -- words

    def _fail(self, expected: str) -> NoReturn:
        word = self._word
        self._lexer.fail(word.start, expected, self._text[word.start : word.end][:40] if word.kind else "the end")

    def _take(self, *kinds: str) -> str | None:
        """Steps over the current word if it has one of these kinds; its kind."""
        kind = self._word.kind
        if kind not in kinds:
            return None
        self._end = self._word.end
        self._word = self._lexer.next(self._end)
        return kind

    def _need(self, kind: str, expected: str = "") -> Token:
        word = self._word
        if not self._take(kind):
            self._fail(expected or (f"{kind!r}" if kind in "()," else kind))
        return word

    def _of_kind(self, expression: _Expression, kind: str) -> _Expression:
        if expression.kind not in (kind, ANY):
            got = self._text[expression.start : expression.end]
            self._lexer.fail(expression.start, kind, f"{expression.kind}, {got:.40}")
        return expression

    # -- conditions

    def _junction(self, word: str = "OR") -> _Expression:
        """Conditions with `word` between them: OR, whose operands are those with AND, or AND."""
        first = self._junction("AND") if word == "OR" else self._negation()
        if self._word.kind != word:
            return first
        operands = [self._of_kind(first, CONDITION)]
        while self._take(word):
            operand = self._junction("AND") if word == "OR" else self._negation()
            operands.append(self._of_kind(operand, CONDITION))
        evaluate = junction(word == "OR", [part.evaluate for part in operands])
        return _Expression(evaluate, CONDITION, first.start, operands[-1].end)

    def _negation(self) -> _Expression:
        start, negations = self._word.start, 0
        while self._take("NOT"):
            negations += 1
        expression = self._comparison()
        if negations:
            evaluate = negation(self._of_kind(expression, CONDITION).evaluate)
            if negations % 2 == 0:
                evaluate = negation(evaluate)
            expression = _Expression(evaluate, CONDITION, start, expression.end)
        return expression

    def _comparison(self) -> _Expression:
        left = self._sum()
        compared = self._take(*RELATIONS)
        if compared:
            evaluate = self._compared(compared, left, self._sum())
        elif self._take("IS"):
            wanted = not self._take("NOT")
            self._need("NULL")
            evaluate = null_test(left.evaluate, wanted)
        else:
            wanted = not self._take("NOT")
            word = self._take("IN", "LIKE", "BETWEEN")
            if word == "IN":
                evaluate = self._in(left, wanted)
            elif word == "LIKE":
                evaluate = self._like(left, wanted)
            elif word == "BETWEEN":
                evaluate = self._between(left, wanted)
            elif not wanted:
                self._fail("IN, LIKE or BETWEEN")
            else:
                return left
        return _Expression(evaluate, CONDITION, left.start, self._end)

    def _compared(self, word: str, left: _Expression, right: _Expression) -> Evaluate:
        if word not in ("=", "<>"):
            self._of_kind(left, NUMBER)
            self._of_kind(right, NUMBER)
        return comparison(RELATIONS[word], left.evaluate, right.evaluate)

    def _in(self, left: _Expression, wanted: bool) -> Evaluate:
        self._need("(")
        values = [self._literal()]
        while self._take(","):
            values.append(self._literal())
        self._need(")", "',' or ')'")
        texts = frozenset(value for value in values if isinstance(value, str))
        others = [value for value in values if not isinstance(value, str)]

        def test(value: Any) -> bool:
            return value in texts if isinstance(value, str) else any(compare(operator.eq, value, x) for x in others)

        return tested(left.evaluate, {kind_of(value) for value in values}, test, wanted)

    def _literal(self) -> Any:
        """The value of a literal in the list of an IN: a string by JMS, and what else there is."""
        sign = self._take("-", "+")
        word = self._word
        if word.kind == "number":
            return self._number(sign == "-")
        if sign or not self._take("string", "TRUE", "FALSE"):
            self._fail("a number" if sign else "a literal")
        return word.value if word.kind == "string" else word.kind == "TRUE"

    def _like(self, left: _Expression, wanted: bool) -> Evaluate:
        pattern = self._need("string", "a pattern in single quotes")
        escape = None
        if self._take("ESCAPE"):
            word = self._need("string", "a character in single quotes")
            escape = word.value
            if len(escape) != 1:
                self._lexer.fail(word.start, "one character in single quotes", self._text[word.start : word.end][:40])
        try:
            test = like(pattern.value, escape)
        except ValueError:
            shown = self._text[pattern.start : pattern.end][:40]
            self._lexer.fail(pattern.start, f"'%', '_' or {escape!r} after each {escape!r} of a pattern", shown)
        return tested(self._of_kind(left, TEXT).evaluate, {TEXT}, test, wanted)

    def _between(self, operand: _Expression, wanted: bool) -> Evaluate:
        low = self._sum()
        self._need("AND")
        high = self._sum()
        for expression in (operand, low, high):
            self._of_kind(expression, NUMBER)
        value = operand.evaluate
        below, above = (operator.ge, operator.le) if wanted else (operator.lt, operator.gt)
        return junction(not wanted, [comparison(below, value, low.evaluate), comparison(above, value, high.evaluate)])

    # -- values

    # Sums and products are read alike, each in its own method: one for both is two frames more for each parenthesis.

    def _sum(self) -> _Expression:
        first = self._product()
        others: list[tuple[str, Evaluate]] = []
        sign = self._take("+", "-")
        while sign:
            others.append((sign, self._of_kind(self._product(), NUMBER).evaluate))
            sign = self._take("+", "-")
        return self._calculation(first, others)

    def _product(self) -> _Expression:
        first = self._signed()
        others: list[tuple[str, Evaluate]] = []
        sign = self._take("*", "/")
        while sign:
            others.append((sign, self._of_kind(self._signed(), NUMBER).evaluate))
            sign = self._take("*", "/")
        return self._calculation(first, others)

    def _calculation(self, first: _Expression, others: list[tuple[str, Evaluate]]) -> _Expression:
        if not others:
            return first
        self._of_kind(first, NUMBER)
        return _Expression(calculation(first.evaluate, others), NUMBER, first.start, self._end)

    def _signed(self) -> _Expression:
        start, signs, negative = self._word.start, 0, False
        sign = self._take("-", "+")
        while sign:
            signs, negative = signs + 1, negative ^ (sign == "-")
            sign = self._take("-", "+")
        if self._word.kind == "number":
            return _Expression(constant(self._number(negative)), NUMBER, start, self._end)
        expression = self._primary()
        if not signs:
            return expression
        operand = self._of_kind(expression, NUMBER).evaluate
        return _Expression(lambda message: signed(negative, operand(message)), NUMBER, start, expression.end)

    def _number(self, negative: bool) -> Any:
        """The value of a number. The smallest has a sign, and is too large without it."""
        word = self._need("number")
        if word.value == 1 << 63 and isinstance(word.value, int) and not negative:
            self._lexer.fail(word.start, "a number of 64 bits", self._text[word.start : word.end])
        return -word.value if negative else word.value

    def _primary(self) -> _Expression:
        word = self._word
        if self._take("("):
            self._nesting += 1
            if self._nesting > MAX_NESTING:
                self._lexer.fail(word.start, f"{MAX_NESTING} parentheses in each other at most", f"{self._nesting}")
            inner = self._junction()
            closing = self._need(")", "an operator or ')'")
            self._nesting -= 1
            return _Expression(inner.evaluate, inner.kind, word.start, closing.end)
        if self._take("string"):
            return _Expression(constant(word.value), TEXT, word.start, word.end)
        if self._take("TRUE", "FALSE"):
            return _Expression(constant(word.kind == "TRUE"), CONDITION, word.start, word.end)
        if self._take("name"):
            return _Expression(self._named(word), ANY, word.start, word.end)
        self._fail("a name, a literal or '('")

    def _named(self, word: Token) -> Evaluate:
        name: str = word.value
        if name.startswith("amqp.annotation."):
            return annotation_named(name[len("amqp.annotation.") :])
        if name.startswith("amqp."):
            field = name[len("amqp.") :].replace("-", "_")
            if field not in FIELDS:
                self._lexer.fail(word.start, f"a field of {', '.join(FIELDS)} after 'amqp.'", name)
            return FIELDS[field]
        if name in HEADERS:
            return HEADERS[name]
        # Names of the platform; all others with JMS are reserved.
        if name.startswith("JMS") and not name.startswith(("JMSX", "JMS_")):
            self._lexer.fail(word.start, f"{', '.join(HEADERS)}, or a property", name)
        return property_named(name)
