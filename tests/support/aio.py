"""asyncio for tests: `run` fails for whatever a program leaves behind, `broker` is queues in the same loop."""

from __future__ import annotations

import asyncio
import contextlib
import warnings

from proton.asyncio import Receiver, Rejected, Undeliverable, serve
from tests.support.aio_loops import new_loop
from tests.support.references import collect, descriptors, open_descriptors

SECONDS = 20.0


def run(main, *args, loop_factory=new_loop, debug=True, seconds=SECONDS):
    """The result of a coroutine function; nothing may be left: tasks, descriptors, complaints of the loop, warnings."""
    complaints = []
    before = descriptors()
    loop = loop_factory()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop.set_debug(debug)
        loop.slow_callback_duration = seconds
        loop.set_exception_handler(lambda _, context: complaints.append(context))
        try:
            result = loop.run_until_complete(asyncio.wait_for(main(*args), seconds))
            left = asyncio.all_tasks(loop)
        finally:
            loop.close()
        collect()
    assert complaints == [], complaints
    assert left == set(), left
    texts = [str(each.message) for each in caught]
    assert texts == [], texts
    assert open_descriptors() <= before
    return result


class Server:
    """The base of servers in the loop of a test: each connection and each link has a task, and all end with it."""

    def __init__(self, listener):
        self.listener = listener
        self.port = listener.port
        self.url = f"127.0.0.1:{listener.port}"
        self.links = []
        self.connections = []
        self.tasks = set()

    def start(self, coroutine):
        task = asyncio.ensure_future(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def serve(self):
        async for connection in self.listener:
            self.connections.append(connection)
            self.start(self.serve_connection(connection))

    async def serve_connection(self, connection):
        """Answers the links that a client asks for."""
        raise NotImplementedError

    async def finish(self):
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def serving(make, *arguments, port=0, **options):
    """A `Server` of this class on a free port, or on one that was.

    :param options: those of `serve`.
    """
    async with serve(f"127.0.0.1:{port}", **options) as listener:
        made = make(listener, *arguments)
        made.start(made.serve())
        try:
            yield made
        finally:
            await made.finish()


class Broker(Server):
    """Queues by address, made when they are named. The body "bad" is rejected; addresses with "missing" are refused."""

    def __init__(self, listener):
        super().__init__(listener)
        self.queues = {}
        self.received = 0
        self.made = 0

    async def serve_connection(self, connection):
        async for request in connection.incoming():
            if request.address and "missing" in request.address:
                request.refuse("amqp:not-found", f"no queue {request.address}")
                continue
            address = request.address
            if request.is_dynamic:
                self.made += 1
                address = f"made-{self.made}"
            link = request.accept(address)
            self.links.append(link)
            self.start(self.take(link) if isinstance(link, Receiver) else self.give(link))

    def queue(self, address):
        return self.queues.setdefault(address, asyncio.Queue())

    async def take(self, receiver):
        with contextlib.suppress(Exception):
            async for message, delivery in receiver:
                self.received += 1
                if message.body == "bad":
                    delivery.reject("app:bad", "a bad one")
                elif message.body != "held":
                    self.queue(message.address or receiver.address).put_nowait(message)
                    delivery.accept()

    async def give(self, sender):
        queue = self.queue(sender.address)
        with contextlib.suppress(Exception):
            while True:
                message = await queue.get()
                try:
                    await sender.send(message)
                except Rejected:
                    continue
                except Undeliverable:
                    queue.put_nowait(message)
                except BaseException:
                    queue.put_nowait(message)
                    raise


def broker(**options):
    """A `Broker` on a free port."""
    return serving(Broker, **options)
