"""Does something at equal intervals: a task that, each time it is due, asks to be called again."""

from __future__ import annotations

import argparse
import contextlib
from typing import TYPE_CHECKING

from proton import Handler
from proton.reactor import Container

if TYPE_CHECKING:
    from proton.handlers import ContainerEvent, TimerEvent


class Recurring(Handler):
    def __init__(self, interval: float, number: int) -> None:
        super().__init__()
        self.interval = interval
        self.left = number

    def on_reactor_init(self, event: ContainerEvent) -> None:
        event.container.schedule(self.interval, self)

    def on_timer_task(self, event: TimerEvent) -> None:
        print("Tick...", flush=True)
        self.left -= 1
        # The container ends by itself when nothing is left to wait for.
        if self.left != 0:
            event.container.schedule(self.interval, self)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-i", "--interval", type=float, default=1.0, help="seconds; default: %(default)s")
    parser.add_argument("-n", "--number", type=int, default=5, help="of ticks, 0 never ends; default: %(default)s")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        Container(Recurring(options.interval, options.number)).run()
