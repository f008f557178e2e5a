"""What is at a URL, step by step: the order of the steps, and the sentences of those that need the engine."""

from __future__ import annotations

import socket
import time
from typing import Any, NamedTuple

from proton import Url
from proton.cli import codes
from proton.cli.checks import tls
from proton.cli.checks.amqp import Conversation, Login, Node, condition_text
from proton.cli.checks.findings import Deadline, Report, shown_seconds, shown_time
from proton.cli.checks.network import Address, connect_all, open_socket, resolve
from proton.cli.checks.peers import (
    AMQP_HEADER,
    HEADER_BYTES,
    SASL_HEADER,
    TLS_HEADER,
    Peer,
    ask,
    name_of,
    named_by_probes,
    printed,
)
from proton.cli.checks.tls import TLSOptions

__all__ = ["Login", "TLSOptions", "Target", "Url", "examine"]

#: the share of the time after which a peer that has said nothing is asked by TLS and HTTP what it is
FIRST_WORD = 0.25
#: the share of the rest that these questions may take; after them, the peer may still say its first word
PROBES = 0.5
#: seconds from which on a first word is slow
MAX_HEADER_SECONDS = 1.0
#: the share of the time that a TLS handshake may take
HANDSHAKE = 0.5
ROUND_TRIPS = 3


class Target(NamedTuple):
    """What is to be looked at."""

    host: str
    port: int
    login: Login
    #: None for clear text
    tls: TLSOptions | None
    #: the address to attach links to
    address: str | None = None
    #: the capabilities that its node has to have (3.5.3, 3.5.4)
    capabilities: tuple[str, ...] = ()


def examine(report: Report, target: Target, deadline: Deadline) -> None:
    """Look at a peer, and add what is found."""
    found = resolve(report, target.host, target.port, deadline)
    connected = connect_all(report, found, deadline) if found else None
    if connected is None:
        return
    try:
        _examine_peer(report, connected, target, deadline)
    except OSError as error:  # of a further connection: the peer, or this machine, has changed its mind
        text = f"{connected[0]} cannot be connected once more: {error.strerror or error}"
        report.failed(codes.CONNECTION, "connect", text, "try again, and see the log of the broker")
    finally:
        connected[1].close()


def _examine_peer(report: Report, connected: tuple[Address, socket.socket], target: Target, deadline: Deadline) -> None:
    address, sock = connected
    place = (address, target.host)
    if target.tls is not None and not _examine_tls(report, place, target.tls, deadline):
        return
    conversation = Conversation(sock, target.host, target.login, target.tls)
    try:
        if not _speaks_amqp(report, place, conversation, target, deadline):
            return
        if target.login.sasl and _skips_sasl(conversation):
            conversation.close()
            conversation = _without_sasl(report, address, target, deadline)
        if _opens(report, conversation, target, deadline):
            _tell_open(report, conversation)
            _tell_round_trip(report, conversation, deadline)
            if target.address is not None:
                _tell_address(report, conversation, target, deadline)
    finally:
        conversation.close()


# -- TLS -----------------------------------------------------------------------------------------------------------


def _examine_tls(report: Report, place: tuple[Address, str], options: TLSOptions, deadline: Deadline) -> bool:
    address, host = place
    try:
        context = tls.reading_context(options)
    except OSError as error:
        text = f"the certificate {options.cert!r} of this end cannot be used: {error.strerror or error}"
        report.failed(codes.USAGE, "tls", text, "check --cert and --key")
        return False
    shaken = tls.handshake(address, host, deadline.part(HANDSHAKE), context)
    if shaken.error is not None:
        _tell_no_tls(report, place, shaken, deadline)
        return False
    if shaken.version in ("SSLv3", "TLSv1", "TLSv1.1"):
        text = f"the peer speaks {shaken.version} at best, which is not safe and is refused here"
        report.failed(codes.CONNECTION, "tls", text, "enable TLS 1.2 or 1.3 in the broker", version=shaken.version)
        return False
    report.ok("tls", f"{shaken.version}, cipher {shaken.cipher}", version=shaken.version, cipher=shaken.cipher)
    if shaken.der is None:
        report.failed(codes.CONNECTION, "cert", "the peer shows no certificate", "give the broker a certificate")
        return False
    return tls.tell_certificate(report, place, shaken.der, deadline, options)


