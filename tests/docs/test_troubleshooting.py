"""Each error text of docs/troubleshooting.md: the package says it, and the common ones are provoked here."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import functools
import re
import socket
import threading

import pytest

from proton import Message
from proton import asyncio as awaited
from proton.reactor import AtMostOnce, Container
from proton.testing import Broker, Certificates
from proton.utils import BlockingConnection
from tests.support.programs import ROOT, free_port

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
#: the texts of the first column
TEXTS = [
    text for row in re.findall(r"^\| (.*?) \| ", PAGE, re.M) for text in re.findall(r"`([^`]+)`", row) if " " in text
]
#: what Python says
FOREIGN = {
    "ImportError: cannot import name … from 'proton'",
    "'tuple' object has no attribute 'body'",
}


@contextlib.contextmanager
def peer(data):
    """The port of a server that reads something, sends the data, and closes."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def answer():
            accepted, _ = listener.accept()
            with accepted:
                accepted.recv(100)
                accepted.sendall(data)

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def told(operation, *args, **kwargs):
    """The text of what it raises."""
    with pytest.raises(Exception) as info:  # noqa: B017  # which one is not what this is about
        operation(*args, **kwargs)
    return f"{type(info.value).__name__}: {info.value}"


def connecting_to(data, scheme="amqp"):
    with peer(data) as port:
        return told(BlockingConnection, f"{scheme}://127.0.0.1:{port}", timeout=10)


