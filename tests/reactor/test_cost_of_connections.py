"""A connection that is accepted costs the same beside few others and beside many: calls are counted, not time."""

from proton.handlers import MessagingHandler
from proton.reactor import Container
from tests.engine.test_cost import calls
from tests.support.loops import watchdog

FEW, MANY, MEASURED = 10, 210, 20


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
