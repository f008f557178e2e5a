"""What sessions and links say of themselves: capabilities, properties, and the properties of flows (2.7.2 to 2.7.4)."""

import pytest

from proton import SymbolList, symbol
from proton.codec.encode import PreEncoded, encode
from tests.support.engines import connected, frame, linked, pump


def opened(a, b, **fields):
    """A session and a link at one end with these attributes, seen from the other."""
    session = a.connection.session()
    link = session.sender("L")
    for endpoint in (session, link):
        for name, value in fields.items():
            setattr(endpoint, name, value)
        endpoint.open()
    pump(a, b)
    return session, link


@pytest.mark.parametrize("offered", ["one", ["one", "two"], SymbolList(["x"])])
def test_capabilities_are_told_both_ways(offered):
    a, b = connected()
    session, link = opened(a, b, offered_capabilities=offered, desired_capabilities=["w"])
    theirs = b.connection.session_head(0), b.connection.link_head(0)
    expected = [offered] if isinstance(offered, str) else list(offered)
    for endpoint in theirs:
        assert endpoint.remote_offered_capabilities == expected
        assert isinstance(endpoint.remote_offered_capabilities, SymbolList)
        assert endpoint.remote_desired_capabilities == ["w"]
        endpoint.offered_capabilities = ["w"]
        endpoint.open()
    pump(a, b)
    for endpoint in (session, link):
        assert endpoint.remote_offered_capabilities == ["w"] and endpoint.remote_desired_capabilities is None


def test_properties_of_a_session_are_told():
    a, b = connected()
    session, link = opened(a, b, properties={"p": 1})
    assert b.connection.session_head(0).remote_properties == {symbol("p"): 1}
    assert b.connection.link_head(0).remote_properties == {symbol("p"): 1}
    assert isinstance(next(iter(b.connection.session_head(0).remote_properties)), symbol)


def test_they_are_unset_until_the_peer_says_something():
    a, b = connected()
    session, link = opened(a, b)
    for endpoint in (session, link, b.connection.session_head(0), b.connection.link_head(0)):
        assert endpoint.remote_offered_capabilities is None and endpoint.remote_desired_capabilities is None
        assert endpoint.remote_properties is None and endpoint.offered_capabilities is None


def test_what_is_changed_after_open_is_not_told():
    a, b = connected()
    session = a.connection.session()
    session.open()
    link = session.receiver("L")
    link.offered_capabilities = ["early"]
    link.open()
    link.offered_capabilities = ["late"]
    pump(a, b)
    assert b.connection.link_head(0).remote_offered_capabilities == ["early"]


def test_a_capability_that_is_not_text_raises_and_changes_nothing():
    a, _ = connected()
    link = a.connection.session().sender("L")
    link.offered_capabilities = ["good"]
    with pytest.raises(TypeError):
        link.offered_capabilities = [5]
    assert link.offered_capabilities == ["good"]


@pytest.mark.parametrize("ours", ["sender", "receiver"])
def test_flow_properties_reach_the_other_end_with_an_event(ours):
    a, b, sender, receiver = linked()
    link, other, peer = (sender, receiver, b) if ours == "sender" else (receiver, sender, a)
    a.events(), b.events()
    link.flow_properties = {"seen": 5}
    pump(a, b)
    assert other.remote_flow_properties == {symbol("seen"): 5}
    assert peer.events() == "_flow_properties LINK_FLOW".replace("_flow", "k_flow")
    assert link.flow_properties == {"seen": 5} and link.remote_flow_properties is None


def test_a_flow_without_properties_leaves_those_that_were_told():
    a, b, sender, receiver = linked()
    receiver.flow_properties = {"x": 1}
    pump(a, b)
    receiver.flow_properties = None
    receiver.flow(1)
    a.events()
    pump(a, b)
    assert sender.remote_flow_properties == {symbol("x"): 1}
    assert "flow_properties" not in a.events()


def test_flow_properties_that_are_not_map_are_a_decode_error():
    a, b, _, _ = linked()
    five = PreEncoded(encode(5))
    b.transport.push(
        frame(0, "flow", next_outgoing_id=0, incoming_window=1, outgoing_window=1, handle=0, properties=five)
    )
    assert b.transport.condition.name == "amqp:decode-error"
    assert "properties" in b.transport.condition.description


def test_flow_properties_set_before_open_wait_for_the_attach():
    a, b = connected()
    session = a.connection.session()
    session.open()
    link = session.receiver("L")
    link.flow_properties = {"a": 1}
    link.open()
    link.flow(1)
    pump(a, b)
    assert b.connection.link_head(0).remote_flow_properties == {symbol("a"): 1}
