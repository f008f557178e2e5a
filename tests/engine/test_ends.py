"""`end_of`: what it says of a link, its session and its connection, whatever has ended them."""

from types import SimpleNamespace

import pytest

from proton import Condition, Event, Transport
from proton.endpoints.endpoint import endpoint_state
from proton.endpoints.ends import End, end_of
from tests.support.engines import Peer, Script, connected, frame, linked, pump, state

STOLEN = Condition("amqp:link:stolen", "another consumer")
SHUTDOWN = Condition("amqp:internal-error", "shutdown")


class Policy:
    """What a connection asks of its policy for reconnecting."""

    finished = False

    def can_pass(self, condition):
        return condition is not None and condition.name == "amqp:internal-error"

    def link_can_pass(self, condition):
        return False


def error(condition):
    return {"error": state(0x1D, condition.name, condition.description)}


def close(endpoint, condition=None):
    endpoint.condition = condition
    endpoint.close()


def parties(link):
    return {"link": link, "session": link.session, "connection": link.connection}


# What the peer does; what has ended, and why.
BY_PEER = {
    "detach, closed": (lambda s: s.send("detach", handle=0, closed=True), "link", None),
    "detach, closed, with an error": (
        lambda s: s.send("detach", handle=0, closed=True, **error(STOLEN)),
        "link",
        STOLEN,
    ),
    "detach": (lambda s: s.send("detach", handle=0), "link", None),
    "detach with an error": (lambda s: s.send("detach", handle=0, **error(STOLEN)), "link", STOLEN),
    "end": (lambda s: s.send("end"), "session", None),
    "end with an error": (lambda s: s.send("end", **error(SHUTDOWN)), "session", SHUTDOWN),
    "close": (lambda s: s.send("close"), "connection", None),
    "close with an error": (lambda s: s.send("close", **error(SHUTDOWN)), "connection", SHUTDOWN),
}

# What this end does.
BY_US = {
    "link.close()": (lambda link: close(link, STOLEN), "link", STOLEN),
    "link.detach()": (lambda link: link.detach(), "link", None),
    "session.close()": (lambda link: close(link.session, SHUTDOWN), "session", SHUTDOWN),
    "connection.close()": (lambda link: close(link.connection, SHUTDOWN), "connection", SHUTDOWN),
}

WIDER = {"link": ["link", "session", "connection"], "session": ["session", "connection"], "connection": ["connection"]}


def check(link, ended, condition, by_peer):
    """The end of one concerns the narrower ones, and none of the wider ones."""
    for name, endpoint in parties(link).items():
        if ended in WIDER[name]:
            assert end_of(endpoint) == End(parties(link)[ended], condition, by_peer)
        else:
            assert end_of(endpoint) is None


@pytest.fixture(params=["sender", "receiver"])
def scene(request):
    script = Script()
    return SimpleNamespace(script=script, link=getattr(script, request.param)())


def test_what_is_open_or_opening_has_not_ended():
    client = Peer().bind()
    link = client.connection.session().sender("L")
    check(link, "nothing", None, None)
    client.connection.open()
    link.session.open()
    link.open()
    check(link, "nothing", None, None)
    check(linked()[2], "nothing", None, None)


@pytest.mark.parametrize("case", BY_PEER)
def test_end_by_the_peer(scene, case):
    act, ended, condition = BY_PEER[case]
    act(scene.script)
    check(scene.link, ended, condition, by_peer=True)


@pytest.mark.parametrize("case", BY_US)
def test_end_by_this_end(scene, case):
    act, ended, condition = BY_US[case]
    act(scene.link)
    check(scene.link, ended, condition, by_peer=False)


@pytest.mark.parametrize("ours", BY_US)
@pytest.mark.parametrize("theirs", BY_PEER)
def test_the_first_end_is_the_reason(scene, theirs, ours):
    """Both orders: the answer to an end does not hide its reason."""
    act, ended, condition = BY_PEER[theirs]
    act(scene.script)
    BY_US[ours][0](scene.link)
    assert end_of(scene.link) == End(parties(scene.link)[ended], condition, True)


@pytest.mark.parametrize("ours", BY_US)
def test_own_end_before_the_answer_is_the_reason(scene, ours):
    act, ended, condition = BY_US[ours]
    act(scene.link)
    scene.script.received()
    scene.script.send("detach", handle=0, closed=True) if ended == "link" else None
    scene.script.send("end", **error(SHUTDOWN)).send("close", **error(SHUTDOWN))
    assert end_of(scene.link) == End(parties(scene.link)[ended], condition, False)


