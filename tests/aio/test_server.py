"""`serve`: clients, credentials, links that are refused."""

import asyncio
import socket

import pytest

from proton.asyncio import ConnectionClosed, LinkClosed, connect, serve
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
