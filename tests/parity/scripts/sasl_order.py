"""One end of a SASL exchange in steps: what each push, question for output and pop brings, and when a failure shows."""

from __future__ import annotations

import struct

from engines import AMQP, Peer, encoded
from security import RESPONSE

from proton import UNDESCRIBED, Array, Data, Described, Transport, symbol, ubyte, ulong

SASL = b"AMQP\x03\x01\x00\x00"


def sasl_frame(code, *fields):
    body = encoded(Described(ulong(code), list(fields)))
    return struct.pack(">IBBH", len(body) + 8, 2, 1, 0) + body


def offer(*names):
    return sasl_frame(0x40, Array(UNDESCRIBED, Data.SYMBOL, *map(symbol, names)))


def init(name, response=b"x"):
    return sasl_frame(0x41, symbol(name), response)


def outcome(code):
    return sasl_frame(0x44, ubyte(code))


class End(Peer):
    def say(self, title):
        print(f"- {title}: input {'open' if self.transport.capacity() >= 0 else 'over'}")
        for line in self.frames:
            print(f"  | {RESPONSE.sub('response=...', line)}")
        self.frames.clear()
        for line in self.events():
            print(f"  {line}")
        condition = self.transport.condition
        if condition is not None and self.transport.capacity() < 0:
            print(f"  {condition.name}")

    def push(self, octets):
        self.transport.push(octets)
        self.say("pushed")

    def ask(self):
        pending = self.transport.pending()
        # How long an open is, is not what this is about.
        self.say(f"asked {pending if pending <= 16 else 'many'}")
        if pending > 0:
            self.transport.pop(pending)
            self.say("popped")


def run(title, mode, *steps, mechs=None):
    print(f"-- {title}")
    end = End("A", mode, trace=True, texts=False)
    end.transport.sasl().allowed_mechs(mechs)
    end.bind().opened("a")
    end.forget()
    for octets in steps:
        if octets is None:
            end.ask()
        else:
            end.push(octets)
    for _ in range(2):
        end.ask()
    print(f"  outcome={end.transport.sasl().outcome} mech={end.transport.sasl().mech}")


S = Transport.SERVER
run("server, let in", S, SASL, None, init("ANONYMOUS"), None, AMQP)
run("server, let in at once", S, SASL + init("ANONYMOUS") + AMQP)
for response in (None, b"", b"x"):
    run(f"server, ANONYMOUS with {response!r}", S, SASL + init("ANONYMOUS", response))
for name in ("X", "anonymous", "PLAIN", "EXTERNAL"):
    run(f"server, {name}", S, SASL, None, init(name))
    run(f"server, {name} at once", S, SASL + init(name))
run("server, not allowed", S, SASL + init("ANONYMOUS"), mechs="EXTERNAL")
run("server, refused, more comes", S, SASL + init("X"), AMQP)

run("client, let in", None, None, SASL, None, offer("ANONYMOUS"), None, outcome(0))
run("client, not asked before the offer", None, SASL + offer("ANONYMOUS"), None, outcome(0))
run("client, not asked before the outcome", None, SASL + offer("ANONYMOUS") + outcome(0))
run("client, not asked at all", None, SASL, offer("ANONYMOUS"), outcome(0), AMQP)
run("client, nothing in common", None, None, SASL + offer("X"))
run("client, nothing in common, not asked", None, SASL + offer("X"))
run("client, nothing offered", None, None, SASL + offer())
for code in (1, 2, 3, 4):
    run(f"client, outcome {code}", None, None, SASL + offer("ANONYMOUS"), None, outcome(code))
run("client, refused, not asked", None, SASL + offer("ANONYMOUS") + outcome(1))
run("client, refused, asked once", None, None, SASL + offer("ANONYMOUS") + outcome(1))
