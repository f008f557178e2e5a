"""Hello World by way of a broker (broker.py will do), without callbacks: each call returns when it has been done."""

import argparse

from proton import Message, Url
from proton.utils import BlockingConnection

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    url = Url(parser.parse_args().address)
    connection = BlockingConnection(url, timeout=30)
    try:
        receiver = connection.create_receiver(url.path)
        sender = connection.create_sender(url.path)
        sender.send(Message(body="Hello World!"))
        print(receiver.receive(timeout=30).body)
        receiver.accept()
    finally:
        connection.close()
