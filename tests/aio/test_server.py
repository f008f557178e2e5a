"""`serve`: clients, credentials, links that are refused."""

import asyncio
import socket

import pytest

from proton.asyncio import (
    ConnectionClosed,
    LinkClosed,
    LinkRequest,
    Receiver,
    ReceiverRequest,
    Sender,
    SenderRequest,
    connect,
    serve,
)
from tests.support.aio import broker, run


def test_a_link_is_refused_with_a_reason():
    async def main():
        async with serve("127.0.0.1:0") as listener, connect(f"127.0.0.1:{listener.port}") as client:
            opening = client.sender("q").open()
            connection = await listener.__anext__()
            requests = connection.incoming()

            async def refuse():
                request = await requests.__anext__()
                assert (request.address, request.is_sender, request.is_dynamic) == ("q", False, False)
                request.refuse("app:full", "come later")

            task = asyncio.ensure_future(refuse())
            with pytest.raises(LinkClosed, match="app:full: come later"):
                await opening
            await task
            await requests.aclose()

    run(main)


def test_a_request_has_the_kind_of_the_link_that_accepting_it_gives():
    async def main():
        async with serve("127.0.0.1:0") as listener, connect(f"127.0.0.1:{listener.port}") as client:
            opening = (
                asyncio.ensure_future(client.sender("q").open()),
                asyncio.ensure_future(client.receiver("q").open()),
            )
            requests = (await listener.__anext__()).incoming()
            to_send, to_receive = await requests.__anext__(), await requests.__anext__()
            assert (type(to_send), type(to_receive)) == (ReceiverRequest, SenderRequest)
            assert isinstance(to_send, LinkRequest) and isinstance(to_receive, LinkRequest)
            assert (to_send.is_sender, to_receive.is_sender) == (False, True)
            receiver, sender = to_send.accept(prefetch=7), to_receive.accept()
            assert (type(receiver), receiver.prefetch, type(sender)) == (Receiver, 7, Sender)
            assert all(link.is_open for link in await asyncio.gather(*opening))
            await requests.aclose()

    run(main)


def test_a_client_without_the_password_is_refused():
    async def main():
        async with broker(credentials={"fred": "pencil"}, allow_insecure_mechs=True) as peer:
            with pytest.raises(ConnectionClosed, match="amqp:unauthorized-access"):
                await connect(peer.url, user="fred", password="pen")
            async with connect(peer.url, user="fred", password="pencil") as connection:
                assert connection.is_connected
                assert peer.connections[0].user == "fred"

    run(main)


def test_a_client_that_is_gone_is_closed_without_an_error():
    async def main():
        async with serve("127.0.0.1:0") as listener:
            client = socket.create_connection(("127.0.0.1", listener.port))
            client.sendall(bytes.fromhex("414d515000010000 0000001102000000 005310c00401a10163"))
            connection = await listener.__aiter__().__anext__()
            assert client.recv(65536)
            # The close frame is answered by a reset, which is there before the end of the output.
            client.close()
            await connection.close()

    run(main)
