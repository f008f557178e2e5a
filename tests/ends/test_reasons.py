"""A reason that is too long for the peer's frames is cut, and costs no connection (2.8.19, 2.8.14)."""

import pytest

from proton import Condition, Message
from tests.support.engines import frame
from tests.support.stage import Stage, joined

LONG = Condition("x:y", "ä" * 100_000, {"more": "z" * 100_000})


def endpoint_of(stage, link, kind):
    return {"close": stage.connection, "end": link.session, "detach": link}[kind]


@pytest.mark.parametrize("kind", ["close", "end", "detach"])
@pytest.mark.parametrize("most", [512, 4096, None])
@pytest.mark.parametrize(
    "reason",
    [
        LONG,
        Condition("x:y", "d" * 5000),
        Condition("x:y", None, {"more": "z" * 100_000}),
        Condition("x:y", "short", {"more": "z" * 100_000}),
        Condition("x:y", "\U0001f600" * 200),
    ],
    ids=["both", "description", "info", "info behind a short description", "four bytes each"],
)
def test_a_reason_is_cut_to_the_peers_frames(kind, most, reason):
    """The condition's name is kept, the description shortened, the info left out; the connection goes on."""
    stage = Stage().open(max_frame_size=most)
    with stage:
        link = stage.attach()
        endpoint = endpoint_of(stage, link, kind)
        endpoint.condition = reason
        endpoint.close()
        stage.settle()
        (last,) = stage.written()
        assert last.name == kind
        name, description = (last["error"].value + [None])[:2]
        assert name == "x:y"
        if reason.description and most == 512:
            shown = (description or "").rstrip(".")
            assert shown and reason.description.startswith(shown)
        assert not {"transport_error", "disconnected"} & set(stage.told())


def test_a_short_reason_is_sent_whole():
    stage, link = joined()
    with stage:
        link.condition = Condition("x:y", "why", {"more": "facts"})
        link.close()
        stage.settle()
        (detach,) = stage.written()
        name, description, info = detach["error"].value
        assert (name, description, info) == ("x:y", "why", {"more": "facts"})


@pytest.mark.parametrize("most", [512, None])
def test_the_reason_of_a_rejection_is_cut_too(most):
    def reject(event):
        event.delivery.local.condition = LONG
        event.delivery.update(event.delivery.REJECTED)
        event.delivery.settle()

    with Stage(does={"message": reject}, settings={"auto_accept": False}).open(max_frame_size=most) as stage:
        stage.attach()
        stage.send(frame(0, "transfer", Message("x").encode(), handle=0, delivery_id=0, delivery_tag=b"1"))
        (disposition,) = (part for part in stage.written() if part.name == "disposition")
        (reason,) = disposition["state"].value
        assert int(disposition["state"].descriptor) == 0x25 and reason.value[0] == "x:y"
        assert not {"transport_error", "disconnected", "link_closed"} & set(stage.told())
