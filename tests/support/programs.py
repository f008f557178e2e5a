"""Programs that tests start as processes: examples, interoperation peers.

Nothing here knows AMQP. Every wait has a deadline, and nothing polls a file: a thread per process collects its lines.
An editor must keep: no program outlives its `with` block, whatever failed inside.
"""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
from typing import Callable

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECONDS = 60.0


def free_port() -> int:
    """A port on loopback that nothing listens on, for a program to listen on; no other test gets it.

    On Linux a socket that is bound and does not listen keeps the port from all that bind to any free one, until this
    process ends; a program that sets `SO_REUSEADDR`, as servers do, can listen on it.
    """
    probe = socket.socket()
    if sys.platform == "linux":
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    port = int(probe.getsockname()[1])
    if sys.platform == "linux":
        probe.detach()  # the descriptor stays open
    else:
        probe.close()
    return port


def await_port(port: int, seconds: float = SECONDS) -> None:
    """Returns once a program accepts connections on `port`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=seconds).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            threading.Event().wait(0.02)


def our_environment() -> dict[str, str]:
    """The environment in which a child finds this package: the installed one under tox, else the checkout."""
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    if not environment.get("PROTON_INSTALLED"):
        environment["PYTHONPATH"] = str(ROOT)
    return environment


def reference_environment() -> dict[str, str]:
    """The environment in which a child finds nothing but what its own python holds."""
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    environment.pop("PYTHONPATH", None)
    return environment


class Program:
    """A running process. `lines` are what it has printed so far, without line ends."""

    def __init__(
        self,
        *command: object,
        python: str = sys.executable,
        environment: dict[str, str] | None = None,
        interactive: bool = False,
    ):
        self.command = [python, *map(str, command)]
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=our_environment() if environment is None else environment,
            stdin=subprocess.PIPE if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self._readers = [
            threading.Thread(target=self._collect, args=pair, daemon=True)
            for pair in ((self._process.stdout, self.lines), (self._process.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()

    def _collect(self, stream, lines):
        for line in stream:
            with self._changed:
                lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def await_line(self, text: str, seconds: float = SECONDS) -> None:
        """Returns once a line of standard output contains `text`; fails when the program ends or time runs out."""

        def seen_or_ended():
            return any(text in line for line in self.lines) or self._process.poll() is not None

        with self._changed:
            self._changed.wait_for(seen_or_ended, seconds)
            assert any(text in line for line in self.lines), f"no {text!r} from {self}"

    @property
    def faults(self) -> list[str]:
        """What it has written to standard error, but for clients that have gone: those are logged there."""
        return [line for line in self.errors if line != "amqp:connection:framing-error: connection aborted"]

    def say(self, line: str) -> None:
        """Gives the program a line of input; only to one that was started as interactive."""
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def await_count(self, count: int, seconds: float = SECONDS) -> list[str]:
        """Returns once the program has printed `count` lines, with them; fails when it ends or time runs out."""
        with self._changed:
            self._changed.wait_for(lambda: len(self.lines) >= count or self._process.poll() is not None, seconds)
            assert len(self.lines) >= count, f"fewer than {count} lines from {self}"
            return self.lines[:count]

    def await_state(self, reached: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
        """Returns once `reached()`, asked at each line, is true; fails when the program ends or time runs out."""
        with self._changed:
            self._changed.wait_for(lambda: reached() or self._process.poll() is not None, seconds)
            assert reached(), f"no {what} from {self}"

    def finish(self, seconds: float = SECONDS, code: int = 0) -> list[str]:
        """Waits for the program to end by itself, with this exit code; its lines. There is no more input for it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            found = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s: {self}") from None
        self._join()
        assert found == code, f"exit {found}: {self}"
        return self.lines

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._join()

    def _join(self) -> None:
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *problem: object) -> None:
        self.stop()

    def __str__(self) -> str:
        return "\n".join([" ".join(self.command), *self.lines[-20:], *self.errors[-20:]])
