"""The rules by which a broker for tests misbehaves: what is refused, and what messages are answered with."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from proton import Condition, Message

__all__ = ["ANSWERS", "REFUSALS", "Answer", "Refusal", "Rules"]

#: How a link can be refused: an attach without terminus and a detach (2.6.3); the end of its session, as RabbitMQ 4.0
#: does; the close of its connection.
REFUSALS = ("detach", "end", "close")

#: What a message can be answered with: an outcome; nothing; the end of its link, session or connection.
ANSWERS = ("accepted", "rejected", "released", "modified", "none", "detach", "end", "close", "cut")


class Refusal(NamedTuple):
    """See `Broker.refuse`."""

    condition: Condition | None
    how: str
    role: str | None

    def applies(self, role: str) -> bool:
        """Whether it refuses a link of this role."""
        return self.role is None or self.role == role


class Answer(NamedTuple):
    """See `Broker.answer_next`."""

    answer: str
    condition: Condition | None
    address: str | None
    when: Callable[[Message], Any] | None

    def applies(self, address: str | None, message: Message) -> bool:
        """Whether this message gets the answer."""
        return (self.address is None or self.address == address) and (self.when is None or bool(self.when(message)))


class Counted:
    """Rules that each hold so many times; the first that applies is taken."""

    def __init__(self) -> None:
        self._rules: list[list[Any]] = []

    def add(self, rule: Any, times: int | None) -> None:
        """Append a rule.

        :param times: how often it is used; None for always.
        """
        if times is None or times > 0:
            self._rules.append([rule, times])

    def take(self, applies: Callable[[Any], bool] = lambda rule: True) -> Any:
        """The first rule that applies, or None; it is used once."""
        for entry in self._rules:
            rule, times = entry
            if applies(rule):
                if times is not None:
                    entry[1] = times - 1
                    if times == 1:
                        self._rules.remove(entry)
                return rule
        return None

    def __len__(self) -> int:
        return len(self._rules)

    def clear(self) -> None:
        """Drop all rules."""
        self._rules = []


class Rules:
    """All rules of a broker."""

    def __init__(self) -> None:
        #: by address; that of None is for every address
        self.refusals: dict[str | None, Counted] = {}
        self.answers: Counted = Counted()
        #: conditions that new connections and sessions are ended with at once
        self.connections: Counted = Counted()
        self.sessions: Counted = Counted()
        #: credit that each sender of a client is kept supplied with
        self.credit = 100
        #: seconds between a message and its answer, and between a message and its sending
        self.delay: float = 0.0

    def refusal(self, address: str | None, role: str) -> Refusal | None:
        """The refusal of a link to this address, or None."""
        for key in (address, None):
            counted = self.refusals.get(key)
            found: Refusal | None = None if counted is None else counted.take(lambda rule: rule.applies(role))
            if found:
                return found
        return None

    def clear(self) -> None:
        """Behave again; the credit stays."""
        self.refusals = {}
        for counted in (self.answers, self.connections, self.sessions):
            counted.clear()
        self.delay = 0.0
