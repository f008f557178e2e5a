"""What is compared: an engine is a python, or another program, that runs the workers; each worker gives one result.

A worker is a script that prints `ready`, if it listens, and `result {json}`. Nothing here knows AMQP.
An editor must keep: no worker outlives the benchmark that started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass

WORKERS = pathlib.Path(__file__).resolve().parent / "workers"
ROOT = WORKERS.parents[1]
SECONDS = 900
#: prints what a python is: CPython 3.11.7, PyPy 8.0.1 (3.11.17)
VERSION = """
import platform, sys
own, language = ".".join(map(str, sys.implementation.version[:3])), platform.python_version()
print(platform.python_implementation(), own if own == language else f"{own} ({language})")
"""


@dataclass(frozen=True)
class Engine:
    """A python that runs the workers.

    :param root: the checkout whose package it imports as `proton`; None for the one that is installed there.
    """

    name: str
    python: str
    root: pathlib.Path | None = ROOT

    @property
    def ours(self) -> bool:
        return self.root is not None

    def start(self, script: str, *arguments: object) -> subprocess.Popen[str]:
        environment = dict(os.environ)
        environment.pop("PYTHONPATH", None)
        if self.root is not None:
            environment["PYTHONPATH"] = str(self.root)
        command = [self.python, str(WORKERS / script), *map(str, arguments)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, encoding="utf-8")

    @property
    def version(self) -> str:
        """The name and the version of what runs it."""
        done = subprocess.run([self.python, "-c", VERSION], stdout=subprocess.PIPE, encoding="utf-8")
        return done.stdout.strip()


@dataclass(frozen=True)
class Rhea(Engine):
    """The same by node: its workers are the scripts of that language.

    :param folder: its node_modules has rhea.
    """

    folder: str = ""

    def start(self, script: str, *arguments: object) -> subprocess.Popen[str]:
        environment = dict(os.environ, NODE_PATH=os.path.join(self.folder, "node_modules"))
        command = [self.python, str((WORKERS / script).with_suffix(".js")), *map(str, arguments)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, encoding="utf-8")

    @property
    def version(self) -> str:
        done = subprocess.run([self.python, "--version"], stdout=subprocess.PIPE, encoding="utf-8")
        package = pathlib.Path(self.folder, "node_modules", "rhea", "package.json")
        return f"rhea {json.loads(package.read_text(encoding='utf-8'))['version']}, node {done.stdout.strip()}"


class Pika(Engine):
    """aio-pika, for the workers that have a role of it. They share a clock with the others, which needs our package."""


class Missing(Exception):
    """What a benchmark compares with is not on this machine; the text says what and how to name it."""


def rhea() -> Engine:
    """rhea, by the variable PROTON_RHEA: a folder whose node_modules has it.

    :raises Missing: no node, or the variable is unset.
    """
    node, folder = shutil.which("node"), os.environ.get("PROTON_RHEA")
    if not node or not folder:
        raise Missing("it needs node, and PROTON_RHEA: the folder whose node_modules has rhea")
    return Rhea("rhea", node, None, folder)


def pypy() -> Engine:
    """Our package on PyPy, by the variable PROTON_PYPY.

    :raises Missing: the variable is unset, and nothing on the path is called pypy3.
    """
    python = os.environ.get("PROTON_PYPY") or shutil.which("pypy3")
    if not python:
        raise Missing("it needs PROTON_PYPY: a PyPy")
    return Engine("pypy", python)


def pika() -> Engine:
    """aio-pika, by the variable PROTON_AIO_PIKA: a python that has it.

    :raises Missing: the variable is unset.
    """
    python = os.environ.get("PROTON_AIO_PIKA")
    if not python:
        raise Missing("it needs PROTON_AIO_PIKA: a python that has aio-pika")
    return Pika("aio-pika", python)


@dataclass(frozen=True)
class Row:
    """One number. `higher` says that more of it is better."""

    name: str
    unit: str
    value: float
    higher: bool = False


class WorkerFailed(Exception):
    """A worker ended without a result."""


def result_of(worker: subprocess.Popen[str], seconds: float = SECONDS) -> dict:
    try:
        output, _ = worker.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        end(worker)
        raise WorkerFailed(f"no result in {seconds} s: {worker.args}") from None
    results = [line for line in output.splitlines() if line.startswith("result ")]
    if worker.returncode or len(results) != 1:
        raise WorkerFailed(f"exit {worker.returncode}, {len(results)} results: {worker.args}")
    return json.loads(results[0].partition(" ")[2])


def end(worker: subprocess.Popen[str]) -> None:
    if worker.poll() is None:
        worker.kill()
    worker.communicate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pair(engine: Engine, script: str, listening: tuple, connecting: tuple) -> tuple[dict, dict]:
    """The results of two workers that talk to each other: of the one that connects, of the one that listens."""
    port = ("--port", free_port())
    with contextlib.ExitStack() as stack:

        def start(*arguments: object) -> subprocess.Popen[str]:
            worker = engine.start(script, *arguments)
            stack.callback(end, worker)
            return worker

        server = start(*listening, *port)
        if server.stdout.readline().strip() != "ready":
            raise WorkerFailed(f"does not listen: {server.args}")
        client = start(*connecting, *port)
        return result_of(client), result_of(server)


def engines(reference: str | None = None, before: str | None = None) -> list[Engine]:
    """Ours on the python that runs this; the package of another checkout on the same; the engine of another python."""
    found = [Engine("ours", sys.executable)]
    if before:
        found.append(Engine("before", sys.executable, pathlib.Path(before).resolve()))
    if reference:
        found.append(Engine("reference", reference, None))
    return found
