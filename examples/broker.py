"""A small message broker in memory: queues, topics and dynamic addresses, made when they are first named.

With --node only the named ones exist, and links to other addresses are refused.

A queue gives each message to one consumer, in turn; one that browses (distribution mode copy) sees them and takes none.
An address that starts with `topic` (`topic://news`), or whose terminus has the capability `topic`, is a topic: every
consumer that is there gets each message, and a durable subscription also those that come while it is away. What a
consumer does not accept (released, modified, or not answered when it goes) is offered again; what it rejects is
dropped, or goes to the queue that --dead-letters names. Selectors are those of JMS: `colour = 'green' AND size > 3`.
A sender without a target relays: its messages go where each is addressed to. Local transactions hold messages and
answers back until they are committed.

It is the broker of the test kit, `proton.testing.Broker`, which also plays faults and tells what it has seen.
"""

from __future__ import annotations

import argparse
import contextlib
import threading

from proton import Url
from proton.testing import Broker

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-a", "--address", default="localhost:5672", help="where to listen; default: %(default)s")
    parser.add_argument("-d", "--dead-letters", metavar="NAME", help="the queue for rejected messages")
    parser.add_argument(
        "-n", "--node", metavar="NAME", action="append", help="a queue or topic that exists; no other does"
    )
    options = parser.parse_args()
    place = Url(options.address)
    broker = Broker(
        int(place.port or 5672),
        host=place.host or "",
        nodes=options.node or (),
        dead_letters=options.dead_letters,
        keep_records=0,  # it has no test to tell
    )
    with broker, contextlib.suppress(KeyboardInterrupt):
        print(f"listening on {options.address}", flush=True)
        threading.Event().wait()
