"""Each end of a link or session is told to a `MessagingHandler` once, and is answered, whatever ended it.

The peer is a script: its frames come in one read or in several, and the frames of the handler's end are looked at.
"""

from types import SimpleNamespace

import pytest

from proton import Endpoint, Event
from tests.support.engines import Script, frame
from tests.support.scripted import BEGIN, ERROR, SCOPES, STOLEN, Own, Recorder, Scene, dispatch_all

# What the peer sends; what is told; what is answered.
DETACHES = {
    "closed": ({"closed": True}, "link_closing link_closed", ["detach closed"]),
    "closed, error": ({"closed": True, **ERROR}, "link_error link_closed", ["detach closed"]),
    "error": (ERROR, "link_error link_closed", ["detach closed"]),
    "plain": ({}, "link_closing link_closed", ["detach"]),
}


@pytest.mark.parametrize("we_attach", [True, False], ids=["we attach", "the peer attaches"])
@pytest.mark.parametrize("role", ["sender", "receiver"])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("case", DETACHES)
def test_detach_by_the_peer(case, scope, role, we_attach):
    fields, told, answer = DETACHES[case]
    scene = Scene(Recorder(), scope, role, we_attach)
    scene.script.send("detach", handle=0, **fields)
    assert scene.turn() == answer
    assert scene.told() == told
    assert scene.turn() == [] and scene.told() == ""
    assert scene.link.state & Endpoint.LOCAL_CLOSED
    assert scene.link.remote_condition == (STOLEN if "error" in fields else None)


@pytest.mark.parametrize("case", DETACHES)
def test_attach_and_detach_in_one_read(case):
    fields, told, answer = DETACHES[case]
    scene = Scene(Recorder())
    attach = frame(0, "attach", name="M", handle=1, role=True)
    scene.script.raw(attach + frame(0, "detach", handle=1, **fields))
    assert scene.turn() == ["attach", *answer]
    assert scene.told() == f"link_opening {told}"


@pytest.mark.parametrize("case", DETACHES)
def test_link_that_the_program_closes_before_it_hears_of_the_detach(case):
    """A message and the detach in one read; the callback for the first closes the link."""
    fields, told, _ = DETACHES[case]
    scene = Scene(Recorder(), role="receiver")
    scene.handler.on_message = lambda event: event.link.close()
    transfer = frame(0, "transfer", b"\x00\x53\x77\x41", handle=0, delivery_id=0, delivery_tag=b"t", message_format=0)
    scene.script.raw(transfer + frame(0, "detach", handle=0, **fields))
    assert scene.turn()[-1].startswith("detach")
    assert scene.told() == told


@pytest.mark.parametrize("case", DETACHES)
@pytest.mark.parametrize("scope", SCOPES)
def test_answer_to_our_close(case, scope):
    """RabbitMQ before 4.0 answers a close with a detach that is not closed."""
    fields, told, _ = DETACHES[case]
    scene = Scene(Recorder(), scope)
    scene.link.close()
    assert scene.turn() == ["detach closed"] and scene.told() == ""
    scene.script.send("detach", handle=0, **fields)
    assert scene.turn() == []
    assert scene.told() == told.replace("link_closing ", "")


@pytest.mark.parametrize("case", DETACHES)
def test_answer_to_our_detach(case):
    fields, told, _ = DETACHES[case]
    scene = Scene(Recorder())
    scene.link.detach()
    assert scene.turn() == ["detach"] and scene.told() == ""
    scene.script.send("detach", handle=0, **fields)
    assert scene.turn() == []
    assert scene.told() == told.replace("link_closing ", "")


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("fields", [{}, ERROR], ids=["plain", "error"])
def test_program_with_its_own_method_decides_on_a_detach(scope, fields):
    scene = Scene(Own(), scope)
    scene.script.send("detach", handle=0, **fields)
    assert (scene.turn(), scene.told()) == ([], "own")
    assert scene.link.state & Endpoint.LOCAL_ACTIVE
    scene.link.detach()
    assert (scene.turn(), scene.told()) == (["detach"], "")


@pytest.mark.parametrize("child", [Own, lambda notes: SimpleNamespace(on_link_remote_detach=lambda event: None)])
def test_method_of_another_handler_of_the_scope_decides_too(child):
    handler = Recorder()
    handler.add(child(handler.notes))
    scene = Scene(handler)
    scene.script.send("detach", handle=0)
    assert scene.turn() == []
    assert "closed" not in scene.told()


def test_handlers_of_one_scope_hear_the_same():
    first = Recorder()
    first.add(Recorder(first.notes))
    scene = Scene(first)
    scene.script.send("detach", handle=0)
    assert scene.turn() == ["detach"]
    assert scene.told() == "link_closing link_closing link_closed link_closed"


