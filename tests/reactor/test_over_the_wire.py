"""What the arguments of `connect` and the options of links come to at the other end."""

import pytest

from proton import Described, Link, Terminus, symbol
from proton.reactor import (
    AtLeastOnce,
    AtMostOnce,
    Copy,
    DurableSubscription,
    DynamicNodeProperties,
    Filter,
    LinkOption,
    Move,
    Selector,
    SenderOption,
)
from tests.support.loops import AMQP_HEADER, SASL_HEADER, Recorder, peer, receive, run, side


class Seen(Recorder):
    """Connects to itself; `look` looks at what the accepting side gets."""

    def __init__(self, look, make=None, **options):
        super().__init__()
        self.look = look
        self.make = make
        self.options = options

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")
        self.connection = event.container.connect(f"127.0.0.1:{self.acceptor.port}", **self.options)
        if self.make is not None:
            self.link = self.make(event.container, self.connection)

    def on_connection_opened(self, event):
        if side(event) == "S" and self.make is None:
            self.end(event.connection)

    def on_link_opened(self, event):
        if side(event) == "S":
            self.end(event.link)

    def end(self, endpoint):
        self.seen = self.look(endpoint)
        self.connection.close()
        self.acceptor.close()


def seen(look, make=None, **options):
    handler = Seen(look, make, **options)
    run(handler)
    return handler.seen


def read(data):
    """The value in a `Data` that came from the peer."""
    data.rewind()
    return data.get_object() if data.next() is not None else None


@pytest.mark.parametrize(
    ("options", "look", "value"),
    [
        ({"container_id": "me"}, lambda c: c.remote_container, "me"),
        ({}, lambda c: c.remote_hostname, "127.0.0.1"),
        ({"virtual_host": "v"}, lambda c: c.remote_hostname, "v"),
        ({"virtual_host": ""}, lambda c: c.remote_hostname, None),
        ({"offered_capabilities": "A-B"}, lambda c: list(c.remote_offered_capabilities), [symbol("A-B")]),
        ({"desired_capabilities": ["a", "b"]}, lambda c: list(c.remote_desired_capabilities), ["a", "b"]),
        ({}, lambda c: (c.remote_offered_capabilities, c.remote_desired_capabilities), (None, None)),
        ({"properties": {"k": "v", symbol("n"): 1}}, lambda c: dict(c.remote_properties), {"k": "v", "n": 1}),
        ({"heartbeat": 5}, lambda c: c.transport.remote_idle_timeout, 2.5),
        ({"heartbeat": None}, lambda c: c.transport.remote_idle_timeout, 0.0),
        ({"max_frame_size": 4096}, lambda c: c.transport.remote_max_frame_size, 4096),
        ({}, lambda c: c.transport.remote_max_frame_size, 32768),
        ({}, lambda c: c.transport.remote_channel_max, 32767),
    ],
)
def test_arguments_of_connect(options, look, value):
    assert seen(look, **options) == value


@pytest.mark.parametrize(
    ("options", "container", "header"),
    [
        ({}, {}, SASL_HEADER),
        ({"sasl_enabled": False}, {}, AMQP_HEADER),
        ({}, {"sasl_enabled": False}, AMQP_HEADER),
        ({"sasl_enabled": True}, {"sasl_enabled": False}, SASL_HEADER),
        ({"sasl_enabled": False, "user": "me", "password": "x"}, {}, AMQP_HEADER),
    ],
)
def test_with_and_without_sasl(options, container, header):
    heard = []

    class Client(Recorder):
        def on_start(self, event):
            vars(event.container).update(container)
            event.container.connect(place.url, reconnect=False, **options)

    with peer(lambda sock: heard.append(receive(sock, 8))) as place:
        run(Client())
    assert heard == [header]


def sender(**options):
    return lambda container, connection: container.create_sender(connection, "queue", **options)


def receiver(**options):
    return lambda container, connection: container.create_receiver(connection, "queue", **options)


