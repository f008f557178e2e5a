"""`Joined`: handlers in containers of their own, joined in memory, in a time that the test moves.

The containers are whole: everything but the functions that make sockets, the clock and the wait is the package's own.
Keep true: nothing here waits or starts a thread, and containers take their turns in the order in which they were added.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Callable

from proton import Condition, Event
from proton.options.listen_options import ListenOptions
from proton.reactor import Container
from proton.testing.broker import Broker, ContainerRunner
from proton.testing.clock import VirtualClock
from proton.testing.commands import condition_of, late
from proton.testing.memory import Connect, MemoryNetwork, MemorySelector
from proton.testing.script import Player, Script
from proton.testing.seen import Seen

__all__ = ["Joined", "JoinedBroker"]

#: Turns of all containers without a pause: handlers that never come to rest must not hang a test.
MAX_TURNS = 100_000

#: Where a peer or the broker listens that is reached by any name.
PLACE = "joined:5672"

#: Seconds that stand for "no deadline": more than any test lets pass.
NEVER = 1e9


class _Waker:
    """Ends waits, of which there are none."""

    def __init__(self) -> None:
        self.pending = False

    def fileno(self) -> int:
        return -1

    def wake(self) -> None:
        self.pending = True

    def clear(self) -> None:
        self.pending = False

    def close(self) -> None:
        pass


class _Container(Container):
    """A container whose time is that of a clock, and whose sockets are in memory."""

    def __init__(self, clock: VirtualClock, network: MemoryNetwork, name: str, *handlers: object) -> None:
        self._clock = clock
        self._selector = MemorySelector(network)
        super().__init__(*handlers, selector=self._selector, container_id=name)
        io: Any = self.global_handler
        # No thread knows the time of the clock.
        io.base.resolve, io.base.resolves_in_thread = network.resolve, False
        waker: Any = _Waker()
        self.waker = waker
        self.network: Any = network
        self.timeout = NEVER
        self.mark()
        #: True once nothing is left to do for it
        self.has_ended: bool = False

    def mark(self) -> float:
        """Bring `now` up to date, and return it."""
        self._now = self._clock.now
        return self._now

    def turn(self) -> bool:
        """Do what is to be done now; False if there was nothing."""
        if self.has_ended:
            return False
        selector = self._selector
        selector.timeout = None
        # Up to the wait: `process` returns before it, too.
        while selector.timeout is None:
            if not self._process_once():
                self.has_ended = True
                self.stop()
                self.process()
                return True
        return selector.timeout <= 0 or selector.has_found or not self.quiesced

    def _process_once(self) -> bool:
        """As `process`, but an event on which a handler raises is over: the next turn goes on after it."""
        self._is_dispatching = True
        try:
            return self.process()
        except BaseException:
            events = self._collector.events
            if self._is_dispatching and events:
                event = events.popleft()
                # The input and output that it asks for are done, as after the event of a handler that does not raise;
                # but not a second turn of them, in which a handler has raised.
                if event.type is not Event.REACTOR_QUIESCED:
                    event.dispatch(self.global_handler)
            raise

    def _make_calls(self) -> None:
        # The event that waits is not the reason of what a call raises.
        self._is_dispatching = False
        super()._make_calls()
        self._is_dispatching = True

    @property
    def deadline(self) -> float | None:
        """When there is something to do next, as of the last turn that had nothing to do; None for never."""
        waited = self._selector.timeout
        return None if self.has_ended or waited is None or waited >= NEVER else self._clock.now + waited

    def end(self) -> None:
        """Stop, whatever is open.

        :raises Exception: the first one that a handler raises meanwhile.
        """
        error: Exception | None = None
        goes_on = not self.has_ended
        if goes_on:
            self.stop()
        while goes_on:
            try:
                goes_on = self._process_once()
            except Exception as raised:
                error = error or raised
        self.has_ended = True
        self._selector.close()
        if error is not None:
            raise error


class _World:
    """The containers, and what they share: the time and the network."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.network = MemoryNetwork(clock)
        self.containers: list[_Container | Player] = []
        self._runs = False
        #: seconds since the beginning at which something was last done
        self.last_event: float = 0.0

    def make(self, name: str, handlers: object) -> _Container:
        """A container of some handlers, which has not started."""
        several = handlers if isinstance(handlers, (list, tuple)) else [handlers]
        return _Container(self.clock, self.network, name, *several)

    def add(self, container: _Container) -> None:
        """Start a container."""
        self.containers.append(container)
        container.start()

    def run(self) -> None:
        """Go on until nothing is left to do at this time."""
        if not self._runs:  # else a handler has called a command that runs
            self._runs = True
            try:
                self.settle(self.containers)
            finally:
                self._runs = False

    def settle(self, containers: Sequence[_Container | Player]) -> None:
        """As `run`, with some of the containers."""
        for _ in range(MAX_TURNS):
            changes = self.network.changes
            # A list: each has its turn.
            if not any([container.turn() for container in containers]) and changes == self.network.changes:
                return
            self.last_event = self.clock.elapsed
        raise RuntimeError(f"expected the handlers to come to rest, got something new to do in {MAX_TURNS} turns")

    def step(self, end: float) -> bool:
        """Run, and go to the next deadline; False if there is none before the end."""
        self.run()
        deadlines = [each.deadline for each in self.containers if each.deadline is not None]
        if not deadlines or min(deadlines) > end:
            return False
        self.clock.move_to(max(self.clock.now, min(deadlines)))
        return True

    def run_until(self, condition: Callable[[], Any], what: str, seconds: float, seen: Seen | None) -> Any:
        """Let time pass until a condition holds, and return what it returned.

        :param seen: for the text of the error, or None.
        """
        end = self.clock.now + seconds
        self.run()
        found = condition()
        while not found:
            if seen is not None:
                seen.raise_failure()
            if not self.step(end):
                raise late(what, seconds, seen, f"the last event was at {self.last_event} s")
            self.run()
            found = condition()
        return found


