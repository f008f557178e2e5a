"""What one part of the package may know of another: branches, private names, time and sockets, attributes of others."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.test_floors import FILES, LEVEL, floor_of, functions, imports, name_of, tree_of, type_only

# -- branches --------------------------------------------------------------------------------------------------------

COMPLEXITY = 15
#: The hot paths, where a call for a part of them is paid for by every frame, message or value; none grows.
COMPLEXITY_EXCEPTIONS = {
    "codec/decode.py:decode_fields": 16,
    "transport/inbound.py:on_transfer": 23,
    "transport/outbound.py:flush": 21,
    "transport/outbound.py:write_dispositions": 16,
    "transport/protocol.py:amqp_input": 17,
    "transport/transfers.py:write_transfers": 17,
}
BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.FunctionDef, ast.AsyncFunctionDef)


def complexity(function):
    """The cyclomatic number as mccabe and ruff (C901) count it: one more than the branches."""

    def branches(node):
        if isinstance(node, ast.Lambda):
            return 0
        here = isinstance(node, BRANCHES) + (type(node).__name__ == "match_case")
        here += isinstance(node, (ast.For, ast.While, ast.Try)) and bool(node.orelse)
        return here + sum(map(branches, ast.iter_child_nodes(node)))

    return 1 + sum(map(branches, function.body))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_functions_have_few_branches(path):
    for node in functions(path):
        most = COMPLEXITY_EXCEPTIONS.get(f"{name_of(path)}:{node.name}", COMPLEXITY)
        assert complexity(node) <= most, f"{node.name}: expected {most} at most, got {complexity(node)}"


def test_exceptions_for_branches_are_exact():
    found = {f"{name_of(path)}:{node.name}": complexity(node) for path in FILES for node in functions(path)}
    assert {name: found.get(name) for name in COMPLEXITY_EXCEPTIONS} == COMPLEXITY_EXCEPTIONS


# -- numbers of the protocol ------------------------------------------------------------------------------------------

#: The counts of a link (2.6.7) are those of its states and bindings, here. The others are the hot functions, in which a
#: call for each message or flow would be paid for by all.
WRITERS = {"endpoints/link.py", "endpoints/sender.py", "endpoints/receiver.py"}
HOT_WRITERS = {
    "endpoints/delivery.py:_read_whole",
    "transport/inbound.py:_first_frame",
    "transport/outbound.py:write_flow",
    "transport/transfers.py:write_transfers",
}
COUNTS = {"credit", "credit_limit", "delivery_count", "link_credit", "queued"}


def assigned(node):
    """The attributes that a statement assigns."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    for target in targets:
        for each in target.elts if isinstance(target, ast.Tuple) else [target]:
            if isinstance(each, ast.Attribute):
                yield each.attr


def test_the_counts_of_a_link_have_one_writer_each():
    found = set()
    for path in FILES:
        for function in functions(path):
            for node in ast.walk(function):
                if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) and COUNTS & set(assigned(node)):
                    found.add(f"{name_of(path)}:{function.name}")
    outside = {
        place
        for place in found
        if place.split(":")[0] not in WRITERS and not place.startswith(("asyncio/", "testing/", "cli/"))
    }
    assert outside == HOT_WRITERS


# -- private names ---------------------------------------------------------------------------------------------------

#: Accesses to private names of other objects, for each 1,000 lines of the package: it only becomes less.
PRIVATE_ACCESSES = 7
#: public in spite of the underscore: fields of named tuples and of enumerations
PUBLIC = {"_make", "_asdict", "_replace", "_fields", "_field_defaults", "_name_", "_value_"}


def private_accesses(tree):
    """The lines where a private name of an object of another class is used, as ruff (SLF001) counts them."""
    own_names = {}
    for outer in ast.walk(tree):
        if isinstance(outer, ast.ClassDef):
            own_names.update((inner, {outer.name}) for inner in ast.walk(outer))
            for function in (node for node in ast.walk(outer) if isinstance(node, ast.FunctionDef)):
                same = {each.arg for each in function.args.args if each.annotation and names(each.annotation, outer)}
                own_names.update((inner, own_names[inner] | same) for inner in ast.walk(function))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and not is_own(node.value, own_names.get(node)):
            yield node.lineno


def names(annotation, of_class):
    return isinstance(annotation, ast.Name) and annotation.id == of_class.name


def is_private(name):
    return name.startswith("_") and not name.endswith("__") and name not in PUBLIC


