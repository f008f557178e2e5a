"""`Joined`: whole containers in memory and in virtual time; no socket is made, no thread starts, nothing waits."""

from __future__ import annotations

import random

import pytest

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import ApplicationEvent, Container, EventInjector
from proton.testing import Broker, Joined, JoinedBroker, VirtualClock
from proton.testing.memory import BUFFER

pytestmark = pytest.mark.usefixtures("nothing_of_the_system")


class Worker(MessagingHandler):
    """Takes tasks, and sends what it has made of them."""

    def __init__(self, url="amqp://broker.example", **options):
        super().__init__()
        self.url, self.options = url, options
        self.notes = []

    def on_start(self, event):
        connection = event.container.connect(self.url, reconnect=[1, 2, 4] * 100, **self.options)
        self.sender = event.container.create_sender(connection, "results")
        self.receiver = event.container.create_receiver(connection, "tasks")

    def on_message(self, event):
        if event.message.body is None:
            self.reject(event.delivery)
        else:
            self.sender.send(Message(id=event.message.id, body=event.message.body.upper()))

    def on_disconnected(self, event):
        self.notes.append(f"lost {event.transport.condition.name if event.transport.condition else None}")

    def on_connection_opened(self, event):
        self.notes.append("open")

    def on_connection_error(self, event):
        self.notes.append(event.connection.remote_condition.name)

    def on_link_error(self, event):
        self.notes.append(event.link.remote_condition.name)


def bodies(broker, address):
    return [message.body for message in broker.messages(address)]


def test_a_program_and_the_broker():
    with Joined(Worker()) as joined:
        joined.broker.put("tasks", Message(id=1, body="one"), Message(id=2, body=None), Message(id=3, body="two"))
        joined.run()
        assert bodies(joined.broker, "results") == ["ONE", "TWO"]
        outcomes = {each.id: each.state for each in joined.broker.seen.outcomes}
        assert outcomes == {1: "ACCEPTED", 2: "REJECTED", 3: "ACCEPTED"}
        assert joined.connects == [(0.0, "broker.example", 5672, True)]
        assert joined.elapsed == 0 and not joined.finished
        assert repr(joined) == "Joined(after 0.0 s)"


def test_what_the_broker_does_shows_after_run():
    worker = Worker()
    with Joined(worker) as joined:
        joined.run()
        joined.broker.refuse("tasks")
        joined.broker.detach("tasks", "amqp:resource-deleted")
        joined.broker.put("tasks", Message(id=1, body="late"))
        assert worker.notes == ["open"]
        joined.run()
        assert worker.notes == ["open", "amqp:resource-deleted"]
        joined.broker.close_connections("amqp:connection:forced")
        joined.run()
        joined.advance(1)
        assert worker.notes[2:] == ["amqp:connection:forced", "lost None", "open"]


def test_a_lost_connection_is_made_again_when_it_is_time():
    worker = Worker()
    with Joined(worker) as joined:
        joined.run()
        joined.cut()
        joined.run()
        assert worker.notes == ["open", "lost amqp:connection:framing-error"]
        joined.refuse_connects(times=2)
        joined.advance(60)
        # The first attempt is a second after the loss, the next ones two and four seconds after it failed.
        assert [(each.at, each.connected) for each in joined.connects] == [
            (0.0, True),
            (1.0, False),
            (3.0, False),
            (7.0, True),
        ]
        assert worker.notes == ["open", "lost amqp:connection:framing-error", "open"]
        joined.broker.put("tasks", Message(body="x"))
        joined.run()
        assert bodies(joined.broker, "results") == ["X"]
        assert joined.elapsed == 60


def test_a_broker_that_stops_in_an_orderly_way_and_starts_again():
    worker = Worker()
    with Joined(worker) as joined:
        joined.run()
        joined.broker.put("kept", Message(body="x"))
        joined.broker.stop()
        assert not joined.broker.running and joined.broker.connection_count == 0
        joined.advance(10)
        assert {each.connected for each in joined.connects[1:]} == {False}
        joined.broker.start()
        assert bodies(joined.broker, "kept") == ["x"]
        joined.run_until(lambda: joined.broker.connection_count, "connection")
        joined.broker.kill()
        joined.broker.start(empty=True)
        assert bodies(joined.broker, "kept") == []
        with pytest.raises(RuntimeError, match="runs already"):
            joined.broker.start()
        assert worker.notes.count("open") == 2
        joined.broker.wait_for(lambda seen: len(seen.connections) == 3, "third connection")
        assert worker.notes.count("open") == 3


def test_a_silent_peer_is_noticed_after_its_time():
    worker = Worker(heartbeat=10)
    with Joined(worker) as joined:
        joined.advance(100)
        assert worker.notes == ["open"]
        joined.broker.stall()
        joined.advance(9.9)
        assert worker.notes == ["open"]
        joined.advance(0.1)
        assert worker.notes == ["open", "lost amqp:resource-limit-exceeded"]
        joined.broker.resume()
        joined.advance(60)
        assert worker.notes[-1] == "open"


