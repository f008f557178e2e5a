"""RabbitMQ 4, whose core speaks AMQP 1.0: a node, or a cluster of three, by the script `rabbitmq` of the peers' folder.

PROTON_PEERS_SCRIPTS names the folder of the scripts; it is `../shared/peers` beside the project otherwise. The script
makes a newer Debian in a folder on first use, and needs root for it. An editor must keep: no node outlives the process
that started it, however that one ends; its name server goes with the last node.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import random
import socket
import subprocess
import sys

from tests.support.programs import ROOT

#: seconds for the start of a node; the first use makes the folder
SECONDS = 120.0
FIRST_SECONDS = 600.0
USER = PASSWORD = "guest"


def scripts() -> pathlib.Path:
    """The folder of the scripts."""
    return pathlib.Path(os.environ.get("PROTON_PEERS_SCRIPTS") or ROOT.parent / "shared" / "peers")


@functools.cache
def missing(suite: str) -> str | None:
    """What keeps a RabbitMQ of this suite (`trixie`, `sid`) from being started here; None when nothing does."""
    if not sys.platform.startswith("linux"):
        return "the folders of newer Debians are for Linux"
    script = scripts() / "rabbitmq"
    if not os.access(script, os.X_OK):
        return f"no script {script} (PROTON_PEERS_SCRIPTS names its folder)"
    if os.geteuid() != 0:
        return "a newer Debian in a folder needs root"
    try:
        made = _run(suite, "version", seconds=FIRST_SECONDS)
    except subprocess.TimeoutExpired:
        return f"the folder of {suite} was not made within {FIRST_SECONDS:.0f} s"
    if made.returncode:
        return f"no RabbitMQ of {suite}: {(made.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    return None


def _run(suite: str, *arguments: object, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(scripts() / "rabbitmq"), suite, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=seconds,
    )


def version(suite: str) -> str:
    """The version of the package, such as 4.3.6-1."""
    return _run(suite, "version").stdout.strip()


def _free_base(count: int) -> int:
    """The first of so many neighbouring ports, each with its distribution port 20,000 above, that are free."""
    for _ in range(200):
        base = random.randrange(20000, 32000)
        try:
            with contextlib.ExitStack() as stack:
                for port in range(base, base + count):
                    for probed in (port, port + 20000):
                        probe = stack.enter_context(socket.socket())
                        probe.bind(("127.0.0.1", probed))
                return base
        except OSError:
            continue
    raise RuntimeError("no free ports")


class Node:
    """One node: a broker that can be stopped, killed and started again with its data."""

    def __init__(self, suite: str, port: int):
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.url = f"amqp://{USER}:{PASSWORD}@{self.address}"
        self._suite = suite

    def stop(self) -> None:
        """Has it end in order, as for an upgrade; returns when it has."""
        self._do("stop")

    def kill(self) -> None:
        """Ends it as if the machine had failed."""
        self._do("kill")

    def start(self) -> None:
        """Starts it again, with its data; returns once it takes connections."""
        self._do("revive")

    def _do(self, what: str) -> None:
        done = _run(self._suite, what, self.port)
        if done.returncode:
            raise RuntimeError(f"{what} of {self.address}: {done.stderr}")


class RabbitMQ4:
    """One node or a cluster of three: `nodes`."""

    def __init__(self, suite: str, count: int = 1):
        self._suite = suite
        base = _free_base(count)
        self.nodes = [Node(suite, base + n) for n in range(count)]
        ports = " ".join(str(node.port) for node in self.nodes)
        script = f"read _; for p in {ports}; do {scripts() / 'rabbitmq'} {suite} kill $p; done"
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", script], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            started = _run(suite, "cluster" if count > 1 else "start", base)
            if started.returncode:
                raise RuntimeError(started.stderr)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Ends all nodes. The guard does it, as it would if this process had ended."""
        self._guard.stdin.close()
        self._guard.wait(SECONDS)
        self._stop_names()

    def _stop_names(self) -> None:
        """Ends the name server of the suite, unless nodes of another process use it."""
        folder = subprocess.run(
            [str(scripts() / "root"), self._suite, "rabbitmq-server"], stdout=subprocess.PIPE, encoding="utf-8"
        ).stdout.strip()
        state = pathlib.Path(folder) / "state"
        port = "4371" if self._suite == "trixie" else "4372"
        for _ in range(200):  # a node is listed until the name server has seen its end
            listed = subprocess.run(
                ["chroot", folder, "epmd", "-port", port, "-names"], stdout=subprocess.PIPE, encoding="utf-8"
            ).stdout
            if not any(f"name n{node.port} " in listed for node in self.nodes):
                break
        if "name " not in listed and (state / "epmd.pid").exists():
            _run(self._suite, "stop")


@contextlib.contextmanager
def running(suite: str, count: int = 1):
    """Nodes that end with the block."""
    broker = RabbitMQ4(suite, count)
    try:
        yield broker
    finally:
        broker.close()
