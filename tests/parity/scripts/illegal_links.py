"""Frames that break the rules of a session or of a link.

The reference closes the connection on each; by the decisions ours ends the session or detaches the link.
"""

from __future__ import annotations

from engines import ATTACH, BEGIN, DETACH, DISPOSITION, END, FLOW, OPEN, TRANSFER, Wire

from proton import ubyte, uint

ATTACHED = ("L", uint(0), False, ubyte(0), ubyte(0), None, None, None, None, uint(0))


def wire(credit=5, capacity=0):
    made = Wire()
    made.connection.open()
    made.frame(OPEN, "x")
    made.frame(BEGIN, None, uint(0), uint(100), uint(100))
    made.connection.session_head(0).incoming_capacity = capacity
    made.connection.session_head(0).open()
    made.frame(ATTACH, *ATTACHED)
    link = made.connection.link_head(0)
    link.open()
    link.flow(credit)
    made.flush()
    made.peer.forget()
    return made


def transfer(number, tag=b"t", **fields):
    handle, more, settled = fields.get("handle", 0), fields.get("more"), fields.get("settled")
    identity = None if number is None else uint(number)
    return TRANSFER, uint(handle), identity, tag, uint(0), settled, more


CASES = {
    "transfer with an unknown handle": [transfer(0, handle=9)],
    "flow with an unknown handle": [(FLOW, uint(0), uint(9), uint(0), uint(9), uint(9), uint(0), uint(1))],
    "detach with an unknown handle": [(DETACH, uint(9), True)],
    "first transfer without id": [transfer(None)],
    "a gap in the ids": [transfer(0), transfer(2)],
    "the same id again": [transfer(0), transfer(0)],
    "continuation with another id": [transfer(0, more=True), transfer(1)],
    "continuation without an id": [transfer(0, more=True), transfer(None, None)],
    "continuation unsettled after settled": [transfer(0, more=True, settled=True), transfer(0, settled=False)],
    "a link name attached twice": [(ATTACH, "L", uint(1), False, ubyte(0), ubyte(0), None, None, None, None, uint(0))],
    "a handle above the limit": [
        (ATTACH, "M", uint(2**31), False, ubyte(0), ubyte(0), None, None, None, None, uint(0))
    ],
    "last before first": [(DISPOSITION, True, uint(5), uint(3))],
    "disposition for unknown ids": [(DISPOSITION, True, uint(5), uint(9), True), (DISPOSITION, False, uint(0))],
    "more transfers than credit": [transfer(number) for number in range(7)],
    "end": [(END,)],
    "detach, then transfer": [(DETACH, uint(0), True), transfer(0)],
}
for title, frames in CASES.items():
    made = wire()
    for fields in frames:
        made.frame(*fields, payload=b"p" if fields[0] == TRANSFER else b"")
    made.show(title)
made = wire(capacity=65536)
for number in range(4):
    made.frame(*transfer(number), payload=b"p")
made.show("more transfers than the window")
