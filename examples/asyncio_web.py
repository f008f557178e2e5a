"""A web application (aiohttp) that publishes what a browser posts, and streams what it receives to each browser.

The browsers are told by server-sent events. `topic` as the beginning of the address has examples/broker.py give each
browser a copy.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import AsyncIterator

from aiohttp import web

from proton import Message, ProtonException, Url
from proton.asyncio import Connection, Sender, connect

CONNECTION = web.AppKey("CONNECTION", Connection)
SENDER = web.AppKey("SENDER", Sender)
URL = web.AppKey("URL", Url)
PAGE = """<form onsubmit="fetch('/publish', {method: 'POST', body: this.text.value}); return false"><input name="text">
<button>Publish</button></form><ul id="list"></ul><script>new EventSource('/events').onmessage = event => {
list.append(Object.assign(document.createElement('li'), {textContent: JSON.parse(event.data)}))}</script>"""


async def page(request: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


async def publish(request: web.Request) -> web.Response:
    try:
        await request.app[SENDER].send(Message(body=await request.text()), timeout=10)
    except ProtonException as error:  # rejected, lost, too late: the browser is told
        raise web.HTTPBadGateway(text=str(error)) from error
    return web.Response(text="published")


async def events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    async with request.app[CONNECTION].receiver(request.app[URL].path, prefetch=10) as receiver:
        await response.prepare(request)
        async for message, delivery in receiver:  # ends with an error if the browser has gone
            async with delivery:
                await response.write(b"data: %s\n\n" % json.dumps(message.body).encode())
    return response


async def connected(app: web.Application) -> AsyncIterator[None]:
    async with connect(app[URL], reconnect=True) as app[CONNECTION]:
        app[SENDER] = await app[CONNECTION].sender(app[URL].path)
        print("connected", flush=True)
        yield


async def drain(app: web.Application) -> None:
    await app[CONNECTION].drain(timeout=5)  # the streams of the browsers end


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-a", "--address", default="localhost:5672/topic/web", help="default: %(default)s")
    parser.add_argument("-p", "--port", type=int, default=8080, help="default: %(default)s")
    options = parser.parse_args()
    app = web.Application()
    app[URL] = Url(options.address)
    app.add_routes([web.get("/", page), web.post("/publish", publish), web.get("/events", events)])
    app.cleanup_ctx.append(connected)
    app.on_shutdown.append(drain)
    try:
        web.run_app(app, host="127.0.0.1", port=options.port)
    except ProtonException as error:
        print(error, file=sys.stderr)
        sys.exit("ended before the work was done")
