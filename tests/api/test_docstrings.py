"""Every public name says what it does: classes, methods, properties, their parameters, plain attributes."""

import ast
import inspect
import pathlib

import pytest

import proton

CLASSES = [name for name in proton.__all__ if inspect.isclass(getattr(proton, name))]
#: what a caller passes on unchanged, or what the signature says by itself
SELF_EXPLANATORY = {"impl", "args", "kwargs"}


def members(cls):
    for name, raw in vars(cls).items():
        if name.startswith("_"):
            continue
        function = raw.__func__ if isinstance(raw, (staticmethod, classmethod)) else raw
        if isinstance(raw, property) or inspect.isfunction(function):
            yield name, raw, function


MEMBERS = [
    pytest.param(raw, function, id=f"{cls}.{name}")
    for cls in CLASSES
    for name, raw, function in members(getattr(proton, cls))
    if name != "validation_fn"  # an attribute of the restricted dicts that happens to be a function
]


@pytest.mark.parametrize("name", CLASSES)
def test_classes(name):
    assert (vars(getattr(proton, name)).get("__doc__") or "").strip()


@pytest.mark.parametrize("raw, function", MEMBERS)
def test_methods_and_properties(raw, function):
    text = raw.__doc__ if isinstance(raw, property) else function.__doc__
    assert text and text.strip()
    if isinstance(raw, property):
        return
    names = list(inspect.signature(function).parameters)[0 if isinstance(raw, staticmethod) else 1 :]
    for name in names:
        assert name in SELF_EXPLANATORY or f":param {name}:" in text, f"{name} is not explained"


def public_attributes(node):
    """The public names that a class assigns on itself or, in `__init__`, on its objects, with their lines."""
    for statement in node.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            if isinstance(target, ast.Name) and target.id.islower() and statement.value is not None:
                yield target.id, statement.lineno, statement.value
        elif isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            for inner in ast.walk(statement):
                if isinstance(inner, (ast.Assign, ast.AnnAssign)):
                    target = inner.targets[0] if isinstance(inner, ast.Assign) else inner.target
                    if isinstance(target, ast.Attribute) and getattr(target.value, "id", "") == "self":
                        yield target.attr, inner.lineno, inner.value


@pytest.mark.parametrize("name", ["Connection", "Session", "Link", "Sender", "Receiver", "Delivery", "Transport"])
def test_plain_attributes(name):
    """Each has a `#:` comment above it or above the group that it is in."""
    path = pathlib.Path(inspect.getsourcefile(getattr(proton, name)))
    lines = path.read_text(encoding="utf-8").splitlines()
    (node,) = (x for x in ast.parse("\n".join(lines)).body if isinstance(x, ast.ClassDef) and x.name == name)
    seen = set()
    for attribute, line, value in public_attributes(node):
        if attribute.startswith("_") or attribute in seen or isinstance(value, ast.Call) and attribute == "wrap":
            continue
        seen.add(attribute)
        if attribute in ("is_sender", "is_receiver", "error"):
            continue  # the name and the value say it
        above = line - 2
        while above > 0 and lines[above].strip() and not lines[above].lstrip().startswith("#"):
            above -= 1
        assert lines[above].lstrip().startswith("#"), f"{attribute} in line {line} is not explained"
