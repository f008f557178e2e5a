"""`Driver`: a `Transport`, its events and its deadlines, without a socket: all that an event loop needs.

An event loop gives a driver the bytes and the time, and takes bytes and events from it. In each turn: `received`, then
handle `events`, then send `data_to_send`, then let time pass by `handle_timer`. What a program does outside of such a
turn is announced by `on_output`. `IOLayer` is what a program puts
between the bytes and the frames. Docs and examples: docs/driver.md. Rules for editors:
1. No socket, selector, event loop or clock here: bytes and `now` are arguments.
2. An idle driver costs nothing: no list of drivers exists, and nothing looks through several of them for work.
3. Nothing here raises for what the peer sends. Only the program's own errors come out (the source of a streamed body).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable, Protocol

from proton.endpoints.arguments import NotCopied
from proton.endpoints.condition import Condition
from proton.endpoints.events import Collector, Event
from proton.exceptions import TransportException
from proton.transport import io_layers, timeouts
from proton.transport.io_layers import IOLayer, IOLayerError
from proton.transport.transfers import MAX_OUTPUT
from proton.transport.transport import Transport
from proton.transport.transport_state import state_of

__all__ = ["IO_CONDITION", "Driver", "IOLayer", "IOLayerError", "Interests"]

#: the condition of transports whose network connection could not be made, or has failed
IO_CONDITION = "proton.pythonio"

#: Bytes of output to ask for at once: more than the buffer of a socket takes would be copied in vain. As many as make
#: the output wait at least: if fewer were taken, all that there was is written.
SEND_SIZE = MAX_OUTPUT

#: What `read_from` and `write_to` have met: a socket that has nothing, or takes less than there is; nothing to move;
#: bytes that have moved; the last bytes of output; the same while no timer runs, so that there is nothing to update;
#: the end of the stream; an error, which is in `failure`.
BLOCKED, IDLE, MOVED, DRAINED, DONE, ENDED, FAILED = range(7)


class Interests(Protocol):
    """What an event loop waits for, with the deadline on the clock of `Driver.update_interests`; None for none."""

    reading: bool
    writing: bool
    deadline: float | None


class Driver(NotCopied):
    """What moves the bytes of one transport, for any event loop, thread or pipe.

    :param transport: the `Transport`, whose connection is bound to it before or after.
    :param collector: the collector of its connection (`Connection.collect`); several drivers may share one, which keeps
        one order of events over all of them. A new one if omitted.
    """

    #: called without arguments if there is something to write again: once, until `data_to_send` has returned nothing.
    #: The call may come from within `received` or a handler, and comes whenever the program sends, settles, grants
    #: credit, opens or closes.
    on_output: Callable[[], object] | None = None
    #: called without arguments by `handle_timer` if a deadline has passed: gives what the socket has to `received`. If
    #: None, `handle_timer` does nothing on its first call for a deadline, which leaves the event loop time to read.
    read_first: Callable[[], object] | None = None

    #: what waits for the socket: the event loop's own
    watch: Any = None
    #: True if the socket took less than it was offered by the last `write_to`: wait until it can be written
    would_block: bool = False
    #: the error that `read_from` or `write_to` has met last, as text: the exception would keep its traceback
    failure: str = ""
    #: seconds that each attempt to connect may take, for event loops that limit it; 0 for no limit
    connect_timeout: float = 0.0

    def __init__(self, transport: Transport, collector: Collector | None = None) -> None:
        self.transport: Transport = transport
        self._state = state_of(transport)
        #: what `next_deadline` gives if no bytes have moved, 0.0 for none
        self.deadline: float = 0.0
        self._collector = collector
        self._output_announced = False
        self._moved = True  # bytes have moved since the last tick, which moves deadlines
        self._read_before = 0.0  # the deadline before which the input was read
        transport.driver = self

    def __repr__(self) -> str:
        return f"<Driver of {self.transport.connection!r}>"

    @property
    def collector(self) -> Collector:
        """The collector of the events: as given, or one that is made on first use."""
        if self._collector is None:
            self._collector = Collector()
        return self._collector

    def add_layer(self, layer: IOLayer) -> None:
        """Put a layer of the program between the network and the frames, before the first bytes move.

        It is above those that were added before, on the side of the frames: added after `Transport.ssl` it is above
        TLS, which encrypts its bytes; added before, it is below, and carries those of TLS. A security layer of SASL is
        above all. Events of a container: add it in `on_connection_bound`.

        :param layer: an object with the members of `IOLayer`, which serves this transport only.
        :raises TypeError: it lacks one of them.
        :raises TransportException: bytes have moved already.
        """
        io_layers.add(self._state, layer)

    # -- input ---------------------------------------------------------------------------------------------------

    def room(self) -> int:
        """Bytes of input that can be taken now; 0: stop reading.

        It is 0 while too many events or answers wait: handle `events`, send `data_to_send`, and ask again. It stays 0
        once no more input is taken.
        """
        return max(0, self._state.capacity())

    def received(self, data: bytes) -> None:
        """Take bytes that came from the peer. Bytes that come after the end of the input are dropped.

        :param data: any bytes-like object, of any size; `room` says how much to read from a socket.
        :raises OverflowError: more than `room`, while no connection is bound that could take it.
        """
        self._moved = True
        try:
            self._state.push(data)
        except TransportException:
            if self._state.capacity() >= 0:
                raise

    def eof_received(self) -> None:
        """Say that the peer sends no more. An error, unless the connection is closed.

        Output may still be sent, for instance the close that tells the peer about the error.
        """
        self._moved = True
        self.transport.close_tail()

    def lost(self, error: BaseException | Condition | None = None) -> None:
        """Say that the network connection is gone, or could not be made: no input will come, and no output leaves.

        :param error: the reason, which becomes the condition of the transport; None for an end that is an error only
            if the connection is still open.
        """
        transport = self.transport
        self._moved = True
        if error is None:
            transport.close_head()
            transport.close_tail()
            return
        if transport.condition is None and not transport.closed:
            transport.condition = error if isinstance(error, Condition) else Condition(IO_CONDITION, _reason(error))
        # The input ends first, which turns the condition into the error event.
        transport.close_tail()
        transport.close_head()

    @property
    def input_ended(self) -> bool:
        """True if no more input is taken: stop reading for good."""
        return self._state.capacity() < 0

    # -- output --------------------------------------------------------------------------------------------------

    def data_to_send(self, most: int = SEND_SIZE) -> bytes:
        """The next bytes to send, which stay until `sent` says that they were taken; nothing if there are none.

        :param most: bytes at most.
        :raises Exception: what the source of a streamed body has raised; its delivery is aborted.
        """
        data = self._state.peek(most) or b""
        if not data:
            self._output_announced = False
            if self.on_output is not None:
                self._forget_event()
        return data

    def sent(self, size: int) -> None:
        """Drop bytes of output that were taken.

        :param size: bytes, as many as `data_to_send` has returned at most.
        """
        self._moved = True
        self._state.pop(size)

    @property
    def output_ended(self) -> bool:
        """True if there will be no more output: the sending side of the socket may be shut down."""
        return self._state.pending() < 0

    def announce_output(self) -> None:
        """Have `on_output` called, unless it was since `data_to_send` returned nothing. The engine does this."""
        if not self._output_announced:
            self._output_announced = True
            if self.on_output is not None:
                self.on_output()

    def _forget_event(self) -> None:
        """A transport event at the end of the queue would swallow the next one, and with it the next announcement."""
        events = self._collector.events if self._collector is not None else ()
        if events and events[-1].context is self.transport and events[-1].type is Event.TRANSPORT:
            events.pop()

    # -- time ----------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `handle_timer` is due, on the clock of its argument; None if it is not needed.

        After bytes have moved it is 0.0, which has passed on any clock: they move the deadlines.
        """
        return 0.0 if self._moved else self.deadline or None

    def handle_timer(self, now: float) -> None:
        """Let time pass: a silent peer is noticed, and a heartbeat made for a peer that wants one (2.4.5).

        A program may have been busy for long, with bytes of the peer waiting in the socket. If a deadline has passed,
        the input is read first, by `read_first`; without that, the first call changes nothing, and the second acts.

        :param now: seconds, on any clock that does not go back.
        """
        if self.must_read_first(now):
            self._moved = False  # what is due now is the deadline itself
            if self.read_first is None:
                return
            self.read_first()
        self._moved = False
        self.deadline = timeouts.tick(self._state, now)

    def must_read_first(self, now: float) -> bool:
        """True once for a deadline that has passed: the peer may have spoken while the program was busy.

        :param now: seconds, on the clock of `handle_timer`.
        """
        due = self.deadline
        if due and now >= due and self._read_before != due:
            self._read_before = due
            return True
        return False

    # -- non-blocking sockets ------------------------------------------------------------------------------------

    # One call each for what a loop does in each turn. Through `room`, `received`, `data_to_send`, `sent` and
    # `handle_timer` a turn would cost five calls more.

    def read_from(self, receive: Callable[[int], bytes]) -> int:
        """Read once.

        :param receive: `recv` of a non-blocking socket.
        :return: BLOCKED, IDLE (there is no room), MOVED, ENDED or FAILED. The last two leave it to the caller to end
            the transport.
        """
        state = self._state
        room = state.capacity()
        if room <= 0:
            return IDLE
        try:
            data = receive(room)
        except (BlockingIOError, InterruptedError):
            return BLOCKED
        except OSError as error:
            self.failure = repr(error)
            return FAILED
        if not data:
            return ENDED
        self._moved = True
        state.push(data)
        return MOVED

    def write_to(self, send: Callable[[bytes], int], is_fresh: bool) -> int:
        """Write once.

        :param send: `send` of a non-blocking socket.
        :param is_fresh: True if `update_interests` has found this output; what was made since waits for its next call.
        :return: BLOCKED, IDLE, MOVED, DRAINED, DONE, or FAILED, after which the output is ended.
        :raises Exception: what the source of a streamed body has raised.
        """
        state = self._state
        # Behind an I/O layer only `peek` knows which pieces have gone through it.
        data = state.unsent(SEND_SIZE) if is_fresh and not state.io_layers else state.peek(SEND_SIZE)
        if not data:
            return IDLE
        size = len(data)
        try:
            sent = send(data)
        except (BlockingIOError, InterruptedError):
            self.would_block = True
            return BLOCKED
        except OSError as error:
            self.failure = repr(error)
            self.would_block = False
            state.close_head()
            return FAILED
        self._moved = True
        state.pop(sent)
        self.would_block = sent < size
        if sent < size:
            return BLOCKED
        # TLS may have its last words to say.
        if size < SEND_SIZE and not state.out_size:
            return DRAINED if state.idle_timeout_ms or state.remote_idle_timeout_ms else DONE
        return MOVED

    def update_interests(self, interests: Interests, now: float) -> None:
        """Let time pass, and say what is to be waited for.

        :param interests: the object whose attributes `reading`, `writing` and `deadline` are set.
        :param now: seconds, as for `handle_timer`.
        """
        state = self._state
        if state.idle_timeout_ms or state.remote_idle_timeout_ms or not state.open_received or state.failed:
            # A time-out may make output, so the tick comes first (2.4.5).
            self.deadline = interests.deadline = timeouts.tick(state, now)
        elif self.deadline:
            self.deadline = 0.0  # the handshake is over
            interests.deadline = None
        self._moved = False
        interests.reading = state.capacity() > 0
        if not interests.reading and state.has_many_events():
            state.emit(Event.TRANSPORT)  # looked at again, behind the events that have to be handled first
        interests.writing = state.pending() > 0

    def awaits_handshake(self) -> bool:
        """Whether nothing can be written before the peer goes on with the handshake, and that is waited for.

        Before its open a transport writes all that it has when it is asked, and then needs input to have more, or a
        program that opens the connection only now.
        """
        watch, state = self.watch, self._state
        return not state.open_sent and watch is not None and watch.reading and not watch.writing and not state.pending()

    # -- events --------------------------------------------------------------------------------------------------

    def events(self) -> Iterator[Any]:
        """The events of the collector, the oldest first, each of which leaves it; those of all drivers that share it.

        Events that handlers cause follow in the same iteration. What an iteration leaves is there for the next one.
        """
        events = self.collector.events
        while events:
            yield events.popleft()

    @property
    def closed(self) -> bool:
        """True if neither input is taken nor output given any more: close the socket, and `unbind` the transport."""
        return self.transport.closed

    def unbind(self) -> None:
        """Part the transport from its connection and from this driver; the connection may be bound anew."""
        self.watch = self.transport.driver = None  # no cycle of references is left
        self.transport.unbind()


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