def _tell_no_tls(report: Report, place: tuple[Address, str], shaken: tls.Handshake, deadline: Deadline) -> None:
    address, host = place
    peer = name_of(shaken.first)
    if peer is not None and peer.kind == "tls":
        text = f"the TLS handshake fails: {shaken.error}"
        cure = "check the versions and ciphers of the broker, which may also want a certificate: --cert and --key"
        report.failed(codes.CONNECTION, "tls", text, cure)
        return
    if not shaken.first or (peer is not None and peer.kind == "amqp-0-9-1"):
        # Many servers close without a word if they get something else than their own protocol; one that speaks both
        # versions of AMQP may name the other one.
        peer = name_of(ask(address, SASL_HEADER, deadline.part(0.4)).data) or peer
    if peer is None and not shaken.first:
        peer = named_by_probes(address, host, deadline, skips_tls=True)
    if peer is not None:
        _tell_peer(report, address, peer, "TLS was expected")
    elif shaken.first:
        _tell_unknown(report, address, shaken.first)
    elif shaken.has_closed:
        text = f"{address} closes the connection as soon as TLS begins"
        report.failed(codes.CONNECTION, "tls", text, "check the port, and the log of the broker")
    else:
        _tell_silent(report, address, deadline)


# -- the protocol --------------------------------------------------------------------------------------------------


def _tell_peer(report: Report, address: Address, peer: Peer, expected: str = "") -> None:
    end = f"; {expected}" if expected else ""
    report.failed(codes.CONNECTION, "protocol", f"{address} {peer.text}{end}", peer.cure, peer=peer.kind)


def _tell_unknown(report: Report, address: Address, data: bytes) -> None:
    text = f"{address} speaks an unknown protocol, it says '{printed(data)}'"
    report.failed(codes.CONNECTION, "protocol", text, "check host and port", peer="unknown")


def _tell_silent(report: Report, address: Address, deadline: Deadline) -> None:
    text = f"{address} takes the connection and stays silent for {shown_seconds(deadline.seconds - deadline.left())}"
    cure = "check the port, and whether the broker is stuck or stands behind a proxy; --timeout gives it more time"
    report.failed(codes.TIMEOUT, "protocol", text, cure, peer="silent")


def _speaks_amqp(
    report: Report, place: tuple[Address, str], conversation: Conversation, target: Target, deadline: Deadline
) -> bool:
    """Whether the peer begins with a header of AMQP 1.0; the report says what it is if not."""
    address, host = place

    def has_begun() -> bool:
        return len(conversation.first_bytes) >= HEADER_BYTES or bool(conversation.error)

    began = time.monotonic()
    conversation.run_until(has_begun, deadline.part(FIRST_WORD))
    peer = name_of(conversation.first_bytes)
    if not conversation.first_bytes and not conversation.error.startswith("SSL"):
        context = tls.reading_context(target.tls) if target.tls is not None else None
        peer = named_by_probes(address, host, deadline.part(PROBES), context)
    if peer is None:
        conversation.run_until(has_begun, deadline)  # it may be slow
    data, spent = conversation.first_bytes, time.monotonic() - began
    if data[:HEADER_BYTES] in (SASL_HEADER, AMQP_HEADER):
        asks = "asks for SASL" if data.startswith(SASL_HEADER) else "begins without SASL"
        text = f"{address} speaks AMQP 1.0 and {asks}, in {shown_time(spent)}"
        facts = {"peer": "amqp-1.0", "seconds": round(spent, 6)}
        if spent < MAX_HEADER_SECONDS:
            report.ok("protocol", text, **facts)
        else:
            report.noticed("protocol", f"{text}: it is slow", "check the load of the broker and the network", **facts)
        return True
    if peer is not None:
        _tell_peer(report, address, peer, "AMQP 1.0 was expected" if peer.kind != "tls" else "")
    else:
        _tell_stranger(report, address, conversation, deadline)
    return False


def _tell_stranger(report: Report, address: Address, conversation: Conversation, deadline: Deadline) -> None:
    """A peer that no first bytes name."""
    data = conversation.first_bytes
    if data and AMQP_HEADER.startswith(data[:4]) and len(data) < HEADER_BYTES:
        how = "and ends there" if conversation.has_ended else f"within {shown_seconds(deadline.seconds)}"
        text = f"{address} is slow: {len(data)} of the {HEADER_BYTES} bytes of a protocol header {how}"
        cure = "check the load of the broker; --timeout gives it more time"
        report.failed(codes.TIMEOUT, "protocol", text, cure, peer="slow")
    elif data:
        _tell_unknown(report, address, data)
    elif conversation.error.startswith("SSL"):
        text = f"the peer ends TLS after the handshake: {conversation.error}"
        report.failed(codes.CONNECTION, "tls", text, "it may want a certificate of this end: --cert and --key")
    elif conversation.has_ended:
        text = f"{address} closes the connection at once, without an answer"
        cure = "check the port and the log of the broker, which may refuse this machine"
        report.failed(codes.CONNECTION, "protocol", text, cure, peer="closing")
    else:
        _tell_silent(report, address, deadline)


