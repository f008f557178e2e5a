"""The code in docs/asyncio.md, run as it stands; and the reference, which names all that is public."""

import asyncio
import inspect
import os
import re
import signal
import sys

import pytest

from proton import Message
from proton import asyncio as package
from tests.examples.test_examples import broker as example_broker
from tests.support.aio import broker, run
from tests.support.programs import ROOT

GUIDE = (ROOT / "docs" / "asyncio.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
#: what only other blocks, or other functions of the same one, call
HELPERS = {"double", "work", "accept_one", "over_tls", "service", "transfer"}
NEWER = "# Python 3.11 or newer"

PRINTED = {
    "hello": "Hello World!",
    "connecting": "the connection to",
    "sending": "the receiver calls it invalid: Condition('app:bad', 'a bad one')",
    "many_at_once": "500 accepted",
    "sending_soon": "0 without an outcome",
    "at_most_once": "0",
    "stream_in": "200000 bytes",
    "what_is_there": "nothing is left",
    "requests": "[2, 4, 6]",
    "with_a_temporary_queue": "responses come to ",
    "in_time": "waiting for a message: receiver from 'empty': timed out after 0.05 s",
    "serving": "fred says to the server",
    "in_a_thread": "b'02468'",
}


def namespace():
    """What the blocks define, one after the other."""
    names = {"__name__": "guide"}
    for code in BLOCKS:
        if not code.startswith(NEWER) or sys.version_info >= (3, 11):
            exec(compile(code, "docs/asyncio.md", "exec"), names)
    return names


NAMES = namespace()
PROGRAMS = [
    name
    for name, value in NAMES.items()
    if inspect.iscoroutinefunction(value) and value.__module__ == "guide" and name not in HELPERS
]


def test_each_block_has_a_program_that_is_run():
    programs = {*PROGRAMS, "over_tls", "service", "transfer", *({"in_a_group"} if sys.version_info < (3, 11) else ())}
    for code in BLOCKS:
        assert set(re.findall(r"^async def (\w+)", code, re.M)) & programs, code


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_the_guide(name, capsys):
    async def main():
        async with broker() as peer:
            await NAMES[name](f"amqp://{peer.url}")
            await asyncio.get_running_loop().shutdown_default_executor()

    run(main)
    assert PRINTED.get(name, "") in capsys.readouterr().out


def test_transactions(capsys):
    with example_broker() as address:
        run(NAMES["transfer"], f"amqp://{address}")
    assert "COMMITTED" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="loops have no signal handlers there")
def test_a_signal_ends_a_service(capsys):
    async def main():
        async with broker() as peer:
            peer.queue("jobs").put_nowait(Message("one"))
            task = asyncio.ensure_future(NAMES["service"](peer.url))
            while not peer.links or not peer.queue("jobs").empty():
                await asyncio.sleep(0)
            await asyncio.sleep(0.05)
            os.kill(os.getpid(), signal.SIGTERM)
            await task

    run(main, loop_factory=asyncio.new_event_loop)  # one that takes signal handlers, whichever the tests run on
    assert capsys.readouterr().out == "working on one\n"


def test_tls(tmp_path, capsys):
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    from tests.support.certificates import Authority

    authority = Authority(tmp_path)
    issued = authority.issue("localhost")
    run(NAMES["over_tls"], issued.cert, issued.key, authority.cert)
    assert capsys.readouterr().out == "True\n"


def test_the_reference_names_all_that_is_public():
    reference = GUIDE.partition("## Reference")[2]
    missing = []
    for name in package.__all__:
        value = getattr(package, name)
        names = {name}
        if inspect.isclass(value) and not issubclass(value, (tuple, Exception)):
            names |= {each for each in dir(value) if not each.startswith("_")}
        missing += [
            f"{name}.{each}" for each in sorted(names) if not re.search(rf"`(await )?{each}\b|\b{each}\(", reference)
        ]
    assert missing == []


@pytest.mark.parametrize("name", ["connect", "serve"])
def test_the_reference_names_all_parameters(name):
    row = next(line for line in GUIDE.splitlines() if line.startswith(f"| `{name}` |"))
    for parameter in inspect.signature(getattr(package, name)).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            assert f"`{parameter.name}={parameter.default}`" in row


def documented():
    """Each call of the reference: its class, or classes, its name and its parameters."""
    classes = []
    for line in GUIDE.partition("## Reference")[2].splitlines():
        cells = line.split(" | ")
        if line.startswith("| `") and " what it is" in line:
            classes = re.findall(r"`(\w+)`", cells[0])
        elif line.startswith(("| tuple", "| exception", "| function")):
            classes = []
        elif classes:
            for name, parameters in re.findall(r"`(\w+)\(([^`]*)\)`", cells[0]):
                yield from ((each, name, parameters) for each in classes)


@pytest.mark.parametrize(
    ("cls", "name", "parameters"), [pytest.param(*row, id=f"{row[0]}.{row[1]}") for row in documented()]
)
def test_the_reference_has_the_parameters_of_each_call(cls, name, parameters):
    """A `timeout=` without a value is the connection's."""
    expected = []
    for each in list(inspect.signature(getattr(getattr(package, cls), name)).parameters.values())[1:]:
        if each.default is each.empty:
            expected.append(each.name)
        elif repr(each.default) == "the connection's":
            expected.append(f"{each.name}=")
        else:
            expected.append(f"{each.name}={each.default!r}".replace("'", '"'))
    assert parameters == ", ".join(expected)
