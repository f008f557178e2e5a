"""`ReconnectPolicy`: whether, when and where a lost connection is made again, and a session or link that has ended.

Everything here is arithmetic: the time and a source of random numbers are arguments, and the answer is a delay. The
caller waits, connects, and says what came of it (`connected`, `lost`, `ended`). Nothing here knows of a loop.
A sequence of attempts is pairs of a delay and a URL: for each delay all URLs, in order.
Keep true: a sequence begins afresh only after progress, so that a peer that opens and closes at once sees growing
delays; the same condition without progress comes to an end, so that a message that kills its session does.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any, Callable, NamedTuple

from proton.lazy import numbers
from proton.url import Url, connection_url

__all__ = ["Attempt", "Backoff", "ReconnectPolicy", "Series", "Urls", "check_reconnect", "delays", "places"]


def _is_real(value: object) -> bool:
    return type(value) in (int, float) or isinstance(value, numbers.Real)


class Backoff:
    """Delays between attempts to connect: 0, then `initial`, then each time `factor` times as long.

    Iterating over it begins anew.

    :param initial: the first delay that is not 0, in seconds.
    :param factor: what each delay is multiplied with for the next one.
    :param max_delay: the longest delay, in seconds.
    :param max_tries: how many delays there are, None for no end.
    :raises TypeError: one of them is not a number.
    :raises ValueError: one of them is below 0.
    """

    initial: float = 0.1
    factor: float = 2.0
    max_delay: float = 10.0
    max_tries: int | None = None

    def __init__(
        self, initial: float = 0.1, factor: float = 2.0, max_delay: float = 10.0, max_tries: int | None = None
    ) -> None:
        for name, value in (
            ("initial", initial),
            ("factor", factor),
            ("max_delay", max_delay),
            ("max_tries", max_tries),
        ):
            if (name != "max_tries" or value is not None) and not _is_real(value):
                raise TypeError(f"{name} takes a number, got {type(value).__name__} {value!r:.50}")
            if value is not None and not float(value) >= 0:
                raise ValueError(f"{name} takes 0 or more, got {value!r}")
        self.initial = initial
        self.factor = factor
        self.max_delay = max_delay
        self.max_tries = max_tries

    def __iter__(self) -> Iterator[float]:
        yield 0.0
        delay = self.initial
        count = 1
        while self.max_tries is None or count < self.max_tries:
            yield delay
            count += 1
            delay = min(self.max_delay, self.factor * delay)


class Urls:
    """The places that a connection may be made to, in order of preference.

    :param values: texts or `Url` objects.
    :raises ValueError: one of them, its scheme or its port is invalid.
    """

    def __init__(self, values: Any) -> None:
        self.values: list[Url] = [connection_url(value) for value in values]

    def __iter__(self) -> Iterator[Url]:
        return iter(self.values)


def places(url: Any, urls: Any) -> Urls:
    """Where to connect to, as a program has given it.

    :raises ValueError: neither, or a URL is invalid.
    :raises TypeError: `urls` is not several URLs.
    """
    if not (url or urls):
        given = ", got an empty urls" if urls is not None else ", got an empty url" if url is not None else ""
        raise ValueError(f"One of url or urls required{given}")
    if isinstance(urls, str):
        raise TypeError("urls takes several URLs in a list, got one str")  # it is not shown: it may have a password
    if not url and not isinstance(urls, Iterable):
        raise TypeError(f"urls takes several URLs in a list, got {type(urls).__name__}")
    return Urls([url] if url else urls)


def check_reconnect(reconnect: Any) -> Any:
    """The delays that a program asks for: True is the default ones, as None is. A mistake raises here, not in the loop.

    :raises TypeError: not a sequence of delays.
    :raises ValueError: a delay in a list is below 0.
    """
    if reconnect is True:
        return None
    expected = "reconnect takes True, False, None, a Backoff or a sequence of seconds"
    try:
        if isinstance(reconnect, (str, bytes, bytearray)):
            raise TypeError
        if reconnect is not False:
            delays(reconnect)
    except TypeError:
        raise TypeError(f"{expected}, got {type(reconnect).__name__} {reconnect!r:.50}") from None
    if isinstance(reconnect, (list, tuple)):  # others may be used up by a look at them
        for delay in reconnect:
            if not _is_real(delay):
                raise TypeError(f"{expected}, got {type(delay).__name__} {delay!r:.50} in it")
            if not float(delay) >= 0:
                raise ValueError(f"{expected} of 0 or more, got {delay!r} in it")
    return reconnect


def delays(reconnect: Any) -> Iterator[float]:
    """The delays of one sequence of attempts.

    :raises TypeError: `reconnect` is not a sequence of delays.
    """
    if reconnect is None:
        return iter(Backoff())
    if hasattr(reconnect, "reset") and hasattr(reconnect, "next"):
        return _counted_delays(reconnect)
    return iter(reconnect)


def _counted_delays(counter: Any) -> Iterator[float]:
    """An older form: an object that is asked for one delay after the other, and told when to begin anew."""
    counter.reset()
    while True:
        try:
            delay = counter.next()
        except StopIteration:
            return
        yield delay


#: The conditions of a peer's close or end after which trying again has a chance: the broker is stopped or overloaded,
#: and another node, or the same one later, takes us (2.8.15, 2.8.16; what the clients of Azure take for retriable).
RETRIABLE = frozenset(
    {
        "amqp:connection:forced",
        "amqp:internal-error",
        "amqp:link:detach-forced",
        "amqp:resource-limit-exceeded",
        "com.microsoft:container-close",
        "com.microsoft:internal-error",
        "com.microsoft:operation-cancelled",
        "com.microsoft:server-busy",
        "com.microsoft:session-cannot-be-locked",
        "com.microsoft:timeout",
    }
)

#: How often the same condition may come without progress in between: the last time, the attempts end. It bounds what a
#: message costs that kills its session each time that it is sent.
MAX_REPEATS = 5

#: Seconds after which a connection or session that stayed open counts as progress.
STEADY = 30.0


class Attempt(NamedTuple):
    """An attempt to make a lost connection again.

    :param number: 1 for the first one since the connection was lost.
    :param delay: seconds to wait before it.
    :param address: where to, a `Url`.
    """

    number: int
    delay: float
    address: Any


def check_retry_on(retry_on: Any) -> Any:
    """The conditions after which to try again: names, or a callable.

    :raises TypeError: neither a collection of names nor a callable.
    """
    if retry_on is None or callable(retry_on):
        return retry_on
    expected = "retry_on takes a collection of names or a callable"
    if isinstance(retry_on, (str, bytes)) or not isinstance(retry_on, Iterable):
        raise TypeError(f"{expected}, got {type(retry_on).__name__} {retry_on!r:.50}")
    names = list(retry_on)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{expected}, got {type(name).__name__} {name!r:.50} in it")
    return frozenset(map(str, names))


class Series:
    """The retries of one connection, session or link: their delays, and how often the same condition came.

    :param make: makes the steps of a sequence: what `step` gives, one after the other. No method of the policy, which
        has a series itself: they would keep each other.
    :param arguments: what `make` is called with.
    """

    def __init__(self, make: Callable[..., Iterator[Any]], *arguments: Any) -> None:
        self._make = make
        self._arguments = arguments
        self._steps: Iterator[Any] | None = None
        self._next: Any = None
        self._name: Any = None
        self._number: Any = None
        #: how often the condition has come that came last
        self.count: int = 0
        #: since when a link waits for its node; None while it does not
        self.missing_since: float | None = None
        #: when it was last opened, in seconds; None before
        self.opened_at: float | None = None

    def steady(self, now: float) -> bool:
        """Whether it has stayed open long enough to count as progress.

        :param now: seconds.
        """
        return self.opened_at is not None and now - self.opened_at >= STEADY

    def note(self, number: Any, name: Any, progress: bool) -> int:
        """Counts an end; how often its condition has now come without progress.

        :param number: identifies the end: asked again, the answer is the same.
        :param name: the condition's name.
        :param progress: whether there was some since the last end.
        """
        # An end is asked about by handlers, connector and waits: it counts once.
        if number is None or number != self._number:
            self.count = self.count + 1 if name == self._name and not progress else 1
            self._name = name
            self._number = number
            if progress:
                self.afresh()
        return self.count

    def afresh(self) -> None:
        """The next step is the first one."""
        self._steps = self._next = None

    def peek(self) -> Any:
        """The next step, which stays the next one; None when there is none."""
        if self._steps is None:
            self._steps = self._make(*self._arguments)
        # Peeked at and kept: whether there is a step is asked more often than a step is taken.
        if self._next is None:
            self._next = next(self._steps, None)
        return self._next

    def step(self) -> Any:
        """The next step; None when there is none."""
        step, self._next = self.peek(), None
        return step


class ReconnectPolicy:
    """Decides for one connection whether it is made again when it is lost, when, and where.

    :param addresses: the places to connect to, a `Urls`.
    :param reconnect: None or True for the default delays, False for one attempt, a `Backoff` or a sequence of seconds.
    :param retry_on: the conditions of the peer that can pass: a collection of names, or a callable that is given the
        `Condition`; None for `RETRIABLE`.
    :param chance: gives a number from 0 to 1, for the jitter of the default delays.
    :raises TypeError: `reconnect` is not a sequence of delays, or `retry_on` neither names nor a callable.
    """

    #: seconds for which a link is attached again after a reconnect while its node is not there (`amqp:not-found`)
    missing_node_time: float = 60.0

    def __init__(
        self, addresses: Urls, reconnect: Any = None, retry_on: Any = None, chance: Callable[[], float] = random.random
    ) -> None:
        self.reconnect = reconnect
        self.addresses = addresses
        self.retry_on: Any = check_retry_on(retry_on)
        self.chance = chance
        #: True when no further attempt will be made, and why
        self.finished: bool = False
        self.reason: str | None = None
        #: how often it was tried to connect since the start, or since the connection was lost
        self.attempts: int = 0
        #: True from a loss, or from the failure of the first attempt, until the connection is open again
        self.is_down: bool = False
        #: collections of names of conditions that cannot pass, whatever `retry_on` says
        self.fatal_conditions: Any = ()
        #: of the connection itself
        self.series: Series = Series(_places, self.reconnect, addresses)
        self._first_loss = True  # the next one of an open connection begins a sequence
        self._down_since: float | None = None
        # Seconds since then, before which no line is due for a failure, and for a success.
        self._told_after = self._up_told_after = 0.0

    def __repr__(self) -> str:
        return f"<ReconnectPolicy {self.addresses.values!r}>"

    @property
    def reconnect(self) -> Any:
        """The delays, as the constructor takes them, with None for True. What is set counts from the next start."""
        return self._reconnect

    @reconnect.setter
    def reconnect(self, reconnect: Any) -> None:
        self._reconnect: Any = check_reconnect(reconnect)

    # -- what may be retried -------------------------------------------------------------------------------------

    def can_pass(self, condition: Any) -> bool:
        """Whether a close or end of the peer with this condition is followed by a retry.

        :param condition: a `Condition`, or None.
        """
        return self._may(condition, RETRIABLE if self.retry_on is None else self.retry_on)

    def link_can_pass(self, condition: Any) -> bool:
        """Whether a link that the peer has detached with this condition is attached again: where the program says so.

        :param condition: a `Condition`, or None.
        """
        return self._may(condition, () if self.retry_on is None else self.retry_on)

    def _may(self, condition: Any, named: Any) -> bool:
        # Without a condition nothing says that the reason can pass.
        if condition is None or self.reconnect is False or self.finished:
            return False
        if self.is_fatal(condition):
            return False
        return _judged(named, condition) if callable(named) else condition.name in named

    def is_fatal(self, condition: Any) -> bool:
        """Whether a handler of the program names this condition in its `fatal_conditions`.

        :param condition: a `Condition`.
        """
        return any(condition.name in names for names in self.fatal_conditions)

    def passes(self, series: Series, end: Any, now: float, progress: bool) -> bool:
        """Whether this end of a connection or session by the peer is followed by a retry; it is counted.

        :param series: of the connection or session.
        :param end: a pair of what identifies this end, and its condition.
        :param now: seconds.
        :param progress: whether a delivery was settled since the last end.
        """
        number, condition = end
        if not self.can_pass(condition):
            return False
        if series.note(number, condition.name, progress or series.steady(now)) >= MAX_REPEATS:
            return False
        return series is self.series or series.peek() is not None  # the connection's own tells when it is used up

    def awaits_node(self, series: Series, now: float) -> bool:
        """Whether a link whose node is not there is attached again, some time later.

        :param series: of the link, or of the session that the peer has ended for it.
        :param now: seconds.
        """
        if self.reconnect is False or self.finished:
            return False
        if series.missing_since is None:
            series.missing_since = now
        return now - series.missing_since < self.missing_node_time and series.peek() is not None

    # -- the connection ------------------------------------------------------------------------------------------

    def start(self) -> Any:
        """The address of the first attempt, which is made at once."""
        self.finished, self.reason = False, None
        self.attempts = 1
        self.is_down = False
        self._first_loss = True
        self._down_since = None
        # A new one: the program may have set other delays, and has opened the connection anew.
        self.series = Series(_places, self.reconnect, self.addresses)
        first = None if self.reconnect is False else self.series.step()
        return self.addresses.values[0] if first is None else first[1]

    def renew(self, reconnect: Any) -> None:
        """Say what follows from now on when the connection is lost: the attempts to make it first are over.

        :param reconnect: as the constructor takes it.
        """
        self.reconnect = reconnect
        self.series = Series(_places, self.reconnect, self.addresses)

    def connected(self, now: float) -> float | None:
        """The connection is open at both ends.

        :param now: seconds.
        :return: for how many seconds it was down, where that should be told; None else.
        """
        self.series.opened_at = now
        self.is_down = False
        if self._down_since is None:
            return None
        down = now - self._down_since
        if down < self._up_told_after:
            return None
        self._up_told_after = max(1.0, 2 * down)
        return down

    def ended(self, now: float, progress: bool) -> None:
        """As `lost`, but before it is told: after progress, failures are told as if there were none before.

        :param now: seconds.
        :param progress: whether a delivery was settled over it.
        """
        if progress and self.series.opened_at is not None or self.series.steady(now):
            self._down_since = None

    def lost(self, now: float, progress: bool = False) -> Attempt | None:
        """The connection is lost, or an attempt has failed.

        :param now: seconds.
        :param progress: whether a delivery was settled over it.
        :return: the next attempt; None when there is none, then `reason` says why.
        """
        self.is_down = True
        if self.reconnect is False:
            self.finish("reconnect disabled")
            return None
        series = self.series
        # It was open since the last loss. A failed attempt goes on in the sequence instead.
        if series.opened_at is not None:
            if progress or series.steady(now) or self._first_loss:
                series.afresh()
            self._first_loss = False
            self.attempts = 0
            series.opened_at = None
        step = series.step()
        if step is None:
            self.finish("no attempt is left")
            return None
        self.attempts += 1
        return Attempt(self.attempts, self.pause(step[0], series), step[1])

    def finish(self, reason: str) -> None:
        """Say that no further attempt is made.

        :param reason: why not.
        """
        self.finished = True
        self.reason = reason

    def is_due(self, now: float) -> bool:
        """Whether a failure is to be told in the log: the first one, and then one for each doubling of the time.

        :param now: seconds.
        """
        return self._down_since is None or now - self._down_since >= self._told_after

    def told(self, now: float) -> None:
        """A failure was told in the log.

        :param now: seconds.
        """
        if self._down_since is None:
            self._down_since = now
            self._up_told_after = 0.0
        self._told_after = max(1.0, 2 * (now - self._down_since))

    # -- delays --------------------------------------------------------------------------------------------------

    def series_for_endpoint(self) -> Series:
        """The retries of a session or link, after the same delays as those of the connection."""
        return Series(_own_delays, self.reconnect)

    def pause(self, delay: float, series: Series) -> float:
        """The delay before an attempt, in seconds; with jitter, unless the program has given the delays.

        A peer that has told the same reason again gets a second, then two, then four.

        :param delay: as the sequence has it.
        :param series: the retries that it belongs to.
        """
        # Delays that the program has given are kept to the letter.
        if self.reconnect is not None:
            return delay
        if series.count > 1:
            delay = max(delay, 2.0 ** (series.count - 2))
        # From half of it on: clients of one broker that has gone do not come back in the same moment.
        return round(delay * (1 - self.chance() / 2), 3)


def _judged(judge: Callable[[Any], Any], condition: Any) -> bool:
    """What a callable of the program says of a condition. It is asked once: handlers, connector and waits agree."""
    # Kept on the condition, which all of them have in hand; the callable may have been replaced since.
    known: tuple[Any, bool] | None = getattr(condition, "_judged", None)
    if known is None or known[0] is not judge:
        known = condition._judged = judge, bool(judge(condition))
    return known[1]


def _places(reconnect: Any, addresses: Urls) -> Iterator[tuple[float, Any]]:
    for delay in delays(reconnect):
        for url in addresses:
            yield delay, url


def _own_delays(reconnect: Any) -> Iterator[float]:
    # A generator is used up by the connection, and an object with `reset` counts for it.
    shared = isinstance(reconnect, (Backoff, list, tuple))
    return delays(reconnect if shared else None)
