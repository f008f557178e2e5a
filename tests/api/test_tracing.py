"""Tracing, with stand-ins for the two libraries: which spans there are, and whose children."""

import os
import pathlib
import subprocess
import sys
import textwrap

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

OPENTRACING = """
import contextlib

class InvalidCarrierException(Exception): pass
class SpanContextCorruptedException(Exception): pass

tracer = None


class Span:
    def __init__(self, number, name, parent, tags):
        self.number, self.name, self.parent, self.tags = number, name, parent, dict(tags)
        self.logs, self.ended = [], False

    def set_tag(self, key, value):
        self.tags[key] = value

    def log_kv(self, values):
        self.logs.append(values)

    def finish(self):
        self.ended = True


class Tracer:
    def __init__(self):
        self.spans, self.active = [], []

    def start_span(self, name, child_of=None, tags=None):
        parent = child_of or (self.active[-1].number if self.active else None)
        self.spans.append(Span(len(self.spans) + 1, name, parent, tags))
        return self.spans[-1]

    @contextlib.contextmanager
    def start_active_span(self, name, child_of=None, tags=None):
        self.active.append(self.start_span(name, child_of, tags))
        try:
            yield
        finally:
            self.active.pop().finish()

    def inject(self, span, format, carrier):
        carrier["span"] = str(span.number)

    def extract(self, format, carrier):
        if "span" not in carrier:
            raise SpanContextCorruptedException
        return int(carrier["span"])

    def close(self):
        print("closed")
        return self

    def done(self):
        return True
"""
TAGS = "\n".join(
    f'{name} = "{value}"'
    for name, value in {
        "SPAN_KIND": "span.kind",
        "SPAN_KIND_PRODUCER": "producer",
        "SPAN_KIND_CONSUMER": "consumer",
        "MESSAGE_BUS_DESTINATION": "message_bus.destination",
        "PEER_ADDRESS": "peer.address",
        "PEER_HOSTNAME": "peer.hostname",
        "COMPONENT": "component",
    }.items()
)
JAEGER = """
import opentracing

class Config:
    def __init__(self, config, service_name):
        self.service_name = service_name

    def initialize_tracer(self):
        tracer = opentracing.Tracer()
        tracer.service_name = self.service_name
        return tracer
"""


