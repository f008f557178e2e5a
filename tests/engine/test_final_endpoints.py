"""A session or link that is final takes every operation as a closed one does: its state no longer leads to it."""

from __future__ import annotations

import contextlib
import inspect
import warnings

import pytest

from proton import Message, ProtonException, Receiver, Sender, Session
from proton.endpoints.endpoint import endpoint_state
from tests.support.engines import linked, pump

ARGUMENTS = {
    "delivery": ("t",),
    "drain": (3,),
    "flow": (3,),
    "offered": (1,),
    "receiver": ("n",),
    "recv": (10,),
    "send": (Message(body=1),),
    "send_stream": ([b"a"],),
    "sender": ("n",),
    "stream": (b"x",),
}
KINDS = {"sender": Sender, "receiver": Receiver, "session": Session}


def operations():
    for kind, cls in KINDS.items():
        for name in dir(cls):
            if not name.startswith("_") and inspect.isfunction(getattr(cls, name)):
                yield kind, name


def final(kind, freed):
    a, b, sender, receiver = linked()
    endpoint = {"sender": sender, "receiver": receiver, "session": sender.session}[kind]
    sender.close()
    receiver.close()
    if kind == "session":
        sender.session.close()
        receiver.session.close()
    pump(a, b)
    for ended in [sender, endpoint] if kind == "session" else [endpoint]:
        if freed:
            ended.free()
        else:
            endpoint_state(ended).retire()
    pump(a, b)
    assert endpoint_state(endpoint).endpoint is None
    return a, b, endpoint


@pytest.mark.parametrize("freed", [False, True], ids=["retired", "freed"])
@pytest.mark.parametrize(("kind", "name"), list(operations()))
def test_an_operation_of_a_final_endpoint_is_one_of_a_closed_endpoint(kind, name, freed):
    a, b, endpoint = final(kind, freed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what has no effect
        # What a closed one raises, and a TypeError where the operation takes other arguments.
        with contextlib.suppress(ProtonException, TypeError):
            getattr(endpoint, name)(*ARGUMENTS.get(name, ()))
    pump(a, b)
    assert a.transport.condition is None
    assert b.transport.condition is None
