"""Names, handles, channels, link terms and termini as an attach has them (2.6.1 to 2.6.3, 2.7.3, 3.5.2 to 3.5.9)."""

import pytest

from proton import UNDESCRIBED, Array, Data, Endpoint, Link, Receiver, Sender, SymbolList, Terminus, symbol, ulong
from tests.support.engines import Peer, Script, accept, connected, linked, pump, put, read, state, take

ACTIVE = Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_ACTIVE


def attached(setup, receiver=False):
    """A link set up by `setup` on the client, the link that the server sees, and the attach frame."""
    a, b = connected()
    session = a.connection.session()
    session.open()
    link = session.receiver("L") if receiver else session.sender("L")
    setup(link)
    link.open()
    pump(a, b)
    return link, b.connection.link_head(0), next(frame for frame in a.sent() if frame.name == "attach")


def test_defaults_of_the_attach():
    link, other, attach = attached(lambda link: None)
    assert isinstance(link, Sender) and isinstance(other, Receiver)
    fields = ["name", "handle", "role", "snd_settle_mode", "rcv_settle_mode", "initial_delivery_count"]
    assert [attach[name] for name in fields] == ["L", 0, False, 2, 0, 0]
    assert (attach["max_message_size"], attach["unsettled"], attach["properties"]) == (0, None, None)
    assert attach["source"].descriptor == 0x28 and attach["target"].descriptor == 0x29
    # address, durable, expiry-policy, timeout, dynamic
    assert attach["target"].value == [None, 0, None, 0, False]
    assert (other.remote_snd_settle_mode, other.remote_rcv_settle_mode, other.remote_max_message_size) == (2, 0, 0)
    assert other.name == "L" and other.session.connection == other.connection


TERMS = [
    ("snd_settle_mode", Link.SND_UNSETTLED),
    ("snd_settle_mode", Link.SND_SETTLED),
    ("snd_settle_mode", Link.SND_MIXED),
    ("rcv_settle_mode", Link.RCV_FIRST),
    ("rcv_settle_mode", Link.RCV_SECOND),
    ("max_message_size", 0),
    ("max_message_size", (1 << 64) - 1),
]


@pytest.mark.parametrize("receiver", [False, True], ids=["sender", "receiver"])
@pytest.mark.parametrize("name, value", TERMS)
def test_terms_of_the_link(name, value, receiver):
    _, other, attach = attached(lambda link: setattr(link, name, value), receiver)
    assert attach[name] == value and getattr(other, "remote_" + name) == value


@pytest.mark.parametrize("properties", [None, {}, {symbol("k"): "v", symbol("n"): ulong(5)}, {"plain": [1]}])
def test_properties_of_the_link(properties):
    _, other, _ = attached(lambda link: setattr(link, "properties", properties))
    assert other.remote_properties == properties


def test_terms_are_taken_at_open():
    def setup(link):
        link.properties = {"a": 1}
        link.open()
        link.properties["b"] = 2

    _, other, _ = attached(setup)
    assert other.remote_properties == {"a": 1}


@pytest.mark.parametrize("size", [-1, 1 << 64])
def test_range_of_max_message_size(size):
    with pytest.raises(OverflowError):
        Peer().connection.session().sender("L").max_message_size = size


FIELDS = [
    # kind, property, value
    *[(kind, "address", value) for kind in ("source", "target") for value in ("queue", "", "a/b?c=ü", None)],
    *[(kind, "durability", value) for kind in ("source", "target") for value in (0, 1, 2)],
    *[(kind, "expiry_policy", value) for kind in ("source", "target") for value in (0, 1, 2, 3)],
    *[(kind, "timeout", value) for kind in ("source", "target") for value in (0, 300, 0xFFFFFFFF)],
    *[(kind, "dynamic", value) for kind in ("source", "target") for value in (True, False)],
    *[("source", "distribution_mode", value) for value in (0, 1, 2)],
]


