"""A connection that is accepted costs the same beside few others and beside many: calls are counted, not time."""

from proton.handlers import MessagingHandler
from proton.reactor import Container
from tests.architecture.test_calls import Counter
from tests.engine.test_cost import calls
from tests.support.loops import watchdog

FEW, MANY, MEASURED = 10, 210, 20
#: Python calls of a connection at both ends, from `connect` to the last event: 1,536 to 1,556 by the version of Python,
#: when each of its ten waits finds one socket ready
BUDGET = 1600


class Crowd(MessagingHandler):
    """Connections of one container to itself, all of which stay open."""

    def __init__(self):
        super().__init__()
        self.connections = []
        self.opened = 0

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")

    def on_connection_opened(self, event):
        self.opened += event.connection is self.connections[-1]

    def add(self, container, count):
        """Makes some more, one after the other."""
        for _ in range(count):
            self.connections.append(container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False))
            while self.opened < len(self.connections):
                container.process()

    def close(self):
        self.acceptor.close()
        for connection in self.connections:
            connection.close()


def cost(idle):
    """The calls that a connection takes, at both ends, beside so many that are idle."""
    program = Crowd()
    container = Container(program)
    container.start()
    with watchdog(container):
        container.process()
        program.add(container, idle)
        count = calls(lambda: program.add(container, MEASURED))
        program.close()
        while container.process():
            pass
    assert len(program.connections) == program.opened == idle + MEASURED
    return count / MEASURED


def test_an_accepted_connection_costs_the_same_beside_many_others():
    few, many = cost(FEW), cost(MANY)
    # When sockets are ready differs from run to run, and with it the turns. A call for each of the others would be
    # 400, with both ends in this process.
    assert many - few < 100, (few, many)


class Cycle(MessagingHandler):
    """Connections of one container to itself, opened and closed one after the other."""

    def __init__(self):
        super().__init__()
        self.closed = 0

    def on_start(self, event):
        self.acceptor = event.container.listen("127.0.0.1:0")

    def on_connection_opened(self, event):
        if event.connection is self.connection:
            event.connection.close()

    def on_connection_closed(self, event):
        self.closed += event.connection is self.connection

    def add(self, container, count):
        for number in range(self.closed + 1, self.closed + count + 1):
            self.connection = container.connect(f"127.0.0.1:{self.acceptor.port}", reconnect=False)
            while self.closed < number:
                container.process()


def test_a_connection_that_is_opened_and_closed_costs_at_most_its_budget():
    program = Cycle()
    container = Container(program)
    container.start()
    with watchdog(container):
        container.process()
        program.add(container, FEW)
        with Counter() as counter:
            program.add(container, MEASURED)
        program.acceptor.close()
        while container.process():
            pass
    assert program.closed == FEW + MEASURED
    count = counter.calls / MEASURED
    assert count <= BUDGET, f"expected {BUDGET} calls for a connection at most, got {count:.0f}"
