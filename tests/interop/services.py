"""Recipes for the broker of the test kit: what clients of RabbitMQ 4 and of Event Hubs ask of their service.

Each is a broker and some functions, made of public commands only, as a test of any program may have it.
"""

from __future__ import annotations

import itertools
import re
import time
import urllib.parse

from proton import Message, symbol
from proton.testing import Broker

__all__ = ["EventHub", "RabbitMQ"]

#: the message format of several events in one message, each a whole message in a data section
BATCH = 0x80013700


class Service:
    """A broker that is started and stopped by `with`."""

    def __init__(self, **options):
        self.broker = Broker(resolve=self.resolve, **options)

    def __enter__(self):
        self.broker.start()
        return self

    def __exit__(self, *problem):
        self.broker.__exit__(*problem)

    def resolve(self, address):
        """The address of the node that a client means."""
        raise NotImplementedError


class RabbitMQ(Service):
    """Queues, exchanges and bindings that clients declare at `/management`.

    Queues have the names that their clients give them. A message that no binding takes is accepted and dropped, where
    RabbitMQ releases it. Exchanges of the type `headers`, streams, the arguments of queues and tokens are not there.
    """

    def __init__(self):
        # Only what was declared exists.
        super().__init__(credentials={"guest": "guest"}, allow_insecure_mechs=True, nodes=["dead"], dead_letters="dead")
        self.broker.answer_requests("/management", self.answer)
        self.queues, self.exchanges, self.bindings = {}, {}, []

    def resolve(self, address):
        kind, *names = (urllib.parse.unquote(part) for part in address.lstrip("/").split("/"))
        if kind == "queues":
            return names[0]
        if kind == "exchanges" and names[0] in self.exchanges:
            key = "".join(names[1:])
            self.broker.answer_requests(address, lambda message: self.publish(names[0], key, message))
        return address

    def publish(self, exchange, key, message):
        """Put a message into the queues that are bound."""
        for binding in self.bindings:
            if binding["source"] == exchange and self.matches(exchange, binding["binding_key"], key):
                if "destination_queue" in binding:
                    self.broker.put(binding["destination_queue"], message)
                else:
                    self.publish(binding["destination_exchange"], key, message)

    def matches(self, exchange, pattern, key):
        """Whether a binding takes a key."""
        kind = self.exchanges[exchange]["type"]
        if kind != "topic":
            return kind == "fanout" or pattern == key
        words = {"*": r"\.[^.]+", "#": r"(\.[^.]+)*"}
        parts = (words.get(part) or re.escape("." + part) for part in pattern.split("."))
        return re.fullmatch("".join(parts), "." + key) is not None

    def answer(self, request):
        """Answer a request of management."""
        path, _, query = request.address.lstrip("/").partition("?")
        kind, *names = path.split("/")
        names = [urllib.parse.unquote(name) for name in names] if kind != "bindings" else names
        try:
            function = getattr(self, f"{request.subject.lower()}_{kind}")
            options = {"query": query} if query else {}
            status, body = function(*names, body=request.body, **options)
        except LookupError as error:
            status, body = 404, f"no {kind} {error}"
        return Message(subject=str(status), properties={"http:response": "1.1"}, body=body)

    # -- requests: the method and the first part of the path -----------------------------------------------------

    def get_queues(self, name, body):
        return 200, self.queue(name)

    def queue(self, name):
        """What is told of a queue."""
        found = self.queues[name]
        return {
            **found,
            "name": name,
            "vhost": "/",
            "type": found["arguments"].get("x-queue-type", "classic"),
            "message_count": len(self.broker.messages(name)),
        }

    def put_queues(self, name, body):
        if name in self.queues:
            return (200, self.queue(name)) if self.queues[name] == body else (409, f"queue {name} is another")
        self.queues[name] = body
        self.broker.make_queue(name)
        return 201, self.queue(name)

    def delete_queues(self, name, part=None, body=None):
        if part is not None:
            self.queues[name]  # it must be there
            return 200, {"message_count": self.broker.purge(name)}
        if self.queues.pop(name, None) is None:
            return 200, {"message_count": 0}
        count = len(self.broker.messages(name))
        self.broker.delete(name)
        self.bindings = [each for each in self.bindings if each.get("destination_queue") != name]
        return 200, {"message_count": count}

    def put_exchanges(self, name, body):
        if self.exchanges.setdefault(name, body) != body:
            return 409, f"exchange {name} is another"
        return 204, None

    def delete_exchanges(self, name, body):
        self.exchanges.pop(name, None)
        self.bindings = [each for each in self.bindings if each["source"] != name]
        for address in self.broker.addresses:
            if address.startswith(f"/exchanges/{urllib.parse.quote(name, safe='')}/"):
                self.broker.delete(address)
        return 204, None

    def post_bindings(self, body):
        self.exchanges[body["source"]]
        if "destination_queue" in body:
            self.queues[body["destination_queue"]]
        if body not in self.bindings:
            self.bindings.append(body)
        return 204, None

    def get_bindings(self, query, body):
        wanted = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        return 200, [
            {**binding, "location": "/bindings/" + self.place(binding)}
            for binding in self.bindings
            if wanted.items() <= dict(self.segments(binding)).items()
        ]

    def delete_bindings(self, place, body):
        self.bindings = [each for each in self.bindings if self.place(each) != place]
        return 204, None

    def segments(self, binding):
        """What names a binding."""
        yield "src", binding["source"]
        if "destination_queue" in binding:
            yield "dstq", binding["destination_queue"]
        else:
            yield "dste", binding["destination_exchange"]
        yield "key", binding["binding_key"]
        yield "args", repr(binding["arguments"]) if binding["arguments"] else ""

    def place(self, binding):
        """The last part of the path of a binding."""
        return ";".join(f"{key}={urllib.parse.quote(value, safe='')}" for key, value in self.segments(binding))


