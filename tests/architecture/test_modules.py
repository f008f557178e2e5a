"""Each module of the package has a test file: a table, so that a new module asks for its tests.

Each entry names the file and what of the module it must use: a name that the module defines, or a part of a text that
it has. Comments and docstrings do not count, on either side.
"""

from __future__ import annotations

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "proton"
TESTS = ROOT / "tests"
NO_TESTS_NEEDED = {"__init__"}  # faces: names of other modules, held by what imports them

TESTED_BY = {
    "_common": ("api/test_old_names.py", "Constant"),
    "_condition": ("api/test_old_names.py", "Condition"),
    "_data": ("api/test_old_names.py", "RestrictedKeyDict"),
    "_delivery": ("api/test_old_names.py", "LocalDisposition"),
    "_endpoints": ("api/test_old_names.py", "Terminus"),
    "_events": ("api/test_old_names.py", "EventBase"),
    "_exceptions": ("api/test_old_names.py", "SSLUnavailable"),
    "_message": ("api/test_old_names.py", "Message"),
    "_transport": ("api/test_old_names.py", "SSLSessionDetails"),
    "_url": ("api/test_old_names.py", "Url"),
    "_handlers": ("api/test_old_names.py", "CHandshaker"),
    "_reactor": ("api/test_old_names.py", "delay_iter"),
    "_utils": ("api/test_old_names.py", "AtomicCount"),
    "tracing": ("api/test_tracing.py", "amqp-delivery-receive"),
    "exceptions": ("test_exceptions.py", "ProtonException"),
    "url": ("test_url.py", "Url"),
    "lazy": ("test_lazy.py", "is_present"),
    "warn": ("test_warn.py", "unknown_options"),
    "logs": ("test_logs.py", "DefaultHandler"),
    "reconnect": ("test_reconnect.py", "ReconnectPolicy"),
    "message": ("message/test_message.py", "Message"),
    "codec/attributes": ("api/test_mistakes_messages.py", "a point in time"),
    "codec/unencodable": ("api/test_mistakes_messages.py", "dataclasses.asdict"),
    "codec/types": ("codec/test_types.py", "SymbolList"),
    "codec/decode": ("codec/test_decode.py", "decode_fields"),
    "codec/encode": ("codec/test_encode.py", "type_number"),
    "codec/limits": ("codec/test_limits.py", "DecodeLimits"),
    "codec/text": ("codec/test_text.py", "trace_performative"),
    "codec/nodes": ("codec/test_nodes.py", "decode_node"),
    "codec/data": ("codec/test_data.py", "Data"),
    "codec/composites": ("codec/test_composites.py", "check_fields"),
    "codec/sections": ("codec/test_sections.py", "decode_header"),
    "endpoints/events": ("engine/test_events.py", "Collector"),
    "endpoints/handler": ("engine/test_events.py", "Handler"),
    "endpoints/arguments": ("api/test_mistakes_numbers.py", "takes an integer"),
    "endpoints/condition": ("engine/test_open_close.py", "Condition"),
    "endpoints/endpoint": ("engine/test_open_close.py", "Endpoint"),
    "endpoints/connection": ("engine/test_open_close.py", "session_head"),
    "endpoints/serial": ("engine/test_serial.py", "ahead"),
    "endpoints/shared": ("engine/test_open_close.py", "transport"),
    "endpoints/session": ("engine/test_credit.py", "incoming_capacity"),
    "endpoints/hooks": ("api/test_hooks.py", "MessageHooks"),
    "endpoints/link": ("engine/test_links.py", "Link"),
    "endpoints/sender": ("engine/test_credit.py", "drained"),
    "endpoints/printable": ("engine/test_printable.py", "printable"),
    "endpoints/receiver": ("engine/test_credit.py", "draining"),
    "endpoints/ends": ("engine/test_ends.py", "end_of"),
    "endpoints/streaming": ("engine/test_streaming.py", "reader"),
    "endpoints/recovery": ("engine/test_recovery.py", "resumed"),
    "endpoints/delivery": ("engine/test_transfers.py", "abort"),
    "endpoints/disposition": ("engine/test_typed_dispositions.py", "RejectedDisposition"),
    "endpoints/terminus": ("engine/test_links.py", "Terminus"),
    "transport/protocol_header": ("engine/test_headers.py", "Unknown protocol detected"),
    "transport/inbound": ("engine/test_violations.py", "incoming session window exceeded"),
    "transport/bounds": ("security/test_hostile_peers.py", "max_waiting_events"),
    "transport/checks": ("engine/test_violations.py", "no such channel"),
    "transport/dispositions": ("engine/test_violations.py", "illegal delivery range"),
    "transport/protocol": ("engine/test_violations.py", "malformed frame"),
    "transport/failure": ("engine/test_containment.py", "internal error"),
    "transport/progress": ("utils/test_timeouts_told.py", "the SASL outcome"),
    "transport/timeouts": ("engine/test_idle_timeout.py", "tick"),
    "transport/limits": ("engine/test_peer_limits.py", "no free handle for link "),
    "transport/frames": ("engine/test_bounds.py", "frame"),
    "transport/outbound": ("engine/test_open_close.py", "attach"),
    "transport/transfers": ("engine/test_transfers.py", "frame_size"),
    "transport/sasl/layer": ("engine/test_sasl.py", "allowed_mechs"),
    "transport/sasl/sasl_state": ("engine/test_libsasl.py", "allow_insecure_mechs"),
    "transport/sasl/negotiation": ("engine/test_sasl.py", "Authentication failed"),
    "transport/tls/certificate": ("security/test_certificate.py", "read_certificate"),
    "transport/sasl/saslprep": ("security/test_saslprep.py", "saslprep"),
    "transport/sasl/scram": ("security/test_scram.py", "ScramVerifier"),
    "transport/sasl/exchange": ("security/test_scram.py", "AuthenticationFailed"),
    "transport/sasl/credentials": ("security/test_credentials.py", "Credentials"),
    "transport/sasl/mechanisms": ("security/test_mechanisms.py", "OAUTHBEARER"),
    "transport/sasl/cyrus": ("engine/test_cyrus_layers.py", "proton:io:sasl_error"),
    "transport/sasl/libsasl": ("engine/test_libsasl.py", "libsasl"),
    "transport/io_layers": ("engine/test_io_layers.py", "IOLayerError"),
    "transport/tls/domain": ("security/test_domain.py", "SSLDomain"),
    "transport/tls/layer": ("security/test_tls.py", "peer_hostname"),
    "transport/tls/stream": ("security/test_tls.py", "_MAX_OUTPUT_BYTES"),
    "transport/trace": ("engine/test_frame_trace.py", "TRACE_FRM"),
    "transport/transport": ("engine/test_idle_timeout.py", "idle_timeout"),
    "driver": ("engine/test_driver.py", "Driver"),
    "hooks": ("api/test_hooks.py", "MessageHooks"),
    "sasl": ("security/test_registered_mechanism.py", "register_mechanism"),
    "transport/transport_state": ("engine/test_containment.py", "push"),
    "io/poller": ("io/test_poller.py", "Poller"),
    "io/deadlines": ("io/test_deadlines.py", "DeadlineHeap"),
    "io/selectable": ("io/test_selectable.py", "Selectable"),
    "io/sockets": ("io/test_sockets.py", "resolve"),
    "io/connect": ("handlers/test_connecting.py", "sockets"),
    "handlers/delegate": ("handlers/test_delegate.py", "on_unhandled"),
    "handlers/endpoint_state": ("handlers/test_endpoint_state.py", "EndpointStateHandler"),
    "handlers/events": ("handlers/test_events.py", "MessageEvent"),
    "handlers/flow": ("handlers/test_flow.py", "FlowController"),
    "handlers/handshake": ("handlers/test_handshake.py", "Handshaker"),
    "handlers/incoming": ("handlers/test_incoming.py", "IncomingMessageHandler"),
    "handlers/messaging": ("handlers/test_messaging.py", "MessagingHandler"),
    "handlers/misnamed": ("handlers/test_misnamed.py", "is not called for an event: did you mean"),
    "endpoints/reading": ("handlers/test_incoming.py", "read_message"),
    "endpoints/notices": ("handlers/test_notices.py", "filter"),
    "handlers/outgoing": ("handlers/test_outgoing.py", "OutgoingMessageHandler"),
    "io/resolving": ("handlers/test_resolving.py", "resolve"),
    "io/socket_handler": ("handlers/test_socket_io.py", "IOHandler"),
    "asyncio/checks": ("aio/test_mistakes.py", "condition takes a Condition or None, got "),
    "asyncio/connection": ("aio/test_connection.py", "connect"),
    "asyncio/connection_core": ("aio/test_losses.py", "Lost"),
    "asyncio/delivery": ("aio/test_receiver.py", "accept"),
    "asyncio/errors": ("aio/test_sender.py", "Rejected"),
    "asyncio/host": ("aio/test_connection.py", "connect"),
    "asyncio/incoming": ("aio/test_server.py", "refuse"),
    "asyncio/link": ("aio/test_sender.py", "is_open"),
    "asyncio/link_core": ("aio/test_sender.py", "is_open"),
    "asyncio/loop": ("aio/test_connection.py", "connect"),
    "asyncio/making": ("aio/test_requester.py", "requester"),
    "asyncio/opening": ("aio/test_transaction.py", "core_of"),
    "asyncio/outcomes": ("aio/test_sender.py", "receipt"),
    "asyncio/receiver": ("aio/test_receiver.py", "Receiver"),
    "asyncio/receiver_core": ("aio/test_receiver.py", "Receiver"),
    "asyncio/requester": ("aio/test_requester.py", "Requester"),
    "asyncio/sender": ("aio/test_sender.py", "Sender"),
    "asyncio/sender_core": ("aio/test_sender.py", "Sender"),
    "asyncio/server": ("aio/test_server.py", "serve"),
    "asyncio/session": ("aio/test_session.py", "incoming_capacity"),
    "asyncio/streams": ("aio/test_receiver.py", "body"),
    "asyncio/transaction": ("aio/test_transaction.py", "commit"),
    "asyncio/waiting": ("aio/test_sender.py", "Timeout"),
    "handlers/transaction": ("reactor/test_transaction.py", "TransactionHandler"),
    "options/connection_options": ("api/test_mistakes_connecting.py", "virtual_host"),
    "options/listen_options": ("reactor/test_secured.py", "require_auth"),
    "transactions": ("reactor/test_transaction.py", "settle_before_discharge"),
    "reactor/acceptor": ("reactor/test_acceptor.py", "set_ssl_domain"),
    "options/config": ("reactor/test_config.py", "config"),
    "options/connect_options": ("api/test_mistakes_connecting.py", "clear text"),
    "connector": ("reactor/test_connector.py", "reconnect"),
    "reactor/connector": ("reactor/test_connector.py", "SessionPerConnection"),
    "reactor/container": ("reactor/test_container.py", "Container"),
    "reactor/injector": ("reactor/test_injector.py", "EventInjector"),
    "options/link_options": ("reactor/test_options.py", "LinkOption"),
    "reactor/reactor": ("reactor/test_reactor.py", "Reactor"),
    "reactor/timers": ("reactor/test_timers.py", "cancel"),
    "options/tls_config": ("reactor/test_config.py", "make_domain"),
    "reactor/transaction": ("reactor/test_transaction.py", "declare"),
    "utils/blocking": ("utils/test_blocking.py", "BlockingConnection"),
    "utils/errors": ("utils/test_links.py", "SendException"),
    "utils/blocking_links": ("utils/test_links.py", "receiver"),
    "utils/operations": ("utils/test_timeouts_told.py", "not connected, last attempt: "),
    "utils/pump": ("utils/test_failover.py", "proton-pump"),
    "utils/sharing": ("utils/test_sharing.py", "connections"),
    "utils/request": ("utils/test_request.py", "SyncRequestResponse"),
    "cli/check": ("cli/test_check_package.py", "problem"),
    "cli/checks/amqp": ("cli/test_check.py", "credit"),
    "cli/checks/examine": ("cli/test_check_peers.py", "the peer takes no SASL: it lets everything in"),
    "cli/checks/findings": ("cli/test_check_package.py", "Report"),
    "cli/checks/network": ("cli/test_check_peers.py", "refuses the connection: nothing listens there"),
    "cli/checks/package": ("cli/test_check_package.py", "owners"),
    "cli/checks/peers": ("cli/test_check_peers.py", "is a Redis server"),
    "cli/checks/tls": ("cli/test_check_tls.py", "the certificate has expired on "),
    "testing/authority": ("kit/test_certificates.py", "expected the usage "),
    "testing/broker": ("kit/test_broker.py", "Broker"),
    "testing/clock": ("kit/test_clock.py", "VirtualClock"),
    "testing/commands": ("kit/test_broker_mistakes.py", "refuse"),
    "testing/logs": ("kit/test_broker_nodes.py", "proton.testing"),
    "testing/joined": ("kit/test_joined.py", "run_until"),
    "testing/links": ("examples/test_broker.py", "amqp:not-found"),
    "testing/memory": ("kit/test_joined_peers.py", "connected"),
    "testing/consumers": ("kit/test_nodes.py", "Consumer"),
    "testing/copies": ("kit/test_copies.py", "annotations"),
    "testing/nodes": ("kit/test_nodes.py", "Nodes"),
    "testing/certificates": ("kit/test_certificates.py", "client_domain"),
    "testing/aio": ("kit/test_broker_aio.py", "AsyncBroker"),
    "testing/responders": ("kit/test_responders.py", "$me"),
    "testing/rules": ("kit/test_broker_faults.py", "rejected"),
    "testing/script": ("kit/test_script.py", "read_frame"),
    "testing/seen": ("kit/test_broker.py", "outcomes"),
    "testing/selector": ("kit/test_selector.py", "Selector"),
    "testing/selector_values": ("kit/test_selector.py", "JMSXDeliveryCount"),
    "testing/selector_words": ("kit/test_selector.py", "InvalidSelector"),
    "testing/service": ("kit/test_broker_faults.py", "detach"),
    "testing/termini": ("kit/test_broker_nodes.py", "lifetime-policy"),
    "testing/transactions": ("kit/test_broker_transactions.py", "answer"),
    "cli/decode/capture": ("cli/test_decode_captures.py", "expected a block of 12 to"),
    "cli/decode/conversation": ("cli/test_decode_frames.py", "MAX_UNFINISHED"),
    "cli/decode/diagram": ("cli/test_decode.py", "Diagram"),
    "cli/decode/frames": ("cli/test_decode_frames.py", "FrameReader"),
    "cli/decode/lines": ("cli/test_decode.py", "JsonLines"),
    "cli/decode/packets": ("cli/test_decode_captures.py", "fragments of IP packets"),
    "cli/decode/performatives": ("cli/test_decode_frames.py", "read_performative"),
    "cli/decode/secrets": ("cli/test_decode_secrets.py", "hide"),
    "cli/decode/streams": ("cli/test_decode_limits.py", "Connections"),
    "cli/decode/text": ("cli/test_decode_text.py", "recognised"),
    "cli/decode/values": ("cli/test_decode.py", "text_of"),
    "__main__": ("cli/test_main.py", "__main__"),
    "cli/codes": ("cli/test_main.py", "USAGE"),
    "cli/common": ("cli/test_main.py", "one_line"),
    "cli/pipes": ("cli/test_pipes.py", "Input"),
    "cli/progress": ("cli/test_progress.py", "Progress"),
    "cli/bench": ("cli/test_bench.py", "--rate"),
    "cli/broker": ("cli/test_broker.py", "--dead-letters"),
    "cli/browse": ("cli/test_browse.py", "browse"),
    "cli/request": ("cli/test_request.py", "--window"),
    "cli/receive": ("cli/test_receive.py", "--json"),
    "cli/send": ("cli/test_send.py", "--property"),
    "cli/values": ("cli/test_values.py", "message_to_json"),
}


def modules():
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.stem not in NO_TESTS_NEEDED:
            yield str(path.relative_to(PACKAGE).with_suffix(""))


def test_the_table_is_that_of_the_package():
    assert sorted(TESTED_BY) == sorted(modules())


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def strings(tree):
    """The texts of a file without its docstrings."""
    documentation = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in documentation:
            yield node.value


def defined(tree):
    """The names that a module defines or imports for others: functions, classes, methods, constants, attributes."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Name, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


def used(tree):
    """The names that a test uses."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg


@pytest.mark.parametrize("module", TESTED_BY)
def test_module_has_a_test_that_uses_it(module):
    name, word = TESTED_BY[module]
    source, test = parsed(PACKAGE / f"{module}.py"), parsed(TESTS / name)
    assert any(isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in ast.walk(test))
    assert word in defined(source) or any(word in text for text in strings(source)), f"proton/{module}.py has no {word}"
    assert word in used(test) or any(word in text for text in strings(test)), f"tests/{name} does not use {word}"
