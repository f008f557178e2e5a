"""Names that old programs use: where they import them from, and that they are the classes in use now."""

import importlib
import itertools

import pytest

import proton
import proton.handlers
import proton.reactor
import proton.utils
from proton._reactor import delay_iter, make_backoff_wrapper
from proton.reactor import Backoff

PUBLIC = {
    "reactor": """Container ApplicationEvent EventInjector Handler LinkOption ReceiverOption SenderOption AtLeastOnce
        AtMostOnce DynamicNodeProperties Filter Selector DurableSubscription Copy Move Backoff Transaction""",
    "handlers": """MessagingHandler IncomingMessageHandler OutgoingMessageHandler EndpointStateHandler
        TransactionHandler TransactionalClientHandler Reject Release Handshaker FlowController IOHandler PythonIO
        ConnectionEvent ContainerEvent DeliveryEvent DisconnectedEvent GaveUpEvent LinkEvent MessageEvent OutcomeEvent
        ReconnectingEvent SelectableEvent SendableEvent SessionEvent TimerEvent TransactionEvent TransportEvent""",
    "utils": """BlockingConnection BlockingSender BlockingReceiver SyncRequestResponse SendException LinkDetached
        ConnectionClosed""",
}
PRIVATE = {
    "reactor": """Reactor Task TimerSelectable Acceptor SSLConfig Urls GlobalOverrides SessionPerConnection
        _Connector Connector delay_iter make_backoff_wrapper""",
    "handlers": """Acking recv_msg ConnectSelectable CFlowController CHandshaker ConnectionBoundEvent""",
    "utils": "BlockingLink Fetcher AtomicCount",
}


@pytest.mark.parametrize("module", PUBLIC)
def test_a_public_module_lists_its_names(module):
    public = importlib.import_module(f"proton.{module}")
    assert sorted(public.__all__) == sorted(PUBLIC[module].split())


@pytest.mark.parametrize("module", PUBLIC)
def test_a_private_module_has_the_public_names_too(module):
    public, private = importlib.import_module(f"proton.{module}"), importlib.import_module(f"proton._{module}")
    for name in PUBLIC[module].split():
        assert getattr(private, name) is getattr(public, name)
    for name in PRIVATE[module].split():
        assert callable(getattr(private, name)), name


# What the private modules of the C binding define, and where ours has it.
OF_THE_PACKAGE = {
    "_common": "",
    "_condition": "Condition",
    "_data": """UNDESCRIBED AnnotationDict Array Data Described PropertyDict SymbolList byte char decimal128 decimal32
        decimal64 float32 int32 short symbol timestamp ubyte uint ulong ushort DataException""",
    "_delivery": """Delivery Disposition DispositionType CustomDisposition DeclaredDisposition ModifiedDisposition
        ReceivedDisposition RejectedDisposition TransactionalDisposition""",
    "_endpoints": "Connection Endpoint Link Receiver Sender Session Terminus",
    "_events": "Collector Event EventType Handler",
    "_exceptions": """ConnectionException DataException Interrupt LinkException MessageException ProtonException
        SASLException SSLException SSLUnavailable SessionException Timeout TransportException""",
    "_message": "Message",
    "_transport": """SASL SASLException SSL SSLDomain SSLException SSLSessionDetails SSLUnavailable Transport
        TransportException""",
    "_url": "Url",
}
NOT_PUBLIC = {
    "_common": "Constant",
    "_data": "Constant RestrictedKeyDict",
    "_delivery": "LocalDisposition RemoteDisposition",
    "_events": "EventBase",
}


@pytest.mark.parametrize("module", OF_THE_PACKAGE)
def test_a_private_module_of_the_package_has_its_names(module):
    private = importlib.import_module(f"proton.{module}")
    public, hidden = OF_THE_PACKAGE[module].split(), NOT_PUBLIC.get(module, "").split()
    for name in public:
        assert getattr(private, name) is getattr(proton, name)
    assert sorted(private.__all__) == sorted(public + hidden)
    assert all(isinstance(getattr(private, name), type) for name in hidden)


def test_every_name_of_the_package_has_its_private_place():
    elsewhere = {"API_LANGUAGE", "IMPLEMENTATION_LANGUAGE", "VERSION_MAJOR", "VERSION_MINOR"}
    own = {"BodyReader", "Credentials", "DecodeLimits", "ScramVerifier"}  # the C binding does not have them
    placed = {name for names in OF_THE_PACKAGE.values() for name in names.split()}
    assert set(proton.__all__) - elsewhere - own == placed


def test_the_base_of_handlers_is_one():
    assert proton.reactor.Handler is proton.Handler


def test_the_oldest_names_of_handlers():
    assert proton.handlers.CFlowController is proton.handlers.FlowController
    assert proton.handlers.CHandshaker is proton.handlers.Handshaker


def test_the_base_of_the_container():
    from proton._reactor import Reactor, _Connector

    assert issubclass(proton.reactor.Container, Reactor)
    connection = proton.reactor.Container().connect("h")
    assert isinstance(connection._overrides, _Connector)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, [0.0, 0.1, 0.2, 0.4, 0.8]),
        ({"initial": 1, "factor": 3, "max_delay": 5}, [0.0, 1, 3, 5, 5]),
        ({"max_tries": 3}, [0.0, 0.1, 0.2]),
        ({"max_tries": 1}, [0.0]),
    ],
)
def test_delays(arguments, expected):
    assert list(itertools.islice(delay_iter(**arguments), 5)) == expected


def test_an_object_that_counts_by_itself_becomes_a_sequence():
    class Counter:
        def reset(self):
            self.left = [3, 2, 1]

        def next(self):
            if not self.left:
                raise StopIteration
            return self.left.pop()

    wrapped = make_backoff_wrapper(Counter())
    assert list(wrapped) == list(wrapped) == [1, 2, 3]
    backoff = Backoff()
    for other in (None, False, [1], backoff):
        assert make_backoff_wrapper(other) is other