class EventHub(Service):
    """One event hub.

    Consumers get the events of a partition from the first one on: the selectors by which they ask for a position are
    ignored. An event is with one consumer at a time. Clients do not settle it, so it is there again when their link
    ends: consumer groups may read one after the other. An event without a partition goes to each partition in turn.

    :param name: its name.
    :param partitions: how many partitions it has.
    """

    def __init__(self, name="hub", partitions=1):
        # The positions that clients ask for compare strings by <, which selectors do not.
        super().__init__(selectors=False)
        self.name, self.count = name, partitions
        self.sent = [0] * partitions
        #: the audiences that tokens were put for
        self.audiences = []
        self._turns = itertools.cycle(range(partitions))
        self.broker.answer_requests("$cbs", self.put_token)
        self.broker.answer_requests("$management", self.read)
        self.broker.answer_requests(name, lambda message: self.take(message, next(self._turns)))
        for number in range(partitions):
            address = f"{name}/Partitions/{number}"
            self.broker.answer_requests(address, lambda message, number=number: self.take(message, number))

    def resolve(self, address):
        path = address.partition("://")[2].partition("/")[2] or address
        number = re.fullmatch(r"(.*)/ConsumerGroups/[^/]+/Partitions/(\d+)", path)
        return f"{number[1]}/{number[2]}" if number else path

    def events(self, partition=0):
        """The events of a partition that no client has."""
        return self.broker.messages(f"{self.name}/{partition}")

    def put_token(self, request):
        """Answer a request of claims-based security: every token is good."""
        self.audiences.append(request.properties["name"])
        return Message(properties={"status-code": 202, "status-description": "Accepted"})

    def take(self, message, partition):
        """Take a message from a producer: an event, or several."""
        events = [message]
        if message.message_format == BATCH:
            events = [Message() for _ in message.sections]
            for event, section in zip(events, message.sections):
                event.decode(bytes(section))
        for event in events:
            number = self.sent[partition]
            self.sent[partition] += 1
            event.annotations = {
                **(event.annotations or {}),
                symbol("x-opt-sequence-number"): number,
                symbol("x-opt-offset"): str(number),
                symbol("x-opt-enqueued-time"): int(time.time() * 1000),
            }
            self.broker.put(f"{self.name}/{partition}", event)

    def read(self, request):
        """Answer a request for what the hub, or a partition, is."""
        if request.properties["name"] != self.name or request.properties["operation"] != "READ":
            return Message(properties={"status-code": 404, "status-description": "not found"})
        body = {"name": self.name, "created_at": 0, "partition_count": self.count}
        if request.properties["type"] == "com.microsoft:partition":
            number = self.sent[int(request.properties["partition"])]
            body.update(
                partition=request.properties["partition"],
                begin_sequence_number=0,
                last_enqueued_sequence_number=number - 1,
                last_enqueued_offset=str(number - 1),
                last_enqueued_time_utc=0,
                is_partition_empty=not number,
            )
        else:
            body["partition_ids"] = [str(number) for number in range(self.count)]
        return Message(properties={"status-code": 200, "status-description": "OK"}, body=body)
