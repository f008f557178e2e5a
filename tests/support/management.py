"""How tests make and delete queues: RabbitMQ 4 by HTTP over AMQP at `/management`, Artemis by messages of its own."""

from __future__ import annotations

import json
from urllib.parse import quote

from proton import Message, symbol
from proton.reactor import LinkOption
from tests.support.client import Client


class Paired(LinkOption):
    """One half of a pair of links between which requests and responses go; both have the same name."""

    def apply(self, link):
        link.properties = {symbol("paired"): True}
        if link.is_sender:
            link.snd_settle_mode = link.SND_SETTLED
            link.source.address = "$me"
        else:
            link.target.address = "$me"


class RabbitManagement:
    """The management of RabbitMQ 4 for one connection."""

    def __init__(self, client: Client):
        self._client = client
        self._receiver = client.receiver("/management", name="management", options=Paired(), credit=10)
        self._sender = client.sender("/management", name="management", options=Paired())
        self._count = 0

    def request(self, method: str, path: str, body=None):
        """Sends a request; the status and the body of its response."""
        client = self._client
        client.until(lambda: self._sender.credit, "credit for requests")
        self._count += 1
        number = self._count
        self._receiver.flow(1)
        self._sender.send(Message(id=number, address=path, subject=method, reply_to="$me", body=body))

        def response():
            return next((m for m, _ in client.of(self._receiver) if m.correlation_id == number), None)

        client.until(response, f"the response to {method} {path}")
        found = response()
        client.received = [entry for entry in client.received if entry[0] != self._receiver]
        return int(found.subject), found.body

    def declare(self, name: str, kind: str = "quorum", **arguments) -> str:
        """Makes a queue; its address."""
        arguments = {"x-queue-type": kind, **arguments}
        status, body = self.request("PUT", f"/queues/{quote(name, safe='')}", {"durable": True, "arguments": arguments})
        assert status in (200, 201), (status, body)
        return f"/queues/{quote(name, safe='')}"

    def delete(self, name: str) -> None:
        """Deletes a queue."""
        status, body = self.request("DELETE", f"/queues/{quote(name, safe='')}")
        assert status == 200, (status, body)


class ArtemisManagement:
    """The management of Artemis for one connection."""

    def __init__(self, client: Client):
        self._client = client
        self._receiver = client.receiver(None, dynamic=True, credit=10)
        self._sender = client.sender("activemq.management")

    def request(self, resource: str, operation: str, *arguments):
        """Calls an operation of the broker; its result."""
        client = self._client
        properties = {"_AMQ_ResourceName": resource, "_AMQ_OperationName": operation}
        reply_to = self._receiver.remote_source.address
        client.until(lambda: self._sender.credit, "credit for requests")
        self._sender.send(Message(reply_to=reply_to, properties=properties, body=json.dumps(arguments)))
        client.until(lambda: client.of(self._receiver), f"the response to {operation}")
        ((message, delivery),) = client.of(self._receiver)
        client.answer(self._receiver, lambda delivery: (delivery.update(delivery.ACCEPTED), delivery.settle()))
        assert message.properties["_AMQ_OperationSucceeded"], message.body
        return json.loads(message.body or "null")
