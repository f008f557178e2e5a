"""The benchmarks: which workers each one starts, and which rows it makes of their results.

Nothing is printed here and nothing of AMQP is known: a worker is a script that prints `ready` and `result {json}`.
An editor must keep: one benchmark measures one thing at both engines with the same scripts and arguments.
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
import tempfile
from dataclasses import dataclass

WORKERS = pathlib.Path(__file__).resolve().parent / "workers"
ROOT = WORKERS.parents[1]
SECONDS = 900
#: a folder whose node_modules has rhea
RHEA = os.environ.get("PROTON_RHEA")
#: a python that has aio-pika
AIO_PIKA = os.environ.get("PROTON_AIO_PIKA")


@dataclass(frozen=True)
class Engine:
    """A python, and whether the checkout's package is what it imports as `proton`."""

    name: str
    python: str
    ours: bool

    def start(self, script: str, *arguments: object) -> subprocess.Popen[str]:
        environment = dict(os.environ)
        environment.pop("PYTHONPATH", None)
        if self.ours:
            environment["PYTHONPATH"] = str(ROOT)
        command = [self.python, str(WORKERS / script), *map(str, arguments)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, encoding="utf-8")


class Rhea(Engine):
    """The same by node: its workers are the scripts of that language."""

    def start(self, script: str, *arguments: object) -> subprocess.Popen[str]:
        environment = dict(os.environ, NODE_PATH=os.path.join(RHEA or "", "node_modules"))
        command = [self.python, str((WORKERS / script).with_suffix(".js")), *map(str, arguments)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, encoding="utf-8")


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
        raise WorkerFailed(f"no result in {seconds} s: {worker.args}") from None
    results = [line for line in output.splitlines() if line.startswith("result ")]
    if worker.returncode or len(results) != 1:
        raise WorkerFailed(f"exit {worker.returncode}, {len(results)} results: {worker.args}")
    return json.loads(results[0].partition(" ")[2])


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


def end(worker: subprocess.Popen[str]) -> None:
    if worker.poll() is None:
        worker.kill()
    worker.communicate()


def exchange(engine: Engine, messages: int, *arguments: object, prefetch: int) -> tuple[dict, dict]:
    common = ("--messages", messages, *arguments)
    return pair(engine, "messages.py", ("receive", "--prefetch", prefetch, *common), ("send", *common))


def per_message(name: str, sender: dict, receiver: dict, messages: int) -> list[Row]:
    return [
        Row(name, "messages/s", messages / sender["seconds"], higher=True),
        Row(name, "sender CPU us/message", sender["cpu"] / messages * 1e6),
        Row(name, "receiver CPU us/message", receiver["cpu"] / messages * 1e6),
    ]


def throughput(engine: Engine, messages: int) -> list[Row]:
    """Small messages, one sender and one receiver."""
    rows = []
    for prefetch in (10, 100, 500):
        sender, receiver = exchange(engine, messages, prefetch=prefetch)
        rows += per_message(f"prefetch {prefetch}", sender, receiver, messages)
    return rows