@pytest.mark.parametrize("kind, name, value", FIELDS)
def test_fields_of_a_terminus(kind, name, value):
    def setup(link):
        terminus = getattr(link, kind)
        terminus.address = "node"
        setattr(terminus, name, value)

    _, other, _ = attached(setup)
    assert getattr(getattr(other, "remote_" + kind), name) == value


WIRE = [
    ("expiry_policy", 0, 2, "link-detach"),
    ("expiry_policy", 1, 2, "session-end"),
    ("expiry_policy", 2, 2, "connection-close"),
    ("expiry_policy", 3, 2, "never"),
    ("distribution_mode", 1, 6, "copy"),
    ("distribution_mode", 2, 6, "move"),
]


@pytest.mark.parametrize("name, value, index, text", WIRE)
def test_symbols_of_a_terminus(name, value, index, text):
    _, _, attach = attached(lambda link: setattr(link.source, name, value))
    written = attach["source"].value[index]
    assert (written, type(written)) == (text, symbol)


TREES = [
    ("source", "properties", {symbol("x"): 1}),
    ("source", "capabilities", Array(UNDESCRIBED, Data.SYMBOL, symbol("a"))),
    ("source", "outcomes", Array(UNDESCRIBED, Data.SYMBOL, symbol("a"), symbol("b"))),
    ("source", "filter", {symbol("f"): "selector"}),
    ("target", "properties", {symbol("x"): 1}),
    ("target", "capabilities", Array(UNDESCRIBED, Data.SYMBOL, symbol("a"), symbol("b"))),
]


@pytest.mark.parametrize("kind, name, value", TREES)
def test_trees_of_a_terminus(kind, name, value):
    _, other, _ = attached(lambda link: getattr(getattr(link, kind), name).put_object(value))
    tree = getattr(getattr(other, "remote_" + kind), name)
    assert tree.next() is not None and tree.get_object() == value


ONE = Array(UNDESCRIBED, Data.SYMBOL, symbol("queue"))


@pytest.mark.parametrize("value", [symbol("queue"), "queue", ONE], ids=["symbol", "text", "array"])
@pytest.mark.parametrize(
    ("kind", "name"), [("source", "capabilities"), ("source", "outcomes"), ("target", "capabilities")]
)
def test_one_symbol_of_a_multiple_field_is_an_array_on_the_wire(kind, name, value):
    """1.4 allows the value alone; RabbitMQ 4.3 does not take it."""
    a, _ = connected()
    session = a.connection.session()
    session.open()
    link = session.receiver("L")
    getattr(getattr(link, kind), name).put_object(value)
    link.open()
    # array8: size 8, one element, of sym8
    assert bytes.fromhex("e008 01 a3 05") + b"queue" in take(a.transport)


def test_empty_arrays_are_left_out():
    empty = Array(UNDESCRIBED, Data.SYMBOL)
    _, _, attach = attached(lambda link: link.target.capabilities.put_object(empty))
    assert attach["target"].value == [None, 0, None, 0, False]


TYPES = [
    # what the client sets, the type of the remote source and target
    (lambda link: None, Terminus.UNSPECIFIED, Terminus.TARGET),
    (lambda link: setattr(link.source, "address", "a"), Terminus.SOURCE, Terminus.TARGET),
    (lambda link: setattr(link.source, "dynamic", True), Terminus.SOURCE, Terminus.TARGET),
    (lambda link: setattr(link.target, "type", Terminus.COORDINATOR), Terminus.UNSPECIFIED, Terminus.COORDINATOR),
    (lambda link: setattr(link.target, "type", Terminus.UNSPECIFIED), Terminus.UNSPECIFIED, Terminus.UNSPECIFIED),
]


@pytest.mark.parametrize("setup, source, target", TYPES)
def test_types_of_remote_termini(setup, source, target):
    _, other, _ = attached(setup)
    assert (other.remote_source.type, other.remote_target.type) == (source, target)


