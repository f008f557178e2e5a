"""The pump: a thread that runs the loop of a blocking connection while the program works, so that heartbeats go out.

It knows the connection by a weak reference, so that one that nothing else refers to is closed.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proton.utils.operations import Operations

__all__ = ["start_pump"]


def start_pump(operations: Operations, ended: threading.Event, heartbeat: float) -> None:
    """Start the pump of a blocking connection.

    :param operations: those of the connection.
    :param ended: to be set when the connection is closed.
    :param heartbeat: seconds of silence after which the connection counts as lost.
    """
    arguments = (weakref.ref(operations), ended, heartbeat)
    threading.Thread(target=_keep_up, args=arguments, name="proton-pump", daemon=True).start()


def _keep_up(reference: weakref.ref[Operations], ended: threading.Event, heartbeat: float) -> None:
    """Runs the loop while no operation does, so that heartbeats go out and come in."""
    # The peer gives up after the whole time; a quarter leaves room for a late thread and the way of the frame (2.4.5).
    interval = heartbeat / 4.0
    while not ended.wait(interval):
        operations = reference()
        if operations is None:
            return
        # If another thread holds the lock, or runs the loop, it does the work.
        loop = operations.loop
        if loop.lock.acquire(blocking=False):
            try:
                if loop.runner is None:
                    interval = _run_once(operations, heartbeat)
            finally:
                loop.release()
        # Until the next turn the weak reference alone is kept, so that a dropped connection is closed.
        del operations, loop


def _run_once(operations: Operations, heartbeat: float) -> float:
    """Runs the loop without a wait; the result is the number of seconds until the next time."""
    if operations.container is None or operations.pumped_error is not None:
        return heartbeat / 4.0
    try:
        operations.run_briefly()
    except Exception as error:
        # Raised by the next operation: in this thread no program would see it.
        operations.pumped_error = error
    transport = operations.conn.transport if operations.conn is not None else None
    wanted = transport.remote_idle_timeout if transport is not None else 0.0
    return min(heartbeat, wanted or heartbeat) / 4.0
