"""Senders at a loss, in virtual time: their credit, how often they are told, and what a program sends again."""

from types import SimpleNamespace

import pytest

from proton import Condition, Delivery, Message
from proton.handlers import MessagingHandler
from tests.support.virtual import Peer, live

MESSAGES = 60


class Node(Peer):
    """Takes messages until it fails after some of them, without an answer to the last two and what comes behind them.

    :param log: the bodies that have come, over all nodes.
    :param most: how many it takes.
    :param end: what happens then, called with the event of the last message.
    """

    def __init__(self, log, most=MESSAGES, end=None):
        super().__init__(auto_accept=False)
        self.log = log
        self.left = most
        self.end = end

    def on_message(self, event):
        self.left -= 1
        self.log.append(event.message.body)
        if self.left >= 2 or self.end is None:
            self.accept(event.delivery)
        if not self.left and self.end is not None:
            self.end(self, event)


def cut(node, event):
    node.cut()


def stop(node, event):
    node.stop()


def end_session(node, event):
    event.session.condition = Condition("amqp:internal-error", "shutdown")
    event.session.close()


def detach(node, event):
    event.link.condition = Condition("amqp:link:detach-forced", "moved")
    event.link.close()


class Pump(MessagingHandler):
    """Sends whenever there is credit, from a timer and from each callback, also of raw events."""

    def __init__(self, **options):
        super().__init__()
        self.options = options
        self.to_send = list(range(MESSAGES))
        self.unanswered = {}
        self.disconnected = 0
        self.after_loss = []  # the credit that callbacks saw between a loss and the return of the link
        self.is_lost = False

    def on_start(self, event):
        self.connection = event.container.connect("here", **self.options)
        self.sender = event.container.create_sender(self.connection, "q")
        self.on_timer_task(event)

    def on_timer_task(self, event):
        self.pump()
        if self.to_send or self.unanswered:
            event.container.schedule(0.01, self)

    def pump(self, event=None):
        if self.is_lost:
            self.after_loss.append(self.sender.credit)
        # A few at a time: peers that fail do so in the middle.
        for number in self.to_send[: min(3, max(0, self.sender.credit))]:
            self.to_send.remove(number)
            self.unanswered[self.sender.send(Message(body=number))] = number

    on_transport_tail_closed = on_transport_head_closed = on_transport_closed = pump
    on_reconnecting = on_connection_unbound = on_connection_bound = on_connection_local_open = pump

    def lose(self, event):
        self.is_lost = True
        self.pump()

    on_connection_remote_close = on_session_remote_close = on_link_remote_close = lose

    def on_transport_error(self, event):
        self.is_lost = True
        self.pump()

    def on_link_opened(self, event):
        self.is_lost = False
        self.pump()

    def on_disconnected(self, event):
        self.disconnected += 1
        self.to_send[:0] = sorted(self.unanswered.values())
        self.unanswered.clear()
        self.pump()

    def on_accepted(self, event):
        self.unanswered.pop(event.delivery, None)


def outages(log, end):
    """Peers: eight nodes fail after five messages each, the last one does not; two attempts fail after each loss."""

    def make(number):
        if number > 24:
            return Node(log)
        return Node(log, 5, end) if number % 3 == 1 else None

    return make


@pytest.mark.parametrize("end", [cut, stop])
def test_a_program_that_sends_again_what_was_lost_repeats_no_more_than_that(end):
    log = []
    pump = Pump(reconnect=[0.02] * 50)
    net = live(pump, outages(log, end), 300.0)
    assert len(net.connects) == 25
    assert set(log) == set(range(MESSAGES)) and not pump.to_send and not pump.unanswered
    assert pump.disconnected == 8
    assert len(log) - MESSAGES <= 3 * 8  # what was sent and has no answer
    assert max(pump.after_loss) <= 0


