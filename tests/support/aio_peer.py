"""A server in the loop of the test that does harm: it keeps what comes, ends what is open, in order or not."""

from __future__ import annotations

import asyncio
import contextlib

from proton import Condition, DeclaredDisposition, Terminus
from proton.asyncio import Sender
from proton.asyncio.opening import core_of
from tests.support.aio import Server, serving

FORCED = Condition("amqp:connection:forced", "stopped")
#: delays between attempts: none, then short ones without end
QUICK = [0.0] + [0.01] * 500


async def until(ready):
    """Lets the loop turn until something is so; `run` bounds it."""
    while not ready():
        await asyncio.sleep(0)


async def held(server, *sends):
    """Tasks for sends whose messages have come, and get no outcome."""
    server.holds = True
    tasks = [asyncio.ensure_future(send) for send in sends]
    await until(lambda: len(server.taken) == len(sends))
    return tasks


class Peer(Server):
    """Accepts all links. What it is sent is in `taken`, as pairs of a message and its delivery, accepted or not."""

    def __init__(self, listener, prefetch):
        super().__init__(listener)
        self.prefetch = prefetch
        self.holds = False  # what comes stays unsettled
        self.is_silent = False  # links are not answered
        self.refused = None  # a condition, for links
        self.refusals = 0
        self.taken = []
        self.declared = 0
        self.discharged = []

    @property
    def bodies(self):
        return [message.body for message, _ in self.taken]

    @property
    def link(self):
        return self.links[-1]

    @property
    def connection(self):
        return self.connections[-1]

    async def serve_connection(self, connection):
        async for request in connection.incoming():
            if self.is_silent:
                continue
            if self.refused is not None:
                self.refusals += 1
                request.refuse(self.refused)
                continue
            address = f"made-{len(self.links)}" if request.is_dynamic else request.address
            link = request.accept(address, prefetch=self.prefetch)
            self.links.append(link)
            if not isinstance(link, Sender):
                self.start(self.take(link))

    async def take(self, receiver):
        with contextlib.suppress(Exception):
            async for message, delivery in receiver:
                if receiver.engine_link.remote_target.type == Terminus.COORDINATOR:
                    self.coordinate(message.body, delivery)
                    continue
                self.taken.append((message, delivery))
                if not self.holds:
                    delivery.accept()

    def coordinate(self, body, delivery):
        """Declares at once; a discharge is kept where `holds` is set, and has no answer."""
        if body.descriptor == "amqp:declare:list":
            self.declared += 1
            delivery.settle(DeclaredDisposition(b"%d" % self.declared))
        elif not self.holds:
            self.discharged.append(body.value)
            delivery.accept()

    def end_session(self, condition=None):
        """Ends the session of the latest link."""
        session = self.link.engine_link.session
        session.condition = condition
        session.close()
        core_of(self.connection).host.turn()

    def kill(self):
        """Drops the latest connection without a word."""
        core_of(self.connection).host.stop()

    def stop(self):
        """Closes it as a broker does that is stopped."""
        self.start(self.connection.close(FORCED))

    def end(self, name):
        """Ends the latest connection: "kill" or "stop"."""
        getattr(self, name)()


def peer(prefetch=100, port=0, **options):
    """A `Peer` on a free port, or on one that was."""
    return serving(Peer, prefetch, port=port, **options)