def _skips_sasl(conversation: Conversation) -> bool:
    return conversation.first_bytes.startswith(AMQP_HEADER)


def _without_sasl(report: Report, address: Address, target: Target, deadline: Deadline) -> Conversation:
    used = "; the login that was given is not used" if target.login.user is not None else ""
    report.noticed(
        "sasl", f"the peer takes no SASL: it lets everything in{used}", "programs connect with sasl_enabled=False"
    )
    return Conversation(
        open_socket(address, deadline),
        target.host,
        target.login._replace(user=None, password=None, sasl=False),
        target.tls,
    )


# -- login and open ------------------------------------------------------------------------------------------------


def _logs_in(report: Report, conversation: Conversation, target: Target, deadline: Deadline) -> bool:
    sasl = conversation.transport.sasl()
    conversation.run_until(lambda: sasl.outcome is not None or bool(conversation.error), deadline)
    offered = conversation.mechanisms
    if offered is not None:
        names = printed(" ".join(offered).encode("utf-8", "replace"), 200)
        report.ok("sasl", f"the peer offers {names or 'nothing'}", mechanisms=offered)
    if sasl.outcome not in (None, sasl.OK):
        conversation.run_until(lambda: bool(conversation.error), deadline.part(0.3))  # the reason in words
    user = repr(target.login.user) if target.login.user is not None else "anonymous"
    if sasl.outcome == sasl.OK:
        _tell_login(report, target, sasl.mech)
        return True
    if sasl.outcome is not None and sasl.mech is None:
        cure = (
            "give a login: --user"
            if target.login.user is None
            else "allow a mechanism that the peer offers: --mechanisms"
        )
        report.failed(codes.REFUSED, "login", f"there is no common mechanism: {conversation.error}", cure)
    elif sasl.outcome is not None:
        text = f"the peer refuses the login of {user}: {conversation.error}"
        report.failed(codes.REFUSED, "login", text, "check user name and password, and what the user may do")
    elif conversation.error and not conversation.has_ended:
        _tell_garbage(report, conversation)
    elif conversation.has_ended or conversation.error:
        text = f"the login ends early: {conversation.error or 'the peer closes the connection'}"
        report.failed(codes.REFUSED, "login", text, "see the log of the broker; user name or password may be wrong")
    else:
        text = f"the login has not ended within {shown_seconds(deadline.seconds)}"
        report.failed(
            codes.TIMEOUT, "login", text, "check what the broker asks about logins; --timeout gives more time"
        )
    return False


def _tell_login(report: Report, target: Target, mechanism: str | None) -> None:
    """A login that has worked, and with it whether name and password were looked at."""
    user = target.login.user
    if mechanism == "ANONYMOUS" and user is not None:
        text = f"logged in as anonymous with ANONYMOUS; the peer does not ask for the user {user!r} and its password"
        cure = "leave the user out, or have the broker offer a mechanism with a password"
        report.noticed("login", text, cure, mechanism=mechanism)
    elif mechanism == "EXTERNAL":
        asked = "" if user is None else f"; the peer does not ask for the password of {user!r}"
        report.ok("login", f"logged in with EXTERNAL, as the certificate of this end says{asked}", mechanism=mechanism)
    elif mechanism == "PLAIN" and target.tls is None:
        text = f"logged in as {user!r} with PLAIN; the password goes over the network as it is"
        report.noticed("login", text, "use amqps://, or a SCRAM mechanism", mechanism=mechanism)
    else:
        name = "anonymous" if user is None else repr(user)
        report.ok("login", f"logged in as {name} with {mechanism}", mechanism=mechanism)


def _opens(report: Report, conversation: Conversation, target: Target, deadline: Deadline) -> bool:
    has_sasl = not _skips_sasl(conversation) and bool(conversation.first_bytes)
    if has_sasl and not _logs_in(report, conversation, target, deadline):
        return False
    connection = conversation.connection
    conversation.run_until(
        lambda: conversation.is_open or conversation.is_closed_by_peer or bool(conversation.error), deadline
    )
    if conversation.is_open:
        return True
    condition = connection.remote_condition
    if conversation.is_closed_by_peer or condition is not None:
        reason = condition_text(condition) if condition is not None else "without a reason"
        text = f"the peer closes the connection: {reason}"
        report.failed(codes.REFUSED, "open", text, "see the log of the broker; host name or user may not be allowed")
    elif conversation.error and not conversation.has_ended:
        _tell_garbage(report, conversation)
    elif conversation.has_ended:
        text = f"the peer ends the connection before its open: {conversation.error or 'no reason given'}"
        report.failed(codes.CONNECTION, "open", text, "see the log of the broker")
    else:
        text = f"the peer has not answered the open within {shown_seconds(deadline.seconds)}"
        report.failed(codes.TIMEOUT, "open", text, "check the load of the broker; --timeout gives more time")
    return False


