"""Link options: what each sets, and which links it is for (2.8.2, 2.8.3, 3.5.1, 3.5.2, 3.5.5 to 3.5.9)."""

import pytest

from proton import Connection, Data, Described, Terminus, symbol
from proton.options.link_options import apply_options
from proton.reactor import (
    AtLeastOnce,
    AtMostOnce,
    Container,
    Copy,
    DurableSubscription,
    DynamicNodeProperties,
    Filter,
    LinkOption,
    Move,
    ReceiverOption,
    Selector,
    SenderOption,
)


@pytest.fixture
def session():
    return Connection().session()


def content(data):
    """The object in a `Data`, None when there is none."""
    data.rewind()
    return data.get_object() if data.next() else None


@pytest.mark.parametrize(
    ("option", "sender", "receiver"),
    [
        (LinkOption(), True, True),
        (SenderOption(), True, False),
        (ReceiverOption(), False, True),
        (AtMostOnce(), True, True),
        (AtLeastOnce(), True, True),
        (DynamicNodeProperties(), True, True),
        (Filter(), False, True),
        (Selector("a"), False, True),
        (DurableSubscription(), False, True),
        (Copy(), False, True),
        (Move(), False, True),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, bool) else None,
)
def test_which_links_an_option_is_for(session, option, sender, receiver):
    assert option.test(session.sender("s")) is sender
    assert option.test(session.receiver("r")) is receiver


def test_at_most_once_sends_settled(session):
    link = session.sender("s")
    AtMostOnce().apply(link)
    assert link.snd_settle_mode == link.SND_SETTLED


def test_at_least_once_lets_the_receiver_settle_first(session):
    link = session.sender("s")
    link.rcv_settle_mode = link.RCV_SECOND
    AtLeastOnce().apply(link)
    assert (link.snd_settle_mode, link.rcv_settle_mode) == (link.SND_UNSETTLED, link.RCV_FIRST)


def test_dynamic_node_properties_are_those_of_the_remote_node(session):
    option = DynamicNodeProperties({"lifetime": 1})
    sender, receiver = session.sender("s"), session.receiver("r")
    for link in (sender, receiver):
        option.apply(link)
    assert content(sender.target.properties) == content(receiver.source.properties) == {symbol("lifetime"): 1}
    assert isinstance(next(iter(content(sender.target.properties))), symbol)
    assert content(sender.source.properties) is None


def test_a_filter_is_put_as_it_is(session):
    link = session.receiver("r")
    Filter({symbol("f"): Described(symbol("x"), 5)}).apply(link)
    assert content(link.source.filter) == {symbol("f"): Described(symbol("x"), 5)}


def test_several_filters_are_one_set(session):
    receiver = session.receiver("r")
    other = Filter({symbol("other"): Described(symbol("x:y"), 1)})
    apply_options([Selector("a = 1"), other, Selector("b = 2", name="second")], receiver)
    receiver.source.filter.rewind()
    assert receiver.source.filter.next()
    assert set(receiver.source.filter.get_dict()) == {"selector", "other", "second"}
    assert receiver.source.filter.next() is None


def test_properties_of_dynamic_nodes_add_up(session):
    receiver = session.receiver("r")
    apply_options([DynamicNodeProperties({"a": 1}), DynamicNodeProperties({"b": 2})], receiver)
    receiver.source.properties.rewind()
    receiver.source.properties.next()
    assert receiver.source.properties.get_dict() == {"a": 1, "b": 2}


def test_a_selector_is_a_named_filter(session):
    link = session.receiver("r")
    Selector("a='b'", name="mine").apply(link)
    expected = Described(symbol("apache.org:selector-filter:string"), "a='b'")
    assert content(link.source.filter) == {symbol("mine"): expected}


def test_the_descriptor_of_a_selector_is_a_symbol(session):
    link = session.receiver("r")
    Selector("x").apply(link)
    data = link.source.filter
    data.rewind()
    data.next()
    data.enter()
    assert data.next() == Data.SYMBOL and data.get_symbol() == "selector"
    assert data.next() == Data.DESCRIBED
    data.enter()
    assert data.next() == Data.SYMBOL


def test_a_durable_subscription_survives_everything(session):
    link = session.receiver("r")
    DurableSubscription().apply(link)
    assert link.source.durability == Terminus.DELIVERIES
    assert link.source.expiry_policy == Terminus.EXPIRE_NEVER


@pytest.mark.parametrize(
    ("option", "mode"), [(Copy(), Terminus.DIST_MODE_COPY), (Move(), Terminus.DIST_MODE_MOVE)], ids=["copy", "move"]
)
def test_distribution_modes(session, option, mode):
    link = session.receiver("r")
    option.apply(link)
    assert link.source.distribution_mode == mode


class Noting(LinkOption):
    def __init__(self, wanted):
        self.wanted = wanted
        self.applied = []

    def test(self, link):
        return self.wanted

    def apply(self, link):
        self.applied.append(link)


@pytest.mark.parametrize("form", [lambda o: o, lambda o: [o], lambda o: (o,)], ids=["one", "list", "tuple"])
@pytest.mark.parametrize("wanted", [True, False])
def test_options_are_applied_where_they_are_wanted(form, wanted):
    option = Noting(wanted)
    apply_options(form(option), "link")
    assert option.applied == (["link"] if wanted else [])


@pytest.mark.parametrize("options", [None, []])
def test_without_options_a_link_stays_as_it_is(options):
    link = Connection().session().sender("L")
    before = dict(vars(link))
    apply_options(options, link)
    assert vars(link) == before


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (AtMostOnce, "options takes objects such as AtMostOnce(), got the class AtMostOnce"),
        ([AtMostOnce(), AtMostOnce], "options takes objects such as AtMostOnce(), got the class AtMostOnce"),
        ("filter", "options takes LinkOption objects, got str 'filter'"),
    ],
)
@pytest.mark.parametrize("create", ["create_sender", "create_receiver"])
def test_what_is_not_an_option_is_told_before_anything_is_made(create, options, text):
    container = Container()
    with pytest.raises(TypeError) as failure:
        getattr(container, create)("127.0.0.1:1/x", options=options)
    assert str(failure.value) == text
    assert container.selectable_count == 0 and not container._collector.events
