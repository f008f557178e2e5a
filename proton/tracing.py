"""Traces of messages with OpenTracing and Jaeger; importing this module switches them on.

A message that is sent carries the context of its span, so that the span of its receiver becomes a child. The
only file that needs `opentracing` and `jaeger_client`, and the only one that changes classes of others.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from typing import TYPE_CHECKING, Any

import proton._endpoints as _endpoints
import proton._handlers as _handlers
import proton.handlers
from proton.codec.types import symbol
from proton.endpoints import sender, session
from proton.endpoints.terminus import Terminus
from proton.handlers import incoming, messaging, outgoing
from proton.message import Message
from proton.url import Url

try:
    import jaeger_client
    import opentracing
    from opentracing.ext import tags
    from opentracing.propagation import Format
except ImportError as error:
    raise ImportError("proton tracing requires opentracing and jaeger_client modules") from error

if TYPE_CHECKING:
    from proton.handlers.events import MessageEvent, OutcomeEvent

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


class Sender(sender.Sender):
    """A sender that traces what it sends."""

    def send(self, obj: Any, tag: Any = None) -> Any:
        """Send a message, which gets an annotation for the receiver to go on from; all else as `proton.Sender.send`.

        :param obj: a `Message`, or what else can be sent.
        :param tag: the delivery tag; one is made when it is empty.
        """
        # What goes to a coordinator is not a message of the program (4.2), and other objects have no annotations.
        if not isinstance(obj, Message) or self.target.type == Terminus.COORDINATOR:
            return super().send(obj, tag)
        tracer = get_tracer()
        span = tracer.start_span(
            "amqp-delivery-send", tags=_tags(tags.SPAN_KIND_PRODUCER, self.target.address, self.connection)
        )
        carrier: dict[str, str] = {}
        tracer.inject(span, Format.TEXT_MAP, carrier)
        before = obj.annotations
        if before is None or isinstance(before, dict):
            # New ones, which the message keeps: they must not change a dict that the program uses for several messages.
            obj.annotations = {**(before or {}), KEY: carrier}
        try:
            delivery: Any = super().send(obj, tag)
        except BaseException:
            obj.annotations = before
            span.finish()
            raise
        # Ended by `on_settled` of the outgoing handler: the span is as long as the delivery is open.
        delivery.span = span
        span.set_tag("delivery-tag", delivery.tag_bytes.decode("utf-8", "backslashreplace"))
        return delivery


class OutgoingMessageHandler(outgoing.OutgoingMessageHandler):
    """Ends the spans of messages when they are settled."""

    def on_settled(self, event: OutcomeEvent) -> None:
        """Called when the receiver has settled a message."""
        if self.delegate is None:
            return
        span = getattr(event.delivery, "span", None)
        if span is not None:
            state = event.delivery.remote_state
            state = getattr(state, "name", state)
            span.set_tag("delivery-terminal-state", state)
            span.log_kv({"event": "delivery settled", "state": state})
            span.finish()
        super().on_settled(event)


class IncomingMessageHandler(incoming.IncomingMessageHandler):
    """Traces the handling of messages."""

    def on_message(self, event: MessageEvent) -> None:
        """Called for each message; what it sends becomes a child of its span."""
        if self.delegate is None:
            return
        tracer = get_tracer()
        of_event = _tags(tags.SPAN_KIND_CONSUMER, event.receiver.source.address, event.connection)
        parent = _context(tracer, event.message.annotations)
        with tracer.start_active_span("amqp-delivery-receive", child_of=parent, tags=of_event):
            super().on_message(event)


def _context(tracer: Any, annotations: Any) -> Any:
    """The context that a message carries, None when there is none."""
    carrier = (annotations or {}).get(KEY)
    if not isinstance(carrier, dict):
        return None
    try:
        return tracer.extract(Format.TEXT_MAP, carrier)
    except (opentracing.InvalidCarrierException, opentracing.SpanContextCorruptedException):
        return None  # whatever the sender has made of it, its message is a message


# Each module that has the class by its name, since a reference that was imported is not replaced with the original.
for place in (proton, _endpoints, session):
    place.Sender = Sender  # type: ignore[attr-defined]
for place in (proton.handlers, _handlers, messaging):
    place.IncomingMessageHandler = IncomingMessageHandler  # type: ignore[attr-defined]
    place.OutgoingMessageHandler = OutgoingMessageHandler  # type: ignore[attr-defined]