def test_a_connect_that_is_never_answered():
    worker = Worker(heartbeat=10)
    with Joined(worker) as joined:
        joined.drop_connects()
        joined.advance(9)
        assert [each.connected for each in joined.connects] == [None]
        joined.advance(3)
        assert [(each.at, each.connected) for each in joined.connects] == [(0.0, None), (12.0, None)]
        joined.allow_connects()
        joined.advance(60)
        assert worker.notes == ["lost proton.pythonio", "open"]


def test_times_of_the_broker_are_those_of_the_clock():
    with Joined(Worker()) as joined:
        joined.broker.put("short", Message(body="short", ttl=5), Message(body="long", ttl=500))
        joined.broker.put("tasks", Message(body="later", annotations={"x-opt-delivery-delay": 30_000}))
        joined.broker.put(
            "tasks", Message(body="at", annotations={"x-opt-delivery-time": (joined.clock.now + 40) * 1000})
        )
        joined.advance(29)
        assert bodies(joined.broker, "short") == ["long"]
        assert bodies(joined.broker, "results") == []
        joined.advance(1)
        assert bodies(joined.broker, "results") == ["LATER"]
        joined.advance(9)
        assert bodies(joined.broker, "results") == ["LATER"]
        joined.advance(1)
        assert bodies(joined.broker, "results") == ["LATER", "AT"]


def test_a_connection_with_tls():
    certificates = pytest.importorskip("proton.testing.authority", reason="cryptography is not installed")
    assert certificates
    from proton.testing import Certificates

    with Certificates() as made:
        worker = Worker("amqps://broker.example", ssl_domain=made.client_domain())
        with Joined(worker, ssl_domain=made.server_domain("broker.example")) as joined:
            joined.run()
            assert worker.notes == ["open"]
            assert joined.connects[0].port == 5671
            assert joined.broker.url.startswith("amqps://")


def test_several_programs_with_one_broker():
    first, second = Worker(), Worker()
    with Joined(first) as joined:
        container = joined.add(second, "second")
        joined.broker.put("tasks", *(Message(body=str(n)) for n in range(6)))
        joined.run()
        assert sorted(bodies(joined.broker, "results")) == [str(n) for n in range(6)]
        assert {each.container_id for each in joined.broker.seen.connections} == {"program", "second"}
        assert container.container_id == "second"


def test_what_a_handler_raises_comes_out_of_run():
    class Faulty(MessagingHandler):
        def on_start(self, event):
            event.container.schedule(5, self)

        def on_timer_task(self, event):
            raise KeyError("mine")

    with Joined(Faulty()) as joined:
        joined.run()
        with pytest.raises(KeyError, match="mine"):
            joined.advance(10)
        assert joined.elapsed == 5
        joined.container.stop_events()


def test_handlers_that_never_come_to_rest_are_told(monkeypatch):
    class Restless(MessagingHandler):
        def on_start(self, event):
            event.container.schedule(0, self)

        on_timer_task = on_start

    monkeypatch.setattr("proton.testing.joined.MAX_TURNS", 100)
    joined = Joined(Restless())
    with pytest.raises(RuntimeError, match="expected the handlers to come to rest, got something new"), joined:
        joined.run()


def test_a_body_that_is_larger_than_what_is_on_its_way_at_once():
    with Joined(Worker()) as joined:
        body = "a" * (5 * BUFFER)
        joined.broker.put("tasks", Message(body=body))
        joined.run()
        assert bodies(joined.broker, "results") == [body.upper()]


def test_events_from_outside_come_in():
    class Injected(MessagingHandler):
        def on_start(self, event):
            self.injector = EventInjector()
            self.seen = []
            event.container.selectable(self.injector)

        def on_told(self, event):
            self.seen.append(event.subject)
            event.container.call_soon(self.seen.append, "soon")
            self.injector.close()

    program = Injected()
    with Joined(program) as joined:
        joined.run()
        program.injector.trigger(ApplicationEvent("told", subject="now"))
        joined.run()
        assert program.seen == ["now", "soon"]
        assert joined.finished


def test_the_same_run_gives_the_same_events():
    def events():
        notes = []

        class Noting(Worker):
            def on_unhandled(self, name, event):
                notes.append((name, event.container.now))

        with Joined(Noting(heartbeat=3), clock=VirtualClock(0.0)) as joined:
            joined.broker.put("tasks", *(Message(body=str(n)) for n in range(5)))
            joined.advance(10)
            joined.cut()
            joined.advance(10)
        return notes

    first = events()
    assert first == events()
    assert len(first) > 100


def test_delays_of_chance_are_the_same_after_a_seed():
    class Patient(MessagingHandler):
        def on_start(self, event):
            event.container.connect("amqp://broker.example")

    def times(seed):
        random.seed(seed)
        with Joined(Patient()) as joined:
            joined.refuse_connects()
            joined.advance(60)
            return [each.at for each in joined.connects]

    assert times(1) == times(1) != times(2)


def test_its_parts_are_those_of_the_package():
    with Joined(Worker()) as joined:
        assert isinstance(joined.container, Container)
        assert isinstance(joined.broker, JoinedBroker) and isinstance(joined.broker, Broker)
