"""AMQP 1.0 with the package's engine: headers, SASL, the open, a round trip, links to an address.

The bytes of the peer go through a layer that remembers the first of them: they name a peer that is something else.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
import uuid
from typing import Any, Callable, NamedTuple

from proton import Condition, Connection, Data, Described, Endpoint, SSLDomain, Terminus, Transport
from proton.cli.checks.findings import Deadline
from proton.cli.checks.peers import HEADER_BYTES, SASL_HEADER, printed
from proton.cli.checks.tls import TLSOptions
from proton.driver import Driver, IOLayer

__all__ = ["Answer", "Conversation", "Login", "Node", "condition_text"]

_REMEMBERED_BYTES = 4096
_SASL_MECHANISMS = 0x40
#: seconds that the answer to a close may take
_CLOSING_SECONDS = 1.0
#: seconds that the credit for a sender may come after the attach
_CREDIT_SECONDS = 0.3
_MAX_CHARACTERS = 300
_DISTRIBUTION_MODES = {1: "copy", 2: "move"}


class Login(NamedTuple):
    """How to log in; the password is in no text."""

    user: str | None = None
    password: str | None = None
    mechanisms: str | None = None
    #: False to begin without SASL
    sasl: bool = True
    container_id: str | None = None
    #: the host name in the open, if it is another one than that of the URL
    virtual_host: str | None = None
    #: whether the frames are written to standard error
    shows_frames: bool = False


class Node(NamedTuple):
    """What links are attached to."""

    address: str
    #: what it has to be, such as "queue"
    capabilities: tuple[str, ...] = ()


class _FirstBytes(IOLayer):
    """Remembers what the peer says first, inside TLS."""

    def __init__(self) -> None:
        self.data = b""

    def unwrap(self, data: bytes) -> bytes:
        if len(self.data) < _REMEMBERED_BYTES:
            self.data += bytes(data)
        return data

    def wrap(self, data: bytes) -> bytes:
        return data


class Conversation:
    """One connection, on a socket that is connected, as far as it gets.

    :param host: the name of the peer, for TLS and the open.
    :param tls: what a program would be told about TLS; None for clear text.
    """

    def __init__(self, sock: socket.socket, host: str, login: Login, tls: TLSOptions | None) -> None:
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = sock
        self.transport: Transport = Transport(Transport.CLIENT)
        self.driver: Driver = Driver(self.transport)
        self.connection: Connection = Connection()
        self.connection.container = login.container_id or f"pure-proton-check-{uuid.uuid4()}"
        self.connection.hostname = login.virtual_host or host
        if login.shows_frames:
            self.transport.trace(Transport.TRACE_FRM)
        if login.user is not None:
            self.connection.user, self.connection.password = login.user, login.password
        if tls is not None:
            self.transport.ssl(_domain(tls)).peer_hostname = host
        if login.sasl:
            sasl = self.transport.sasl()
            sasl.allow_insecure_mechs = True
            if login.mechanisms is not None:
                sasl.allowed_mechs(login.mechanisms)
        self._first = _FirstBytes()
        self.driver.add_layer(self._first)
        self.connection.collect(self.driver.collector)
        self.transport.bind(self.connection)
        self.connection.open()
        self.has_ended: bool = False

    @property
    def first_bytes(self) -> bytes:
        """What the peer has said first, inside TLS."""
        return self._first.data

    @property
    def error(self) -> str:
        """Why the connection has failed, "" if it has not."""
        condition = self.transport.condition
        return (condition.description or condition.name) if condition is not None else ""

    @property
    def mechanisms(self) -> list[str] | None:
        """The names of the SASL mechanisms that the peer offers; None if it has not said (5.3.3.1)."""
        data = self.first_bytes
        if not data.startswith(SASL_HEADER):
            return None
        size = int.from_bytes(data[8:12], "big")
        frame = data[8 : 8 + size]
        if size < HEADER_BYTES or len(frame) < size:
            return None
        value = Data()
        try:
            value.decode(frame[4 * frame[4] :])
            value.rewind()
            value.next()
            described = value.get_object()
        except Exception:  # bytes of a peer, which the engine has judged already
            return None
        if not isinstance(described, Described) or described.descriptor != _SASL_MECHANISMS:
            return None
        offered = described.value[0] if described.value else []
        names = [offered] if isinstance(offered, str) else list(getattr(offered, "elements", offered) or [])
        return [str(name) for name in names]

    # -- moving bytes --------------------------------------------------------------------------------------------

    def run_until(self, done: Callable[[], bool], deadline: Deadline) -> bool:
        """Move bytes until something has happened.

        :return: False if the connection or the time has ended before.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            while True:
                self._handle()
                if done():
                    return True
                if self.driver.closed or self.has_ended or not deadline.left():
                    return False
                self._turn(selector, deadline)

    def _handle(self) -> None:
        for _event in self.driver.events():
            pass  # what they say is read from the endpoints
        self.driver.handle_timer(time.monotonic())

    def _turn(self, selector: selectors.BaseSelector, deadline: Deadline) -> None:
        data, due = self.driver.data_to_send(), self.driver.next_deadline()
        wait = deadline.left() if due is None else min(deadline.left(), max(0.0, due - time.monotonic()))
        selector.modify(self._sock, selectors.EVENT_READ | (selectors.EVENT_WRITE if data else 0))
        try:
            for _, events in selector.select(wait):
                if events & selectors.EVENT_WRITE:
                    self.driver.sent(self._sock.send(data))
                if events & selectors.EVENT_READ:
                    self._read()
        except BlockingIOError:
            pass
        except OSError as error:
            self.has_ended = True
            self.driver.lost(error)

    def _read(self) -> None:
        room = self.driver.room()
        data = self._sock.recv(room or 1)
        if data and room:
            self.driver.received(data)
        elif not data:
            self.has_ended = True
            self.driver.lost()

    # -- steps ---------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the peer's open has come, and no close."""
        return bool(self.connection.state & Endpoint.REMOTE_ACTIVE)

    @property
    def is_closed_by_peer(self) -> bool:
        """Whether the peer has closed the connection."""
        return bool(self.connection.state & Endpoint.REMOTE_CLOSED)

    def round_trip(self, deadline: Deadline) -> float | None:
        """The seconds from the begin of a session to its answer; None without one."""
        session = self.connection.session()
        began = time.monotonic()
        session.open()
        if not self.run_until(lambda: not session.state & Endpoint.REMOTE_UNINIT, deadline):
            return None
        spent = time.monotonic() - began
        session.close()
        return spent

    def attach(self, node: Node, is_sender: bool, deadline: Deadline) -> Answer:
        """Attach a link to an address in a session of its own, without credit, and detach it.

        :return: what the peer has answered.
        """
        session = self.connection.session()
        session.open()
        name = f"check-{uuid.uuid4()}"
        link: Any = session.sender(name) if is_sender else session.receiver(name)
        wanted = link.target if is_sender else link.source
        wanted.address = node.address
        for capability in node.capabilities:
            wanted.capabilities.put_symbol(capability)
        link.open()
        endpoints = (link, session, self.connection)
        self.run_until(lambda: _has_answered(endpoints), deadline)
        terminus = link.remote_target if is_sender else link.remote_source
        if not _is_over(endpoints):
            if terminus.type == Terminus.UNSPECIFIED:  # a refusal: the detach with its reason follows (2.6.3)
                self.run_until(lambda: _is_over(endpoints), deadline)
            elif is_sender:
                self.run_until(lambda: link.credit > 0 or _is_over(endpoints), Deadline(_CREDIT_SECONDS))
        answer = _answer(endpoints, terminus)
        if answer.is_attached:
            link.close()
            # Some peers accept any attach, and detach the link at once.
            self.run_until(lambda: _is_over(endpoints), deadline.part(0.5))
            if any(endpoint.remote_condition is not None for endpoint in endpoints):
                answer = _answer(endpoints, terminus)
        session.close()
        return answer

    def close(self) -> None:
        """End in an orderly way, as far as the peer takes part."""
        if self.is_open:
            self.connection.close()
            self.run_until(lambda: False, Deadline(_CLOSING_SECONDS))
        self._sock.close()
        self.driver.unbind()


