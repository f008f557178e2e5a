"""From an address to a driver with a socket: `ConnectAttempt`, `ConnectSelectable`, `start_io`.

Every address of the name is tried, in the resolver's order, without blocking. Keep true: each failure becomes the
condition of the transport (`Driver.lost`).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any

from proton.driver import IO_CONDITION, Driver
from proton.endpoints.condition import Condition
from proton.io import sockets
from proton.io.selectable import Selectable, SocketSelectable
from proton.logs import error_level, log

__all__ = ["ConnectAttempt", "ConnectSelectable", "PendingSelectable", "failure_level", "start_io"]


def failure_level(transport: Any) -> int:
    """The level at which a failure of a transport is logged: error, unless a blocking call is going to raise it."""
    return error_level(transport.connection)


def start_io(reactor: Any, driver: Driver, sock: Any) -> Selectable:
    """Join the driver of a bound transport to a connected socket; the container watches it from now on."""
    selectable = SocketSelectable(sock, reactor, driver)
    driver.update_interests(selectable, reactor.now)
    selectable.update()
    return selectable


class PendingSelectable(Selectable):
    """What an attempt to connect waits for; it finishes by itself, and can be given up.

    :param attempt: goes on when it has ended.
    """

    def __init__(self, delegate: Any, attempt: ConnectAttempt) -> None:
        super().__init__(delegate, attempt.reactor)
        self._attempt = attempt

    def abandon(self) -> None:
        """Give the attempt up, because the connection was closed."""
        driver = self._attempt.driver
        self.terminate()
        self.update()
        driver.watch = None
        # After `watch` was cleared: the end of the transport finds no selectable to finish once more.
        driver.lost()


class ConnectSelectable(PendingSelectable):
    """A socket that is being connected; it hands over to a selectable of its own.

    Two objects, because a foreign loop knows a registration by its selectable, and the descriptor stays the same.
    """

    def __init__(self, sock: Any, attempt: ConnectAttempt) -> None:
        super().__init__(sock, attempt)
        self.sock = sock
        self.writing = True

    def readable(self) -> None:
        """Nothing: the end of a connect shows as writability."""

    def writable(self) -> None:
        """The connect has ended, well or not."""
        if not self._terminal:
            self._attempt.ended(self)

    def expired(self) -> None:
        """The connect has not come to an end in the time that it may take."""
        if not self._terminal:
            self.terminate()
            self._attempt.failed(self, errno.ETIMEDOUT)


class ConnectAttempt:
    """One attempt to connect the transport of a driver: the addresses still to try, and what went wrong so far."""

    def __init__(self, reactor: Any, driver: Driver, host: str | None, port: Any) -> None:
        self.reactor = reactor
        self.driver = driver
        self.place: str = f"{host}:{port}"
        self.addresses: Iterator[sockets.Address] = iter(())
        self.errors: list[int] = []

    def next(self) -> None:
        """Tries the next address, and fails the transport when there is none left."""
        for address in self.addresses:
            how = "Connection refused: trying next" if self.errors else "Connect trying first"
            log.debug("%s transport address: %r", how, address.sockaddr)
            try:
                sock, result = self.reactor.network.connect(address)
            except OSError as error:
                self.errors.append(error.errno or errno.EIO)
                continue
            except OverflowError as error:
                # A port beyond 65535, which the resolver of a program has let pass: no other address has a better one.
                self.fail(f"cannot connect to {self.place}: {error}")
                return
            if result:
                sock.close()
                self.errors.append(result)
                continue
            selectable = ConnectSelectable(sock, self)
            selectable.deadline = self.limit()
            self.driver.watch = selectable
            return
        self.fail(self._reason())

    def limit(self) -> float | None:
        """When what begins now has to end, in seconds as of `time.time`; None for no limit."""
        # The heartbeat is how long silence is endured on the open connection; the connect gets as much.
        limit = self.driver.transport.idle_timeout or self.driver.connect_timeout
        return self.reactor.mark() + limit if limit else None

    def ended(self, selectable: ConnectSelectable) -> None:
        """The connect of a selectable has ended: hands its socket over, or goes on to the next address."""
        sock = selectable.sock
        result = self.reactor.network.connect_result(sock)
        selectable.terminate()
        if not result:
            log.debug("Connection succeeded")
            # The socket lives on: the final event of this selectable must not close it.
            selectable.release()
            selectable.update()
            # After the `update`: a foreign loop hears of the end of one registration before the next of a descriptor.
            start_io(self.reactor, self.driver, sock)
            return
        self.failed(selectable, result)

    def failed(self, selectable: ConnectSelectable, error: int) -> None:
        """An address is of no use: the next one is tried."""
        self.errors.append(error)
        selectable.update()
        self.driver.watch = None
        self.next()

    def _reason(self) -> str:
        # An address of a family that the machine lacks says nothing about the place we call.
        errors = [code for code in self.errors if code not in sockets.UNUSABLE] or self.errors
        # A refusal is the least telling reason: a time-out or an unreachable net of another address goes before it.
        others = [code for code in errors if code != errno.ECONNREFUSED]
        if errors and not others:
            log.debug("Connection refused, but tried all transport addresses")
            return "Connection refused to all addresses"
        reason = os.strerror(others[-1]) if others else "the name has no address"
        log.log(failure_level(self.driver.transport), "Couldn't connect: %s: %s", self.place, reason)
        return f"cannot connect to {self.place}: {reason}"

    def fail(self, reason: str) -> None:
        """Ends the transport with a condition."""
        self.driver.lost(Condition(IO_CONDITION, reason))
