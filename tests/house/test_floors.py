"""The architecture is the listing of the folder: imports point down the floors, files and functions keep their budgets."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "proton"
FILES = sorted(ROOT.rglob("*.py"))

# From the ground up; a floor may import those before it, and within a floor every file may import its neighbours.
FLOORS = ("exceptions", "url", "codec", "message", "endpoints", "transport", "io", "handlers", "reactor", "utils")

FILE_LINES = 620
MORE_FILE_LINES = {"codec/data.py": 800}  # some 95 short accessors that belong together
FUNCTION_LINES = 60
MORE_FUNCTION_LINES = {
    "transport/inbound.py:on_transfer": 90,  # the hot path in: a call a step would cost more than the step
    "transport/outbound.py:write_transfers": 110,  # the hot path out, likewise
    "transport/transport.py:__init__": 80,  # the state of the machine, each piece with its comment
    "transport/layers.py:amqp_input": 65,  # the frame loop
}


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def floor_of(module):
    parts = module.split(".")
    return FLOORS.index(parts[1]) if len(parts) > 1 and parts[1] in FLOORS else None


def under_type_checking(tree):
    """The imports that are there for the type checker only."""
    return {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }


def imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "proton" else [node.module]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_point_down(path):
    if path.parent == ROOT and path.name == "__init__.py":
        return  # the public face shows what all floors have
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = under_type_checking(tree)
    own = floor_of("proton." + name_of(path).removesuffix(".py").replace("/", "."))
    assert own is not None, f"{name_of(path)} is on no floor"
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Import, ast.ImportFrom)) or id(node) in hidden:
            continue
        assert not (isinstance(node, ast.ImportFrom) and node.level), "absolute imports only"
        for module in imported(node):
            if module.split(".")[0] == "proton" and module != "proton":
                floor = floor_of(module)
                assert floor is not None and floor <= own, f"{name_of(path)} imports {module}, which is above it"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_stand_at_the_top_and_name_what_they_take(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inner = [x for x in ast.walk(node) if isinstance(x, (ast.Import, ast.ImportFrom))]
            assert not inner, f"{node.name} imports inside itself"
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_keep_their_budgets(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MORE_FILE_LINES.get(name_of(path), FILE_LINES)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (body[-1].end_lineno - node.lineno + 1) if body else 1
            most = MORE_FUNCTION_LINES.get(f"{name_of(path)}:{node.name}", FUNCTION_LINES)
            assert lines <= most, f"{node.name} has {lines} lines, expected {most} at most"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_file_says_what_lives_in_it(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring and docstring.strip()