def test_a_coordinator_carries_capabilities_only():
    def setup(link):
        link.max_message_size = 5
        link.properties = {"x": 1}
        link.target.type = Terminus.COORDINATOR
        link.target.address = "ignored"
        link.target.capabilities.put_object(Array(UNDESCRIBED, Data.SYMBOL, symbol("amqp:local-transactions")))

    _, other, attach = attached(setup)
    assert attach["target"].descriptor == 0x30 and len(attach["target"].value) == 1
    assert (attach["max_message_size"], attach["properties"]) == (None, None)
    assert other.remote_target.capabilities.next() == Data.ARRAY


TERMINUS_ERRORS = [
    ("address", 5, TypeError),
    ("address", b"x", TypeError),
    ("timeout", -1, OverflowError),
    ("timeout", 1 << 32, OverflowError),
    ("dynamic", 5, OverflowError),
    ("dynamic", "x", TypeError),
]


@pytest.mark.parametrize("name, value, error", TERMINUS_ERRORS)
def test_wrong_values_of_a_terminus(name, value, error):
    source = Peer().connection.session().sender("L").source
    with pytest.raises(error):
        setattr(source, name, value)
    assert getattr(source, name) in (None, 0, False)


def test_copy_of_a_terminus():
    link, other, _ = attached(lambda link: None)
    source = link.source
    source.address, source.durability, source.expiry_policy, source.timeout = "a", 2, 3, 7
    source.dynamic, source.distribution_mode = True, 1
    source.filter.put_object({symbol("f"): 1})
    other.source.copy(source)
    copied = other.source
    assert (copied.address, copied.durability, copied.expiry_policy, copied.timeout) == ("a", 2, 3, 7)
    assert (copied.dynamic, copied.distribution_mode, copied.type) == (True, 1, Terminus.SOURCE)
    source.filter.put_object("changed later")
    assert copied.filter.next() == Data.MAP


# -- names, handles, channels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [5, b"bytes"])
def test_names_are_text(name):
    session = Peer().connection.session()
    for make in (session.sender, session.receiver):
        with pytest.raises(TypeError):
            make(name)


def test_the_same_name_may_be_used_once_for_each_direction():
    a, b, sender, _ = linked(name="N")
    other = sender.session.receiver("N")
    other.open()
    pump(a, b)
    accept(b)
    pump(a, b)
    assert sender.state == other.state == ACTIVE
    assert [type(link) for link in b.connection.links(0)] == [Receiver, Sender]


def test_a_name_can_be_used_again_after_both_sides_closed():
    a, b, first, far = linked(name="N")
    put(first, b"old")
    pump(a, b)
    first.close(), far.close()
    pump(a, b)
    second = first.session.sender("N")
    second.open()
    pump(a, b)
    receiver = accept(b, 5)
    pump(a, b)
    put(second, b"new")
    pump(a, b)
    assert receiver != far and read(receiver)[0] == b"new" and first.state == 4 | 32


def test_handles_are_the_lowest_free_ones():
    a, b, sender, _ = linked()
    session = sender.session
    links = [session.sender(f"M{n}") for n in range(3)]
    for link in links:
        link.open()
    pump(a, b)
    accept(b)
    pump(a, b)
    for link in (links[1], links[0]):
        link.close()
    pump(a, b)
    for link in b.connection.links(Endpoint.REMOTE_CLOSED):
        link.close()
    pump(a, b)
    a.sent()
    for name in ("X", "Y", "Z"):
        session.sender(name).open()
    pump(a, b)
    assert [frame["handle"] for frame in a.sent()] == [1, 2, 4]


def channels_of_sessions_one_after_the_other(a, b, count):
    """Opens and closes so many sessions; the channels of their begins."""
    channels = []
    for _ in range(count):
        session = a.connection.session()
        session.open()
        pump(a, b)
        answer = b.connection.session_head(Endpoint.LOCAL_UNINIT)
        answer.open()
        pump(a, b)
        channels += [frame.channel for frame in a.sent() if frame.name == "begin"]
        session.close()
        pump(a, b)
        answer.close()
        pump(a, b)
    return channels


def test_a_channel_that_was_ended_rests_before_it_is_used_again():
    """RabbitMQ 4.0 may lose a begin that comes soon after the end of an earlier session on the same channel."""
    a, b = connected()
    assert channels_of_sessions_one_after_the_other(a, b, 12) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 1, 2]


