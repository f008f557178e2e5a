"""A closed blocking connection that had links is freed with them, without the garbage collector."""

import weakref

import pytest

from proton import Message
from proton.utils import BlockingConnection
from tests.support.references import counting, no_collection
from tests.support.server import SECONDS, serving


@counting
@pytest.mark.parametrize("closes_links", [False, True])
def test_a_closed_connection_is_freed_with_its_links(closes_links):
    with serving() as server, no_collection():
        connection = BlockingConnection(server.url, timeout=SECONDS)
        sender, receiver = connection.create_sender("q"), connection.create_receiver("q")
        sender.send(Message(body="x"))
        assert receiver.receive().body == "x"
        receiver.accept()
        links = sender.link, receiver.link
        kept = [weakref.ref(each) for each in (connection, connection.conn, sender, receiver, *links, links[0].session)]
        if closes_links:
            sender.close()
            receiver.close()
        connection.close()
        del connection, sender, receiver, links
        assert [each() for each in kept] == [None] * len(kept)
