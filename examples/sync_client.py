"""Sends requests to a server (server.py or server_direct.py) and waits for the response to each, without callbacks."""

import argparse

from proton import Message, Url
from proton.utils import BlockingConnection, SyncRequestResponse

REQUESTS = (
    "Twas brillig, and the slithy toves",
    "Did gire and gymble in the wabe.",
    "All mimsy were the borogroves,",
    "And the mome raths outgrabe.",
)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("-t", "--timeout", type=float, default=5, help="seconds to wait; default: %(default)s")
    options = parser.parse_args()
    url = Url(options.address)
    client = SyncRequestResponse(BlockingConnection(url, timeout=options.timeout), url.path)
    try:
        for request in REQUESTS:
            response = client.call(Message(body=request))
            print(f"{request} => {response.body}")
    finally:
        client.connection.close()