# -- crossing detaches (2.6.6) -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("one_read", [True, False])
@pytest.mark.parametrize("ours_first", [True, False])
def test_attach_that_closes_a_link_whose_detaches_crossed_is_not_seen(ours_first, one_read):
    """Our closing detach and a plain one of the peer have crossed: it attaches again to close the link."""
    scene = Scene(Recorder())
    if ours_first:
        scene.link.close()
        assert scene.turn() == ["detach closed"]
        scene.script.send("detach", handle=0)
    else:
        scene.script.send("detach", handle=0, **ERROR)
    scene.turn(), scene.told()
    attach = frame(0, "attach", name="L", handle=3, role=True)
    detach = frame(0, "detach", handle=3, closed=True)
    if one_read:
        scene.script.raw(attach + detach)
        wrote = scene.turn()
    else:
        scene.script.raw(attach)
        wrote = scene.turn()
        scene.script.raw(detach)
        wrote += scene.turn()
    assert wrote == ["attach null", "detach closed"]
    assert scene.told() == ""
    scene.script.raw(attach)
    scene.turn()
    assert scene.told().startswith("link_opening"), "the next attach of the name is a new link"


def test_no_more_crossed_links_than_a_bound_are_remembered():
    scene = Scene(Recorder())
    links = [scene.session.sender(f"L{number}") for number in range(100)]
    for number, link in enumerate(links, 1):
        link.open()
        scene.script.received()
        scene.script.send("attach", name=link.name, handle=number, role=True)
        link.close()
        scene.script.received()
        scene.script.send("detach", handle=number)
    scene.turn(), scene.told()
    scene.script.send("attach", name="L0", handle=1, role=True)
    scene.script.send("attach", name="L99", handle=2, role=True)
    scene.turn()
    assert scene.told().split().count("link_opening") == 1
    assert scene.session.transport.condition is None


# -- sessions ----------------------------------------------------------------------------------------------------------

ENDINGS = {"end": ({}, "session_closing"), "end, error": (ERROR, "session_error")}


@pytest.mark.parametrize("role", ["sender", "receiver"])
@pytest.mark.parametrize("scope", ["session", "connection"])
@pytest.mark.parametrize("case", ENDINGS)
def test_end_by_the_peer(case, scope, role):
    fields, told = ENDINGS[case]
    scene = Scene(Recorder(), scope, role)
    scene.script.send("end", **fields)
    assert scene.turn() == ["end"]
    assert scene.told() == f"{told} session_closed link_closed"
    assert scene.turn() == [] and scene.told() == ""


@pytest.mark.parametrize("case", ENDINGS)
def test_link_with_a_handler_of_its_own_hears_of_the_end_of_its_session(case):
    fields, told = ENDINGS[case]
    scene = Scene(Recorder())
    of_link = Recorder()
    scene.link.handler = of_link
    scene.script.send("end", **fields)
    assert scene.turn() == ["end"]
    assert scene.told() == f"{told} session_closed"
    assert of_link.notes == ["on_link_closed"]


@pytest.mark.parametrize("case", ENDINGS)
@pytest.mark.parametrize("reads", [1, 2])
def test_end_before_any_attach_was_answered(case, reads):
    """RabbitMQ 4.0 refuses links so; also in one read with the begin."""
    fields, told = ENDINGS[case]
    script = Script().opened()
    link = script.connection.session().sender("L")
    link.session.open()
    link.open()
    script.received(), script.peer.events()
    script.connection.handler = handler = Recorder()
    frames = [frame(0, "begin", remote_channel=0, **BEGIN), frame(0, "end", **fields)]
    for data in frames if reads == 2 else [b"".join(frames)]:
        script.raw(data)
        dispatch_all(script.peer.collector)
    assert [part.name for part in script.received()] == ["end"]
    assert [name[3:] for name in handler.notes] == ["session_opened", told, "session_closed", "link_closed"]


@pytest.mark.parametrize("case", ENDINGS)
def test_session_that_the_peer_begins_and_ends_in_one_read(case):
    fields, told = ENDINGS[case]
    scene = Scene(Recorder())
    attach = frame(5, "attach", name="M", handle=0, role=True)
    scene.script.raw(frame(5, "begin", **BEGIN) + attach + frame(5, "end", **fields))
    scene.turn()
    assert scene.told() == f"session_opening link_opening {told} session_closed link_closed"


@pytest.mark.parametrize("case", ENDINGS)
@pytest.mark.parametrize("first", ["link", "session", "both"])
def test_end_after_our_close(case, first):
    """The link waits for the answer to its detach, which cannot come any more."""
    fields, told = ENDINGS[case]
    scene = Scene(Recorder())
    for kind in SCOPES[:2] if first == "both" else [first]:
        getattr(scene, kind).close()
    scene.turn()
    assert scene.told() == ""
    scene.script.send("end", **fields)
    scene.turn()
    if first != "link":
        told = told.replace("session_closing", "")
    assert scene.told() == f"{told} session_closed link_closed".strip()


def test_links_of_other_sessions_go_on():
    scene = Scene(Recorder())
    other = scene.script.connection.session()
    other.open()
    scene.script.received()
    scene.script.send("begin", channel=1, remote_channel=1, **BEGIN)
    scene.turn(), scene.told()
    scene.script.send("end", channel=1, **ERROR)
    assert scene.turn() == ["end"]
    assert scene.told() == "session_error session_closed"
    assert scene.link.state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE


def test_an_end_is_not_a_remote_close_for_raw_events():
    """The states of the links stay as they are when the peer ends their session (the C binding does the same)."""
    scene = Scene(SimpleNamespace())
    scene.script.send("end")
    names = scene.script.peer.events().split()
    assert Event.LINK_REMOTE_CLOSE.name[3:] not in names
    assert scene.link.state == Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
