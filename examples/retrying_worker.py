"""Works on jobs; three tries for what fails, none for what cannot succeed: `retrying_worker.py URL QUEUE`."""

import logging
import signal
import sys

from proton import ProtonException
from proton.utils import BlockingConnection


def work(body: float) -> None:
    print(f"100 / {body} = {100 / body:g}", flush=True)


def main(url: str, queue: str) -> None:
    with BlockingConnection(url, timeout=30, reconnect=True, heartbeat=20) as connection:
        receiver = connection.create_receiver(queue, credit=1)
        for message in receiver:  # waits without a limit
            try:
                work(message.body)
            except TypeError as error:
                receiver.reject("app:bad-job", str(error))
            except ArithmeticError as error:
                logging.warning("%r failed: %s", message.body, error)
                if message.delivery_count < 2:
                    receiver.modify(failed=True)
                else:
                    receiver.reject("app:failed", "failed three times")
            else:
                receiver.accept()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # a job in work has no outcome then, and comes again
    try:
        main(*sys.argv[1:])
    except ProtonException as error:
        sys.exit(f"retrying_worker: {error}")
