"""What checkers see of the public classes: each parameter and result has a type, "any" only where it is an AMQP value.

`AMQPValue` is that word (`codec/types.py`). `tests/typing` has what checkers make of it: `tox -e types`.
"""

import importlib
import inspect
import re

import pytest

MODULES = ("proton", "proton.reactor", "proton.handlers", "proton.utils")
_ANY = re.compile(r"\bAny\b")


def public_classes():
    """Each class that a public module lists, with those of its bases that are of this package."""
    found = {}
    for module in map(importlib.import_module, MODULES):
        for listed in (getattr(module, name) for name in module.__all__):
            if inspect.isclass(listed):
                found.update((base, None) for base in listed.__mro__ if base.__module__.startswith("proton."))
    return list(found)


def functions(kind):
    """The public functions of a class: constructors, methods, and both functions of each property."""
    for name, member in vars(kind).items():
        if name.startswith("_") and name not in ("__init__", "__new__"):
            continue
        if isinstance(member, property):
            # What a factory makes (`message.py`) is declared on the class, as a `_Field`.
            made = [function for function in (member.fget, member.fset) if inspect.isfunction(function)]
            yield from (function for function in made if "<locals>" not in function.__qualname__)
        else:
            function = getattr(member, "__func__", member)
            if inspect.isfunction(function) and function.__module__.startswith("proton."):  # not what enum has made
                yield function


def untyped(function):
    """The parameters, and the result, of a function whose type is left open."""
    signature = inspect.signature(function)
    types = {name: given.annotation for name, given in signature.parameters.items() if name not in ("self", "cls")}
    types["return"] = signature.return_annotation
    return [name for name, given in types.items() if given is inspect.Signature.empty or _ANY.search(str(given))]


CLASSES = public_classes()


def test_there_is_something_to_look_at():
    looked_at = [function for kind in CLASSES for function in functions(kind)]
    assert len(CLASSES) > 80
    assert sum(len(inspect.signature(function).parameters) for function in looked_at) > 500


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__qualname__)
def test_no_public_signature_leaves_a_type_open(kind):
    found = {function.__qualname__: untyped(function) for function in functions(kind)}
    assert {name: names for name, names in found.items() if names} == {}


def test_any_and_nothing_are_told_from_a_type():
    def sample(self, typed: int, any_at_all: "list[Any]", nothing): ...  # noqa: F821

    assert untyped(sample) == ["any_at_all", "nothing", "return"]