@pytest.mark.parametrize("end", [end_session, detach])
def test_so_does_one_whose_session_or_link_is_made_again(end):
    log, nodes = [], []

    class Again(Node):
        def on_link_opening(self, event):
            self.left = 5 if len(nodes) < 9 else MESSAGES
            self.end = end if len(nodes) < 9 else None
            nodes.append(event.link)

    pump = Pump(retry_on=["amqp:internal-error", "amqp:link:detach-forced"], reconnect=[0.02] * 50)
    live(pump, lambda number: Again(log), 300.0)
    assert set(log) == set(range(MESSAGES)) and pump.disconnected == 9 and len(nodes) == 10
    assert len(log) - MESSAGES <= 3 * 9
    assert max(pump.after_loss) <= 0


def test_the_first_attempt_that_fails_is_told_once_and_a_new_open_begins_anew():
    told = []

    class Client(MessagingHandler):
        def on_start(self, event):
            self.connection = event.container.connect("here", reconnect=[0.01] * 4)

        def on_disconnected(self, event):
            told.append("disconnected")

        def on_reconnecting(self, event):
            told.append(event.attempt)

        def on_gave_up(self, event):
            told.append("gave up")
            if told.count("gave up") == 1:
                event.connection.open() if event.connection.state & event.connection.LOCAL_CLOSED else None

    live(Client(), lambda number: None, 5.0)
    assert told == ["disconnected", 2, 3, 4, "gave up"]


class Queueing(MessagingHandler):
    """Sends more than there is credit for, and looks at its deliveries at the loss."""

    def __init__(self, size=1, abort=False):
        super().__init__()
        self.size = size
        self.abort = abort
        self.deliveries = {}

    def on_start(self, event):
        self.connection = event.container.connect("here", reconnect=[0.02] * 9)
        self.sender = event.container.create_sender(self.connection, "q")
        event.container.schedule(0.1, SimpleNamespace(on_timer_task=self.send_all))

    def send_all(self, event):
        for number in range(6):
            self.deliveries[self.sender.send(Message(body=str(number) * self.size))] = number

    def on_disconnected(self, event):
        self.pending = [delivery.pending for delivery in self.deliveries]
        self.unsettled = [self.deliveries[delivery] for delivery in self.sender.unsettled_deliveries]
        again = [number for delivery, number in self.deliveries.items() if self.abort or not delivery.pending]
        for delivery in list(self.deliveries):
            if self.deliveries[delivery] in again:
                delivery.abort() if self.abort else delivery.settle()
                del self.deliveries[delivery]
        for number in again:
            self.deliveries[self.sender.send(Message(body=str(number) * self.size))] = number

    def on_accepted(self, event):
        assert event.delivery.remote_state == Delivery.ACCEPTED
        del self.deliveries[event.delivery]


class Slow(Node):
    """Grants credit for three messages, and fails when the second has come."""

    def __init__(self, log):
        super().__init__(log, 2, cut)
        self.handlers.pop(0)  # what grants credit

    def on_link_opening(self, event):
        event.receiver.flow(3)


@pytest.mark.parametrize("abort", [False, True], ids=["what was sent", "all of it"])
def test_what_has_pending_bytes_at_the_loss_was_not_sent(abort):
    log = []
    client = Queueing(abort=abort)
    live(client, lambda number: Slow(log) if number == 1 else Node(log), 30.0)
    assert [size > 0 for size in client.pending] == [False] * 3 + [True] * 3
    assert client.unsettled == list(range(6))
    first = ["0", "1"] if log[2] != "2" else ["0", "1", "2"]
    rest = ["0", "1", "2", "3", "4", "5"] if abort else ["3", "4", "5", "0", "1", "2"]
    assert log == first + rest and not client.deliveries


def test_what_was_sent_in_part_has_none():
    log = []
    client = Queueing(size=40_000)

    class Narrow(Slow):
        """Cuts when the first message has come in part: the window has no room for more."""

        def on_connection_opening(self, event):
            event.transport.max_frame_size = 512

        def on_session_opening(self, event):
            event.session.incoming_window = 3

        def on_delivery(self, event):
            assert event.delivery.partial
            self.cut()

    live(client, lambda number: Narrow(log) if number == 1 else Node(log), 30.0)
    assert [size > 0 for size in client.pending] == [False] + [True] * 5
    assert [body[0] for body in log] == ["1", "2", "3", "4", "5", "0"]
