"""`AsyncBroker`: the broker for tests in the event loop of the program, without a thread.

The service is the same as that of `Broker`. Each connection is a `Driver`, whose events go to the service; what it
sends on the connection of another client leaves in the next turn of that connection's pipe.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
from typing import Any, Callable

from proton import Connection, Message, Transport
from proton.asyncio.loop import Loop, Pipe
from proton.driver import Driver
from proton.io import sockets
from proton.testing.commands import (
    WAIT_TIMEOUT,
    Commanded,
    Commands,
    Settings,
    check_condition,
    check_wanted,
    condition_of,
    late,
)
from proton.testing.logs import log
from proton.testing.rules import Answer
from proton.testing.seen import Seen
from proton.testing.service import Service

__all__ = ["AsyncBroker"]


class _Client(Pipe):
    """The pipe of one client. While it is stalled no bytes move.

    :param runner: what runs the service.
    :param connection: the connection.
    """

    def __init__(self, runner: _Runner, connection: Connection, driver: Driver) -> None:
        self._runner = runner
        self._socket: Any = None
        self._is_stalled = runner.is_stalled
        super().__init__(runner.loop, driver, self._dispatch, runner.forget)
        self._connection = connection

    def _dispatch(self) -> None:
        runner = self._runner
        for event in self.driver.events():
            if not runner.has_failed:
                try:
                    event.dispatch(runner.service)
                except Exception as error:
                    runner.fail(error)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = transport
        self._runner.clients.add(self)
        super().connection_made(transport)
        if self._is_stalled:
            self._socket.pause_reading()
        if self._runner.has_failed:
            self.abort()

    def turn(self) -> None:
        if not self._is_stalled:
            super().turn()

    def stall(self) -> None:
        """Move no bytes."""
        self._is_stalled = True
        self._socket.pause_reading()

    def resume(self) -> None:
        """Go on."""
        if self._is_stalled:
            self._is_stalled = False
            self._socket.resume_reading()
            self.turn()


class _Timer:
    """A call of the loop, after which the connections have their turns."""

    def __init__(self, runner: _Runner, seconds: float, function: Callable[[], object]) -> None:
        self._runner = runner
        self._function = function
        self._handle = runner.loop.call_later(seconds, self._call)
        runner.timers.add(self)

    def _call(self) -> None:
        self._runner.timers.discard(self)
        try:
            self._function()
        except Exception as error:
            self._runner.fail(error)
        self._runner.turn()

    def cancel(self) -> None:
        """Do not call."""
        self._runner.timers.discard(self)
        self._handle.cancel()


class _Runner:
    """Runs a service in the event loop.

    :param service: the service.
    :param settings: where it listens.
    :param on_failure: called with the error of the service that ends the run.
    :raises OSError: the port is in use.
    """

    def __init__(self, service: Service, settings: Settings, on_failure: Callable[[BaseException], object]) -> None:
        self.loop = Loop()
        self.event_loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.service = service
        self.clients: set[_Client] = set()
        self.timers: set[_Timer] = set()
        self.is_stalled = False
        #: True once an error of the service has ended the run
        self.has_failed: bool = False
        self._on_failure = on_failure
        self._stop_watching: Callable[[Any], object] = _nothing
        #: done once it does not listen and all clients are gone
        self.ended = self.loop.create_future()
        self._settings = settings
        self._listeners = sockets.listen(settings.host, settings.port)
        settings.port = self._listeners[0].getsockname()[1]
        self._connecting: set[asyncio.Task[Any]] = set()  # clients that were accepted
        self._acceptors: list[asyncio.Task[Any]] = []
        self._listen()
        service.begin(self)
        log.info("listening on %s", settings.url)

    def _listen(self) -> None:
        # Not by a server of the loop: closed while a client is on its way, that of Python 3.11 leaves its socket open.
        # To cancel `sock_accept` may lose a client, too: it is for loops that cannot watch a socket, on Windows.
        loop = asyncio.get_running_loop()
        try:
            for listener in self._listeners:
                loop.add_reader(listener, self._accept, listener)
            self._stop_watching = loop.remove_reader
        except NotImplementedError:
            self._acceptors = [loop.create_task(self._serve(listener)) for listener in self._listeners]

    def _accept(self, listener: socket.socket) -> None:
        try:
            accepted = sockets.accept(listener)
        except OSError as error:  # no descriptors are left
            log.warning("cannot accept a client: %s", error)
            return
        if accepted is not None:
            self._take(accepted[0])

    async def _serve(self, listener: socket.socket) -> None:
        while True:
            accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
            self._take(accepted)

    def _take(self, accepted: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.connect_accepted_socket(self._make_client, accepted))
        self._connecting.add(task)
        task.add_done_callback(self._forget_task)

    def _forget_task(self, task: asyncio.Task[Any]) -> None:
        self._connecting.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.warning("cannot accept a client: %s", task.exception())
        self._check_end()

    def _make_client(self) -> _Client:
        connection, transport = Connection(), Transport(Transport.SERVER)
        driver = Driver(transport)
        connection.collect(driver.collector)
        if self._settings.ssl_domain is not None:
            transport.ssl(self._settings.ssl_domain)
        self._settings.options.apply(transport)
        transport.bind(connection)
        return _Client(self, connection, driver)

    def call_later(self, seconds: float, function: Callable[[], object]) -> _Timer:
        """Have a function called."""
        return _Timer(self, seconds, function)

    def stop_listening(self) -> None:
        """Accept no further clients."""
        for acceptor in self._acceptors:
            acceptor.cancel()
        for listener in self._listeners:
            self._stop_watching(listener)
        self.close_listeners()

    def close_listeners(self) -> None:
        """Close the sockets that it listens on."""
        for listener in self._listeners:
            listener.close()
        self._listeners = []

    def fail(self, error: BaseException) -> None:
        """End the run because of an error of the service."""
        self.has_failed = True
        with contextlib.suppress(Exception):  # what has failed may fail again
            self.service.kill()
        self.stop_listening()
        self._on_failure(error)
        # Not here: a connection may be in its turn.
        self.loop.call_soon(self.abort)
        self.loop.call_soon(self._check_end)

    async def wait_closed(self) -> None:
        """Wait until no task is left."""
        await asyncio.gather(*self._acceptors, return_exceptions=True)

    def forget(self, pipe: Pipe) -> None:
        """A client is gone."""
        pipe.driver.unbind()
        self.clients.discard(pipe)
        self._check_end()

    def abort(self) -> None:
        """End the connections that are left."""
        for client in list(self.clients):
            client.abort()

    def turn(self) -> None:
        """Give each connection a turn."""
        for client in list(self.clients):
            client.turn()
        self._check_end()

    def _check_end(self) -> None:
        if not self._listeners and not self.clients and not self._connecting and not self.ended.done():
            for timer in list(self.timers):
                timer.cancel()
            self.ended.set_result(None)


class AsyncBroker(Commanded):
    """A broker in the event loop of the program: what `Broker` is in a thread, with coroutines as commands.

    It is started by `async with`, or by `start`, in the loop that runs then, to which its commands belong until it is
    stopped. The parameters are those of `Broker`.

    :raises TypeError: an option with another name, or a value of another type.
    :raises ValueError: a number is out of its range.
    :raises SSLException: `ssl_domain` is not an `SSLDomain` of servers.
    """

    def _set_up(self) -> None:
        self.seen.on_change = self._wake_waits
        self._runner: _Runner | None = None
        self._waits: list[asyncio.Future[bool]] = []

    def __repr__(self) -> str:
        return f"AsyncBroker({self._settings.described!r}, {'running' if self.running else 'stopped'})"

    async def __aenter__(self) -> AsyncBroker:
        await self.start()
        return self

    async def __aexit__(self, *problem: object) -> None:
        if self.running:
            await self.stop(None)
        await self._wait_for_end()
        if problem[0] is None:
            self.seen.raise_failure()

    # -- start and stop ------------------------------------------------------------------------------------------

    async def start(self, empty: bool = False) -> None:
        """See `Broker.start`."""
        await self._wait_for_end()
        service = self._commands.begin(empty)
        try:
            self._runner = _Runner(service, self._settings, self._commands.fail)
        except BaseException:
            self._commands.service = None
            raise

    async def stop(
        self,
        condition: str | None = "amqp:connection:forced",
        description: str = "the broker is shut down",
        sessions_first: bool = False,
    ) -> None:
        """See `Broker.stop`."""
        reason = condition_of(condition, description)
        await self._end(lambda service: service.stop(reason, sessions_first))

    async def kill(self) -> None:
        """See `Broker.kill`."""
        await self._end(Service.kill)

    async def _end(self, command: Callable[[Service], object]) -> None:
        commands = self._checked()
        service = commands.running()
        runner = self._runner
        assert runner is not None
        await self.resume()
        command(service)
        runner.turn()
        await runner.loop.wait(runner.ended, WAIT_TIMEOUT, runner.abort)
        await runner.wait_closed()
        self._runner = commands.service = None
        self.seen.notify()

    async def _wait_for_end(self) -> None:
        """Wait for the end of a run that has failed."""
        runner = self._runner
        if runner is not None and runner.has_failed:
            await runner.loop.wait(runner.ended, WAIT_TIMEOUT, runner.abort)
            await runner.wait_closed()
            self._runner = None

    def discard(self) -> None:
        """Stop the broker from outside of its loop, for the end of a test that has left it running.

        In a loop that is closed, only its listeners can be closed.
        """
        runner = self._runner
        if runner is None:
            return
        loop = runner.event_loop
        if self.running and not loop.is_closed():
            loop.run_until_complete(self.stop(None))
        runner.close_listeners()
        self._runner = self._commands.service = None

    def _checked(self) -> Commands:
        """The commands, in the right loop."""
        if self._runner is not None:
            self._runner.loop.check()
        return self._commands

    # -- nodes and messages --------------------------------------------------------------------------------------

    async def make_queue(self, address: str) -> None:
        """See `Broker.make_queue`."""
        self._checked().make_queue(address)

    async def make_topic(self, address: str) -> None:
        """See `Broker.make_topic`."""
        self._checked().make_topic(address)

    async def answer_requests(self, address: str, function: Callable[[Message], Message | None]) -> None:
        """See `Broker.answer_requests`; the function is not a coroutine."""
        self._checked().answer_requests(address, function)

    async def delete(self, address: str) -> None:
        """See `Broker.delete`."""
        self._checked().delete(address)

    async def purge(self, address: str) -> int:
        """See `Broker.purge`."""
        return self._checked().purge(address)

    async def addresses(self) -> list[str]:
        """The addresses of all nodes."""
        return self._checked().addresses()

    async def put(self, address: str, *messages: Message) -> None:
        """See `Broker.put`."""
        self._checked().put(address, messages)

    async def messages(self, address: str) -> list[Message]:
        """See `Broker.messages`."""
        return self._checked().messages(address)

    async def scheduled(self, address: str) -> list[Message]:
        """See `Broker.scheduled`."""
        return self._checked().scheduled(address)

    async def advance(self, seconds: float) -> None:
        """See `Broker.advance`."""
        self._checked().advance(seconds)

    async def set_credit(self, credit: int) -> None:
        """See `Broker.set_credit`."""
        self._checked().set_credit(credit)

    # -- rules ---------------------------------------------------------------------------------------------------

    async def refuse(
        self,
        address: str | None,
        condition: str | None = "amqp:not-found",
        description: str = "no such node",
        how: str = "detach",
        role: str | None = None,
        times: int | None = None,
    ) -> None:
        """See `Broker.refuse`."""
        self._checked().refuse(address, condition_of(condition, description), how, role, times)

    async def allow(self, address: str | None) -> None:
        """See `Broker.allow`."""
        self._checked().allow(address)

    async def answer_next(
        self,
        answer: str,
        condition: str | None = None,
        description: str = "",
        address: str | None = None,
        when: Callable[[Message], Any] | None = None,
        times: int | None = 1,
    ) -> None:
        """See `Broker.answer_next`."""
        self._checked().answer_next(Answer(answer, condition_of(condition, description), address, when), times)

    async def close_next(self, condition: str | None, description: str = "", times: int | None = 1) -> None:
        """See `Broker.close_next`."""
        self._checked().close_next(condition_of(condition, description), times)

    async def end_next(self, condition: str | None, description: str = "", times: int | None = 1) -> None:
        """See `Broker.end_next`."""
        self._checked().end_next(condition_of(condition, description), times)

    async def slow_down(self, seconds: float) -> None:
        """See `Broker.slow_down`."""
        self._checked().slow_down(seconds)

    async def behave(self) -> None:
        """See `Broker.behave`."""
        self._checked().behave()

    # -- faults now ----------------------------------------------------------------------------------------------

    async def detach(
        self, address: str | None, condition: str | None = None, description: str = "", closed: bool = True
    ) -> int:
        """See `Broker.detach`."""
        return self._checked().detach(address, condition_of(condition, description), closed)

    async def end_sessions(self, condition: str | None = None, description: str = "") -> None:
        """See `Broker.end_sessions`."""
        self._checked().end_sessions(condition_of(condition, description))

    async def close_connections(self, condition: str | None = None, description: str = "") -> None:
        """See `Broker.close_connections`."""
        self._checked().close_connections(condition_of(condition, description))

    async def cut(self) -> None:
        """See `Broker.cut`."""
        self._checked().cut()
        assert self._runner is not None
        self._runner.turn()

    async def stall(self) -> None:
        """Move no bytes any more, not even heartbeats, until `resume`. Other commands work, and are not seen."""
        self._checked().running()
        assert self._runner is not None
        self._runner.is_stalled = True
        for client in self._runner.clients:
            client.stall()

    async def resume(self) -> None:
        """See `Broker.resume`."""
        self._checked()
        if self._runner is not None:
            self._runner.is_stalled = False
            for client in list(self._runner.clients):
                client.resume()

    # -- what it has seen ----------------------------------------------------------------------------------------

    async def link_count(self, address: str | None = None) -> int:
        """See `Broker.link_count`."""
        return self._checked().link_count(address)

    async def wait_for(self, condition: Callable[[Seen], Any], what: str = "", seconds: float = WAIT_TIMEOUT) -> None:
        """See `Broker.wait_for`; the condition may be a coroutine function, and give commands."""
        check_condition(condition)
        await self._wait_for(condition, what, seconds)

    async def _wait_for(self, condition: Callable[[Seen], Any], what: str, seconds: float) -> Any:
        """Wait until a condition holds, and return what it returned."""
        loop = Loop()
        deadline = loop.deadline(seconds)
        while True:
            # Before the condition looks, which may be a coroutine: a change that it misses is one to wake up for.
            change: asyncio.Future[bool] = loop.create_future()
            self._waits.append(change)
            try:
                found = condition(self.seen)
                if inspect.isawaitable(found):
                    found = await found
                if found:
                    return found
                self.seen.raise_failure()
                if not await loop.wait(change, loop.left(deadline), bool):
                    raise late(what, seconds, self.seen)
            finally:
                self._waits.remove(change)

    async def wait_for_messages(self, address: str, count: int = 1, seconds: float = WAIT_TIMEOUT) -> list[Message]:
        """See `Broker.wait_for_messages`."""
        what = check_wanted(address, count)
        found: list[Message] = await self._wait_for(
            lambda seen: self._checked().messages_from(address, count), what, seconds
        )
        return found

    def _wake_waits(self) -> None:
        for change in self._waits:
            if not change.done():
                change.set_result(True)


def _nothing(listener: Any) -> None:
    """Stands for a loop that does not watch sockets."""
