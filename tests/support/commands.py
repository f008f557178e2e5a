"""The page of the options of the command line, from its parsers: ``python -m tests.support.commands --write``."""

from __future__ import annotations

import argparse
import importlib
import pathlib
import sys

from proton.cli import COMMANDS

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "reference" / "commands.md"
#: the commands with the options of a connection
CONNECTING = ("send", "receive", "request", "browse", "bench", "check")
HEAD = """# Options of the command line

<!-- `python -m tests.support.commands --write` makes this page from the parsers of the commands. -->

[The command line](../command-line.md) is the guide, with examples and exit codes.
"""


def actions(name):
    """The arguments of a command, in the order of its help."""
    parser = argparse.ArgumentParser(prog=name, add_help=False)
    importlib.import_module(COMMANDS[name].module).add_arguments(parser)
    return [action for action in parser._actions if action.help != argparse.SUPPRESS]


def named(action):
    """How an argument is written: `--count, -n N`, or the name of a value by its place."""
    value = ""
    if action.nargs != 0:
        value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
        value = " ".join(value) if isinstance(value, tuple) else value
    if not action.option_strings:
        return value
    return f"{', '.join(action.option_strings)} {value}".strip()


def row(action):
    """An argument as a row of a table."""
    about = (action.help or "a field of the message") % {"default": action.default, "prog": "pure-proton"}
    for sign, written in (("|", "\\|"), ("*", "\\*"), ("<", "&lt;")):
        about = about.replace(sign, written)
    return f"| `{named(action)}` | {about} |".replace("`" + named(action), "`" + named(action).replace("|", "\\|"))


def table(rows):
    return "\n".join(["| argument | what it says |", "|---|---|", *rows]) + "\n"


def page():
    """What docs/reference/commands.md has to be."""
    rows = {name: list(map(row, actions(name))) for name in COMMANDS}
    common = [each for each in rows["send"] if all(each in rows[name] for name in CONNECTING)]
    parts = [
        HEAD,
        f"## All commands that connect\n\n{', '.join(f'`{name}`' for name in CONNECTING)}:\n\n{table(common)}",
    ]
    for name, command in COMMANDS.items():
        own = [each for each in rows[name] if name not in CONNECTING or each not in common]
        parts.append(f"## {name}\n\n{command.help[0].upper()}{command.help[1:]}.\n\n{table(own)}")
    return "\n".join(parts)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page())
