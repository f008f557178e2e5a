"""An ActiveMQ Artemis of a test run's own: free port, everything that it writes in one folder.

PROTON_ARTEMIS names the folder of the distribution (`apache-artemis-2.40.0`). An editor must keep: no broker outlives
the process that started it, however that one ends.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

from tests.support.programs import free_port
from tests.support.rabbitmq import Process

USER = PASSWORD = "admin"


def missing() -> str | None:
    """What keeps Artemis from being started here; None when nothing does."""
    home = os.environ.get("PROTON_ARTEMIS")
    if not home:
        return "PROTON_ARTEMIS does not name the folder of an ActiveMQ Artemis"
    if not os.access(_script(), os.X_OK):
        return f"no script {_script()}"
    if shutil.which("java") is None:
        return "no java"
    return None


def _script() -> pathlib.Path:
    return pathlib.Path(os.environ["PROTON_ARTEMIS"]) / "bin" / "artemis"


def version() -> str:
    """The version, as the distribution's folder has it."""
    jars = pathlib.Path(os.environ["PROTON_ARTEMIS"]).glob("lib/artemis-server-*.jar")
    return next((jar.stem.rsplit("-", 1)[1] for jar in jars), "unknown")


class Artemis:
    """A broker in `folder`, which takes AMQP at `address`; its messages survive a restart."""

    def __init__(self, folder: str):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"amqp://{USER}:{PASSWORD}@{self.address}"
        self._root = pathlib.Path(folder) / "broker"
        login = ["--user", USER, "--password", PASSWORD, "--require-login"]
        acceptors = ["--host", "127.0.0.1", "--default-port", str(self.port), "--no-web"]
        acceptors += [f"--no-{name}-acceptor" for name in ("amqp", "mqtt", "stomp", "hornetq")]
        options = ["--silent", "--nio", "--no-autotune", "--no-fsync", "--java-memory", "1G"]
        made = subprocess.run(
            [str(_script()), "create", str(self._root), *login, *acceptors, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        if made.returncode:
            raise RuntimeError(made.stdout)
        # With its defaults, the broker stops taking messages on a disk that is nearly full.
        configuration = self._root / "etc" / "broker.xml"
        text = configuration.read_text()
        configuration.write_text(text.replace("<max-disk-usage>90</max-disk-usage>", ""))
        self._server: Process | None = None
        self.start()

    def start(self) -> None:
        """Returns once it takes connections."""
        self._server = Process([str(self._root / "bin" / "artemis"), "run"], dict(os.environ))
        try:
            self._server.await_line("AMQ221007")
        except BaseException:
            self._server.end()
            raise

    def stop(self) -> None:
        """Has it end in order."""
        self._server.send(signal.SIGTERM)
        self._server.end(None)

    def kill(self) -> None:
        """Ends it as if the machine had failed."""
        self._server.end()

    def close(self) -> None:
        if self._server is not None:
            self._server.end()


@contextlib.contextmanager
def running():
    """A broker that ends with the block, and a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="artemis-") as folder:
        broker = Artemis(folder)
        try:
            yield broker
        finally:
            broker.close()
