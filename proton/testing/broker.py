"""`Broker`: the broker for tests as its users see it, a context manager with commands."""

from __future__ import annotations

import threading
from typing import Any, Callable

from proton import Condition, Message
from proton.reactor import ApplicationEvent, Container
from proton.testing.queues import Queue
from proton.testing.rules import ANSWERS, REFUSALS, Answer, Counted, Refusal, Rules
from proton.testing.seen import Seen
from proton.testing.service import Service

__all__ = ["Broker"]

#: Seconds that anything may take that is waited for.
SECONDS = 20.0


class Broker:
    """A broker in a thread. Its commands return when they are done, and may be called from any thread.

    It is started by `with`, or by `start`. Queues, rules and records outlive a stop. A name of a condition may be
    None: then no condition is given.

    :param port: the port to listen on; 0 for a free one, which stays the same over stops and starts.
    :param listen_options: for `Container.listen`: `credentials`, `ssl_domain`, `require_auth`, …
    """

    def __init__(self, port: int = 0, **listen_options: Any) -> None:
        #: the port; 0 before the first start
        self.port = port
        #: what clients did, a `Seen`
        self.seen = Seen()
        self._listen_options = listen_options
        self._rules = Rules()
        self._queues: dict[str, Queue] = {}
        self._service: Service | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._resume = threading.Event()

    @property
    def url(self) -> str:
        """The URL for clients."""
        scheme = "amqps" if self._listen_options.get("ssl_domain") else "amqp"
        return f"{scheme}://127.0.0.1:{self.port}"

    def __repr__(self) -> str:
        return f"Broker({self.url!r}, {'running' if self.running else 'stopped'})"

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self.resume()
        if self.running:
            self.stop(None)

    # -- start and stop ------------------------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """True from start to stop."""
        return self._thread is not None

    def start(self, empty: bool = False) -> None:
        """Listen, on the same port as before, with the messages that are in the queues.

        :param empty: without messages.
        :raises OSError: the port is in use.
        :raises RuntimeError: it runs already.
        """
        if self._thread is not None:
            raise RuntimeError("the broker runs already")
        if empty:
            for queue in self._queues.values():
                queue.clear()
        service = Service(("127.0.0.1", self.port), self._queues, self._rules, self.seen, dict(self._listen_options))
        self._service, self._failure = service, None
        thread = threading.Thread(target=self._run, args=(Container(service),), name="broker", daemon=True)
        self._thread = thread
        thread.start()
        self.seen.wait_for(lambda seen: service.port or self._failure is not None, SECONDS)
        self._raise_failure()
        # The port is known before, where it was given: a command is answered only once the loop runs.
        self._do(lambda: None)
        self.port = service.port

    def _run(self, container: Container) -> None:
        try:
            container.run()
        except BaseException as error:  # raised again in the thread that waits
            self._failure = error
            self.seen.news()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure, self._thread = self._failure, None, None
            raise failure

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
        """
        self._end(lambda service: service.stop(_condition(condition, description), sessions_first))

    def kill(self) -> None:
        """Stop as if the machine had failed: connections are cut, nothing is told."""
        self._end(Service.kill)

    def _end(self, command: Callable[[Service], None]) -> None:
        thread, service = self._thread, self._service
        if thread is None or service is None:
            raise RuntimeError("the broker does not run")
        self.resume()
        self._do(lambda: command(service))
        thread.join(SECONDS)
        if thread.is_alive():
            raise TimeoutError(f"the broker has not ended within {SECONDS} s")
        self._thread = self._service = None
        self._raise_failure()

    def _do(self, function: Callable[[], Any]) -> Any:
        """Call a function in the broker's thread, and return what it returns; here, when the broker does not run."""
        service, thread = self._service, self._thread
        if service is None or thread is None:
            return function()
        done = threading.Event()
        result: list[Any] = []

        def command() -> None:
            try:
                result.append(function())
            finally:
                done.set()

        service.injector.trigger(ApplicationEvent("command", subject=command))
        limit = SECONDS
        while not done.wait(0.05):
            limit -= 0.05
            self._raise_failure()
            if limit <= 0 or not thread.is_alive():
                raise TimeoutError(f"{self!r} has not done what it was told within {SECONDS} s; is it stalled?")
        self._raise_failure()
        return result[0] if result else None

    # -- messages ------------------------------------------------------------------------------------------------

    def put(self, address: str, *messages: Message) -> None:
        """Append messages to a queue."""
        if self._service is None:
            queue = self._queues.setdefault(address, Queue(address))
            for message in messages:
                queue.put(message)
        else:
            service = self._service
            self._do(lambda: service.put(address, messages))

    def messages(self, address: str) -> list[Message]:
        """The messages of a queue that no client holds, in order."""
        messages: list[Message] = self._do(lambda: self._queues[address].messages if address in self._queues else [])
        return messages

    def set_credit(self, credit: int) -> None:
        """Keep the senders of clients supplied with this credit, from now on; 0 keeps them from sending."""
        self._rules.credit = credit
        if self._service is not None:
            self._do(self._service.grant)

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
        if how not in REFUSALS:
            raise ValueError(f"expected one of {', '.join(REFUSALS)}, got {how!r}")
        rule = Refusal(_condition(condition, description), how, role)
        self._do(lambda: self._rules.refusals.setdefault(address, Counted()).add(rule, times))

    def allow(self, address: str | None) -> None:
        """Refuse links to an address no longer."""
        self._do(lambda: self._rules.refusals.pop(address, None))

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
        if answer not in ANSWERS:
            raise ValueError(f"expected one of {', '.join(ANSWERS)}, got {answer!r}")
        rule = Answer(answer, _condition(condition, description), address, when)
        self._do(lambda: self._rules.answers.add(rule, times))

    def close_next(self, condition: str | None, description: str = "", times: int | None = 1) -> None:
        """Close new connections as soon as they are open.

        :param times: how many; None for all, until `behave`.
        """
        rule = Refusal(_condition(condition, description), "close", None)
        self._do(lambda: self._rules.connections.add(rule, times))

    def end_next(self, condition: str | None, description: str = "", times: int | None = 1) -> None:
        """End new sessions as soon as they have begun.

        :param times: how many; None for all, until `behave`.
        """
        rule = Refusal(_condition(condition, description), "end", None)
        self._do(lambda: self._rules.sessions.add(rule, times))

    def slow_down(self, seconds: float) -> None:
        """Answer messages, and send them, so much later from now on; 0 for at once."""
        self._rules.delay = seconds

    def behave(self) -> None:
        """Drop all rules; the credit stays."""
        self._do(self._rules.clear)

    # -- faults now ----------------------------------------------------------------------------------------------

    def detach(
        self, address: str | None, condition: str | None = None, description: str = "", closed: bool = True
    ) -> int:
        """Detach the links of an address.

        :param address: the address; None for all links.
        :param closed: False for a detach without `closed`.
        :return: how many links these were.
        """
        return int(self._running_service(lambda s: s.detach(address, _condition(condition, description), closed)))

    def end_sessions(self, condition: str | None = None, description: str = "") -> None:
        """End all sessions; the connections stay."""
        self._running_service(lambda service: service.end_sessions(_condition(condition, description)))

    def close_connections(self, condition: str | None = None, description: str = "") -> None:
        """Close all connections, and go on listening."""
        self._running_service(lambda service: service.close_connections(_condition(condition, description)))

    def cut(self) -> None:
        """Cut all connections without a word, and go on listening."""
        self._running_service(Service.cut)

    def stall(self) -> None:
        """Do nothing any more: read nothing, write nothing, not even heartbeats, until `resume`.

        Other commands wait for `resume`, too.
        """
        self._resume.clear()
        stalled = threading.Event()

        def wait() -> None:
            stalled.set()
            self._resume.wait()

        service = self._running()
        service.injector.trigger(ApplicationEvent("command", subject=wait))
        if not stalled.wait(SECONDS):
            raise TimeoutError(f"{self!r} does not stall")

    def resume(self) -> None:
        """Go on after `stall`."""
        self._resume.set()

    def _running(self) -> Service:
        if self._service is None:
            raise RuntimeError("the broker does not run")
        return self._service

    def _running_service(self, command: Callable[[Service], Any]) -> Any:
        service = self._running()
        return self._do(lambda: command(service))

    # -- what it has seen ----------------------------------------------------------------------------------------

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        return 0 if self._service is None else self._service.connection_count

    def link_count(self, address: str | None = None) -> int:
        """How many links are attached to an address; to any for None."""
        return int(self._running_service(lambda service: sum(1 for _ in service.open_links(address))))

    def wait_for(self, condition: Callable[[Seen], Any], what: str = "", seconds: float = SECONDS) -> None:
        """Wait until a condition holds, which is tried at each record that is added.

        :param condition: a function of `seen`.
        :param what: for the text of the error.
        :raises TimeoutError: it does not hold after so many seconds.
        """
        if not self.seen.wait_for(condition, seconds):
            raise TimeoutError(f"no {what or 'such record'} within {seconds} s: {self.seen!r}")

    def forget(self) -> None:
        """Empty `seen`."""
        self.seen.clear()


def _condition(name: str | None, description: str) -> Condition | None:
    return None if name is None else Condition(name, description or None)
