"""Random expressions, written out as text: the parser gives what an evaluator gives that walks the tree."""

from __future__ import annotations

import fnmatch
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from proton import Message
from proton.testing import Selector

PROPERTIES = {"i": 7, "f": 2.5, "s": "blue", "t": True, "e": "", "z": 0}
NAMES = [*PROPERTIES, "n"]  # n: not there

numbers = st.one_of(
    st.integers(-20, 20).map(lambda n: ("number", n)),
    st.sampled_from([0.5, -2.5, 1e3, 0.0]).map(lambda n: ("number", n)),
    st.sampled_from(["i", "f", "z", "n", "s", "t"]).map(lambda name: ("name", name)),
)


def sums(inner):
    return st.one_of(
        st.tuples(st.sampled_from("+-*/"), inner, inner),
        st.tuples(st.just("minus"), inner),
    )


arithmetic = st.recursive(numbers, sums, max_leaves=5)
patterns = st.text("blue%_", max_size=5)
simple = st.one_of(
    st.tuples(st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), arithmetic, arithmetic),
    st.tuples(
        st.sampled_from(["=", "<>"]), st.sampled_from(NAMES).map(lambda n: ("name", n)), st.just(("text", "blue"))
    ),
    st.tuples(st.just("between"), st.booleans(), arithmetic, arithmetic, arithmetic),
    st.tuples(
        st.just("in"), st.booleans(), st.sampled_from(NAMES), st.lists(st.sampled_from(["blue", "", "x"]), min_size=1)
    ),
    st.tuples(st.just("like"), st.booleans(), st.sampled_from(NAMES), patterns),
    st.tuples(st.just("null"), st.booleans(), arithmetic),
    st.sampled_from([("true",), ("false",), ("name", "t"), ("name", "n"), ("name", "s")]),
)


def conditions(inner):
    return st.one_of(st.tuples(st.sampled_from(["and", "or"]), inner, inner), st.tuples(st.just("not"), inner))


trees = st.recursive(simple, conditions, max_leaves=12)

#: how tight an operator binds: what binds less tight than its place asks for stands in parentheses
STRENGTH = {"or": 0, "and": 1, "not": 2, "+": 5, "-": 5, "*": 6, "/": 6, "minus": 7}
ATOMS = {"number", "name", "text", "true", "false"}


def strength(tree):
    return 8 if tree[0] in ATOMS else STRENGTH.get(tree[0], 4)


def written(tree, least=0):
    """The text of a tree, with parentheses only where they are needed."""
    text = {**dict.fromkeys("+-*/", written_pair), **dict.fromkeys(["and", "or"], written_pair)}.get(
        tree[0], written_other
    )(tree)
    return f"({text})" if strength(tree) < least else text


def written_pair(tree):
    kind, left, right = tree
    # From left to right: the right operand needs them if it binds as tight.
    return f"{written(left, strength(tree))} {kind.upper()} {written(right, strength(tree) + 1)}"


def written_other(tree):
    kind, *parts = tree
    word = "" if len(parts) < 2 or parts[0] is not True else " NOT"
    if kind == "number":
        return f"{parts[0]}" if parts[0] >= 0 else f"(0 - {-parts[0]})"
    if kind == "name":
        return parts[0]
    if kind == "text":
        return f"'{parts[0]}'"
    if kind in ("true", "false"):
        return kind.upper()
    if kind == "minus":
        return f"- {written(parts[0], 7)}"
    if kind == "not":
        return f"NOT {written(parts[0], 2)}"
    if kind == "null":
        return f"{written(parts[1], 5)} IS{word} NULL"
    if kind == "between":
        return f"{written(parts[1], 5)}{word} BETWEEN {written(parts[2], 5)} AND {written(parts[3], 5)}"
    if kind == "in":
        return f"{parts[1]}{word} IN ({', '.join(map(repr, parts[2]))})"
    if kind == "like":
        return f"{parts[1]}{word} LIKE '{parts[2]}'"
    return f"{written(parts[0], 5)} {kind} {written(parts[1], 5)}"


def is_number(value):
    return type(value) in (int, float)


def computed(kind, left, right):
    if not is_number(left) or not is_number(right):
        return None
    if kind == "/":
        if float in (type(left), type(right)):
            try:
                return left / right
            except ZeroDivisionError:
                sign = (1 if left > 0 else -1 if left < 0 else float("nan")) * (
                    -1 if str(float(right))[0] == "-" else 1
                )
                return sign * float("inf")
        return None if right == 0 else int(left / right)  # small numbers: no digit is lost
    return (
        {"+": left.__add__, "-": left.__sub__, "*": left.__mul__}[kind](right)
        if type(left) is type(right)
        else {
            "+": float(left) + float(right),
            "-": float(left) - float(right),
            "*": float(left) * float(right),
        }[kind]
    )


def related(kind, left, right):
    if left is None or right is None:
        return None
    if is_number(left) != is_number(right) or (not is_number(left) and type(left) is not type(right)):
        return False
    if not is_number(left) and kind not in ("=", "<>"):
        return False
    return {
        "=": left == right,
        "<>": left != right,
        "<": is_number(left) and left < right,
        "<=": is_number(left) and left <= right,
        ">": is_number(left) and left > right,
        ">=": is_number(left) and left >= right,
    }[kind]


def negated(value):
    return None if value is None else not value


def both(left, right):
    return False if False in (left, right) else None if None in (left, right) else True


def condition(value):
    return value if isinstance(value, bool) else None


def valued(tree):
    """The value of a tree: one branch for each kind, nothing shared with the package."""
    kind, *parts = tree
    if kind == "name":
        return PROPERTIES.get(parts[0])
    if kind in ("number", "text"):
        return parts[0]
    if kind in ("true", "false"):
        return kind == "true"
    if kind == "minus":
        value = valued(parts[0])
        return -value if is_number(value) else None
    if kind in ("+", "-", "*", "/"):
        return computed(kind, valued(parts[0]), valued(parts[1]))
    if kind == "not":
        return negated(condition(valued(parts[0])))
    if kind == "and":
        return both(*(condition(valued(part)) for part in parts))
    if kind == "or":
        return negated(both(*(negated(condition(valued(part))) for part in parts)))
    if kind == "null":
        return (valued(parts[1]) is None) is not parts[0]
    if kind == "between":
        value, low, high = map(valued, parts[1:])
        if parts[0]:
            return negated(both(negated(related("<", value, low)), negated(related(">", value, high))))
        return both(related(">=", value, low), related("<=", value, high))
    if kind in ("in", "like"):
        value = PROPERTIES.get(parts[1])
        if not isinstance(value, str):
            return None if value is None else False
        if kind == "in":
            return (value in parts[2]) is not parts[0]
        pattern = fnmatch.translate(parts[2].replace("%", "*").replace("_", "?"))
        return (re.match(pattern, value) is not None) is not parts[0]
    return related(kind, valued(parts[0]), valued(parts[1]))


@settings(deadline=None, max_examples=300, derandomize=True)
@given(trees)
def test_a_tree_and_its_text_have_one_value(tree):
    text = written(tree)
    assert Selector(text).evaluate(Message(properties=PROPERTIES)) is condition(valued(tree)), text
