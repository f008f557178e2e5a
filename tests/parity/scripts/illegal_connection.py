"""Frames that a peer must not send, of the connection itself: sizes, types, open, close, unknown performatives.

Condition names are compared, texts are not.
"""

from __future__ import annotations

from engines import AMQP, BEGIN, CLOSE, OPEN, Wire, frame

from proton import symbol, uint, ulong, ushort

CASES = {
    "size below 8": bytes.fromhex("0000000702000000"),
    "offset below 2": bytes.fromhex("0000000801000000"),
    "offset beyond": bytes.fromhex("0000000803000000"),
    "too large": bytes.fromhex("0001000102000000"),
    "empty frames": bytes.fromhex("00000008020000000000000802000005"),
    "extended header": bytes.fromhex("0000000c0300000000000000"),
    "begin before open": frame(BEGIN, None, uint(0), uint(10), uint(10)),
    "close before open": frame(CLOSE),
    "open on channel 5": frame(OPEN, "x", channel=5),
    "open without fields": frame(OPEN),
    "open with more": frame(OPEN, "x", None, None, None, None, None, None, None, None, None, "extra", 5),
    "begin for an unknown channel": frame(OPEN, "x") + frame(BEGIN, ushort(7), uint(0), uint(10), uint(10)),
    "begin above channel-max": frame(OPEN, "x") + frame(BEGIN, None, uint(0), uint(1), uint(1), channel=40000),
    "flow on an unknown channel": frame(OPEN, "x") + frame(19, None, uint(1), uint(0), uint(1)),
    "attach on an unknown channel": frame(OPEN, "x") + frame(18, "L", uint(0), True),
    "transfer on an unknown channel": frame(OPEN, "x") + frame(20, uint(0)),
    "disposition on an unknown channel": frame(OPEN, "x") + frame(21, True, uint(0)),
    "detach on an unknown channel": frame(OPEN, "x") + frame(22, uint(0)),
    "end on an unknown channel": frame(OPEN, "x") + frame(23),
    "close": frame(OPEN, "x") + frame(CLOSE),
    "frame after close": frame(OPEN, "x") + frame(CLOSE) + frame(BEGIN, None, uint(0), uint(1), uint(1)),
    "unknown performative": frame(OPEN, "x") + frame(0x99, "x"),
    "unknown type": bytes.fromhex("0000000802070000") + frame(OPEN, "x"),
}
for title, octets in CASES.items():
    wire = Wire()
    wire.connection.open()
    wire.flush()
    wire.push(octets)
    wire.show(title)
    if wire.transport.capacity() >= 0:
        wire.transport.close_tail()
        wire.show("end of input")
    print(wire.connection.state, wire.connection.remote_container)
wire = Wire()
wire.connection.open()
wire.frame(OPEN, "first", None, uint(5000), ushort(9))
wire.flush()
wire.frame(OPEN, "second", symbol("host"), uint(100), ulong(4))
wire.show("opened twice")
wire = Wire(header=False)
wire.push(AMQP + frame(OPEN, "x") + frame(CLOSE))
wire.show("never opened by us")
wire.connection.close()
wire.show("closed by us")
