"""Ends that come from this end: the peer broke a rule, or the program refuses in an opening callback (2.6.3)."""

import logging

import pytest

from proton import Endpoint
from proton.handlers import MessagingHandler
from tests.support.engines import AMQP_HEADER, Script, frame
from tests.support.scripted import BEGIN, SCOPES, STOLEN, Recorder, Scene, describe, dispatch_all

# -- broken rules ------------------------------------------------------------------------------------------------------

TRANSFER = {"delivery_id": 0, "delivery_tag": b"t", "message_format": 0}
VIOLATIONS = {
    "link": ({"handle": 0, **TRANSFER}, "amqp:not-allowed", "link_error", "detach closed"),
    "session": ({"handle": 9, **TRANSFER}, "amqp:session:unattached-handle", "session_error link_closed", "end"),
}


@pytest.mark.parametrize("kind", VIOLATIONS)
@pytest.mark.parametrize("scope", SCOPES)
def test_rule_that_the_peer_breaks(kind, scope, caplog):
    fields, name, told, answer = VIOLATIONS[kind]
    scene = Scene(Recorder(), scope)
    scene.script.send("transfer", payload=b"x", **fields)
    assert scene.turn() == [f"{answer} {name}"]
    if (kind, scope) != ("session", "link"):
        assert scene.told() == told
        assert getattr(scene, kind).condition.name == name
        lines = [text for logger, level, text in caplog.record_tuples if level == logging.ERROR and logger == "proton"]
        assert len(lines) == 1 and name in lines[0]
    scene.script.send(*{"link": ["detach"], "session": ["end"]}[kind], **({"handle": 0} if kind == "link" else {}))
    assert scene.turn() == []
    if (kind, scope) != ("session", "link"):
        assert scene.told() == f"{kind}_closed"


@pytest.mark.parametrize("kind", VIOLATIONS)
def test_defaults_log_a_broken_rule_once_and_leave_the_connection_open(kind, caplog):
    scene = Scene(MessagingHandler())
    scene.script.send("transfer", payload=b"x", **VIOLATIONS[kind][0])
    scene.turn()
    assert len(caplog.records) == 1
    assert scene.link.connection.state & Endpoint.LOCAL_ACTIVE


# -- refusal in the opening callbacks ----------------------------------------------------------------------------------

OPENERS = {
    "session": (lambda s: s.send("begin", channel=5, **BEGIN), ["begin", "end"], {"channel": 5}),
    "sender": (lambda s: s.send("attach", name="M", handle=7, role=True), ["attach null", "detach closed"], {}),
    "receiver": (lambda s: s.send("attach", name="M", handle=7, role=False), ["attach null", "detach closed"], {}),
}


class Refusing(Recorder):
    """Refuses what the peer opens; `opens_first`: after opening it itself."""

    def __init__(self, condition, opens_first=False):
        super().__init__()
        self.condition = condition
        self.opens_first = opens_first

    def refuse(self, endpoint):
        if self.opens_first:
            endpoint.open()
        endpoint.condition = self.condition
        endpoint.close()

    def on_session_opening(self, event):
        self.note("on_session_opening", event)
        self.refuse(event.session)

    def on_link_opening(self, event):
        self.note("on_link_opening", event)
        self.refuse(event.link)


@pytest.mark.parametrize("condition", [None, STOLEN])
@pytest.mark.parametrize("opens_first", [True, False])
@pytest.mark.parametrize("case", OPENERS)
def test_refusal_in_the_opening_callback(case, condition, opens_first):
    opens, answer, where = OPENERS[case]
    kind = "session" if case == "session" else "link"
    scene = Scene(Refusing(condition, opens_first))
    opens(scene.script)
    answer = [answer[0].split()[0] if opens_first else answer[0], answer[1]]
    assert scene.turn() == [answer[0], f"{answer[1]} {STOLEN.name}" if condition else answer[1]]
    assert scene.told() == f"{kind}_opening"
    scene.script.send("end" if kind == "session" else "detach", **where, **({"handle": 7} if kind == "link" else {}))
    assert (scene.turn(), scene.told()) == ([], f"{kind}_closed")


def test_links_of_a_session_that_is_refused_are_not_seen():
    scene = Scene(Refusing(STOLEN))
    begin = frame(5, "begin", **BEGIN)
    scene.script.raw(begin + frame(5, "attach", name="M", handle=0, role=True))
    assert scene.turn() == ["begin", f"end {STOLEN.name}"]
    scene.script.send("end", channel=5)
    scene.turn()
    assert scene.told() == "session_opening session_closed"


@pytest.mark.parametrize("condition", [None, STOLEN])
def test_refusal_of_a_connection(condition):
    class RefusingConnection(MessagingHandler):
        def on_connection_opening(self, event):
            event.connection.condition = condition
            event.connection.close()

    script = Script(server=True)
    script.connection.handler = RefusingConnection()
    script.raw(AMQP_HEADER).send("open", container_id="script")
    dispatch_all(script.peer.collector)
    assert [describe(part) for part in script.received()] == [
        "open",
        f"close {STOLEN.name}" if condition else "close",
    ]
