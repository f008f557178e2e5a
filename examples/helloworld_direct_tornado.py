"""Hello World with no broker and with the loop of tornado: this program sends one message to itself and prints it."""

import argparse

import proton_tornado
from proton import Message
from proton.handlers import MessagingHandler


class HelloWorld(MessagingHandler):
    def __init__(self, url):
        super().__init__()
        self.url = url
        self.acceptor = None

    def on_start(self, event):
        self.acceptor = event.container.listen(self.url)
        event.container.create_sender(self.url)

    def on_sendable(self, event):
        event.sender.send(Message(body="Hello World!"))
        # One message is all: a closed sender is not asked for more.
        event.sender.close()

    def on_message(self, event):
        print(event.message.body)

    def on_accepted(self, event):
        event.connection.close()

    def on_connection_closed(self, event):
        # Called for both ends of the connection; closing twice does no harm.
        self.acceptor.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:8888/examples", help="default: %(default)s")
    proton_tornado.Container(HelloWorld(parser.parse_args().address)).run()