def modes(link):
    return int(link.remote_snd_settle_mode), int(link.remote_rcv_settle_mode)


def addresses(link):
    return link.remote_source.address, link.remote_target.address


def life(terminus):
    return terminus.durability, terminus.expiry_policy, terminus.timeout, terminus.distribution_mode


SELECTED = {symbol("selector"): Described(symbol("apache.org:selector-filter:string"), "a='b'")}
FILTERS = {symbol("x"): Described(symbol("y:z"), 5)}
NODE = {symbol("lifetime"): "long", symbol("n"): 1}


class Tagged(SenderOption):
    """An option of a program's own, for some senders."""

    def test(self, link):
        return super().test(link) and link.target.address == "queue"

    def apply(self, link):
        link.properties = {symbol("tagged"): True}


class Named(LinkOption):
    def apply(self, link):
        link.target.address = "elsewhere"


@pytest.mark.parametrize(
    ("make", "look", "value"),
    [
        (sender(), modes, (Link.SND_MIXED, Link.RCV_FIRST)),
        (sender(options=AtMostOnce()), modes, (Link.SND_SETTLED, Link.RCV_FIRST)),
        (sender(options=AtLeastOnce()), modes, (Link.SND_UNSETTLED, Link.RCV_FIRST)),
        (receiver(options=AtMostOnce()), modes, (Link.SND_SETTLED, Link.RCV_FIRST)),
        (receiver(options=Selector("a='b'")), lambda link: read(link.remote_source.filter), SELECTED),
        (receiver(options=[Filter(FILTERS)]), lambda link: read(link.remote_source.filter), FILTERS),
        (sender(options=Selector("a='b'")), lambda link: read(link.remote_source.filter), None),
        (
            receiver(name="sub", options=DurableSubscription()),
            lambda link: (link.name, *life(link.remote_source)[:2]),
            ("sub", Terminus.DELIVERIES, Terminus.EXPIRE_NEVER),
        ),
        (receiver(), lambda link: life(link.remote_source), (0, Terminus.EXPIRE_WITH_SESSION, 0, 0)),
        (receiver(options=Copy()), lambda link: link.remote_source.distribution_mode, Terminus.DIST_MODE_COPY),
        (receiver(options=(Move(),)), lambda link: link.remote_source.distribution_mode, Terminus.DIST_MODE_MOVE),
        (receiver(dynamic=True), lambda link: link.remote_source.dynamic, True),
        (
            receiver(dynamic=True, options=DynamicNodeProperties({"lifetime": "long", "n": 1})),
            lambda link: read(link.remote_source.properties),
            NODE,
        ),
        (
            sender(options=DynamicNodeProperties(NODE)),
            lambda link: read(link.remote_target.properties),
            NODE,
        ),
        (sender(options=Tagged()), lambda link: link.remote_properties, {"tagged": True}),
        (receiver(options=Tagged()), lambda link: link.remote_properties, None),
        (
            sender(options=[Named(), Tagged()]),
            lambda link: (link.remote_target.address, link.remote_properties),
            ("elsewhere", None),
        ),
        (
            sender(source="from"),
            lambda link: (link.remote_source.address, link.remote_target.address),
            ("from", "queue"),
        ),
        (receiver(target="to"), lambda link: (link.remote_source.address, link.remote_target.address), ("queue", "to")),
    ],
)
def test_links(make, look, value):
    assert seen(look, make) == value


def test_an_accepted_connection_has_no_container_id_unless_it_is_given_one():
    class Ids(Seen):
        names = []

        def on_connection_opening(self, event):
            event.connection.container = self.given

        def on_connection_opened(self, event):
            if side(event) == "C":
                self.names.append(event.connection.remote_container)
                self.end(event.connection)

    for given in (None, "server"):
        ids = Ids(lambda connection: None)
        ids.given = given
        run(ids)
    assert Ids.names == ["", "server"]
