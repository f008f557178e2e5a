"""Hello World by way of a broker (broker.py will do), with the loop of tornado."""

import argparse
import sys

import proton_tornado
from proton import Message, Url
from proton.handlers import MessagingHandler


class HelloWorld(MessagingHandler):
    def __init__(self, url):
        super().__init__()
        self.done = False
        self.url = Url(url)

    def on_start(self, event):
        connection = event.container.connect(self.url)
        event.container.create_receiver(connection, self.url.path)
        event.container.create_sender(connection, self.url.path)

    def on_sendable(self, event):
        event.sender.send(Message(body="Hello World!"))
        event.sender.close()

    def on_message(self, event):
        print(event.message.body)
        self.done = True
        event.connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    program = HelloWorld(parser.parse_args().address)
    proton_tornado.Container(program).run()
    if not program.done:
        sys.exit("ended before the work was done")
