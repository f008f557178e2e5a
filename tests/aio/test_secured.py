"""TLS and SASL, what an open carries, and which server is chosen."""

import asyncio
import json

import pytest

from proton import Message
from proton.asyncio import ConnectionClosed, Lost, connect, serve
from tests.support.aio import broker, run
from tests.support.aio_relay import cuttable
from tests.support.certificates import Authority
from tests.support.programs import free_port
from tests.support.secured import client_domain, server_domain

USERS = {"fred": "pencil", "ann": "p@ss:/word"}


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


async def echo(peer, connection):
    sender, receiver = await connection.sender("q"), await connection.receiver("q")
    await sender.send(Message(body=b"x" * 100000))
    message, delivery = await receiver.receive(timeout=5)
    assert message.body == b"x" * 100000
    delivery.accept()


@pytest.mark.usefixtures("each_loop")
def test_messages_go_over_tls(authority):
    async def main():
        domain = server_domain(authority.issue("localhost", "127.0.0.1"))
        async with broker(ssl_domain=domain) as peer:
            url = f"amqps://{peer.url}"
            async with connect(url, ssl_domain=client_domain(authority)) as connection:
                await echo(peer, connection)

    run(main)


@pytest.mark.usefixtures("each_loop")
def test_a_server_of_another_authority_is_not_trusted(authority, tmp_path):
    other = Authority(tmp_path / "other", "Other")

    async def main():
        async with broker(ssl_domain=server_domain(other.issue("127.0.0.1"))) as peer:
            with pytest.raises(ConnectionClosed, match="certificate"):
                await connect(f"amqps://{peer.url}", ssl_domain=client_domain(authority))
            async with connect(f"amqps://{peer.url}", ssl_domain=client_domain(other)) as connection:
                await echo(peer, connection)

    run(main)


def test_clients_show_certificates(authority):
    async def main():
        domain = server_domain(authority.issue("127.0.0.1"), authority)
        async with broker(ssl_domain=domain) as peer:
            with pytest.raises(ConnectionClosed):
                await connect(f"amqps://{peer.url}", ssl_domain=client_domain(authority))
            mine = client_domain(authority, authority.issue(subject=[("CN", "fred")], usage="client"))
            async with connect(f"amqps://{peer.url}", ssl_domain=mine) as connection:
                await echo(peer, connection)

    run(main)


def test_plain_text_to_a_server_of_tls_ends_at_once(authority):
    async def main():
        async with broker(ssl_domain=server_domain(authority.issue("127.0.0.1"))) as peer:
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(connect(peer.url), 5)

    run(main)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_users_log_in(mechanism):
    async def main():
        options = {"allow_insecure_mechs": True, "allowed_mechs": mechanism}
        async with broker(credentials=USERS, **options) as peer:
            async with connect(peer.url, user="fred", password="pencil", allowed_mechs=mechanism) as connection:
                assert peer.connections[0].user == "fred"
                await echo(peer, connection)
            with pytest.raises(ConnectionClosed) as caught:
                await connect(peer.url, user="fred", password="chalk", allowed_mechs=mechanism)
            assert caught.value.condition.name == "amqp:unauthorized-access"
            assert "chalk" not in str(caught.value)

    run(main)


def test_user_and_password_come_from_the_url():
    async def main():
        async with broker(credentials=USERS, allow_insecure_mechs=True) as peer:
            connection = connect(f"amqp://ann:p%40ss%3A%2Fword@{peer.url}")
            assert "p@ss" not in repr(connection)
            assert "p%40" not in repr(connection)
            async with connection:
                assert peer.connections[0].user == "ann"
                assert "word" not in repr(connection)

    run(main)


def test_a_server_that_requires_a_login_refuses_anonymous_clients():
    async def main():
        async with broker(require_auth=True, credentials=USERS, allow_insecure_mechs=True) as peer:
            with pytest.raises(ConnectionClosed):
                await connect(peer.url)
            with pytest.raises(ConnectionClosed):
                await connect(peer.url, sasl_enabled=False)
            assert peer.connections == []

    run(main)


def test_a_wrong_password_is_not_tried_again():
    async def main():
        async with broker(credentials=USERS, allow_insecure_mechs=True) as peer:
            made = connect(peer.url, user="fred", password="chalk", reconnect=[0.01] * 99, initial_retry=True)
            with pytest.raises(ConnectionClosed, match="amqp:unauthorized-access"):
                await asyncio.wait_for(made.open(), 5)

    run(main)


def test_the_first_server_that_answers_is_taken():
    gone = f"127.0.0.1:{free_port()}"

    async def main():
        async with broker() as first, broker() as second, connect(gone, first.url, second.url) as connection:
            assert connection.remote_container == first.connections[0].engine.container
            assert second.connections == []

    run(main)


def test_the_last_server_that_fails_is_named_and_the_others_are_logged(caplog):
    ports = free_port(), free_port()

    async def main():
        with pytest.raises(ConnectionClosed, match=f"cannot connect to 127.0.0.1:{ports[1]}"):
            await connect(*(f"127.0.0.1:{port}" for port in ports))

    run(main)
    assert f"cannot connect to 127.0.0.1:{ports[0]}" in caplog.text


def test_the_configuration_file_is_used_without_urls(tmp_path, monkeypatch):
    async def main():
        async with broker(credentials=USERS, allow_insecure_mechs=True) as peer:
            file = tmp_path / "connect.json"
            content = {"scheme": "amqp", "host": "127.0.0.1", "port": peer.listener.port}
            file.write_text(json.dumps(dict(content, user="fred", password="pencil")))
            file.chmod(0o600)
            monkeypatch.setenv("MESSAGING_CONNECT_FILE", str(file))
            async with connect() as connection:
                assert peer.connections[0].user == "fred"
                await echo(peer, connection)

    run(main)


def test_what_an_open_carries():
    async def main():
        async with broker(container_id="server") as peer:
            options = {"container_id": "client", "properties": {"app": "x"}, "virtual_host": "v"}
            async with connect(peer.url, heartbeat=40, max_frame_size=4096, **options) as connection:
                assert connection.remote_container == "server"
                theirs = peer.connections[0]
                assert theirs.remote_container == "client"
                assert theirs.remote_properties == {"app": "x"}
                assert theirs.engine.remote_hostname == "v"
                assert theirs.engine.transport.remote_max_frame_size == 4096
                assert theirs.engine.transport.remote_idle_timeout in (20.0, 40.0)

    run(main)


@pytest.mark.parametrize("which", ["client", "server"])
def test_heartbeats_keep_an_idle_connection(which):
    async def main():
        async with (
            serve("127.0.0.1:0", heartbeat=0.3 if which == "server" else None) as listener,
            connect(f"127.0.0.1:{listener.port}", heartbeat=0.3 if which == "client" else None) as connection,
        ):
            await asyncio.sleep(1.0)
            assert connection.is_connected
            assert listener.connections[0].is_connected

    run(main)


def test_a_peer_that_falls_silent_is_lost():
    async def main():
        async with cuttable(heartbeat=0.2) as (_, line, connection):
            receiver = await connection.receiver("q")
            line.freeze()
            with pytest.raises(Lost):
                await asyncio.wait_for(receiver.receive(), 5)
            line.cut()

    run(main)
