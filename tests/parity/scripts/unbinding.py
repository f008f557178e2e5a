"""The order of FINAL events when a connection with sessions and links is freed and unbound, in both orders.

Letters are sessions, or the links of one: `m` begun by this end alone, `M` answered by the peer, `t` begun by the peer
alone, `T` answered by this end.
"""

from __future__ import annotations

import itertools

from engines import connected, pump

from proton import Endpoint

FRESH = Endpoint.LOCAL_UNINIT | Endpoint.REMOTE_ACTIVE


def newest(first):
    found = None
    while first is not None:
        found, first = first, first.next(FRESH)
    return found


class World:
    """Two engines; `events` of the first name its sessions by what `begin` was given."""

    def __init__(self):
        self.a, self.b = connected()
        self.sessions = []  # of both ends: name, ours, theirs
        self.links = []

    def begin(self, kind, name):
        here, there = (self.a, self.b) if kind in "mM" else (self.b, self.a)
        session = here.connection.session()
        session.open()
        pump(self.a, self.b)
        other = newest(there.connection.session_head(FRESH))
        if kind in "MT":
            other.open()
            pump(self.a, self.b)
        self.sessions.append((name, session, other) if kind in "mM" else (name, other, session))
        return session, other

    def attach(self, kind, session, name):
        here, there = (self.a, self.b) if kind in "mM" else (self.b, self.a)
        link = session.sender(name)
        link.open()
        pump(self.a, self.b)
        other = newest(there.connection.link_head(FRESH))
        if kind in "MT":
            other.open()
            pump(self.a, self.b)
        self.links += [link, other]

    def show(self, title):
        shown = []
        while self.a.collector.peek():
            event = self.a.collector.peek()
            name = ""
            if event.clazz == "pn_link":
                name = " " + event.link.name
            elif event.clazz == "pn_session":
                name = " " + "".join(name for name, ours, _ in self.sessions if ours == event.session)
            shown.append(event.type.name[3:] + name)
            self.a.collector.pop()
        print(f"{title}: {', '.join(shown)}")


def of_sessions(plan):
    world = World()
    for number, kind in enumerate(plan):
        session, _ = world.begin(kind, f"{kind}{number}")
        world.attach("m" if kind in "mM" else "t", session, f"{kind}{number}x")
        world.attach("m" if kind in "mM" else "t", session, f"{kind}{number}y")
    world.a.forget()
    return world


def of_links(plan, kind):
    world = World()
    for number in range(2):
        session, other = world.begin(kind, f"{kind}{number}")
        ours, theirs = (session, other) if kind == "M" else (other, session)
        for place, letter in enumerate(plan):
            world.attach(letter, ours if letter in "mM" else theirs, f"{letter}{number}{place}")
    world.a.forget()
    return world


def free_and_unbind(world):
    world.a.connection.free()
    world.show("free")
    world.a.transport.unbind()
    world.show("unbind")


for plan in ["".join(letters) for size in (1, 2) for letters in itertools.product("mMtT", repeat=size)] + [
    "mMtT",
    "TtMm",
    "tmTM",
]:
    print(f"-- sessions {plan}")
    free_and_unbind(of_sessions(plan))
    world = of_sessions(plan)
    world.a.transport.unbind()
    world.show("unbind")
    world.a.connection.free()
    world.show("free")
    world = of_sessions(plan)
    for _, ours, _ in world.sessions:
        ours.free()
    world.show("sessions free")
    world.a.transport.unbind()
    world.show("unbind")
for kind in "MT":
    for plan in ("m", "M", "t", "T", "mt", "tm", "Mt", "tM", "Mm", "TmMt", "tMmT"):
        print(f"-- links {plan} of sessions {kind}")
        free_and_unbind(of_links(plan, kind))