def is_own(value, own_names):
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id in ("super", "type")
    return isinstance(value, ast.Name) and value.id in {"self", "cls", "mcs", *(own_names or ())}


def test_few_private_names_of_other_objects_are_used():
    found = {name_of(path): sum(1 for _ in private_accesses(tree_of(path))) for path in FILES}
    lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in FILES)
    worst = sorted(found, key=lambda name: -found[name])[:5]
    assert 1000 * sum(found.values()) / lines <= PRIVATE_ACCESSES, [(name, found[name]) for name in worst]


# -- time and sockets ------------------------------------------------------------------------------------------------

#: what brings time or the outer world into the engine, and the modules up to the driver that may have it
OUTER = {"socket", "selectors", "selectors2", "asyncio", "time"}
OUTER_EXCEPTIONS = {
    "url.py": {"socket"},  # `socket.getservbyname`: a port by the name of a service
}


def engine_files():
    """The files of the floors below `io`, where bytes and time are arguments."""
    for path in FILES:
        floor = floor_of(path)
        if floor is not None and not floor.startswith("_") and floor != "tracing" and LEVEL[floor] < LEVEL["io"]:
            yield path


@pytest.mark.parametrize("path", list(engine_files()), ids=name_of)
def test_the_engine_knows_no_socket_and_no_clock(path):
    used = {module.split(".")[0] for _, module in imports(tree_of(path))}
    assert used & OUTER <= OUTER_EXCEPTIONS.get(name_of(path), set())


def test_the_package_does_not_import_its_asyncio_room_by_itself():
    # It would rebind the name `asyncio` in `proton`, and load an event loop for every program.
    for path in FILES:
        if floor_of(path) in ("asyncio", "cli", "testing"):
            continue
        assert not [node.lineno for node, module in imports(tree_of(path)) if module.startswith("proton.asyncio")]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_asyncio_is_the_standard_module(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "asyncio" for alias in node.names):
            pytest.fail(f"{name_of(path)}:{node.lineno}: expected `import asyncio`, got another module of that name")


# -- attributes ------------------------------------------------------------------------------------------------------

#: Objects of others that are set up by their attributes: (file, name of the variable).
FOREIGN = {
    ("transport/tls/domain.py", "context"),  # `ssl.SSLContext`
    ("cli/checks/tls.py", "context"),
    ("asyncio/making.py", "_method"),  # a function
    ("cli/broker.py", "logger"),  # `logging.Logger`
    ("cli/decode/__init__.py", "parser"),
    # `argparse.ArgumentParser`
    *((f"cli/{name}.py", "parser") for name in ("bench", "broker", "browse", "check", "receive", "request", "send")),
}
#: Attributes that are hung on an object whose class does not declare them: it only becomes less.
UNDECLARED = {
    "__init__.py: _handler.inspector",
    "endpoints/handler.py: handler.__dict__['handlers']",
    "tracing.py: delivery.span",
}


def is_set_on(node, names):
    """Whether a node is the target `name.attribute` with one of the names."""
    return isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and (own(node) in names)


def own(node):
    return node.value.id if isinstance(node.value, ast.Name) else None


def declared_in(tree):
    """The attributes that the classes of a file declare: in the body, in `__slots__`, by a method, or on `self`."""
    for outer in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        yield from (node.attr for node in ast.walk(outer) if is_set_on(node, ("self", "cls")))
        for node in outer.body:
            if isinstance(node, ast.FunctionDef):
                yield node.name
            elif isinstance(node, (ast.Assign, ast.AnnAssign)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for name in (
                    inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)
                ):
                    yield name
                    if name == "__slots__" and node.value is not None:
                        yield from ast.literal_eval(node.value)


def undeclared_in(path, declared):
    """The attributes that a file sets on other objects though no class declares them, or past the class."""
    tree = tree_of(path)
    hidden = type_only(tree)
    for node in ast.walk(tree):
        if node in hidden or not isinstance(getattr(node, "ctx", None), ast.Store):
            continue
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            foreign = node.value.id in ("self", "cls") or (name_of(path), node.value.id) in FOREIGN
            if not foreign and node.attr not in declared:
                yield f"{name_of(path)}: {ast.unparse(node)}"
        elif (
            isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "__dict__"
        ):
            yield f"{name_of(path)}: {ast.unparse(node)}"


def test_attributes_of_other_objects_are_declared_by_their_classes():
    declared = {name for path in FILES for name in declared_in(tree_of(path))}
    assert {place for path in FILES for place in undeclared_in(path, declared)} - UNDECLARED == set()