def test_rule_that_the_peer_breaks_is_our_reason():
    script = Script()
    link = script.receiver(credit=1)
    script.send("transfer", handle=9, delivery_id=0, delivery_tag=b"t")
    end = end_of(link)
    assert (end.endpoint, end.condition.name, end.by_peer) == (link.session, "amqp:session:unattached-handle", False)
    assert end_of(link.connection) is None


def test_session_that_ends_in_one_read_with_its_begin():
    script = Script().opened()
    session = script.connection.session()
    session.open()
    link = session.receiver("L")
    link.open()
    script.received()
    begin = frame(0, "begin", remote_channel=0, next_outgoing_id=0, incoming_window=9, outgoing_window=9)
    script.raw(begin + frame(0, "end", **error(SHUTDOWN)))
    check(link, "session", SHUTDOWN, by_peer=True)


def test_other_session_of_the_connection_has_not_ended():
    a, b, sender, _ = linked()
    other = a.connection.session()
    other.open()
    pump(a, b)
    close(next(b.connection.sessions()), SHUTDOWN)
    pump(a, b)
    assert end_of(sender).condition == SHUTDOWN
    assert end_of(other) is None


# -- the loss of the connection ----------------------------------------------------------------------------------------


def lose(peer):
    peer.transport.close_tail()
    peer.transport.close_head()


@pytest.mark.parametrize("unbound", [False, True], ids=["bound", "unbound"])
def test_lost_connection_without_a_policy_has_ended(unbound):
    a, _, sender, _ = linked()
    lose(a)
    if unbound:
        a.transport.unbind()
    end = end_of(sender)
    assert (end.endpoint, end.condition.name, end.by_peer) == (a.connection, "amqp:connection:framing-error", False)


@pytest.mark.parametrize("unbound", [False, True], ids=["bound", "unbound"])
def test_lost_connection_that_will_be_made_again_has_not_ended(unbound):
    a, _, sender, _ = linked()
    policy = endpoint_state(a.connection).shared.reconnect = Policy()
    lose(a)
    if unbound:
        a.transport.unbind()
    assert end_of(sender) is None
    policy.finished = True
    assert end_of(sender).endpoint is a.connection


def test_connection_that_was_made_again_has_not_ended():
    a, _, sender, _ = linked()
    lose(a)
    a = a.rebind()
    assert end_of(sender) is None
    b = Peer("server", Transport.SERVER).bind()
    b.connection.open()
    pump(a, b)
    assert end_of(sender) is None


@pytest.mark.parametrize("kind", ["session", "connection"])
def test_end_that_can_pass_does_not_count_while_this_end_is_open(kind):
    a, b, sender, receiver = linked()
    endpoint_state(a.connection).shared.reconnect = Policy()
    close(parties(receiver)[kind], SHUTDOWN)
    pump(a, b)
    assert end_of(sender) is None
    parties(sender)[kind].close()
    assert end_of(sender) == End(parties(sender)[kind], SHUTDOWN, True)


@pytest.mark.parametrize("kind", ["session", "connection"])
def test_end_that_cannot_pass_is_one_with_a_policy_too(kind):
    a, b, sender, receiver = linked()
    endpoint_state(a.connection).shared.reconnect = Policy()
    close(parties(receiver)[kind], STOLEN)
    pump(a, b)
    assert end_of(sender) == End(parties(sender)[kind], STOLEN, True)


def test_reason_of_a_session_stays_when_the_connection_is_lost_later():
    a, b, sender, receiver = linked()
    close(receiver.session, SHUTDOWN)
    pump(a, b)
    sender.session.close()
    lose(a)
    a.transport.unbind()
    assert end_of(sender) == End(sender.session, SHUTDOWN, True)


def test_link_that_is_recovered_has_not_ended():
    a, b, sender, _ = linked()
    sender.detach()
    pump(a, b)
    assert end_of(sender).endpoint is sender
    again = sender.session.sender(sender.name)
    again.recover(sender)
    again.open()
    assert end_of(again) is None


def test_peers_detach_is_told_once():
    a, b = connected()
    session = a.connection.session()
    session.open()
    link = session.sender("L")
    link.open()
    pump(a, b)
    a.events()
    for other in b.connection.sessions():
        other.open()
    for other in b.connection.links():
        other.open()
        other.detach()
    pump(a, b)
    assert a.events().split().count(Event.LINK_REMOTE_DETACH.name[3:]) == 1
    assert end_of(link) == End(link, None, True)
