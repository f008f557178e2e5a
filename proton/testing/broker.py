"""`Broker`: the broker for tests as its users see it, a context manager with commands."""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Callable

from proton import Message
from proton.reactor import ApplicationEvent, Container, EventInjector
from proton.testing.commands import (
    WAIT_TIMEOUT,
    Commanded,
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

__all__ = ["Broker", "ContainerRunner"]


class _Call:
    """A command on its way to the broker's thread."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._done = threading.Event()
        #: set once it is called, or never will be
        self.begun = threading.Event()
        #: True if it is never called
        self.is_abandoned: bool = False
        self.result: Any = None
        self.error: BaseException | None = None

    def __call__(self) -> None:
        if self.is_abandoned:
            return
        self.begun.set()
        try:
            self.result = self._function()
        except BaseException as error:  # raised again where the command was given
            self.error = error
        finally:
            self._done.set()

    def abandon(self) -> None:
        """Do not call it."""
        self.is_abandoned = True
        self.begun.set()
        self._done.set()

    def wait(self, seconds: float) -> bool:
        """Wait for its end; False if it has not come in time."""
        return self._done.wait(seconds)


class _Timer:
    """Calls a function when a time is over."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function

    def on_timer_task(self, event: Any) -> None:
        self._function()


class ContainerRunner:
    """The handler of a container that runs a service.

    :param service: the service.
    :param listen: listens in a container; its acceptor.
    """

    def __init__(self, service: Service, listen: Callable[[Container], Any]) -> None:
        self.handlers = [service]
        self._service = service
        self._listen = listen

    def on_reactor_init(self, event: Any) -> None:
        self._container = event.container
        self._acceptor = self._listen(self._container)
        self._service.begin(self)

    def call_later(self, seconds: float, function: Callable[[], object]) -> Any:
        """Have a function called."""
        self._container.mark()  # what a command asks for counts from now on
        return self._container.schedule(seconds, _Timer(function))

    def stop_listening(self) -> None:
        """Accept no further clients, and end when the last one is gone."""
        self._acceptor.close()


class _Runner(ContainerRunner):
    """Runs a service in a thread. Only `tell` may be called from other threads.

    :param service: the service.
    :param settings: where it listens.
    :param on_failure: called in the thread with an error that ends the run, before the connections are ended.
    :param on_end: called in the thread when the run is over, before the calls that were not made are abandoned.
    """

    def __init__(
        self,
        service: Service,
        settings: Settings,
        on_failure: Callable[[BaseException], object],
        on_end: Callable[[_Runner], object],
    ) -> None:
        super().__init__(service, settings.listen)
        self._settings = settings
        self._on_failure = on_failure
        self._on_end = on_end
        self._injector = EventInjector()
        self._lock = threading.Lock()
        #: the calls that have not begun; None once the run is over
        self._calls: set[_Call] | None = set()
        #: set once clients can connect, or it has failed
        self.is_ready = threading.Event()
        #: why it cannot listen, or None
        self.start_failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def _run(self) -> None:
        container = Container(self)
        try:
            container.run()
        except BaseException as error:  # raised again in a thread of the test
            if self.is_ready.is_set():
                self._on_failure(error)
            else:
                self.start_failure = error
            self._clean_up(container)
        self._on_end(self)
        with self._lock:
            calls, self._calls = self._calls or set(), None
        for call in calls:
            call.abandon()
        self.is_ready.set()

    def _clean_up(self, container: Container) -> None:
        """Close what is open after an error."""
        # The container begins anew with the event that has failed: without handlers.
        container.handler.handlers.clear()
        if self.is_ready.is_set():
            with contextlib.suppress(Exception):  # what has failed may fail again
                self._service.kill()
        self._injector.close()
        container.stop()
        while container.process():
            pass

    def on_reactor_init(self, event: Any) -> None:
        event.container.selectable(self._injector)
        super().on_reactor_init(event)
        self._settings.port = self._acceptor.port
        log.info("listening on %s", self._settings.url)
        self.is_ready.set()

    def on_command(self, event: Any) -> None:
        call = event.subject
        with self._lock:
            if self._calls is not None:
                self._calls.discard(call)
        call()

    def tell(self, call: _Call) -> None:
        """Have a command called in the thread; it is abandoned if the run ends before."""
        with self._lock:
            if self._calls is not None:
                self._calls.add(call)
                self._injector.trigger(ApplicationEvent("command", subject=call))
                return
        call.abandon()

    def stop_listening(self) -> None:
        super().stop_listening()
        self._injector.close()


class Broker(Commanded):
    """A broker in a thread. Its commands return when they are done, and may be called from any thread.

    It is started by `with`, or by `start`. Nodes, rules and records outlive a stop. A name of a condition may be
    None: then no condition is given.

    An address names a queue, which exists from its first use on; one whose first part is `topic` or `topics`, as in
    `topic/news` and `topic://news`, or that a client asks for with the capability `topic`, names a topic. What happens
    is in the log `proton.testing`: connections and links at INFO, messages at DEBUG.

    :param port: the port to listen on; 0 for a free one, which stays the same over stops and starts.
    :param host: the name or the address to listen on.
    :param nodes: the addresses of the only nodes that exist, beside those that commands make; none: all exist.
    :param dead_letters: the address of the queue that gets rejected messages, and those that failed too often; None:
        they are dropped.
    :param max_deliveries: how many failed deliveries of a message are too often; None for no limit. A delivery fails
        if the client says so (modified, with delivery-failed, 3.4.5), or if its connection is lost.
    :param keep_records: how many records of each kind `seen` keeps, the latest; None for all.
    :param resolve: a function that gives the address of the node, of an address that a client gives and that has no
        node; None: they are the same. If it raises, there is no node, and the end of `with` raises the error.
    :param selectors: False to ignore the selectors of clients, as a broker that knows none.
    :param listen_options: for `Container.listen`: `credentials`, `ssl_domain`, `require_auth`, …
    :raises TypeError: an option with another name, or a value of another type.
    :raises ValueError: a number is out of its range.
    :raises SSLException: `ssl_domain` is not an `SSLDomain` of servers.
    """

    def _set_up(self) -> None:
        #: the run, None if there is none; the thread of the run takes it away at its end
        self._runner: _Runner | None = None
        # Held to begin a run, to end it, and for commands without one: any thread may give commands.
        self._lock = threading.RLock()
        self._stall: threading.Event | None = None  # set to end the stall; None if it is not stalled

    def __repr__(self) -> str:
        return f"Broker({self._settings.described!r}, {'running' if self.running else 'stopped'})"

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.resume()
        if self.running:
            self.stop(None)
        self._wait_for_end()
        if problem[0] is None:
            self.seen.raise_failure()

    # -- start and stop ------------------------------------------------------------------------------------------

    def start(self, empty: bool = False) -> None:
        """Listen, on the same port as before, with the messages that are in the queues.

        :param empty: without messages.
        :raises OSError: the port is in use.
        :raises RuntimeError: it runs already.
        """
        self._wait_for_end()
        with self._lock:
            service = self._commands.begin(empty)
            self._runner = runner = _Runner(service, self._settings, self._commands.fail, self._note_end)
            runner.thread.start()
        if not runner.is_ready.wait(WAIT_TIMEOUT):
            raise TimeoutError(f"{self!r} does not listen after {WAIT_TIMEOUT} s")
        if runner.start_failure is not None:
            raise runner.start_failure

    def _note_end(self, runner: _Runner) -> None:
        with self._lock:
            if self._runner is runner:
                self._runner = self._commands.service = None
        self.seen.notify()

    def _wait_for_end(self) -> None:
        """Wait for the end of a run that has failed."""
        runner = self._runner
        if runner is not None and not self.running and runner.thread is not threading.current_thread():
            runner.thread.join(WAIT_TIMEOUT)

    def stop(
        self,
        condition: str | None = "amqp:connection:forced",
        description: str = "the broker is shut down",
        sessions_first: bool = False,
    ) -> None:
        """Stop in an orderly way: stop listening, close each connection, wait for the answers, a second at most.

        :param condition: the name of the condition of each close.
        :param description: its description.
        :param sessions_first: end the sessions before, with the same condition.
        :raises RuntimeError: it does not run.
        """
        reason = condition_of(condition, description)
        self._end(lambda: self._commands.running().stop(reason, sessions_first))

    def kill(self) -> None:
        """Stop as if the machine had failed: connections are cut, without a close.

        :raises RuntimeError: it does not run.
        """
        self._end(lambda: self._commands.running().kill())

    def _end(self, command: Callable[[], object]) -> None:
        runner = self._runner
        if runner is None:
            raise RuntimeError("the broker does not run")
        self.resume()
        self._do(command)
        if runner.thread is threading.current_thread():  # a function of the test has given the command
            return
        runner.thread.join(WAIT_TIMEOUT)
        if runner.thread.is_alive():
            raise TimeoutError(f"the broker has not ended within {WAIT_TIMEOUT} s")

    def _do(self, function: Callable[[], Any]) -> Any:
        """Call a function in the broker's thread, and return what it returns; here, if the broker does not run."""
        while True:
            runner = self._runner
            if runner is None:
                with self._lock:
                    if self._runner is None:
                        return function()
                continue
            if runner.thread is threading.current_thread():
                return function()
            call = _Call(function)
            runner.tell(call)
            if not call.wait(WAIT_TIMEOUT):
                call.abandon()
                raise TimeoutError(f"{self!r} has not done the command within {WAIT_TIMEOUT} s; is it stalled?")
            if not call.is_abandoned:
                if call.error is not None:
                    raise call.error
                return call.result
            # Another thread has stopped the broker, or it has failed: the command finds what there is now.

    # -- nodes and messages --------------------------------------------------------------------------------------

    def make_queue(self, address: str) -> None:
        """Make a queue.

        :raises ValueError: there is a node at the address.
        """
        self._do(lambda: self._commands.make_queue(address))

    def make_topic(self, address: str) -> None:
        """Make a topic.

        :raises ValueError: there is a node at the address.
        """
        self._do(lambda: self._commands.make_topic(address))

    def answer_requests(self, address: str, function: Callable[[Message], Message | None]) -> None:
        """Have the messages for an address answered by a function, from now on, over stops and starts.

        What the function returns goes to the reply-to of the request, which may be a dynamic node, or to the receiver
        that its client has at the same address. It gets the correlation id of the request, or its id, unless it has
        one. The function runs where the broker runs, and may give commands. If it raises, the request is rejected,
        the error is in `seen.failures`, and the end of `with` raises it, unless `forget` was called.

        :param function: takes a `Message`; returns one, or None for no response.
        :raises TypeError: `function` cannot be called.
        :raises ValueError: there is a queue or a topic at the address.
        """
        self._do(lambda: self._commands.answer_requests(address, function))

    def delete(self, address: str) -> None:
        """Delete a node with its messages; its links are ended with `amqp:resource-deleted`.

        :raises ValueError: there is no node at the address.
        """
        self._do(lambda: self._commands.delete(address))

    def purge(self, address: str) -> int:
        """Drop the messages of a node that no client holds.

        :return: how many these were.
        :raises ValueError: there is no node at the address.
        """
        return int(self._do(lambda: self._commands.purge(address)))

    @property
    def addresses(self) -> list[str]:
        """The addresses of all nodes."""
        addresses: list[str] = self._do(self._commands.addresses)
        return addresses

    def put(self, address: str, *messages: Message) -> None:
        """Append messages to a queue, or publish them to a topic.

        :raises TypeError: one of them is not a `Message`.
        :raises MessageException: one of them cannot be encoded.
        :raises ValueError: there is no node at the address.
        """
        self._do(lambda: self._commands.put(address, messages))

    def messages(self, address: str) -> list[Message]:
        """The messages of a queue that no client holds, in order; those of all subscriptions of a topic.

        An address that was never used has none.

        :raises ValueError: there is no node at the address, and none is made there since `nodes` was given.
        """
        messages: list[Message] = self._do(lambda: self._commands.messages(address))
        return messages

    def scheduled(self, address: str) -> list[Message]:
        """The messages for an address whose time of delivery has not come.

        :raises ValueError: as of `messages`.
        """
        messages: list[Message] = self._do(lambda: self._commands.scheduled(address))
        return messages

    def advance(self, seconds: float) -> None:
        """Have the broker's nodes believe that so much time has passed: messages expire, or are due for delivery.

        :param seconds: 0 or more. Idle time-outs of connections are not concerned.
        """
        self._do(lambda: self._commands.advance(seconds))

    def set_credit(self, credit: int) -> None:
        """Keep the senders of clients supplied with this credit, from now on; 0 keeps them from sending."""
        self._do(lambda: self._commands.set_credit(credit))

    # -- rules ---------------------------------------------------------------------------------------------------

    def refuse(
        self,
        address: str | None,
        condition: str | None = "amqp:not-found",
        description: str = "no such node",
        how: str = "detach",
        role: str | None = None,
        times: int | None = None,
    ) -> None:
        """Refuse links to an address.

        :param address: the address; None for every one.
        :param how: "detach" (2.6.3), "end" for an end of the session as the answer, "close" for one of the connection.
        :param role: "sender" or "receiver", as the client calls it; None for both.
        :param times: how many links; None for all, until `allow`.
        :raises ValueError: `how` has another value.
        """
        reason = condition_of(condition, description)
        self._do(lambda: self._commands.refuse(address, reason, how, role, times))

    def allow(self, address: str | None) -> None:
        """End the refusal of links to an address.

        :raises ValueError: `refuse` was not called with this address since the start, or since `behave`.
        """
        self._do(lambda: self._commands.allow(address))

    def answer_next(
        self,
        answer: str,
        condition: str | None = None,
        description: str = "",
        address: str | None = None,
        when: Callable[[Message], Any] | None = None,
        times: int | None = 1,
    ) -> None:
        """Answer messages from clients with something else than accepted.

        :param answer: "rejected", "released", "modified" or "accepted"; "none" for no answer at all; "detach", "end"
            or "close" for the end of the link, the session or the connection; "cut" for its loss.
        :param condition: the name of the condition of a rejection or an end.
        :param address: only for messages to this queue.
        :param when: only for messages for which this is true.
        :param times: how many messages; None for all, until `behave`.
        :raises ValueError: `answer` has another value.
        """
        rule = Answer(answer, condition_of(condition, description), address, when)
        self._do(lambda: self._commands.answer_next(rule, times))

    def close_next(self, condition: str | None, description: str = "", times: int | None = 1) -> None:
        """Close new connections as soon as they are open.

        :param times: how many; None for all, until `behave`.
        """
        self._do(lambda: self._commands.close_next(condition_of(condition, description), times))

    def end_next(self, condition: str | None, description: str = "", times: int | None = 1) -> None:
        """End new sessions as soon as they have begun.

        :param times: how many; None for all, until `behave`.
        """
        self._do(lambda: self._commands.end_next(condition_of(condition, description), times))

    def slow_down(self, seconds: float) -> None:
        """Answer messages, and send them, so many seconds later from now on; 0 for at once."""
        self._do(lambda: self._commands.slow_down(seconds))

    def behave(self) -> None:
        """Drop all rules; the credit stays."""
        self._do(self._commands.behave)

    # -- faults now ----------------------------------------------------------------------------------------------

    def detach(
        self, address: str | None, condition: str | None = None, description: str = "", closed: bool = True
    ) -> int:
        """Detach the links of an address.

        :param address: the address; None for all links.
        :param closed: False for a detach without `closed`.
        :return: how many links these were.
        """
        reason = condition_of(condition, description)
        return int(self._do(lambda: self._commands.detach(address, reason, closed)))

    def end_sessions(self, condition: str | None = None, description: str = "") -> None:
        """End all sessions; the connections stay."""
        self._do(lambda: self._commands.end_sessions(condition_of(condition, description)))

    def close_connections(self, condition: str | None = None, description: str = "") -> None:
        """Close all connections, and go on listening."""
        self._do(lambda: self._commands.close_connections(condition_of(condition, description)))

    def cut(self) -> None:
        """Cut all connections without a close, and go on listening."""
        self._do(self._commands.cut)

    def stall(self) -> None:
        """Do nothing any more: read nothing, write nothing, not even heartbeats, until `resume`.

        Other commands wait for `resume`, too. A stall of a stalled broker does nothing.
        """
        with self._lock:
            runner = self._runner
            if runner is None:
                raise RuntimeError("the broker does not run")
            if self._stall is not None:
                return
            self._stall = stall = threading.Event()
        call = _Call(stall.wait)
        runner.tell(call)
        if runner.thread is threading.current_thread():  # it stalls after what it does now
            return
        if not call.begun.wait(WAIT_TIMEOUT):
            raise TimeoutError(f"{self!r} does not stall within {WAIT_TIMEOUT} s")
        if call.is_abandoned:
            raise RuntimeError("the broker does not run")

    def resume(self) -> None:
        """Go on after `stall`."""
        with self._lock:
            stall, self._stall = self._stall, None
        if stall is not None:
            stall.set()

    # -- what it has seen ----------------------------------------------------------------------------------------

    def link_count(self, address: str | None = None) -> int:
        """How many links are attached to an address; to any for None."""
        return int(self._do(lambda: self._commands.link_count(address)))

    def wait_for(self, condition: Callable[[Seen], Any], what: str = "", seconds: float = WAIT_TIMEOUT) -> None:
        """Wait until a condition holds, which is tried again after each change.

        :param condition: a function of `seen`; it may give commands.
        :param what: what is expected, for the text of the error.
        :param seconds: how long to wait at most.
        :raises TimeoutError: it does not hold after so many seconds.
        :raises TypeError: the condition is not a function.
        :raises RuntimeError: it does not hold, and a function of the test or the broker has failed: at once.
        """
        check_condition(condition)
        self._wait_for(condition, what, seconds)

    def _wait_for(self, condition: Callable[[Seen], Any], what: str, seconds: float) -> Any:
        """Wait until a condition holds, and return what it returned."""
        found = self.seen.wait_for(condition, seconds)
        if not found:
            raise late(what, seconds, self.seen)
        return found

    def wait_for_messages(self, address: str, count: int = 1, seconds: float = WAIT_TIMEOUT) -> list[Message]:
        """Wait until so many messages, or more, are in a queue.

        :param address: the address of the queue.
        :param count: how many.
        :param seconds: how long to wait at most.
        :return: the messages that no client holds, in order, as `messages`.
        :raises TimeoutError: they are fewer after so many seconds.
        :raises TypeError: an argument of another type.
        :raises ValueError: the count is below 1.
        """
        what = check_wanted(address, count)
        found: list[Message] = self._wait_for(
            lambda seen: self._do(lambda: self._commands.messages_from(address, count)), what, seconds
        )
        return found
