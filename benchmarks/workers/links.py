"""Ends of links: `links.py end` opens --held and --connections links on one session, and closes the latter at once.

`links.py accept` listens. Both measure what they do after all are open: the end of some, while the others stay.
"""

import argparse

from common import Worker, print_result
from proton import Handler
from proton.reactor import Container

#: seconds for both ends to finish what opening the links set off
REST = 0.3


class Then(Handler):
    def __init__(self, act):
        super().__init__()
        self.act = act

    def on_timer_task(self, event):
        self.act()


class Ends(Worker):
    """Counts what opens and what closes."""

    def __init__(self, options):
        super().__init__(options, prefetch=0)
        self.opened = self.ended = 0

    def on_link_opened(self, event):
        self.opened += 1
        if self.opened == self.options.held + self.options.connections:
            event.container.schedule(REST, Then(self.clock.start))
            self.all_opened(event)

    def all_opened(self, event):
        pass

    def on_link_closed(self, event):
        event.link.free()
        self.ended += 1
        if self.ended == self.options.connections:
            print_result(**self.clock.read())
            self.all_ended(event)

    def all_ended(self, event):
        pass


class End(Ends):
    def on_start(self, event):
        self.session = event.container.connect(self.url, reconnect=False).session()
        self.session.open()
        count = self.options.held + self.options.connections
        self.links = [event.container.create_sender(self.session, f"q{n}") for n in range(count)]

    def all_opened(self, event):
        event.container.schedule(REST * 2, Then(self.close_some))

    def close_some(self):
        # from among them: not only the last ones, or the first
        step = len(self.links) // self.options.connections
        for link in self.links[::step][: self.options.connections]:
            link.close()

    def all_ended(self, event):
        event.connection.close()


class Accept(Ends):
    def on_start(self, event):
        self.listen(event.container)

    def all_ended(self, event):
        self.acceptor.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=("accept", "end"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=100, help="links that end")
    parser.add_argument("--held", type=int, default=0, help="links that stay")
    options = parser.parse_args()
    Container({"accept": Accept, "end": End}[options.role](options)).run()
