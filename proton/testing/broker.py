"""`Broker`: the broker for tests as its users see it, a context manager with commands."""

from __future__ import annotations

import threading
from typing import Any, Callable

from proton import Message
from proton.reactor import ApplicationEvent, Container, EventInjector
from proton.testing.commands import (
    SECONDS,
    Commanded,
    Settings,
    check_condition,
    check_failures,
    check_wanted,
    condition_of,
    late,
)
from proton.testing.rules import Answer
from proton.testing.seen import Seen
from proton.testing.service import Service, log

__all__ = ["Broker", "ContainerRunner"]


class _Call:
    """A function that is called in the broker's thread, or by its timer."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def __call__(self) -> None:
        try:
            self.result = self._function()
        except Exception as error:  # raised again where the command was given
            self.error = error
        finally:
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
        """Let no more clients in, and end when the last one is gone."""
        self._acceptor.close()


class _Runner(ContainerRunner):
    """Runs a service in a thread. Only `tell` may be called from other threads.

    :param service: the service.
    :param settings: where it listens.
    """

    def __init__(self, service: Service, settings: Settings) -> None:
        super().__init__(service, settings.listen)
        self._settings = settings
        self._injector = EventInjector()
        #: set once clients can connect
        self.is_ready = threading.Event()
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="broker", daemon=True)

    def _run(self) -> None:
        try:
            Container(self).run()
        except BaseException as error:  # raised again in the thread that waits
            self.failure = error
            self._injector.close()
        self.is_ready.set()

    def on_reactor_init(self, event: Any) -> None:
        event.container.selectable(self._injector)
        super().on_reactor_init(event)
        self._settings.port = self._acceptor.port
        log.info("listening on %s", self._settings.url)
        self.is_ready.set()

    def on_command(self, event: Any) -> None:
        event.subject()

    def tell(self, function: Callable[[], object]) -> None:
        """Have a function called in the thread."""
        self._injector.trigger(ApplicationEvent("command", subject=function))

    def stop_listening(self) -> None:
        super().stop_listening()
        self._injector.close()


class Broker(Commanded):
    """A broker in a thread. Its commands return when they are done, and may be called from any thread.

    It is started by `with`, or by `start`. Nodes, rules and records outlive a stop. A name of a condition may be
    None: then no condition is given.

    An address names a queue, which exists from its first use on; one that begins with `topic`, or that a client asks
    for with the capability `topic`, names a topic. What happens is in the log `proton.testing`: connections and links
    at INFO, messages at DEBUG.

    :param port: the port to listen on; 0 for a free one, which stays the same over stops and starts.
    :param host: the name or the address to listen on.
    :param nodes: the addresses of the only nodes that exist, beside those that commands make; none: all exist.
    :param dead_letters: the address of the queue that gets rejected messages, and those that failed too often; None:
        they are dropped.
    :param max_deliveries: how many failed deliveries of a message are too often; None for no limit.
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
        self._runner: _Runner | None = None
        self._resume = threading.Event()

    def __repr__(self) -> str:
        return f"Broker({self.url!r}, {'running' if self.running else 'stopped'})"

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.resume()
        if self.running:
            self.stop(None)
        if problem[0] is None:
            check_failures(self.seen)

    # -- start and stop ------------------------------------------------------------------------------------------

    def start(self, empty: bool = False) -> None:
        """Listen, on the same port as before, with the messages that are in the queues.

        :param empty: without messages.
        :raises OSError: the port is in use.
        :raises RuntimeError: it runs already.
        """
        self._runner = runner = _Runner(self._commands.begin(empty), self._settings)
        runner.thread.start()
        if not runner.is_ready.wait(SECONDS):
            raise TimeoutError(f"{self!r} does not listen after {SECONDS} s")
        self._raise_failure(runner)

    def _raise_failure(self, runner: _Runner) -> None:
        if runner.failure is not None:
            self._runner = self._commands.service = None
            raise runner.failure

    def stop(
        self,
        condition: str | None = "amqp:connection:forced",
        description: str = "the broker is shut down",
        sessions_first: bool = False,
    ) -> None:
        """Stop in an orderly way: listen no more, close each connection, wait for the answers, a second at most.

        :param condition: the name of the condition of each close.
        :param description: its description.
        :param sessions_first: end the sessions before, with the same condition.
        :raises RuntimeError: it does not run.
        """
        reason = condition_of(condition, description)
        self._end(lambda: self._commands.running().stop(reason, sessions_first))

    def kill(self) -> None:
        """Stop as if the machine had failed: connections are cut, nothing is told.

        :raises RuntimeError: it does not run.
        """
        self._end(lambda: self._commands.running().kill())

    def _end(self, command: Callable[[], object]) -> None:
        runner = self._runner
        if runner is None:
            raise RuntimeError("the broker does not run")
        self.resume()
        self._do(command)
        runner.thread.join(SECONDS)
        if runner.thread.is_alive():
            raise TimeoutError(f"the broker has not ended within {SECONDS} s")
        self._raise_failure(runner)
        self._runner = self._commands.service = None

    def _do(self, function: Callable[[], Any]) -> Any:
        """Call a function in the broker's thread, and return what it returns; here, if the broker does not run."""
        runner = self._runner
        if runner is None or runner.thread is threading.current_thread():
            return function()
        call = _Call(function)
        runner.tell(call)
        limit = SECONDS
        while not call.wait(0.05):
            limit -= 0.05
            self._raise_failure(runner)
            if limit <= 0 or not runner.thread.is_alive():
                raise TimeoutError(f"{self!r} has not done what it was told within {SECONDS} s; is it stalled?")
        if call.error is not None:
            raise call.error
        return call.result

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
        :raises ValueError: there is no node at the address.
        """
        self._do(lambda: self._commands.put(address, messages))

    def messages(self, address: str) -> list[Message]:
        """The messages of a queue that no client holds, in order; those of all subscriptions of a topic."""
        messages: list[Message] = self._do(lambda: self._commands.messages(address))
        return messages

    def scheduled(self, address: str) -> list[Message]:
        """The messages for an address whose time of delivery has not come."""
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
        """Refuse links to an address no longer."""
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
        """Cut all connections without a word, and go on listening."""
        self._do(self._commands.cut)

    def stall(self) -> None:
        """Do nothing any more: read nothing, write nothing, not even heartbeats, until `resume`.

        Other commands wait for `resume`, too.
        """
        self._resume.clear()
        stalled = threading.Event()

        def wait() -> None:
            stalled.set()
            self._resume.wait()

        if self._runner is None:
            raise RuntimeError("the broker does not run")
        self._runner.tell(wait)
        if not stalled.wait(SECONDS):
            raise TimeoutError(f"{self!r} does not stall")

    def resume(self) -> None:
        """Go on after `stall`."""
        self._resume.set()

    # -- what it has seen ----------------------------------------------------------------------------------------

    def link_count(self, address: str | None = None) -> int:
        """How many links are attached to an address; to any for None."""
        return int(self._do(lambda: self._commands.link_count(address)))

    def wait_for(self, condition: Callable[[Seen], Any], what: str = "", seconds: float = SECONDS) -> None:
        """Wait until a condition holds, which is tried again after each change.

        :param condition: a function of `seen`; it may give commands.
        :param what: what is expected, for the text of the error.
        :param seconds: how long to wait at most.
        :raises TimeoutError: it does not hold after so many seconds.
        :raises TypeError: the condition is not a function.
        """
        check_condition(condition)
        self._wait_for(condition, what, seconds)

    def _wait_for(self, condition: Callable[[Seen], Any], what: str, seconds: float) -> Any:
        """Wait until a condition holds, and return what it returned."""
        found = self.seen.wait_for(condition, seconds)
        if not found:
            raise late(what, seconds, self.seen)
        return found

    def wait_for_messages(self, address: str, count: int = 1, seconds: float = SECONDS) -> list[Message]:
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
