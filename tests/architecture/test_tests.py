"""The tests themselves: each can fail. A test asserts, or calls something that does."""

from __future__ import annotations

import ast
import pathlib

TESTS = pathlib.Path(__file__).resolve().parents[1]
#: what fails a test without the word `assert`
FAILING = {"raises", "warns", "fail"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def called_in(node):
    """The names of what is called in a function, without the objects that methods are called on."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            if isinstance(call.func, ast.Name):
                yield call.func.id
            elif isinstance(call.func, ast.Attribute):
                yield call.func.attr


def asserts(node, helpers=frozenset()):
    """Whether a function can fail by itself, or by one of the helpers that it calls."""
    if any(isinstance(inner, (ast.Assert, ast.Raise)) for inner in ast.walk(node)):
        return True
    return any(name in FAILING or name in helpers for name in called_in(node))


def functions():
    """(file, function) of all functions in the folder of the tests."""
    for path in sorted(TESTS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, FUNCTIONS):
                yield path.relative_to(TESTS), node


def without_assertion(found):
    """The tests of them that neither assert nor call a helper that does, however deep."""
    helpers: set[str] = set()
    others = [node for _, node in found if not node.name.startswith("test_")]
    while True:
        more = {node.name for node in others if node.name not in helpers and asserts(node, helpers)}
        if not more:
            break
        helpers |= more
    tests = [(path, node) for path, node in found if node.name.startswith("test_")]
    return [f"{path}:{node.lineno} {node.name}" for path, node in tests if not asserts(node, helpers)]


def test_every_test_asserts():
    assert without_assertion(list(functions())) == []


SOURCE = """
def helper(x): check(x)
def check(x): assert x
def idle(x): return x
def test_one(): helper(1)
def test_two(): assert 1
def test_three(): idle(2)
def test_four():
    with pytest.raises(ValueError): idle(2)
"""


def test_a_test_that_cannot_fail_is_found():
    found = [("file", node) for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, FUNCTIONS)]
    assert without_assertion(found) == ["file:7 test_three"]
