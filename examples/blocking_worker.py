"""Works on the messages of a queue, one at a time, without callbacks, until none has come for a while.

A message whose work fails is rejected: the broker (broker.py) may keep it elsewhere. A broker that goes is waited for;
what a retry does not cure, such as a queue that does not exist, ends the program with exit status 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from proton import ConnectionException, Timeout, Url
from proton.utils import BlockingConnection, ConnectionClosed, LinkDetached

# The reasons of a broker that is being stopped, or has too much to do.
TEMPORARY = ("amqp:connection:forced", "amqp:internal-error", "amqp:resource-limit-exceeded")

if TYPE_CHECKING:
    from typing import Any


def work(body: Any) -> None:
    """What the worker is for: here, a division."""
    print(f"100 / {body} = {100 / body}", flush=True)


def work_until_idle(url: Url, idle: float) -> None:
    connection = BlockingConnection(url, timeout=30, heartbeat=20)
    try:
        receiver = connection.create_receiver(url.path, credit=10)
        while True:
            message = receiver.receive(timeout=idle)
            try:
                work(message.body)
            except (ArithmeticError, TypeError) as error:
                print(f"cannot work on {message.body!r}: {error}", flush=True)
                receiver.reject()
            else:
                receiver.accept()
    finally:
        connection.close()


def is_temporary(error: Exception) -> bool:
    """Whether another attempt may do better."""
    if isinstance(error, (ConnectionClosed, LinkDetached)):
        return error.condition in TEMPORARY
    return "amqp:unauthorized-access" not in str(error)  # else the connection was lost, or cannot be made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("-i", "--idle", type=float, default=5, help="seconds; default: %(default)s")
    options = parser.parse_args()
    while True:
        try:
            work_until_idle(Url(options.address), options.idle)
        except Timeout:
            print("nothing to do", flush=True)
            break
        except (ConnectionException, LinkDetached) as error:
            if not is_temporary(error):
                sys.exit(f"gave up: {error}")
            print(f"trying again: {error}", flush=True)
            time.sleep(1)