class Joined:
    """A program's handler and its peer, in memory and in virtual time: no socket, no thread, no sleep.

        with Joined(Program("amqp://broker.example/tasks")) as joined:
            joined.broker.put("tasks", Message(body="x"))
            joined.run()
            assert joined.broker.seen.outcomes[0].state == "ACCEPTED"
            joined.cut()
            joined.advance(60)

    The handler is used as it is: `connect`, `listen`, `schedule`, `create_sender` and all else of its container work.
    Wherever it connects to, it reaches the peer, unless a handler listens at that place. `run` goes on until nothing is
    left to do at this time; only `advance` and `run_until` let time pass. What a handler raises comes out of them.

    :param program: the handler under test, or several of one container.
    :param peer: the handler at the other end, or several, or a `Script`; if omitted, a broker, `joined.broker`.
    :param clock: the time; a new one if omitted.
    :param options: how connections are accepted, as for `Container.listen` (`credentials`, `ssl_domain`, …); without
        a peer, those of `Broker` (`nodes`, `dead_letters`, …) too.
    :raises TypeError: an option with another name.
    """

    def __init__(
        self,
        program: object,
        peer: object = None,
        *,
        clock: VirtualClock | None = None,
        **options: Any,
    ) -> None:
        #: the time, a `VirtualClock`
        self.clock: VirtualClock = VirtualClock() if clock is None else clock
        self._world = _World(self.clock)
        self._network = self._world.network
        self._broker = JoinedBroker(self._world, **options) if peer is None else None
        self._script = peer if isinstance(peer, Script) else None
        self._peer = None if peer is None or self._script is not None else self._world.make("peer", peer)
        self._listen_options = {} if peer is None else options
        if peer is not None:
            ListenOptions.checked(options.get("credentials"), _without_users(options), options.get("ssl_domain"))
        self._program = self._world.make("program", program)
        self._has_begun = False

    def __enter__(self) -> Joined:
        self._begin()
        return self

    def __exit__(self, *problem: object) -> None:
        with contextlib.ExitStack() as ends:  # each, also after one that raises
            for container in reversed(self._world.containers):
                ends.callback(container.end)
        if self._broker is not None and problem[0] is None:
            self._broker.seen.raise_failure()

    def __repr__(self) -> str:
        return f"Joined(after {self.clock.elapsed} s)"

    def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            if self._broker is not None:
                self._broker.start()
            if self._peer is not None:
                self._world.add(self._peer)
                # Before the first turn, since a container with nothing to do ends.
                acceptor = self._peer.listen(PLACE, **self._listen_options)
                self._world.settle([self._peer])
                fallback, *own = self._network.listeners()
                if own:
                    acceptor.close()
                else:
                    self._network.fallback = fallback
            if self._script is not None:
                self._world.containers.append(Player(self._script, self._network))
            self._world.add(self._program)

    # -- what is joined ------------------------------------------------------------------------------------------

    @property
    def container(self) -> Container:
        """The container of the program."""
        return self._program

    @property
    def peer_container(self) -> Container:
        """The container of the peer.

        :raises RuntimeError: the peer is the broker.
        """
        if self._peer is None:
            raise RuntimeError("the peer is a broker or a script: there is no handler of the test at the other end")
        return self._peer

    @property
    def broker(self) -> JoinedBroker:
        """The broker.

        :raises RuntimeError: the test has given another peer.
        """
        if self._broker is None:
            raise RuntimeError("there is no broker: the test has another peer")
        return self._broker

    def add(self, handler: object, name: str = "another") -> Container:
        """Join another program, in a container of its own.

        :param handler: a handler, or several.
        :param name: the name of its container.
        """
        container = self._world.make(name, handler)
        self._begin()
        self._world.add(container)
        return container

    @property
    def finished(self) -> bool:
        """Whether the program has ended: its container has nothing left to do."""
        return self._program.has_ended

    @property
    def connects(self) -> Sequence[Connect]:
        """The attempts to connect, in order."""
        return self._network.connects

    # -- time ----------------------------------------------------------------------------------------------------

    @property
    def elapsed(self) -> float:
        """Seconds that have passed."""
        return self.clock.elapsed

    def run(self) -> None:
        """Go on until nothing is left to do at this time.

        :raises RuntimeError: the handlers do not come to rest: each turn makes something new to do.
        """
        self._begin()
        self._world.run()

    def advance(self, seconds: float) -> None:
        """Let time pass, and have all that falls due in it done when it is due.

        :param seconds: 0 or more.
        :raises ValueError: below 0.
        :raises RuntimeError: as `run`.
        """
        if not seconds >= 0:
            raise ValueError(f"expected 0 seconds or more, got {seconds!r}")
        self._begin()
        end = self.clock.now + seconds
        while self._world.step(end):
            pass
        self.clock.move_to(end)
        self.run()

    def run_until(self, condition: Callable[[], object], what: str = "", seconds: float = 60.0) -> None:
        """Let time pass until a condition holds, from one deadline to the next.

        :param condition: a function without arguments.
        :param what: what is expected, for the text of the error.
        :param seconds: how much time may pass.
        :raises TimeoutError: it does not hold after so much time.
        """
        self._begin()
        self._world.run_until(condition, what, seconds, None if self._broker is None else self._broker.seen)

    # -- faults --------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Lose all connections, with what is on its way."""
        self._network.cut()

    def stall(self) -> None:
        """From now on no byte arrives, until `resume`: peers seem to be silent."""
        self._network.is_stalled = True

    def resume(self) -> None:
        """Go on after `stall`."""
        self._network.is_stalled = False

    def refuse_connects(self, times: int | None = None) -> None:
        """Refuse to connect, as a machine on which nothing listens.

        :param times: how often; None for always, until `allow_connects`.
        """
        self._network.refusals = float("inf") if times is None else times

    def drop_connects(self) -> None:
        """Leave connects without an answer, as a firewall does, until `allow_connects`."""
        self._network.is_down = True

    def allow_connects(self) -> None:
        """Accept connects again."""
        self._network.is_down, self._network.refusals = False, 0