def python(program, *folders):
    path = os.pathsep.join(map(str, (*folders, ROOT)))
    done = subprocess.run(
        [sys.executable, "-W", "ignore:proton.tracing needs:DeprecationWarning", "-c", textwrap.dedent(program)],
        env=dict(os.environ, PYTHONPATH=path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture
def libraries(tmp_path):
    """A folder with stand-ins, which only know what is used of them."""
    package = tmp_path / "opentracing"
    (package / "ext").mkdir(parents=True)
    (package / "__init__.py").write_text(OPENTRACING)
    (package / "propagation.py").write_text('class Format:\n    TEXT_MAP = "text_map"\n')
    (package / "ext" / "__init__.py").write_text("")
    (package / "ext" / "tags.py").write_text(TAGS)
    (tmp_path / "jaeger_client.py").write_text(JAEGER)
    return tmp_path


def test_without_the_libraries_the_import_says_what_is_missing():
    output = python(
        """
        import sys
        sys.modules["opentracing"] = sys.modules["jaeger_client"] = None
        import proton, proton.handlers
        before = proton.Sender
        try:
            import proton.tracing
        except ImportError as error:
            print(error)
        assert proton.Sender is before
        """
    )
    assert output == "proton tracing requires opentracing and jaeger_client modules\n"


def test_it_says_that_it_is_old(libraries):
    output = python(
        """
        import warnings
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import proton.tracing
        (warning,) = caught
        assert (warning.category, warning.filename) == (DeprecationWarning, "<string>"), warning
        print(warning.message)
        """,
        libraries,
    )
    expected = (
        "proton.tracing needs OpenTracing and Jaeger's client, which their makers have given up: see docs/hooks.md"
    )
    assert output == expected + "\n"


def test_a_message_is_traced_from_its_sender_to_its_receiver(libraries):
    output = python(
        """
        import time
        time.sleep = lambda seconds: print("slept", seconds)
        import proton.tracing as tracing
        from proton import Message, symbol
        from proton.handlers import MessagingHandler
        from proton.reactor import Container

        class Hello(MessagingHandler):
            def on_start(self, event):
                self.acceptor = event.container.listen("127.0.0.1:0")
                self.place = f"127.0.0.1:{self.acceptor.port}"
                event.container.allowed_mechs = "ANONYMOUS"
                self.sender = event.container.create_sender(f"me:secret@{self.place}/first")
                self.second = event.container.create_sender(self.sender.connection, "second")
                self.sent = False

            def on_link_opening(self, event):
                event.link.source.address = event.link.remote_target.address

            def on_sendable(self, event):
                if event.sender is self.sender and not self.sent:
                    self.sent = True
                    self.delivery = self.sender.send(Message(body=1, annotations={symbol("k"): "v"}))

            def on_message(self, event):
                assert list(event.message.annotations)[-1] == "x-opt-qpid-tracestate"
                if event.message.body == 1:
                    self.second.send(Message(body=2))

            def on_settled(self, event):
                if event.delivery.link is self.second:
                    event.connection.close()
                    self.acceptor.close()

        hello = Hello()
        Container(hello).run()
        tracer = tracing.get_tracer()
        assert tracer is tracing.init_tracer("other") is __import__("opentracing").tracer
        assert tracer.service_name == "-c", tracer.service_name
        one, two, three, four = tracer.spans
        assert [span.name for span in tracer.spans] == ["amqp-delivery-send", "amqp-delivery-receive"] * 2
        assert [span.parent for span in tracer.spans] == [None, 1, 2, 3]
        assert all(span.ended for span in tracer.spans)
        assert hello.delivery.span is one
        assert one.tags == {
            "span.kind": "producer",
            "message_bus.destination": "first",
            "peer.address": f"amqp://me@{hello.place}/first",
            "peer.hostname": "127.0.0.1",
            "component": "proton-message-tracing",
            "delivery-tag": "1",
            "delivery-terminal-state": "ACCEPTED",
        }
        assert one.logs == [{"event": "delivery settled", "state": "ACCEPTED"}]
        assert (two.tags["span.kind"], two.tags["message_bus.destination"]) == ("consumer", "first")
        print("done")
        """,
        libraries,
    )
    assert output == "done\nslept 1\nclosed\n"


@pytest.mark.parametrize("annotation", ["{}", "5", "{'x': 1}", "None"])
def test_a_message_without_a_context_begins_a_trace(libraries, annotation):
    output = python(
        f"""
        import time
        time.sleep = print
        import proton.tracing as tracing
        from types import SimpleNamespace
        from proton import Message, symbol
        from proton.handlers import IncomingMessageHandler
        from tests.support.engines import linked, pump
        a, b, sender, receiver = linked()
        receiver.flow(10)
        pump(a, b)
        message = Message(annotations={{symbol("x-opt-qpid-tracestate"): {annotation}}})
        sender.delivery("tag")
        sender.stream(message.encode())  # not by `send`, which would put its own context there
        sender.advance()
        pump(a, b)
        event = SimpleNamespace(delivery=receiver.current, link=receiver)
        IncomingMessageHandler(delegate=SimpleNamespace(on_message=lambda event: None)).on_delivery(event)
        assert event.message.annotations == message.annotations
        (span,) = tracing.init_tracer("mine").spans
        assert (span.parent, span.tags["peer.address"], tracing.get_tracer().service_name) == (None, None, "-c")
        assert span.ended
        """,
        libraries,
    )
    assert output == "1\nclosed\n"


def test_what_else_is_sent_is_sent_as_without_tracing(libraries):
    output = python(
        """
        import time
        time.sleep = lambda seconds: None
        import proton.tracing as tracing
        from proton import Message, MessageException, Terminus, symbol
        from proton._endpoints import Sender
        from tests.support.engines import connected, linked, pump

        a, b, sender, receiver = linked()
        receiver.flow(10)
        pump(a, b)
        assert type(sender) is tracing.Sender is Sender
        tracer = tracing.get_tracer()

        class Own:
            def send(self, sender, tag=None):
                sender.delivery(tag)
                sender.stream(b"own")
                sender.advance()
                return "own", tag

        assert sender.send(Own(), tag="o") == ("own", "o")
        sender.delivery("bytes")
        assert sender.send(b"abc") == 3
        sender.advance()
        assert not tracer.spans

        assert sender.send(Message(body=1), tag="given").tag == "given"
        assert sender.send(Message(body=2), "given too").tag == "given too"
        binary = sender.send(Message(body=3), tag=bytes([255, 1]))
        assert binary.tag_bytes == bytes([255, 1]) and binary.span.tags["delivery-tag"] == chr(92) + "xff" + chr(1)
        assert [span.tags["delivery-tag"] for span in tracer.spans[:2]] == ["given", "given too"]

        message = Message(body={1})
        try:
            sender.send(message)
        except MessageException:
            assert message.annotations is None and tracer.spans[-1].ended
        message = Message(body=1, annotations=5)
        try:
            sender.send(message)
        except MessageException as error:
            assert str(error) == "annotations must be a dict, got int" and message.annotations == 5
        assert sender.unsettled == 5

        count = len(tracer.spans)
        a, b = connected()
        session = a.connection.session()
        session.open()
        control = session.sender("control")
        control.target.type = Terminus.COORDINATOR
        declare = Message(body=[None])
        control.send(declare)
        assert declare.annotations is None and len(tracer.spans) == count
        print("done")
        """,
        libraries,
    )
    assert output == "done\nclosed\n"


def test_transactions_work_with_tracing(libraries):
    output = python(
        """
        import time
        time.sleep = lambda seconds: None
        import proton.tracing
        from proton import Message
        from proton.testing import Broker
        from tests.support.transactions import TransactionalClient

        broker = Broker()
        broker.start()
        with TransactionalClient(broker.url) as client:
            sender = client.sender("q")
            for end, expected in (("commit", "committed"), ("abort", "aborted")):
                transaction = client.declare()
                client.post(transaction, sender, Message(body=end))
                assert getattr(client, end)(transaction) == expected
            receiver = client.receiver("q", credit=5)
            client.until(lambda: client.received, "a message")
            assert [message.body for _, message, _ in client.received] == ["commit"]
        sent = [span for span in proton.tracing.get_tracer().spans if span.tags["span.kind"] == "producer"]
        assert {span.tags["message_bus.destination"] for span in sent[:2]} == {"q"}, sent
        broker.stop()
        print("done")
        """,
        libraries,
    )
    assert output.endswith("done\nclosed\n"), output
