"""Mistakes of asyncio programs, each in a line that says so in a comment: checkers find each of them, and no other.

Never run: `tests/typing/check.py` has checkers read it.
"""

from __future__ import annotations

from proton import Message
from proton.asyncio import Connection, ConnectionEvent, Delivery, Receipt, Receiver, Rejected, Sender, connect, serve


def tell(event: ConnectionEvent) -> None:
    print(event.nmae)  # mistake: the name of a field


def tell_nothing() -> None:
    pass


async def connections() -> None:
    connect("h", pasword="x")  # mistake: the name of an option
    connect("h", timeout="3")  # mistake: the type of a time
    connect(["h", "g"])  # mistake: several URLs are given one by one
    connect("h", reconnect=3)  # mistake: a number in place of delays
    connect("h", on_event=tell_nothing)  # mistake: a callback without an argument
    with connect("h"):  # mistake: `async with` is meant
        pass
    connection = await connect("h")
    connection.close()  # mistake: it is not awaited
    connection.send(Message())  # mistake: a method of senders
    await connection.session(incoming_window=5)  # mistake: the name of an option
    serve("h", require_autentication=True)  # mistake: the name of an option


async def sending(connection: Connection, sender: Sender) -> None:
    connection.sender(5672)  # mistake: the type of an address
    connection.sender("q", prefetch=5)  # mistake: an option of receivers
    sender.send(Message())  # mistake: it is not awaited
    await sender.send("text")  # mistake: a text in place of a message
    await sender.send(Message(), 5)  # mistake: a time-out without its name
    receipt: Receipt = sender.send(Message())  # mistake: a coroutine in place of its result
    print(receipt.outcome)  # mistake: a field that receipts do not have
    await sender.send_stream("text")  # mistake: a text in place of bytes
    await sender.receive()  # mistake: a method of receivers


async def receiving(receiver: Receiver, delivery: Delivery) -> None:
    message, taken = receiver.receive()  # mistake: it is not awaited
    first = await receiver.receive()
    print(first.body)  # mistake: it is a pair, of a message and its delivery
    for each in receiver:  # mistake: `async for` is meant
        print(each)
    await delivery.accept()  # mistake: a plain call
    delivery.reject(5)  # mistake: the type of a condition
    delivery.accept(Message())  # mistake: it has no argument
    raise Rejected(condition=5)  # mistake: the type of a condition


async def requests(connection: Connection) -> None:
    async with connection.requester("q") as ask:
        answer = await ask("text")  # mistake: a text in place of a message
        print(answer.adress)  # mistake: a field that messages do not have
    await connection.transaction().commit(timeout="3")  # mistake: the type of a time