def test_a_channel_does_not_rest_where_no_other_is_free():
    a, b = connected(server={"channel_max": 1})
    assert channels_of_sessions_one_after_the_other(a, b, 5) == [0, 1, 0, 1, 0]


def test_sessions_on_different_channels_do_not_mix():
    script = Script().opened()
    for channel in (7, 3):
        script.send("begin", channel, next_outgoing_id=0, incoming_window=9, outgoing_window=9)
    first, second = script.connection.sessions(0)
    for session in (first, second):
        session.open()
    begins = script.received()
    assert [(frame.channel, frame["remote_channel"]) for frame in begins] == [(0, 7), (1, 3)]
    script.send("end", 3)
    assert (first.state, second.state) == (ACTIVE, Endpoint.LOCAL_ACTIVE | Endpoint.REMOTE_CLOSED)


def test_open_carries_what_the_connection_says():
    a, b = Peer(max_frame_size=4096, channel_max=5).bind(), Peer("server", 2).bind()
    connection = a.connection
    connection.container, connection.hostname = "id", "host.example"
    connection.offered_capabilities, connection.desired_capabilities = ["one"], SymbolList(["two", "three"])
    connection.properties = {symbol("k"): "v", "n": 5}
    connection.open()
    connection.properties["late"] = 1
    pump(a, b)
    there = b.connection
    assert (there.remote_container, there.remote_hostname) == ("id", "host.example")
    assert (there.remote_offered_capabilities, there.remote_desired_capabilities) == (["one"], ["two", "three"])
    assert there.remote_properties == {"k": "v", "n": 5}
    assert (b.transport.remote_max_frame_size, b.transport.remote_channel_max) == (4096, 5)
    (opened,) = a.sent()
    assert type(opened["offered_capabilities"]).__name__ == "Array"


def test_an_open_with_the_least():
    script = Script()
    script.connection.open()
    script.received()
    script.raw(b"AMQP\0\1\0\0").send("open", container_id="x")
    connection, transport = script.connection, script.transport
    assert (connection.remote_container, connection.remote_hostname, connection.remote_properties) == ("x", None, None)
    assert connection.remote_offered_capabilities is None and connection.remote_desired_capabilities is None
    assert (transport.remote_max_frame_size, transport.remote_channel_max) == (4294967295, 65535)


def test_tolerated_attaches():
    script = Script()
    session = script.begun()
    script.send("attach", name="null termini", handle=5, role=False)  # no source, target, initial-delivery-count
    script.send("attach", name="to us", handle=6, role=True, source=state(0x28, "q"), target=None)
    first, second = script.connection.links(0)
    assert isinstance(first, Receiver) and isinstance(second, Sender) and first.session == session
    assert first.remote_source.type == first.remote_target.type == Terminus.UNSPECIFIED
    assert second.remote_source.address == "q" and script.transport.condition is None


def test_a_link_that_was_freed_before_its_attach_is_not_attached():
    a, b = connected()
    session = a.connection.session()
    session.open()
    pump(a, b)
    a.sent()
    link = session.sender("never")
    link.open()
    link.free()
    pump(a, b)
    assert a.sent() == [] and b.connection.link_head(0) is None


def test_a_sender_that_is_freed_holds_no_bytes_back():
    a, b = connected()
    session = a.connection.session()
    session.open()
    link = session.sender("L")
    link.open()
    link.delivery("t")
    link.stream(b"never sent")
    pump(a, b)
    link.close()
    link.free()
    b.connection.session_head(0).open()
    pump(a, b)
    b.connection.link_head(0).close()
    pump(a, b)
    assert session.outgoing_bytes == 0


def letters():
    yield from ("a", "b", "c")


def test_tags_come_from_an_iterator_a_callable_or_a_generator_function():
    _, _, sender, _ = linked()
    for generator in (iter("abc"), iter("abc").__next__, letters):
        sender.tag_generator = generator
        assert [sender.delivery_tag() for _ in range(3)] == ["a", "b", "c"]
