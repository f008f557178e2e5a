"""Old: traces of messages with OpenTracing and Jaeger; importing this module switches them on.

The makers of both libraries have given them up. New programs trace with hooks of their own, see docs/hooks.md, for
OpenTelemetry for instance; this module stays for those that use it, and needs `opentracing` and `jaeger_client`. A
message that is sent carries the context of its span, so that the span of its receiver becomes a child. `Sender` and the
handlers are names of before, when this module had classes of its own for them.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
import warnings
from typing import TYPE_CHECKING, Any

from proton.codec.types import symbol
from proton.endpoints.sender import Sender as Sender
from proton.handlers import IncomingMessageHandler as IncomingMessageHandler
from proton.handlers import OutgoingMessageHandler as OutgoingMessageHandler
from proton.hooks import MessageHooks, add_hooks
from proton.url import Url

try:
    import jaeger_client
    import opentracing
    from opentracing.ext import tags
    from opentracing.propagation import Format
except ImportError as error:
    raise ImportError("proton tracing requires opentracing and jaeger_client modules") from error

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from proton.endpoints.delivery import Delivery
    from proton.endpoints.receiver import Receiver
    from proton.message import Message

__all__ = ["get_tracer", "init_tracer"]

#: The message annotation that holds the context of a span.
KEY = symbol("x-opt-qpid-tracestate")

_tracer: Any = None


def get_tracer() -> Any:
    """The tracer; made when it is first asked for, with the name of the program as that of the service."""
    return _tracer or init_tracer(os.path.basename(sys.argv[0]) if sys.argv[0] else "interactive-session")


def init_tracer(service_name: str) -> Any:
    """Make the tracer, and return it; the one there is, if it was made before.

    :param service_name: what the traces of this process are filed under.
    """
    global _tracer
    if _tracer is None:
        config = jaeger_client.Config({"sampler": {"type": "const", "param": 1}}, service_name=service_name)
        _tracer = config.initialize_tracer()
        opentracing.tracer = _tracer
        # Spans are reported in the background: without a pause those of a short program are lost.
        atexit.register(_flush_spans)
    return _tracer


def _flush_spans() -> None:
    # The reporter is a thread that says nothing of its own progress before it is closed.
    time.sleep(1)
    closed = _tracer.close()
    while not closed.done():
        time.sleep(0.5)


def _tags(kind: str, destination: Any, connection: Any) -> dict[str, Any]:
    address = None
    if connection.url is not None:
        # A copy without the password: tags are kept by a service of others.
        address = Url(connection.url, defaults=False)
        address.password = None
    return {
        tags.SPAN_KIND: kind,
        tags.MESSAGE_BUS_DESTINATION: destination,
        tags.PEER_ADDRESS: None if address is None else str(address),
        tags.PEER_HOSTNAME: connection.hostname,
        tags.COMPONENT: "proton-message-tracing",
    }


def _context(tracer: Any, annotations: Any) -> Any:
    """The context that a message carries, None when there is none."""
    carrier = (annotations or {}).get(KEY)
    if not isinstance(carrier, dict):
        return None
    try:
        return tracer.extract(Format.TEXT_MAP, carrier)
    except (opentracing.InvalidCarrierException, opentracing.SpanContextCorruptedException):
        return None  # whatever the sender has made of it, its message is a message


class _Spans(MessageHooks):
    """Two spans a message: from its send to its outcome, and while `on_message` handles it."""

    def before_send(self, sender: Sender, message: Message) -> Any:
        tracer = get_tracer()
        span = tracer.start_span(
            "amqp-delivery-send", tags=_tags(tags.SPAN_KIND_PRODUCER, sender.target.address, sender.connection)
        )
        carrier: dict[str, str] = {}
        tracer.inject(span, Format.TEXT_MAP, carrier)
        before = message.annotations
        if before is None or isinstance(before, dict):
            # New ones, which the message keeps: they must not change a dict that the program uses for several messages.
            message.annotations = {**(before or {}), KEY: carrier}
        return span, before

    def send_failed(self, message: Message, token: Any, error: BaseException) -> None:
        span, message.annotations = token
        span.finish()

    def after_send(self, delivery: Delivery, token: Any) -> None:
        span = token[0]
        delivery.span = span  # type: ignore[attr-defined]
        span.set_tag("delivery-tag", delivery.tag_bytes.decode("utf-8", "backslashreplace"))

    def outcome(self, delivery: Delivery, token: Any) -> None:
        span = token[0]
        state = delivery.remote_state
        name = getattr(state, "name", state)
        span.set_tag("delivery-terminal-state", name)
        span.log_kv({"event": "delivery settled", "state": name})
        span.finish()

    def around_message(
        self, receiver: Receiver, message: Message, delivery: Delivery
    ) -> AbstractContextManager[object]:
        tracer = get_tracer()
        of_event = _tags(tags.SPAN_KIND_CONSUMER, receiver.source.address, receiver.connection)
        parent = _context(tracer, message.annotations)
        manager: AbstractContextManager[object] = tracer.start_active_span(
            "amqp-delivery-receive", child_of=parent, tags=of_event
        )
        return manager


add_hooks(_Spans())
warnings.warn(
    "proton.tracing needs OpenTracing and Jaeger's client, which their makers have given up: see docs/hooks.md",
    DeprecationWarning,
    stacklevel=2,
)