def _without_users(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in ("credentials", "ssl_domain")}


class JoinedBroker(Broker):
    """The broker of a `Joined`: the commands of `Broker`, whose effects show after the next `run`.

    Its time is that of the clock: messages expire and delayed ones are delivered when `Joined.advance` lets time pass.
    """

    def __init__(self, world: Any, **options: Any) -> None:
        super().__init__(5672, host="joined", **options)
        self._world: _World = world
        nodes = self._commands.nodes
        nodes.clock = nodes.day_clock = lambda: self._world.clock.now

    def start(self, empty: bool = False) -> None:
        """Listen, with the messages that are in the queues.

        :param empty: without messages.
        :raises RuntimeError: it runs already.
        """
        container = self._world.make("broker", ContainerRunner(self._commands.begin(empty), self._listen))
        self._world.add(container)
        self._world.settle([container])

    def _listen(self, container: Container) -> Any:
        acceptor = self._settings.listen(container)
        network = self._world.network
        network.fallback = network.listeners()[-1]
        return acceptor

    def stop(
        self,
        condition: str | None = "amqp:connection:forced",
        description: str = "the broker is shut down",
        sessions_first: bool = False,
    ) -> None:
        """Stop in an orderly way: stop listening, close each connection, and run until the answers are there.

        :param condition: the name of the condition of each close.
        :param description: its description.
        :param sessions_first: end the sessions before, with the same condition.
        :raises RuntimeError: it does not run.
        """
        reason: Condition | None = condition_of(condition, description)
        self._commands.running().stop(reason, sessions_first)
        self._commands.service = None
        self._world.run()

    def kill(self) -> None:
        """Stop as if the machine had failed: connections are cut, without a close.

        :raises RuntimeError: it does not run.
        """
        self._commands.running().kill()
        self._commands.service = None
        self._world.run()

    def stall(self) -> None:
        """From now on no byte arrives, until `resume`, in either direction."""
        self._world.network.is_stalled = True

    def resume(self) -> None:
        """Go on after `stall`."""
        self._world.network.is_stalled = False

    def wait_for(self, condition: Callable[[Seen], Any], what: str = "", seconds: float = 60.0) -> None:
        """Let time pass until a condition holds.

        :param condition: a function of `seen`.
        :param what: what is expected, for the text of the error.
        :param seconds: how much time may pass.
        :raises TimeoutError: it does not hold after so much time.
        :raises TypeError: the condition is not a function.
        """
        super().wait_for(condition, what, seconds)

    def _wait_for(self, condition: Callable[[Seen], Any], what: str, seconds: float) -> Any:
        return self._world.run_until(lambda: condition(self.seen), what, seconds, self.seen)
