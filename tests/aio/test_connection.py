"""`connect` and `Connection`: opening, mistakes, closing, and what is left."""

import asyncio
import logging
import socket

import pytest

from proton.asyncio import ConnectionClosed, Timeout, connect
from tests.support.aio import broker, run
from tests.support.programs import free_port


def test_a_connection_is_opened_by_async_with_and_closed_at_its_end():
    async def main():
        async with broker() as peer:
            async with connect(peer.url) as connection:
                assert connection.is_connected
                assert connection.remote_container == peer.connections[0].engine.container
            assert not connection.is_connected
            with pytest.raises(ConnectionClosed, match="the connection to .* was closed"):
                await connection.sender("q").open()

    run(main)


def test_a_connection_may_be_awaited():
    async def main():
        async with broker() as peer:
            connection = await connect(peer.url)
            await connection.open()
            await connection.close()
            await connection.close()
            await connection.wait_closed()

    run(main)


def test_a_refused_connection_raises_with_the_reason():
    port = free_port()

    async def main():
        with pytest.raises(ConnectionClosed, match=f"cannot connect to 127.0.0.1:{port}"):
            async with connect(f"127.0.0.1:{port}"):
                pass

    run(main)


def test_each_url_is_tried_once():
    port = free_port()

    async def main():
        async with broker() as peer, connect(f"127.0.0.1:{port}", peer.url) as connection:
            assert connection.is_connected

    run(main)


def test_a_peer_that_does_not_answer_is_given_up_in_time():
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            with pytest.raises(Timeout, match=r"connecting to .*: timed out after 0.1 s"):
                await connect(f"127.0.0.1:{port}", connect_timeout=0.1)

    run(main)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"usr": "fred"}, TypeError, r"no option 'usr': did you mean 'user'\?"),
        ({"timeout": "5"}, TypeError, "timeout takes seconds or None, got str '5'"),
        ({"close_timeout": -1}, ValueError, "close_timeout takes 0 or more seconds, got -1"),
        ({"reconnect": "yes"}, TypeError, "reconnect takes .*got str 'yes'"),
        ({"on_event": 5}, TypeError, "on_event takes a callable or None, got int 5"),
    ],
)
def test_mistakes_raise_before_anything_happens(options, error, text):
    with pytest.raises(error, match=text):
        connect("localhost", **options)


def test_another_loop_raises():
    async def open_it():
        async with broker() as peer:
            connection = await connect(peer.url)
            foreign = asyncio.new_event_loop()
            try:
                # The other loop runs in a thread of its own while this one waits.
                def use():
                    with pytest.raises(RuntimeError, match="expected a call in the event loop of the connection"):
                        foreign.run_until_complete(connection.close())

                await asyncio.get_running_loop().run_in_executor(None, use)
            finally:
                foreign.close()
            await connection.close()
            await asyncio.get_running_loop().shutdown_default_executor()

    run(open_it)


@pytest.mark.parametrize("reconnect", [False, True])
def test_a_first_attempt_that_fails_is_raised_and_not_logged_as_well(reconnect, caplog):
    async def main():
        with pytest.raises(ConnectionClosed):
            await connect(f"127.0.0.1:{port}", reconnect=reconnect)

    port = free_port()
    with caplog.at_level(logging.WARNING, "proton"):
        run(main)
    assert caplog.messages == []
