"""Dispositions of every state with everything they can carry, from either end.

The frames, and what the other end reads.
"""

from __future__ import annotations

from engines import describe_condition, linked, plain, pump, send, show, state_name

from proton import Condition, Delivery, symbol, ulong


def prepare(delivery, state, fields):
    for name, value in fields.items():
        setattr(delivery.local, name, value)
    delivery.update(state)


CASES = [
    (Delivery.ACCEPTED, {}),
    (Delivery.RELEASED, {}),
    (Delivery.RECEIVED, {}),
    (Delivery.RECEIVED, {"section_number": 5, "section_offset": 2**40}),
    (Delivery.REJECTED, {}),
    (Delivery.REJECTED, {"condition": Condition("x:bad", "reason", {symbol("k"): ulong(1)})}),
    (Delivery.REJECTED, {"condition": Condition("x:short")}),
    (Delivery.MODIFIED, {}),
    (Delivery.MODIFIED, {"failed": True}),
    (Delivery.MODIFIED, {"undeliverable": True}),
    (Delivery.MODIFIED, {"failed": True, "undeliverable": True, "annotations": {symbol("n"): 1}}),
    (0x34, {"data": [b"txn", None]}),
    (0x1234, {}),
    (0x1234, {"data": ["a", 1]}),
]
for state, fields in CASES:
    for settle in (False, True):
        a, b, sender, receiver = linked(credit=2, trace=True)
        theirs = send(sender, "d")
        pump(a, b)
        a.forget(), b.forget()
        mine = receiver.current
        prepare(mine, state, fields)
        print("==", state_name(state), sorted(fields), settle, state_name(mine.local_state))
        if settle:
            mine.settle()
        pump(a, b)
        show("", a, b)
        remote = theirs.remote
        print(
            state_name(remote.type), remote.section_number, remote.section_offset, remote.failed, remote.undeliverable
        )
        print(plain(remote.data), plain(remote.annotations), describe_condition(remote.condition))
a, b, sender, receiver = linked(credit=2, trace=True)
print(state_name(send(sender, "d").remote.type))
pump(a, b)
mine = receiver.current
for wrong in (None, "x", -1, 2**64):
    try:
        mine.update(wrong)
        print("taken", wrong)
    except Exception as error:
        print(repr(wrong), type(error).__name__)
for name in ["RECEIVED", "ACCEPTED", "REJECTED", "RELEASED", "MODIFIED"]:
    print(
        name,
        int(getattr(Delivery, name)),
        getattr(Delivery, name).name,
        getattr(Delivery, name) == getattr(Delivery, name),
    )
print(mine.local.failed, mine.local.section_number, mine.local.data, mine.local.annotations, mine.local.condition)
mine.local.section_number = 7
mine.local.failed = True
print(mine.local.failed, mine.local.section_number)
