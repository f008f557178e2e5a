"""A web application (aiohttp): POST /orders publishes, GET /orders takes one: `web_orders.py URL ADDRESS PORT`."""

import sys
from collections.abc import AsyncIterator

from aiohttp import web

from proton import Message, ProtonException
from proton.asyncio import Receiver, Sender, Timeout, connect

SENDER, RECEIVER = web.AppKey("SENDER", Sender), web.AppKey("RECEIVER", Receiver)


async def publish(request: web.Request) -> web.Response:
    try:
        await request.app[SENDER].send(Message(body=await request.text(), durable=True), timeout=5)
    except ProtonException as error:  # not accepted, lost, too late
        raise web.HTTPServiceUnavailable(text=f"{error}\n") from error
    return web.Response(status=202, text="ordered\n")


async def take(request: web.Request) -> web.Response:
    try:
        message, delivery = await request.app[RECEIVER].receive(timeout=1)
    except Timeout:
        return web.Response(status=204)
    delivery.accept()
    return web.Response(text=f"{message.body}\n")


async def connected(app: web.Application) -> AsyncIterator[None]:
    async with connect(sys.argv[1], reconnect=True) as connection:
        app[SENDER] = await connection.sender(sys.argv[2])
        app[RECEIVER] = await connection.receiver(sys.argv[2], prefetch=1)
        yield


app = web.Application()
app.add_routes([web.post("/orders", publish), web.get("/orders", take)])
app.cleanup_ctx.append(connected)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[3]), print=None)
