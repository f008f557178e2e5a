"""The pump: a thread that runs the loop of a blocking connection while the program works, so that heartbeats go out.

It knows its connection by a weak reference, so that a connection that nothing else refers to is closed.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from proton.utils.blocking import BlockingConnection

__all__ = ["keep_up"]


def keep_up(reference: Any, ended: threading.Event, heartbeat: float) -> None:
    """Runs the loop of a connection while no operation does, so that heartbeats go out and come in."""
    interval = heartbeat / 4.0
    while not ended.wait(interval):
        connection = reference()
        if connection is None:
            return
        # If another thread holds the lock, or runs the loop, it does the work.
        loop = connection._loop
        if loop.lock.acquire(blocking=False):
            try:
                if loop.runner is None:
                    interval = _run_once(connection, heartbeat)
            finally:
                loop.release()
        del connection, loop


def _run_once(connection: BlockingConnection, heartbeat: float) -> float:
    if connection.container is None or connection._pumped_error is not None:
        return heartbeat / 4.0
    try:
        connection._look()
    except Exception as error:
        connection._pumped_error = error
    transport = connection.conn.transport if connection.conn is not None else None
    wanted = transport.remote_idle_timeout if transport is not None else 0.0
    return min(heartbeat, wanted or heartbeat) / 4.0
