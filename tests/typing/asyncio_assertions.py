"""Programs of `proton.asyncio`, and what checkers take its results for; never run: `tests/typing/check.py` reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Union

from typing_extensions import assert_type

import proton
from proton import Condition, Message, SSLDomain, Timeout, Url
from proton.asyncio import (
    BodyStream,
    Connection,
    ConnectionEvent,
    Delivery,
    LinkRequest,
    Listener,
    Lost,
    Modified,
    Receipt,
    Receiver,
    ReceiverRequest,
    Rejected,
    Released,
    Requester,
    Sender,
    SenderRequest,
    Session,
    Transaction,
    Undeliverable,
    connect,
    serve,
)
from proton.asyncio import Timeout as AsyncTimeout
from proton.reactor import AtMostOnce, Backoff, Selector


def tell(event: ConnectionEvent) -> None:
    assert_type(event.name, str)
    assert_type(event.connection, Connection)
    assert_type((event.reason, event.address), tuple[str, str])
    assert_type(event.attempt, int)
    assert_type(event.delay, float)


def late(outcome: Receipt | Exception) -> None:
    print(outcome)


async def connections() -> None:
    async with connect("amqp://h", Url("amqps://g"), reconnect=True, on_event=tell, on_late_outcome=late) as connection:
        assert_type(connection, Connection)
        assert_type(connection.is_connected, bool)
        assert_type(connection.remote_container, Union[str, None])
        assert_type(connection.user, Union[str, None])
        assert_type(await connection.drain(timeout=5), None)
    made = connect("h", reconnect=Backoff(max_tries=3), user="u", password="p", heartbeat=3, initial_retry=True)
    assert_type(made, Connection)
    assert_type(await made, Connection)
    assert_type(
        await connect("h", reconnect=[0, 1.5], ssl_domain=SSLDomain(SSLDomain.MODE_CLIENT), timeout=None), Connection
    )
    await made.ready(3)
    await made.close(Condition("app:done"), timeout=1)
    async with made.session(incoming_capacity=1_000_000) as session:
        assert_type(session, Session)
        assert_type(session.sender("q"), Sender)


async def pieces() -> AsyncIterator[bytes]:
    yield b"x"


async def sending(connection: Connection) -> None:
    async with connection.sender("q", options=[AtMostOnce()], resend=True, tags=iter([b"1"])) as sender:
        assert_type(sender, Sender)
        receipt = await sender.send(Message(body=1), tag="t", timeout=3)
        assert_type(receipt, Receipt)
        assert_type(receipt.tag, bytes)
        assert_type(receipt.condition, Union[Condition, None])
        assert_type(await sender.send_soon(Message()), None)
        assert_type(await sender.flush(), None)
        assert_type(await sender.send_stream(pieces(), Message(subject="s"), size=1), Receipt)
        assert_type(await sender.send_stream([b"x"]), Receipt)
        assert_type(sender.credit, int)
        assert_type(sender.engine_link, Union[proton.Sender, None])
    assert_type(await connection.sender("q"), Sender)
    assert_type(await asyncio.gather(sender.send(Message()), sender.send(Message())), tuple[Receipt, Receipt])
    try:
        await asyncio.wait_for(sender.send(Message()), 5)
    except Rejected as error:
        assert_type(error.condition, Union[Condition, None])
        assert_type(error.receipt, Union[Receipt, None])
        assert_type(error.others, list[Undeliverable])
    except Lost as error:
        assert_type(error.receipt, Union[Receipt, None])


async def receiving(connection: Connection) -> None:
    async with connection.receiver("q", prefetch=20, options=Selector("a = 1")) as receiver:
        assert_type(receiver, Receiver)
        async for message, delivery in receiver:
            assert_type(message, Message)
            assert_type(delivery, Delivery)
            assert_type(delivery.accept(), bool)
            assert_type(delivery.engine_delivery, proton.Delivery)
            assert_type(delivery.receiver, Receiver)
            assert_type(delivery.reject("app:no", "because", {"a": 1}), bool)
            assert_type(delivery.modify(undeliverable=True), bool)
            assert_type(await delivery.settled(timeout=1), None)
            async with delivery as same:
                assert_type(same, Delivery)
                if message.body is None:
                    raise Released
                raise Modified(failed=False)
        assert_type(await receiver.receive(timeout=None), tuple[Message, Delivery])
        async with await receiver.receive_stream() as stream:
            assert_type(stream, BodyStream)
            assert_type(await stream.read(10), bytes)
            async for piece in stream:
                assert_type(piece, bytes)
            assert_type(stream.delivery.tag, bytes)
        assert_type(receiver.address, Union[str, None])
        assert_type(receiver.engine_link, Union[proton.Receiver, None])
        assert_type(receiver.connection, Connection)
        receiver.resume()


async def requests(connection: Connection) -> None:
    async with connection.requester("q") as ask:
        assert_type(ask, Requester)
        assert_type(await ask(Message(body=1), timeout=3), Message)
        assert_type(ask.reply_to, Union[str, None])


async def transactions(connection: Connection, sender: Sender, delivery: Delivery) -> None:
    async with connection.transaction() as transaction:
        assert_type(transaction, Transaction)
        assert_type(transaction.accept(delivery), bool)
        assert_type(await transaction.send(sender, Message()), Receipt)
        assert_type(transaction.id, Union[bytes, None])


async def serving() -> None:
    async with serve("h:0", credentials={"u": "p"}, require_auth=True) as listener:
        assert_type(listener, Listener)
        assert_type(listener.port, int)
        async for connection in listener:
            assert_type(connection, Connection)
            async for request in connection.incoming():
                assert_type(request, Union[SenderRequest, ReceiverRequest])
                assert_type(request.properties, Union["dict[Any, Any]", None])
                if isinstance(request, ReceiverRequest):
                    assert_type(request.accept(prefetch=5), Receiver)
                else:
                    assert_type(request.accept("made"), Sender)
                either(request)
            await connection.incoming().aclose()


def either(request: LinkRequest) -> None:
    assert_type(request.is_sender, bool)
    assert_type(request.accept(prefetch=5), Union[Sender, Receiver])


def one_time_out_is_caught_by_each_of_its_names(error: AsyncTimeout) -> None:
    ours: Timeout = error
    python: TimeoutError = error
    print(ours, python)
