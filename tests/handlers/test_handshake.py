"""`Handshaker`: what the peer opens is opened, what it closes is closed."""

from proton import Endpoint
from proton.handlers import Handshaker
from tests.support.pairs import opened

OPEN = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE
CLOSED = Endpoint.LOCAL_CLOSED | Endpoint.REMOTE_CLOSED


def everything(world):
    connection = world.pair.server.connection
    return [connection, connection.session_head(0), connection.link_head(0)]


def with_link():
    world = opened(None, Handshaker())
    world.link = world.session.sender("x")
    world.link.source.address, world.link.target.address = "from", "to"
    world.link.open()
    world.settle()
    return world


def test_opens_are_answered():
    world = with_link()
    assert [endpoint.state for endpoint in everything(world)] == [OPEN] * 3
    assert [endpoint.state for endpoint in (world.connection, world.session, world.link)] == [OPEN] * 3


def test_a_link_gets_the_termini_of_the_peer():
    world = with_link()
    assert (world.link.remote_source.address, world.link.remote_target.address) == ("from", "to")


def test_closes_are_answered():
    world = with_link()
    connection, session, link = everything(world)
    for local, remote in ((world.link, link), (world.session, session), (world.connection, connection)):
        local.close()
        world.settle()
        assert local.state == remote.state == CLOSED


def test_what_this_end_closed_itself_stays_as_it_is():
    world = with_link()
    connection, session, link = everything(world)
    for endpoint in (link, session, connection):
        endpoint.close()
    world.link.close()
    world.session.close()
    world.connection.close()
    world.settle()
    assert [endpoint.state for endpoint in (connection, session, link)] == [CLOSED] * 3


def test_its_methods_need_no_object():
    class Event:
        class session:  # noqa: N801
            state = Endpoint.LOCAL_UNINIT
            opened = 0

            @classmethod
            def open(cls):
                cls.opened += 1

    Handshaker.on_session_remote_open(Event)
    assert Event.session.opened == 1
