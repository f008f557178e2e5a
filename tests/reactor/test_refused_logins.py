"""What a server that does not let us in leads to: a temporary error is tried again, every other outcome is final."""

import pytest

from proton import SASL, ConnectionException
from proton.reactor import Container
from proton.utils import BlockingConnection
from tests.support.loops import (
    MECHANISMS,
    OUTCOME_OK,
    SASL_HEADER,
    Recorder,
    authenticate,
    frame,
    peer,
    read_to_end,
    receive,
    receive_frame,
    watchdog,
)


def answers(code):
    def conversation(sock):
        receive(sock, 8)
        sock.sendall(SASL_HEADER + MECHANISMS)
        receive_frame(sock)
        sock.sendall(OUTCOME_OK[:-1] + bytes([code]))
        read_to_end(sock)

    return conversation


def served(sock):
    authenticate(sock)
    while receive_frame(sock)[:3] != b"\x00\x53\x18":
        pass
    sock.sendall(frame(b"\x00\x53\x18\x45"))


class Client(Recorder):
    calm = True

    def __init__(self):
        super().__init__()
        self.reasons = []

    def on_connection_opened(self, event):
        event.connection.close()

    def on_transport_error(self, event):
        self.reasons.append(event.transport.condition.description)
        if not self.calm:
            super().on_transport_error(event)

    def on_gave_up(self, event):
        self.calls.append("gave_up")
        self.gave_up = event.reason


class Default(Client):
    """With the inherited `on_transport_error`, which closes for good when we are not let in."""

    calm = False


UNUSED = "Connection to {} is anonymous, the password or token is not used: the peer offers: ANONYMOUS"


@pytest.mark.parametrize(
    ("login", "told"),
    [
        ({"user": "fred", "password": "s3cret"}, True),
        ({"token": "s3cret"}, True),
        ({"user": "fred"}, False),
        ({"user": "fred", "password": "s3cret", "allowed_mechs": "ANONYMOUS"}, False),
        ({}, False),
    ],
    ids=str,
)
def test_a_login_that_the_server_has_no_use_for_is_a_warning(login, told, caplog):
    with peer(served) as place:
        container = Container(Client())
        container.connect(place.url, reconnect=False, **login)
        with watchdog(container):
            container.run()
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == ([UNUSED.format(f"amqp://{place.url}")] if told else [])


def talk(client, *conversations):
    with peer(*conversations) as place:
        container = Container(client)
        container.connect(place.url, reconnect=[0] * 5)
        with watchdog(container):
            container.run()
    return client


@pytest.mark.parametrize("kind", [Client, Default])
def test_a_temporary_error_is_tried_again(kind):
    client = talk(kind(), answers(SASL.TEMP), answers(SASL.TEMP), served)
    assert client.reasons == ["Authentication failed [mech=ANONYMOUS]: a temporary system error of the server"] * 2
    assert client.calls[-2:] == ["C connection_opened", "C connection_closed"]
    assert client.calls.count("C disconnected") == 1


@pytest.mark.parametrize("code", [SASL.AUTH, SASL.SYS, SASL.PERM])
def test_other_outcomes_are_final_whatever_the_program_does(code):
    client = talk(Client(), answers(code))
    assert len(client.reasons) == 1
    assert client.calls == ["C transport_error", "C disconnected", "gave_up"]
    assert client.gave_up == f"the login was refused: amqp:unauthorized-access: {client.reasons[0]}"


@pytest.mark.parametrize("code", [SASL.AUTH, SASL.SYS, SASL.PERM])
def test_the_inherited_callback_closes_for_other_outcomes(code):
    client = talk(Default(), answers(code))
    assert client.calls == ["C transport_error", "gave_up"]
    assert client.gave_up == f"amqp:unauthorized-access: {client.reasons[0]}"


def test_a_blocking_connection_tries_a_temporary_error_again():
    with peer(answers(SASL.TEMP), served) as place:
        connection = BlockingConnection(place.url, reconnect=[0, 0, 0])
        assert connection.conn.connected
        connection.close()


@pytest.mark.parametrize("code", [SASL.AUTH, SASL.SYS, SASL.PERM])
def test_a_blocking_connection_does_not_try_other_outcomes_again(code):
    with peer(answers(code)) as place, pytest.raises(ConnectionException, match="Authentication failed"):
        BlockingConnection(place.url, reconnect=[0, 0, 0])
