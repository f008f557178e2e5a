"""A RabbitMQ of a test run's own, with its AMQP 1.0 plugin: free ports, and everything it writes in one folder.

    python tests/support/rabbitmq.py        starts one, prints `ready PORT`, ends it at the end of standard input

Nothing here knows AMQP. An editor must keep: no process outlives the one that started it, however that one ends, and
nothing is shared with a RabbitMQ of the machine: not its node name, its cookie, its epmd or its files.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

SECONDS = 90.0
#: the script itself: the one on the PATH of Debian's package changes the user and the folder
SCRIPTS = (os.environ.get("PROTON_RABBITMQ", ""), "/usr/lib/rabbitmq/bin/rabbitmq-server")
CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
amqp1_0.default_user = guest
heartbeat = {heartbeat}
log.file = false
log.console = true
log.console.level = info
"""


def missing() -> str | None:
    """What keeps RabbitMQ from being started here; None when nothing does."""
    if os.name != "posix":
        return "RabbitMQ is started on POSIX systems only"
    script = _script()
    if script is None:
        return "no rabbitmq-server (Debian's package of that name, or PROTON_RABBITMQ names its script)"
    if shutil.which("epmd") is None:
        return "no epmd, which comes with Erlang"
    plugins = pathlib.Path(script).resolve().parents[1] / "plugins"
    if plugins.is_dir() and not any(plugins.glob("rabbitmq_amqp1_0-*")):
        return f"no plugin rabbitmq_amqp1_0 in {plugins}"
    return None


def _script() -> str | None:
    return next((script for script in SCRIPTS if os.access(script, os.X_OK) and os.path.isfile(script)), None)


def _free_ports(count: int) -> list[int]:
    """Different ports on loopback that nothing listened on a moment ago."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


class Process:
    """A process group. A guard kills it when this process ends without doing so: the guard's input ends then."""

    def __init__(self, command: list[str], environment: dict[str, str]):
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", f"read _; kill -KILL -{self._process.pid}"],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _collect(self) -> None:
        for line in self._process.stdout:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def await_line(self, text: str, seconds: float = SECONDS) -> None:
        def seen() -> bool:
            return any(text in line for line in self.lines)

        with self._changed:
            self._changed.wait_for(lambda: seen() or not self._reader.is_alive(), seconds)
        if not seen():
            raise RuntimeError("\n".join([f"no {text!r} from {self._process.args}", *self.lines[-30:]]))

    def send(self, number: int) -> None:
        """Sends a signal to every process of the group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def end(self, number: int | None = signal.SIGKILL) -> None:
        """Ends the group by a signal, None when it has got one, and waits for it."""
        if self._guard.poll() is None:
            if number is not None:
                self.send(number)
            try:
                self._process.wait(SECONDS)
            finally:
                self.send(signal.SIGKILL)
                self._guard.kill()
                self._guard.wait()
                self._guard.stdin.close()
                self._process.wait()
                self._reader.join()
                self._process.stdout.close()


class RabbitMQ:
    """A broker at `address`; its files are in `folder`, its data survives a restart.

    :param heartbeat: seconds of silence that it tolerates
    """

    def __init__(self, folder: str, heartbeat: int = 60):
        self.port, epmd_port, distribution_port = _free_ports(3)
        self.address = f"127.0.0.1:{self.port}"
        root = self._root = pathlib.Path(folder)
        (root / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self.port, heartbeat=heartbeat))
        (root / "enabled_plugins").write_text("[rabbitmq_amqp1_0].\n")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        self._environment = {
            **inherited,
            # The cookie is made where HOME is.
            "HOME": folder,
            "RABBITMQ_NODENAME": f"proton{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(root / "mnesia"),
            "RABBITMQ_LOG_BASE": str(root / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(root / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(root / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(root / "rabbitmq-env.conf"),
            "RABBITMQ_PID_FILE": str(root / "pid"),
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        # Erlang would start it as a daemon, which would not end.
        self._epmd = Process(["epmd", "-port", str(epmd_port), "-address", "127.0.0.1"], self._environment)
        self._server: Process | None = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Returns once it takes connections."""
        self._server = Process([_script()], self._environment)
        self._server.await_line("Server startup complete")

    def stop(self) -> None:
        """Has it end in order: connections are closed with a condition."""
        os.kill(int((self._root / "pid").read_text()), signal.SIGTERM)
        self._server.end(None)

    def kill(self) -> None:
        """Ends it as if the machine had failed."""
        self._server.end()

    def freeze(self) -> None:
        """From now on it says nothing; connections stay."""
        self._server.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self._server.send(signal.SIGCONT)

    def control(self, *arguments: str) -> None:
        """Has `rabbitmqctl` do something with it."""
        command = [str(pathlib.Path(_script()).with_name("rabbitmqctl")), "-n", self._environment["RABBITMQ_NODENAME"]]
        subprocess.run([*command, *arguments], env=self._environment, check=True, stdout=subprocess.DEVNULL)

    def close(self) -> None:
        if self._server is not None:
            self._server.end()
        self._epmd.end()


@contextlib.contextmanager
def running(**options: int):
    """A broker that ends with the block, and a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="rabbitmq-") as folder:
        broker = RabbitMQ(folder, **options)
        try:
            yield broker
        finally:
            broker.close()


def main() -> None:
    problem = missing()
    if problem:
        raise SystemExit(problem)
    with running() as broker:
        print(f"ready {broker.port}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