def to_a_silent_peer(scheme="amqp"):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        return told(BlockingConnection, f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", timeout=0.2)


def logging_in(**options):
    with Broker(credentials={"fred": "pencil"}, require_auth=True) as broker:
        return told(BlockingConnection, broker.url, **options)


def with_another_authority_of_the_same_name():
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    with Certificates() as made, Certificates() as others, Broker(ssl_domain=made.server_domain("127.0.0.1")) as broker:
        return told(BlockingConnection, broker.url, ssl_domain=others.client_domain(), timeout=10)


def over_tls(*names, trusting=True, scheme="amqps", **options):
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    with Certificates() as made, Broker(ssl_domain=made.server_domain(*names, **options)) as broker:
        domain = made.client_domain() if trusting else None
        return told(BlockingConnection, broker.url.replace("amqps", scheme), ssl_domain=domain, timeout=10)


def opening(condition, description="the reason"):
    with Broker() as broker, BlockingConnection(broker.url, timeout=10) as connection:
        broker.refuse("q", condition, description)
        return told(connection.create_sender, "q")


def sending(body="x", answer=None, closed=False, credit=100, **options):
    with Broker() as broker, BlockingConnection(broker.url, timeout=10) as connection:
        broker.set_credit(credit)
        sender = connection.create_sender("q")
        if answer:
            broker.answer_next(*answer)
        if closed:
            sender.close()
        return told(sender.send, Message(body=body), **options)


def receiving(operation):
    with Broker() as broker, BlockingConnection(broker.url, timeout=10) as connection:
        return told(operation, connection.create_receiver("q"))


def interrupted(how):
    with Broker() as broker, BlockingConnection(broker.url, timeout=10) as connection:
        receiver = connection.create_receiver("q")
        how(broker)
        return told(receiver.receive)


def after_close():
    with Broker() as broker:
        connection = BlockingConnection(broker.url, timeout=10)
        connection.close()
        return told(connection.create_sender, "q")


def not_awaited():
    async def main():
        await awaited.connect("amqp://localhost").sender("q")

    return told(asyncio.run, main())


def awaiting(operation):
    async def main():
        with Broker() as broker:
            async with awaited.connect(broker.url) as connection:
                await operation(connection)

    return told(asyncio.run, main())


async def receive_in_time(connection):
    await (await connection.receiver("q")).receive(timeout=0.05)


async def connect_to_nothing():
    await awaited.connect(f"amqp://127.0.0.1:{free_port()}")


def awaiting_while_the_broker_is_down():
    async def main():
        with Broker() as broker:
            async with awaited.connect(broker.url, reconnect=True) as connection:
                receiver = await connection.receiver("q")
                await asyncio.get_running_loop().run_in_executor(None, broker.stop)
                await receiver.receive(timeout=0.3)

    return told(asyncio.run, main())


def receiving_while_the_broker_is_down():
    with Broker() as broker, BlockingConnection(broker.url, timeout=10, reconnect=True) as connection:
        receiver = connection.create_receiver("q")
        broker.stop("amqp:connection:forced")
        return told(receiver.receive, timeout=0.3)


def with_a_class_as_option():
    return told(Container().create_sender, "amqp://localhost", "q", options=AtMostOnce)


def refused(url):
    return told(BlockingConnection, url, timeout=10)


PROVOKED = {
    "Connection refused to all addresses": lambda: refused(f"amqp://127.0.0.1:{free_port()}"),
    "timed out: Opening connection: TCP is connected, waiting for the SASL header": to_a_silent_peer,
    "timed out: Opening connection: TCP is connected, waiting for the end of the TLS handshake": lambda: (
        to_a_silent_peer("amqps")
    ),
    "Expected SASL protocol header got: HTTP …": lambda: connecting_to(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "Expected SASL protocol header got: AMQP 0-9-1 connection …": lambda: connecting_to(b"AMQP\0\0\x09\x01"),
    "Expected SASL protocol header: no protocol header found (connection aborted)": lambda: connecting_to(b""),
    "(the peer requires TLS)": lambda: over_tls("127.0.0.1", trusting=False, scheme="amqp"),
    "SSL Failure: expected a TLS connection, got …": lambda: connecting_to(b"AMQP\0\1\0\0", "amqps"),
    "expected a URL with the scheme amqp or amqps, got one with …": lambda: refused("http://localhost"),
    "expected a port from 0 to 65535, got …": lambda: refused("amqp://localhost:99999"),
    "expected at most one '@', between password and host: …": lambda: refused("amqp://fred:p@ss@localhost"),
    "reconnect takes True, False, None, a Backoff or a sequence of seconds, got …": lambda: told(
        BlockingConnection, "amqp://localhost", reconnect=5
    ),
    "certificate verify failed: unable to get local issuer certificate": lambda: over_tls("127.0.0.1", trusting=False),
    "certificate verify failed: certificate signature failure": with_another_authority_of_the_same_name,
    "certificate verify failed: expected a certificate for …, got one for …": lambda: over_tls("other.example"),
    "certificate verify failed: certificate has expired": lambda: over_tls("127.0.0.1", days=(-3, -1)),
    "Authentication failed [mech=…]": lambda: logging_in(user="fred", password="wrong"),
    "(the peer offers: …; no user name was given; no password was given)": logging_in,
    "(the peer offers: …; this client allows: …)": lambda: logging_in(
        user="fred", password="pencil", allowed_mechs="EXTERNAL"
    ),
    "closed due to: Condition('amqp:not-found', …)": lambda: opening("amqp:not-found"),
    "closed due to: Condition('amqp:invalid-field', 'Attach refused: {amqp_address_v1_not_permitted…')": lambda: (
        opening("amqp:invalid-field", 'Attach refused: {amqp_address_v1_not_permitted,{utf8,<<"q">>}}')
    ),
    "closed due to: Condition('amqp:not-implemented', …Dynamic source not supported…)": lambda: opening(
        "amqp:not-implemented", "Dynamic source not supported: {'v1_0.source',undefined}"
    ),
    "closed due to: Condition('amqp:unauthorized-access', …)": lambda: opening("amqp:unauthorized-access"),
    "closed due to: Condition('amqp:resource-deleted', …)": lambda: interrupted(
        lambda broker: broker.detach("q", "amqp:resource-deleted", "gone")
    ),
    "expected an open link, got …, which was closed": lambda: sending(closed=True),
    "cannot open …: the connection is not open: use async with, or await it": not_awaited,
    "the message to … was rejected due to: Condition(…)": lambda: sending(answer=("rejected", "app:bad")),
    "the message to … was rejected": lambda: sending(answer=("rejected",)),
    "the message to … was released": lambda: sending(answer=("released",)),
    "timed out: Sending on sender …: waiting for credit, the message stays queued": lambda: sending(
        credit=0, timeout=0.1
    ),
    "timed out: Sending on sender …: waiting for the outcome, the message may have arrived": lambda: sending(
        answer=("none",), timeout=0.1
    ),
    "no AMQP type for a value of …": lambda: sending(body={"key": object()}),
    "cannot connect to …: Connection refused": lambda: told(asyncio.run, connect_to_nothing()),
    "… is not open: use async with, or await it": lambda: awaiting(
        lambda connection: connection.sender("q").send(Message())
    ),
    "got an unexpected keyword argument 'prefetch'": lambda: told(BlockingConnection.create_receiver, prefetch=1),
    "waiting for a message: …: timed out after … s": lambda: awaiting(receive_in_time),
    "… whose connection is lost (…): timed out …": awaiting_while_the_broker_is_down,
    "…: not connected, last attempt: …": receiving_while_the_broker_is_down,
    "timed out: Receiving on receiver …": lambda: receiving(lambda receiver: receiver.receive(timeout=0.05)),
    "expected an unsettled message: none has been received, or all are settled": lambda: receiving(
        lambda receiver: receiver.accept()
    ),
    "closed due to: Condition('amqp:connection:forced', …)": lambda: interrupted(
        lambda broker: broker.close_connections("amqp:connection:forced", "upgrade")
    ),
    "disconnected: Condition('amqp:connection:framing-error', 'connection aborted')": lambda: interrupted(
        lambda broker: broker.cut()
    ),
    "closed due to: Condition('amqp:resource-limit-exceeded', …)": lambda: interrupted(
        lambda broker: broker.close_connections("amqp:resource-limit-exceeded", "too many")
    ),
    "Connection … is closed": after_close,
    "options takes objects such as …(), got the class …": with_a_class_as_option,
}


@pytest.mark.parametrize("text", PROVOKED)
def test_a_program_sees_the_text_of_the_page(text):
    assert f"`{text}`" in PAGE
    pattern = ".*".join(re.escape(part) for part in text.split("…"))
    assert re.search(pattern, PROVOKED[text](), re.S)


@functools.cache
def strings_of_the_package():
    return "\n".join(
        node.value
        for path in sorted((ROOT / "proton").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


@pytest.mark.parametrize("text", sorted({*TEXTS} - PROVOKED.keys() - FOREIGN))
def test_the_package_has_the_words_of_the_other_texts(text):
    """Each part of it between values is in a string of the sources."""
    strings = strings_of_the_package()
    parts = [part.strip(" ,") for part in text.split("…")]
    assert any(parts)
    assert [part for part in parts if part not in strings] == []
