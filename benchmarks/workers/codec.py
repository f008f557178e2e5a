"""Encodes and decodes messages and `Data` in a loop; CPU microseconds for one, per kind. No peer, no socket."""

import argparse
import time
import uuid

from common import print_result
from proton import Data, Described, Message, symbol, timestamp, ulong

SMALL = {"id": 7, "body": {"sequence": 7, "d": "x" * 100}}
FULL = {
    "id": uuid.UUID(int=7),
    "user_id": b"user",
    "address": "queue",
    "subject": "subject",
    "reply_to": "replies",
    "correlation_id": "7",
    "content_type": "text/plain",
    "creation_time": 1700000000.5,
    "ttl": 60.0,
    "durable": True,
    "properties": {"colour": "green", "weight": 1.5, "count": 3},
    "annotations": {"x-opt-partition": "seven"},
    "body": "x" * 1000,
}
NESTED = {
    "list": list(range(50)),
    "map": {symbol("a"): ulong(1), symbol("b"): timestamp(1700000000000), "c": None},
    "described": Described(symbol("example:point"), [1.5, 2.5]),
    "binary": b"\0" * 100,
    "text": ["text"] * 20,
}


def message_calls(settings):
    message, encoded, target = Message(**settings), Message(**settings).encode(), Message()
    return (lambda: message.encode()), (lambda: target.decode(encoded))


def data_calls(value):
    data, target = Data(), Data()
    data.put_object(value)
    encoded = data.encode()

    def encode():
        data = Data()
        data.put_object(value)
        data.encode()

    def decode():
        target.clear()
        target.decode(encoded)
        target.rewind()
        target.next()
        target.get_object()

    return encode, decode


def microseconds(call, seconds):
    """CPU time of one call: the best of five series, which is the one that least else disturbed."""
    count, best = 100, float("inf")
    for _ in range(5):
        spent = 0.0
        while spent < seconds / 5:
            start = time.process_time()
            for _ in range(count):
                call()
            spent += time.process_time() - start
            if spent < seconds / 50:
                count *= 2
                spent = 0.0
                continue
            best = min(best, (time.process_time() - start) / count)
    return best * 1e6


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each row")
    options = parser.parse_args()
    kinds = {
        "small message": message_calls(SMALL),
        "full message": message_calls(FULL),
        "nested Data": data_calls(NESTED),
        "1,000 integers in Data": data_calls(list(range(1000))),
    }
    rows = {}
    for kind, (encode, decode) in kinds.items():
        rows[f"{kind}, encode"] = microseconds(encode, options.seconds)
        rows[f"{kind}, decode"] = microseconds(decode, options.seconds)
    print_result(rows=rows)
