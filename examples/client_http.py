"""A web page that sends requests to a server (server.py or server_direct.py) and shows the responses, with tornado.

GET / shows a form. GET /client?request=text sends the text over AMQP and answers with the response, when it has come.
"""

import argparse
import asyncio
import html

import tornado.httpserver
import tornado.web

import proton_tornado
from proton import Message
from proton.handlers import MessagingHandler

FORM = '<form action="/client"><input name="request"/><input type="submit"/></form>'


class Client(MessagingHandler):
    def __init__(self, url):
        super().__init__()
        self.url = url
        self.ready = asyncio.Event()
        self.waiting = {}  # a future by its correlation id
        self.number = 0

    def on_start(self, event):
        self.container = event.container
        self.sender = event.container.create_sender(self.url)
        self.receiver = event.container.create_receiver(self.sender.connection, None, dynamic=True)

    def on_link_opened(self, event):
        if event.receiver == self.receiver:
            self.ready.set()

    def on_message(self, event):
        future = self.waiting.pop(event.message.correlation_id, None)
        if future:
            future.set_result(event.message.body)

    async def request(self, body):
        await self.ready.wait()
        self.number += 1
        future = self.waiting[self.number] = asyncio.get_running_loop().create_future()
        reply_to = self.receiver.remote_source.address
        self.sender.send(Message(reply_to=reply_to, correlation_id=self.number, body=body))
        self.container.touch()  # this is no callback of the container: it has to be told
        return await future


class Page(tornado.web.RequestHandler):
    def get(self):
        self.write(FORM)


class Request(tornado.web.RequestHandler):
    def initialize(self, client):
        self.client = client

    async def get(self):
        response = await self.client.request(self.get_argument("request"))
        self.write(f"<p>{html.escape(str(response))}</p>{FORM}")


async def main(options):
    client = Client(options.address)
    proton_tornado.Container(client).initialise()
    pages = tornado.web.Application([("/", Page), ("/client", Request, {"client": client})])
    pages.listen(options.port, address="127.0.0.1")
    print(f"listening on port {options.port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672/examples", help="default: %(default)s")
    parser.add_argument("-p", "--port", type=int, default=8888, help="of the web page; default: %(default)s")
    asyncio.run(main(parser.parse_args()))