class Answer(NamedTuple):
    """What a peer answers to an attach."""

    is_attached: bool
    #: why the link, its session or the connection has ended, "" without a reason
    reason: str
    #: whether there was an answer at all
    has_come: bool
    facts: dict[str, Any]


def _has_answered(endpoints: tuple[Any, ...]) -> bool:
    return not endpoints[0].state & Endpoint.REMOTE_UNINIT or _is_over(endpoints)


def _is_over(endpoints: tuple[Any, ...]) -> bool:
    return any(endpoint.state & Endpoint.REMOTE_CLOSED for endpoint in endpoints)


def _answer(endpoints: tuple[Any, ...], terminus: Terminus) -> Answer:
    link = endpoints[0]
    condition = next((found for found in (endpoint.remote_condition for endpoint in endpoints) if found), None)
    reason = condition_text(condition) if condition is not None else ""
    is_attached = bool(link.state & Endpoint.REMOTE_ACTIVE) and not _is_over(endpoints)
    is_attached = is_attached and terminus.type != Terminus.UNSPECIFIED and not reason
    facts: dict[str, Any] = {"address": terminus.address, "max_message_size": link.remote_max_message_size or None}
    if link.is_sender:
        facts["credit"] = link.credit
    else:
        facts["distribution_mode"] = _DISTRIBUTION_MODES.get(terminus.distribution_mode)
    return Answer(is_attached, reason, _has_answered(endpoints), facts)


def condition_text(condition: Condition) -> str:
    """A condition of the peer in one line."""
    text = f"{condition.name}: {condition.description}" if condition.description else condition.name
    return printed(text.encode("utf-8", "replace"), _MAX_CHARACTERS)


def _domain(tls: TLSOptions) -> SSLDomain:
    domain = SSLDomain(SSLDomain.MODE_CLIENT)
    if tls.insecure:
        domain.set_peer_authentication(SSLDomain.ANONYMOUS_PEER)
    elif tls.ca is not None:
        domain.set_trusted_ca_db(tls.ca)
    if tls.cert is not None:
        domain.set_credentials(tls.cert, tls.key, None)
    return domain
