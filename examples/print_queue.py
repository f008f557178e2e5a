"""Takes messages as lines of JSON until none comes for some seconds: `print_queue.py URL ADDRESS SECONDS`."""

import json
import sys

from proton import ProtonException
from proton.utils import BlockingConnection


def main(url: str, address: str, seconds: str) -> None:
    count = 0
    with BlockingConnection(url, timeout=10) as connection:
        receiver = connection.create_receiver(address, credit=100)
        for message in receiver.messages(timeout=float(seconds)):
            print(json.dumps({"id": message.id, "body": message.body}, default=str), flush=True)
            receiver.accept()  # after the line is out: one that is lost would not come again
            count += 1
    print(count, "messages", file=sys.stderr)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ProtonException as error:
        sys.exit(f"print_queue: {error}")
