"""The benchmarks that engines are compared by: which workers each one starts, which rows it makes of their results.

Nothing is printed here. `growth.py` has those that compare an engine with itself.
An editor must keep: one benchmark measures one thing at all engines, with the same scripts and arguments.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import subprocess
import sys
import tempfile

from bench_engines import ROOT, Engine, Pika, Row, WorkerFailed, end, free_port, pair, result_of

#: what lives as long as the run: a broker
HELD = contextlib.ExitStack()


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


def closed(engine: Engine, messages: int) -> list[Row]:
    """What closed connections, with a link each, leave to the garbage collector."""
    found = result_of(engine.start("closed.py", "--port", free_port()))
    rows = [Row("closed connections, both ends", "objects that wait, each", found["objects"])]
    if engine.ours and sys.implementation.name == "cpython":
        rows.append(Row("closed connections, both ends", "bytes that wait, each", found["bytes"]))
    return rows


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
    rows = result_of(engine.start("codec.py", "--seconds", min(0.5, messages / 10_000)))["rows"]
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


def imports(engine: Engine, messages: int) -> list[Row]:
    """Modules imported, above what the bare interpreter takes."""
    rows = result_of(engine.start("imports.py", "--times", max(2, min(15, messages // 1000))))["rows"]
    return [Row(f"import {name}", "CPU ms", value) for name, value in rows.items()]


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
    count = ("--count", max(100, min(1000, messages // 10)))
    for kind in ("connection", "session", "sender", "receiver", "sent delivery", "received delivery"):
        name = f"unsettled {kind}" if "delivery" in kind else f"idle {kind}"
        for unit, traced in (("bytes allocated by Python", ("--traced",)), ("bytes resident", ())):
            # What an engine in C allocates is not traced, and PyPy traces nothing.
            if not traced or (engine.ours and sys.implementation.name == "cpython"):
                rows.append(Row(name, unit, result_of(engine.start("sizes.py", kind, *count, *traced))["bytes"]))
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


def pypy(engine: Engine, messages: int) -> list[Row]:
    """Small messages on PyPy and on CPython, once 100,000 have gone by; PROTON_PYPY names a PyPy."""
    # A run is as long as it takes to compile what it does; each message after the mark is as quick as the next.
    mark = messages * 5
    marks = ("--marks", mark, "--window", messages)
    rows = []
    for prefetch in (10, 100, 500):
        sides = exchange(engine, mark + messages, *marks, prefetch=prefetch)
        spent = []
        for result in sides:
            first, last = result["edges"][str(mark)], result["edges"][str(mark + messages)]
            spent.append({key: last[key] - first[key] for key in ("seconds", "cpu")})
        rows += per_message(f"warm, prefetch {prefetch}", *spent, messages)
    return rows


def rhea(engine: Engine, messages: int) -> list[Row]:
    """Small messages, beside rhea to rhea; PROTON_RHEA names the folder where it is."""
    return throughput(engine, messages)


#: names of queues
NUMBERS = itertools.count()


@functools.cache
def rabbitmq():
    """A RabbitMQ 4.3 that lives as long as the run."""
    from tests.support import rabbitmq4
    from tests.support.peers import Rabbit4

    return Rabbit4(HELD.enter_context(rabbitmq4.running("sid")).nodes[0])


def no_rabbitmq() -> str | None:
    """Why RabbitMQ 4.3 cannot be run here."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from tests.support import rabbitmq4

    return rabbitmq4.missing("sid")


def through_rabbitmq(engine: Engine, messages: int, api: str) -> list[Row]:
    """Persistent messages of 100 bytes are published with confirms; then they are consumed, 500 at once."""
    from tests.support.management import RabbitManagement

    peer = rabbitmq()
    rows = []
    for kind in ("classic", "quorum"):
        queue = f"{kind}-{next(NUMBERS)}"
        with peer.probe() as client:
            RabbitManagement(client).declare(queue, kind)
        for what in ("publish", "consume"):
            common = ("--port", peer.broker.port, "--messages", messages, "--queue", queue, "--prefetch", 500)
            worker = engine.start("through_broker.py", f"{api}-{what}", *common)
            try:
                found = result_of(worker)
            finally:
                end(worker)
            rows.append(Row(f"{what}, {kind} queue", "messages/s", messages / found["seconds"], higher=True))
            rows.append(Row(f"{what}, {kind} queue", "CPU us/message", found["cpu"] / messages * 1e6))
        with peer.probe() as client:
            RabbitManagement(client).delete(queue)
    return rows


def brokers(engine: Engine, messages: int) -> list[Row]:
    """Messages through RabbitMQ 4.3 by callbacks, and by aio-pika (PROTON_AIO_PIKA) over AMQP 0-9-1."""
    return through_rabbitmq(engine, messages, "pika" if isinstance(engine, Pika) else "callbacks")


def aio_pika(engine: Engine, messages: int) -> list[Row]:
    """Messages through RabbitMQ 4.3 by `proton.asyncio`, and by aio-pika (PROTON_AIO_PIKA) over AMQP 0-9-1."""
    return through_rabbitmq(engine, messages, "pika" if isinstance(engine, Pika) else "asyncio")


COMPARED = (throughput, bodies, streams, requests, codec, connections, containers, imports, secured)
COMPARED += (memory, sizes, unsettled, closed, asyncio, aio_pika, brokers, rhea, pypy)