def _tell_garbage(report: Report, conversation: Conversation) -> None:
    if TLS_HEADER in conversation.first_bytes:  # in place of its AMQP header: nothing goes on without (5.2.1)
        text = "the peer speaks AMQP 1.0, and wants TLS first"
        report.failed(codes.CONNECTION, "protocol", text, "use amqps:// in place of amqp://", peer="amqp-tls")
        return
    text = f"the peer begins as AMQP 1.0, and goes on with what is not: {conversation.error}"
    report.failed(codes.CONNECTION, "protocol", text, "check the port, and what stands between the two", peer="garbage")


def _tell_open(report: Report, conversation: Conversation) -> None:
    connection, transport = conversation.connection, conversation.transport
    properties = {str(key): value for key, value in (connection.remote_properties or {}).items()}
    known = " ".join(_text(properties[name]) for name in ("product", "version") if name in properties)
    name = connection.remote_container or ""
    told = {key: _text(value) for key, value in properties.items()}
    text = f"{known or 'a broker without a product name'}, container-id '{_text(name)}'"
    report.ok("broker", text, container_id=name, properties=told)
    frame, channels, idle = transport.remote_max_frame_size, transport.remote_channel_max, transport.remote_idle_timeout
    limits = f"max-frame-size {frame or 'unlimited'}, channel-max {channels}, "
    limits += f"idle-timeout {shown_seconds(idle)}" if idle else "no idle-timeout"
    report.ok("limits", limits, max_frame_size=frame or None, channel_max=channels, idle_timeout=idle or None)
    offered, desired = (
        [str(name) for name in names or ()]
        for names in (connection.remote_offered_capabilities, connection.remote_desired_capabilities)
    )
    text = f"offered: {_text(' '.join(offered)) or 'none'}; desired: {_text(' '.join(desired)) or 'none'}"
    report.ok("abilities", text, offered_capabilities=offered, desired_capabilities=desired)


def _text(value: Any) -> str:
    return printed(str(value).encode("utf-8", "replace"), 200)


def _tell_round_trip(report: Report, conversation: Conversation, deadline: Deadline) -> None:
    times = [conversation.round_trip(deadline) for _ in range(ROUND_TRIPS)]
    measured = [spent for spent in times if spent is not None]
    if not measured:
        text = (
            f"the peer does not answer the begin of a session{': ' + conversation.error if conversation.error else ''}"
        )
        report.failed(codes.TIMEOUT, "roundtrip", text, "see the log of the broker")
        return
    best = min(measured)
    text = f"{shown_time(best)} from a begin to its answer, the best of {len(measured)}"
    report.ok("roundtrip", text, seconds=round(best, 6))


# -- addresses -----------------------------------------------------------------------------------------------------


def _tell_address(report: Report, conversation: Conversation, target: Target, deadline: Deadline) -> None:
    """Attach a sender and a receiver; one of them is enough for some programs."""
    name, node = target.address or "", Node(target.address or "", target.capabilities)
    answers = [(is_sender, conversation.attach(node, is_sender, deadline)) for is_sender in (True, False)]
    is_usable = any(answer.is_attached for _, answer in answers)
    for is_sender, answer in answers:
        what = f"{'sender to' if is_sender else 'receiver from'} '{name}'"
        facts = {"role": "sender" if is_sender else "receiver", **answer.facts}
        if answer.is_attached:
            details = ", ".join(
                f"{key.replace('_', '-')} {value}" for key, value in answer.facts.items() if value is not None
            )
            report.ok("address", f"{what} attached: {details}", **facts)
            continue
        reason = answer.reason or ("without a reason" if answer.has_come else conversation.error or "no answer in time")
        text = f"{what} refused: {reason}"
        cure = "check the address, and what the user may do there"
        if is_usable:
            report.noticed("address", text, cure, **facts)
        else:
            code = codes.REFUSED if answer.has_come else codes.TIMEOUT
            report.failed(code, "address", text, cure, **facts)
