"""A broker for tests: in a thread or an event loop of this process, on a free port of loopback, with faults on demand.

    with Broker() as broker:
        broker.put("tasks", Message(id=1, body="x"))
        broker.refuse("missing")
        client = BlockingConnection(broker.url)
        ...
        broker.wait_for(lambda seen: seen.outcomes)
        assert broker.seen.outcomes[0].state == "ACCEPTED"

An address names a queue, which exists from its first use on. `Broker` has the commands, `Seen` what clients did.
`AsyncBroker` is the same under asyncio: `async with AsyncBroker() as broker: await broker.put(...)`.
"""

from proton.testing.aio import AsyncBroker
from proton.testing.broker import Broker
from proton.testing.certificates import Certificates
from proton.testing.clock import VirtualClock
from proton.testing.joined import Joined, JoinedBroker
from proton.testing.script import Script, ScriptConnection
from proton.testing.seen import Seen, SeenConnection, SeenEnd, SeenFailure, SeenLink, SeenMessage, SeenOutcome
from proton.testing.selector import InvalidSelector, Selector

__all__ = [
    "AsyncBroker",
    "Broker",
    "Certificates",
    "InvalidSelector",
    "Joined",
    "JoinedBroker",
    "Script",
    "ScriptConnection",
    "Seen",
    "SeenConnection",
    "SeenEnd",
    "SeenFailure",
    "SeenLink",
    "SeenMessage",
    "SeenOutcome",
    "Selector",
    "VirtualClock",
]
