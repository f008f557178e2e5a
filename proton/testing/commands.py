"""The commands of a broker for tests, and what its runs leave behind: nodes, rules, records.

They are called where the service runs: in its thread (`Broker`), or in the event loop (`AsyncBroker`), which document
them. A mistake raises before anything has changed.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any, Callable

from proton import Condition, Message
from proton.options.listen_options import ListenOptions
from proton.reactor import Container
from proton.testing.copies import copy_of
from proton.testing.logs import log
from proton.testing.nodes import Node, Nodes
from proton.testing.responders import Responder
from proton.testing.rules import ANSWERS, REFUSALS, Answer, Counted, Refusal, Rules
from proton.testing.seen import Seen, SeenFailure
from proton.testing.service import Service

__all__ = [
    "WAIT_TIMEOUT",
    "Commanded",
    "Commands",
    "Settings",
    "check_condition",
    "check_wanted",
    "condition_of",
    "late",
]

#: the options of a broker beside those of `ListenOptions`
OPTIONS = (
    *("port", "host", "nodes", "dead_letters", "max_deliveries", "keep_records", "resolve", "selectors"),
    *("credentials", "ssl_domain"),
)

#: Seconds that a wait, a command, a start or a stop may take.
WAIT_TIMEOUT = 20.0


class Settings:
    """How a broker was made.

    :param host: the name or the address to listen on.
    :param port: the port; 0 for a free one.
    :param options: for `Container.listen`.
    :raises TypeError: a value of another type, or an unknown option.
    :raises ValueError: a value out of its range.
    """

    def __init__(self, host: str, port: int, options: dict[str, Any]) -> None:
        _check_text("host", host)
        _check_count("port", port)
        if port > 0xFFFF:
            raise ValueError(f"port takes 0 to 65535, got {port}")
        self.host = host
        self.port = port
        #: the domain for TLS, or None
        self.ssl_domain: Any = options.pop("ssl_domain", None)
        users = options.pop("credentials", None)
        unknown = sorted(set(options) - set(ListenOptions._fields))
        if unknown:
            names = ", ".join(dict.fromkeys((*OPTIONS, *ListenOptions._fields)))
            raise TypeError(f"expected options of {names}, got {', '.join(unknown)}")
        self.options: ListenOptions = ListenOptions.checked(users, options, self.ssl_domain)

    @property
    def place(self) -> str:
        """Where to listen, as a part of a URL."""
        return _place(self.host, self.port)

    def listen(self, container: Container) -> Any:
        """The acceptor of a container that listens there."""
        return container.listen(self.place, ssl_domain=self.ssl_domain, **self.options._asdict())

    @property
    def url(self) -> str:
        """The URL for clients.

        :raises RuntimeError: the port is not known yet.
        """
        if not self.port:
            raise RuntimeError("the broker has no port before its first start")
        return self.described

    @property
    def described(self) -> str:
        """The URL for clients, with port 0 if it is not known yet."""
        host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"{'amqps' if self.ssl_domain else 'amqp'}://{_place(host, self.port)}"


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Commanded:
    """How `Broker` and `AsyncBroker` are made, and what they tell without asking the run."""

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        nodes: Iterable[str] = (),
        dead_letters: str | None = None,
        max_deliveries: int | None = None,
        keep_records: int | None = None,
        resolve: Callable[[str], str] | None = None,
        selectors: bool = True,
        **listen_options: Any,
    ) -> None:
        self._settings = Settings(host, port, listen_options)
        self._commands = Commands(nodes, dead_letters, max_deliveries, keep_records, resolve, selectors)
        #: what clients did, a `Seen`
        self.seen: Seen = self._commands.seen
        self._set_up()

    def _set_up(self) -> None:
        """What one of the two has beside."""

    @property
    def port(self) -> int:
        """The port; 0 before the first start."""
        return self._settings.port

    @property
    def url(self) -> str:
        """The URL for clients.

        :raises RuntimeError: it is to listen on a free port, and was never started.
        """
        return self._settings.url

    @property
    def running(self) -> bool:
        """True from start to stop."""
        return self._commands.service is not None

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        return self._commands.connection_count

    def forget(self) -> None:
        """Empty `seen`."""
        self.seen.clear()


class Commands:
    """What `Broker` and `AsyncBroker` do.

    :param nodes: the addresses of the only nodes that exist; none: all exist.
    :param dead_letters: the address of the queue for dead letters, or None.
    :param max_deliveries: how many failed deliveries make one, or None.
    :param keep_records: how many records of each kind are kept, or None.
    :param resolve: the address of the node, of the address that a client gives, or None.
    :param selectors: False to ignore the selectors of clients.
    """

    def __init__(
        self,
        nodes: Iterable[str],
        dead_letters: str | None,
        max_deliveries: int | None,
        keep_records: int | None,
        resolve: Callable[[str], str] | None,
        selectors: bool,
    ) -> None:
        if isinstance(nodes, str):
            raise TypeError(f"nodes takes several addresses, got the str {nodes!r:.50}")
        names = tuple(nodes)
        for name in names:
            _check_text("an address in nodes", name)
        if dead_letters is not None:
            _check_text("dead_letters", dead_letters)
        for option, number in (("max_deliveries", max_deliveries), ("keep_records", keep_records)):
            if number is not None:
                _check_count(option, number)
        if max_deliveries == 0:
            raise ValueError("max_deliveries takes 1 or more, or None for no limit, got 0")
        if resolve is not None and not callable(resolve):
            raise TypeError(f"resolve takes a function of an address, got {type(resolve).__name__}")
        if not isinstance(selectors, bool):
            raise TypeError(f"selectors takes a bool, got {type(selectors).__name__} {selectors!r:.50}")
        self.nodes: Nodes = Nodes(names, dead_letters, max_deliveries, resolve, selectors)
        self.rules: Rules = Rules()
        self.seen: Seen = Seen(keep_records)
        self.nodes.failed = self._add_failure
        self._container_id = f"broker-{uuid.uuid4()}"
        #: the run, None if there is none
        self.service: Service | None = None

    def running(self) -> Service:
        """The run.

        :raises RuntimeError: the broker is stopped.
        """
        if self.service is None:
            raise RuntimeError("the broker does not run")
        return self.service

    def begin(self, empty: bool) -> Service:
        """A new run."""
        if self.service is not None:
            raise RuntimeError("the broker runs already")
        if empty:
            for node in self.nodes.found.values():
                node.clear()
        self.service = Service(self.nodes, self.rules, self.seen, self._container_id)
        return self.service

    # -- nodes and messages --------------------------------------------------------------------------------------

    def make_queue(self, address: str) -> None:
        self._make(address, False)

    def make_topic(self, address: str) -> None:
        self._make(address, True)

    def _make(self, address: str, topic: bool) -> None:
        _check_text("address", address)
        if address in self.nodes.found:
            raise ValueError(f"there is a node at {address!r} already")
        self.nodes.make(address, topic)
        self.seen.notify()

    def answer_requests(self, address: str, function: Callable[[Message], Message | None]) -> None:
        _check_text("address", address)
        if not callable(function):
            raise TypeError(f"answer_requests takes a function of a message, got {type(function).__name__}")
        node = self.nodes.found.get(address)
        if isinstance(node, Responder):
            node.function = function
        elif node is not None:
            raise ValueError(f"there is a node at {address!r} already")
        else:
            self.nodes.found[address] = Responder(address, self.nodes, function)
            self.seen.notify()

    def _add_failure(self, function: str, address: str | None, message: Message | None, error: BaseException) -> None:
        log.error("%s failed for the address %s: %s: %s", function, address, type(error).__name__, error)
        self.seen.add_failure(SeenFailure(function, address, message, error))

    def fail(self, error: BaseException) -> None:
        """Note that the run has ended by an error."""
        log.error("the broker has failed", exc_info=error)
        self.service = None
        self.seen.add_failure(SeenFailure("broker", None, None, error))

    def delete(self, address: str) -> None:
        _check_text("address", address)
        if address not in self.nodes.found:
            raise ValueError(f"there is no node at {address!r}")
        if self.service is not None:
            self.service.links.delete(address)
        else:
            del self.nodes.found[address]
        self.seen.notify()

    def purge(self, address: str) -> int:
        _check_text("address", address)
        node = self.nodes.found.get(address)
        if node is None:
            raise ValueError(f"there is no node at {address!r}")
        count = len(node) + len(node.scheduled)
        node.clear()
        self.seen.notify()
        return count

    def addresses(self) -> list[str]:
        return list(self.nodes.found)

    def put(self, address: str, messages: tuple[Message, ...]) -> None:
        _check_text("address", address)
        for message in messages:
            if not isinstance(message, Message):
                raise TypeError(f"put takes messages, got {type(message).__name__} {message!r:.50}")
            message.encode()  # raises here what would be raised where it is sent
        node = self.nodes.find(address)
        if node is None:
            raise ValueError(f"there is no node at {address!r}")
        for message in [copy_of(message) for message in messages]:
            node.post(message)
        self.seen.notify()

    def _node(self, address: str) -> Node | None:
        """What is at an address; None if it would be made by its first use.

        :raises ValueError: no node can be there.
        """
        _check_text("address", address)
        node = self.nodes.found.get(address)
        if node is None and not self.nodes.makes_nodes:
            raise ValueError(f"there is no node at {address!r}")
        return node

    def messages_from(self, address: str, count: int) -> list[Message]:
        """The messages of a node if they are as many, else an empty list."""
        node = self._node(address)
        return [] if node is None or len(node) < count else self.messages(address)

    def messages(self, address: str) -> list[Message]:
        node = self._node(address)
        return [] if node is None else [copy_of(message) for message in node.messages]

    def scheduled(self, address: str) -> list[Message]:
        node = self._node(address)
        return [] if node is None else [copy_of(message) for message in node.scheduled.values()]

    def advance(self, seconds: float) -> None:
        _check_seconds("seconds", seconds)
        self.nodes.offset += seconds
        if self.service is None:
            self.nodes.run_due()
        else:
            self.service.run_due()
        self.seen.notify()

    def set_credit(self, credit: int) -> None:
        _check_count("credit", credit)
        self.rules.credit = credit
        if self.service is not None:
            self.service.grant()

    # -- rules ---------------------------------------------------------------------------------------------------

    def refuse(
        self, address: str | None, condition: Condition | None, how: str, role: str | None, times: int | None
    ) -> None:
        _check_address(address)
        _check_word("how", how, REFUSALS)
        if role is not None:
            _check_word("role", role, ("sender", "receiver"))
        _check_times(times)
        self.rules.refusals.setdefault(address, Counted()).add(Refusal(condition, how, role), times)

    def allow(self, address: str | None) -> None:
        _check_address(address)
        refusals = self.rules.refusals
        if address not in refusals:
            given = ", ".join(map(repr, refusals)) or "none"
            raise ValueError(f"expected an address of which links are refused ({given}), got {address!r}")
        del refusals[address]

    def answer_next(self, answer: Answer, times: int | None) -> None:
        _check_word("answer", answer.answer, ANSWERS)
        _check_address(answer.address)
        _check_times(times)
        if answer.when is not None and not callable(answer.when):
            raise TypeError(f"when takes a function of a message, got {type(answer.when).__name__}")
        self.rules.answers.add(answer, times)

    def close_next(self, condition: Condition | None, times: int | None) -> None:
        _check_times(times)
        self.rules.connections.add(Refusal(condition, "close", None), times)

    def end_next(self, condition: Condition | None, times: int | None) -> None:
        _check_times(times)
        self.rules.sessions.add(Refusal(condition, "end", None), times)

    def slow_down(self, seconds: float) -> None:
        _check_seconds("seconds", seconds)
        self.rules.delay = float(seconds)

    def behave(self) -> None:
        self.rules.clear()

    # -- now -----------------------------------------------------------------------------------------------------

    def detach(self, address: str | None, condition: Condition | None, closed: bool) -> int:
        _check_address(address)
        count = self.running().detach(address, condition, closed)
        self.seen.notify()
        return count

    def end_sessions(self, condition: Condition | None) -> None:
        self.running().end_sessions(condition)

    def close_connections(self, condition: Condition | None) -> None:
        self.running().close_connections(condition)

    def cut(self) -> None:
        self.running().cut()

    def link_count(self, address: str | None) -> int:
        _check_address(address)
        return sum(1 for _ in self.running().links.at(address))

    @property
    def connection_count(self) -> int:
        return 0 if self.service is None else self.service.connection_count


def condition_of(name: str | None, description: str | None) -> Condition | None:
    """A condition, None without a name.

    :raises TypeError: the name or the description is not a text.
    """
    for what, value in (("condition", name), ("description", description)):
        if value is not None:
            _check_text(what, value)
    return None if name is None else Condition(name, description or None)


def late(what: str, seconds: float, seen: Seen | None, detail: str = "") -> TimeoutError:
    """The error of a wait for a condition.

    :param seen: what the broker has seen, None without a broker.
    :param detail: what is known besides.
    """
    got = "" if seen is None else f", got {seen!r}"
    return TimeoutError(f"expected {what or 'the condition to hold'} within {seconds} s{got}{detail and '; '}{detail}")


def check_condition(condition: Any) -> None:
    """Raise unless it is a condition of a wait.

    :raises TypeError: it is not a function.
    """
    if not callable(condition):
        raise TypeError(f"wait_for takes a function of seen, got {type(condition).__name__} {condition!r:.50}")


def check_wanted(address: Any, count: Any) -> str:
    """Check the arguments of a wait for messages.

    :return: what is waited for, for the text of an error.
    :raises TypeError: one of them has another type.
    :raises ValueError: the count is below 1.
    """
    _check_text("address", address)
    _check_count("count", count)
    if count == 0:
        raise ValueError("count takes 1 or more, got 0")
    return f"{count} messages at {address!r}"


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} takes a str, got {type(value).__name__} {value!r:.50}")


def _check_address(value: Any) -> None:
    if value is not None:
        _check_text("address", value)


def _check_count(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} takes an int, got {type(value).__name__} {value!r:.50}")
    if value < 0:
        raise ValueError(f"{name} takes 0 or more, got {value}")


def _check_times(times: Any) -> None:
    if times is not None:
        _check_count("times", times)


def _check_seconds(name: str, value: Any) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{name} takes a number, got {type(value).__name__} {value!r:.50}")
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} takes 0 or more, got {value}")


def _check_word(name: str, value: Any, words: tuple[str, ...]) -> None:
    if value not in words:
        raise ValueError(f"{name}: expected one of {', '.join(words)}, got {value!r:.50}")