def bodies(engine: Engine, messages: int) -> list[Row]:
    """Bodies of 1 MiB."""
    messages = max(20, messages // 100)
    sender, receiver = exchange(engine, messages, "--size", 1 << 20, prefetch=10)
    megabytes = messages * (1 << 20) / 1e6
    return [
        Row("1 MiB bodies", "MB/s", megabytes / sender["seconds"], higher=True),
        Row("1 MiB bodies", "sender CPU us/message", sender["cpu"] / messages * 1e6),
        Row("1 MiB bodies", "receiver CPU us/message", receiver["cpu"] / messages * 1e6),
    ]


def streams(engine: Engine, messages: int) -> list[Row]:
    """Bodies of 1 MiB, read as they come through a session window of 1 MiB."""
    messages = max(20, messages // 100)
    common = ("--messages", messages, "--size", 1 << 20, "--capacity", 1 << 20)
    sender, receiver = pair(engine, "streams.py", ("receive", *common), ("send", *common))
    megabytes = messages * (1 << 20) / 1e6
    return [
        Row("1 MiB window", "MB/s", megabytes / sender["seconds"], higher=True),
        Row("1 MiB window", "sender CPU us/message", sender["cpu"] / messages * 1e6),
        Row("1 MiB window", "receiver CPU us/message", receiver["cpu"] / messages * 1e6),
    ]


def asyncio(engine: Engine, messages: int) -> list[Row]:
    """Small messages and requests by `proton.asyncio`, beside the API of callbacks, in turn."""
    rows = []
    for prefetch in (100, 500):
        common = ("--messages", messages)
        listening = ("receive", "--prefetch", prefetch, *common)
        rates = {}
        for name, script, role in (
            ("callbacks", "messages.py", "send"),
            ("asyncio", "aio.py", "send"),
            ("asyncio, gather", "aio.py", "gather"),
        ):
            sender, receiver = pair(engine, script, listening, (role, *common))
            rows += per_message(f"{name}, {prefetch}", sender, receiver, messages)
            rates[name] = messages / sender["seconds"]
        for name in ("asyncio", "asyncio, gather"):
            rows.append(Row(f"{name}, {prefetch}", "of the callbacks' rate", rates[name] / rates["callbacks"], True))
    count = 10_000
    common = ("--messages", count, "--prefetch", 500)
    client, server = pair(engine, "aio.py", ("answer", *common), ("ask", *common))
    name = "asyncio, 10,000 requests at once"
    return [
        *rows,
        Row(name, "requests/s", count / client["seconds"], higher=True),
        Row(name, "client CPU us/request", client["cpu"] / count * 1e6),
        Row(name, "server CPU us/request", server["cpu"] / count * 1e6),
    ]


def requests(engine: Engine, messages: int) -> list[Row]:
    """Request and response, one at a time."""
    messages = max(200, messages // 5)
    common = ("--messages", messages)
    rows = []
    for role, name in (("ask", "round trips"), ("call", "SyncRequestResponse")):
        client, server = pair(engine, "requests.py", ("answer", *common), (role, *common))
        rows += [
            Row(name, "round trips/s", messages / client["seconds"], higher=True),
            Row(name, "client CPU us/round trip", client["cpu"] / messages * 1e6),
            Row(name, "server CPU us/round trip", server["cpu"] / messages * 1e6),
        ]
    return rows


def codec(engine: Engine, messages: int) -> list[Row]:
    """Message and Data, bytes and back, in memory."""
    rows = result_of(engine.start("codec.py"))["rows"]
    return [Row(name, "CPU us", value) for name, value in rows.items()]


def connections(engine: Engine, messages: int) -> list[Row]:
    """Connections opened and closed: in one container, and one after the other between two processes."""
    rows = []
    count = max(100, messages // 50)
    for at_once in (1, 10):
        arguments = ("--port", free_port(), "--connections", count, "--at-once", at_once)
        both = result_of(engine.start("connections.py", "within", *arguments))
        name = f"open and close, {at_once} at once"
        rows.append(Row(name, "connections/s", count / both["seconds"], higher=True))
        rows.append(Row(name, "CPU us, both ends", both["cpu"] / count * 1e6))
    for role, name in (("cycle", "open and close, two processes"), ("blocking", "BlockingConnection")):
        common = ("--connections", count)
        client, server = pair(engine, "connections.py", ("accept", *common), (role, *common))
        rows += [
            Row(name, "connections/s", count / client["seconds"], higher=True),
            Row(name, "client CPU us/connection", client["cpu"] / count * 1e6),
            Row(name, "server CPU us/connection", server["cpu"] / count * 1e6),
        ]
    return rows


def containers(engine: Engine, messages: int) -> list[Row]:
    """Containers made."""
    return [Row("Container()", "CPU us", result_of(engine.start("containers.py"))["cpu"] * 1e6)]


def secured(engine: Engine, messages: int) -> list[Row]:
    """The same over TLS 1.3, the server's certificate verified: messages, bodies of 1 MiB, handshakes."""
    rows = []
    with certificate() as folder:
        tls = ("--tls", folder)
        sender, receiver = exchange(engine, messages, *tls, prefetch=500)
        rows += per_message("TLS, prefetch 500", sender, receiver, messages)
        large = max(20, messages // 100)
        sender, receiver = exchange(engine, large, "--size", 1 << 20, *tls, prefetch=10)
        rows.append(Row("TLS, 1 MiB bodies", "MB/s", large * (1 << 20) / 1e6 / sender["seconds"], higher=True))
        count = max(100, messages // 50)
        common = ("--connections", count, *tls)
        client, server = pair(engine, "connections.py", ("accept", *common), ("cycle", *common))
    return rows + [
        Row("TLS, open and close", "handshakes/s", count / client["seconds"], higher=True),
        Row("TLS, open and close", "client CPU us/connection", client["cpu"] / count * 1e6),
        Row("TLS, open and close", "server CPU us/connection", server["cpu"] / count * 1e6),
    ]


@contextlib.contextmanager
def certificate():
    """A folder with a certificate for 127.0.0.1 that signs itself, made by the command openssl."""
    with tempfile.TemporaryDirectory() as folder:
        files = ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
        kind = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "2"]
        subprocess.run(["openssl", "req", "-x509", *kind, *files], check=True, stderr=subprocess.DEVNULL)
        yield folder


def memory(engine: Engine, messages: int) -> list[Row]:
    """Memory for each of 500 idle connections."""
    common = ("--connections", 500)
    client, server = pair(engine, "connections.py", ("accept", "--hold", *common), ("idle", *common))
    return [
        Row("500 idle connections", "client KiB/connection", client["bytes"] / 1024),
        Row("500 idle connections", "server KiB/connection", server["bytes"] / 1024),
    ]


def sizes(engine: Engine, messages: int) -> list[Row]:
    """Memory at one end for each of 1,000 in memory: connections with their transports, sessions, links, deliveries."""
    rows = []
    for kind in ("connection", "session", "sender", "receiver", "sent delivery", "received delivery"):
        name = f"unsettled {kind}" if "delivery" in kind else f"idle {kind}"
        for unit, traced in (("bytes allocated by Python", ("--traced",)), ("bytes resident", ())):
            # What an engine in C allocates is not traced, and PyPy traces nothing.
            if not traced or (engine.ours and sys.implementation.name == "cpython"):
                rows.append(Row(name, unit, result_of(engine.start("sizes.py", kind, *traced))["bytes"]))
    return rows


def unsettled(engine: Engine, messages: int) -> list[Row]:
    """Memory for 100,000 deliveries that neither end has settled."""
    count = 100_000
    sender, receiver = pair(engine, "unsettled.py", ("receive", "--messages", count), ("send", "--messages", count))
    if sender["unsettled"] != count or receiver["unsettled"] != count:
        raise WorkerFailed(f"expected {count} unsettled deliveries, got {sender} and {receiver}")
    return [
        Row("100,000 unsettled", "sender MiB", sender["bytes"] / 1048576),
        Row("100,000 unsettled", "receiver MiB", receiver["bytes"] / 1048576),
    ]


def growth_messages(engine: Engine, messages: int) -> list[Row]:
    """Does a message cost more after many others?"""
    # 1,000,000 with the default number of messages; each step is measured over what follows it.
    steps = [messages // 20 * factor for factor in (1, 10, 100, 1000)]
    window = max(1000, messages // 4)
    marks = ("--marks", ",".join(map(str, steps)), "--window", window)
    sides = exchange(engine, steps[-1] + window, *marks, prefetch=500)
    rows = []
    for step in steps:
        for side, result in zip(("sender", "receiver"), sides):
            edges = result["edges"]
            spent = edges[str(step + window)]["cpu"] - edges[str(step)]["cpu"]
            rows.append(Row(f"after {step:,} messages", f"{side} CPU us/message", spent / window * 1e6))
    return rows


def growth_links(engine: Engine, messages: int) -> list[Row]:
    """Does a message cost more when many links share the session?"""
    rows = []
    for busy, text in ((1, "one of them busy"), (0, "all busy")):
        for links in (1, 10, 100, 1000):
            sides = exchange(engine, messages, "--links", links, "--busy", busy, prefetch=100)
            rows += per_message(f"{links} links, {text}", *sides, messages)
    return rows


def growth_idle(engine: Engine, messages: int) -> list[Row]:
    """Does a message cost more beside many idle connections?"""
    rows = []
    for idle in (0, 10, 1000, 5000):
        sides = exchange(engine, messages, "--idle", idle, prefetch=100)
        rows += per_message(f"{idle} idle connections", *sides, messages)
    return rows


def growth_crowd(engine: Engine, messages: int) -> list[Row]:
    """Ten connections with messages among many: what does a connection cost, what a message?"""
    rows = []
    for count in (10, 100, 1000, 5000):
        common = ("--messages", messages, "--connections", count)
        sides = pair(engine, "crowd.py", ("receive", *common), ("send", *common))
        name = f"10 of {count:,} connections"
        rows.append(Row(name, "messages/s", messages / sides[0]["seconds"], higher=True))
        for side, result in zip(("sender", "receiver"), sides):
            rows.append(Row(name, f"{side} CPU us/message", result["cpu"] / messages * 1e6))
            rows.append(Row(name, f"{side} CPU us/opening", result["opening"] / count * 1e6))
    return rows


def soak(engine: Engine, messages: int) -> list[Row]:
    """What grows with messages and connections through one process? 2,000,000 and 20,000 by default."""
    counts = ("--messages", messages * 100, "--connections", messages)
    with contextlib.ExitStack() as stack:
        worker = engine.start("soak.py", "--port", free_port(), *counts)
        stack.callback(end, worker)
        result = result_of(worker, seconds=3600)
    rows = []
    for mark in result["marks"]:
        name = f"{mark['messages']:,} in {mark['connections']:,}"
        rows.append(Row(name, "MiB resident", mark["bytes"] / 1048576))
        rows.append(Row(name, "descriptors", mark["descriptors"]))
        rows.append(Row(name, "objects", mark["objects"]))
    before, after = result["traced"]
    count = after["connections"] - before["connections"]
    rows.append(Row(f"{count:,} connections more", "KiB allocated and kept", (after["bytes"] - before["bytes"]) / 1024))
    rows.append(Row("all of it", "CPU seconds", result["cpu"]))
    return rows


def after(engine: Engine, roles: tuple[str, str], marks: list[int], *arguments: object) -> list[tuple[int, str, float]]:
    """CPU us for each of the 200 that follow each mark, by mark and side."""
    window = 200
    common = ("--connections", marks[-1] + window, "--marks", ",".join(map(str, marks)), "--window", window, *arguments)
    sides = pair(engine, "connections.py", (roles[0], *common), (roles[1], *common))
    found = []
    for mark in marks:
        for side, result in zip(("client", "server"), sides):
            first, last = result["edges"][str(mark + 1)], result["edges"][str(mark + window)]
            found.append((mark, side, (last["cpu"] - first["cpu"]) / (window - 1) * 1e6))
    return found


def growth_connections(engine: Engine, messages: int) -> list[Row]:
    """Does a connection, or a link, cost more after many others, or beside many idle connections?"""
    # 100,000 of each with the default number of messages
    marks = [messages // 200, messages // 20, messages // 2, messages * 5]
    rows = []
    for held in (0, 10, 1000, 5000):
        for _, side, spent in after(engine, ("accept", "cycle"), [200], "--held", held):
            rows.append(Row(f"beside {held:,} idle connections", f"{side} CPU us/connection", spent))
    for roles, kind in ((("accept", "cycle"), "connection"), (("accept-links", "links"), "link")):
        for mark, side, spent in after(engine, roles, marks):
            rows.append(Row(f"after {mark:,} {kind}s", f"{side} CPU us/{kind}", spent))
    return rows


def brokers(engine: Engine, messages: int) -> list[Row]:
    """Messages through RabbitMQ, sent and received by one program or two; and how fast the broker is by itself."""
    messages = messages * 3 // 2
    rows = []
    with contextlib.ExitStack() as stack:
        # The script ends it at the end of its input, however this process ends.
        command = [sys.executable, str(ROOT / "tests" / "support" / "rabbitmq.py")]
        broker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        stack.callback(broker.communicate)
        word, _, port = broker.stdout.readline().partition(" ")
        if word != "ready":
            raise WorkerFailed("RabbitMQ does not start")

        def start(role: str, queue: str, *arguments: object) -> subprocess.Popen:
            common = ("--port", port.strip(), "--messages", messages, "--queue", f"/queue/{queue}")
            worker = engine.start("broker.py", role, *common, *arguments)
            stack.callback(end, worker)
            return worker

        for prefetch in (100, 500):
            name = f"RabbitMQ, one program, {prefetch}"
            both = result_of(start("both", f"both-{prefetch}", "--prefetch", prefetch))
            rows.append(Row(name, "messages/s", messages / both["seconds"], higher=True))
            rows.append(Row(name, "CPU us/message", both["cpu"] / messages * 1e6))
        for prefetch in (100, 500):
            name = f"at-once-{prefetch}"
            receiver = start("receive", name, "--prefetch", prefetch)
            if receiver.stdout.readline().strip() != "ready":
                raise WorkerFailed(f"has no link: {receiver.args}")
            sent, received = result_of(start("send", name)), result_of(receiver)
            name = f"RabbitMQ, two programs, {prefetch}"
            rows += per_message(name, {**sent, "seconds": received["seconds"]}, received, messages)
        sent = result_of(start("send", "one-by-one"))
        received = result_of(start("receive", "one-by-one", "--prefetch", 500))
        limit = result_of(start("limit", "limit"))
        rows += [
            Row("RabbitMQ, sent", "messages/s", messages / sent["seconds"], higher=True),
            Row("RabbitMQ, then received", "messages/s", messages / received["seconds"], higher=True),
            Row("RabbitMQ by itself, taken", "messages/s", messages / limit["sent"], higher=True),
            Row("RabbitMQ by itself, given", "messages/s", messages / limit["received"], higher=True),
        ]
    return rows


def aio_pika(engine: Engine, messages: int) -> list[Row]:
    """Messages through RabbitMQ 4.3 by `proton.asyncio` and aio-pika; PROTON_AIO_PIKA names a python that has it."""
    from tests.support import rabbitmq4
    from tests.support.management import RabbitManagement
    from tests.support.peers import Rabbit4

    pika = Engine("aio-pika", AIO_PIKA or "", ours=True)  # the workers share a clock, which needs the package
    rows = []
    with contextlib.ExitStack() as stack:
        peer = Rabbit4(stack.enter_context(rabbitmq4.running("sid")).nodes[0])

        def run(user: Engine, role: str, queue: str) -> dict:
            common = ("--port", peer.broker.port, "--messages", messages, "--queue", queue, "--prefetch", 500)
            worker = user.start("through_broker.py", role, *common)
            stack.callback(end, worker)
            return result_of(worker)

        for kind in ("classic", "quorum"):
            queues = [f"{kind}-asyncio", f"{kind}-pika"]
            with peer.probe() as client:
                management = RabbitManagement(client)
                for queue in queues:
                    management.declare(queue, kind)
            for what in ("send", "receive"):
                found = [run(engine, f"asyncio-{what}", queues[0]), run(pika, f"pika-{what}", queues[1])]
                for name, result in zip(("asyncio", "aio-pika"), found):
                    row = f"{name}, {kind} queue, {what}"
                    rows.append(Row(row, "messages/s", messages / result["seconds"], higher=True))
                    rows.append(Row(row, "CPU us/message", result["cpu"] / messages * 1e6))
                ratio = found[1]["seconds"] / found[0]["seconds"]
                rows.append(Row(f"asyncio, {kind} queue, {what}", "times aio-pika's rate", ratio, higher=True))
    return rows


def has_aio_pika() -> bool:
    if not AIO_PIKA:
        return False
    sys.path.insert(0, str(ROOT))
    from tests.support import rabbitmq4

    return rabbitmq4.missing("sid") is None


def has_broker() -> bool:
    return os.access(os.environ.get("PROTON_RABBITMQ", "/usr/lib/rabbitmq/bin/rabbitmq-server"), os.X_OK)


def rhea(engine: Engine, messages: int) -> list[Row]:
    """Small messages, beside rhea to rhea (PROTON_RHEA names the folder where it is)."""
    rows = []
    for prefetch in (100, 500):
        sender, receiver = exchange(engine, messages, prefetch=prefetch)
        rows += per_message(f"prefetch {prefetch}", sender, receiver, messages)
    return rows


def rhea_engine() -> Engine | None:
    """rhea as the engine to compare with; None where it is missing."""
    node = shutil.which("node")
    return Rhea("rhea", node, ours=False) if node and RHEA else None


COMPARED = (throughput, bodies, streams, requests, codec, connections, containers, secured, memory, sizes, unsettled)
COMPARED += (asyncio, aio_pika, brokers, rhea)
GROWTH = (growth_messages, growth_links, growth_idle, growth_connections, growth_crowd, soak)
