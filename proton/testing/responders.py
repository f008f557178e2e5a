"""Nodes of a broker for tests that answer requests: messages go to a function, what it returns goes to the reply-to.

A response goes to a link that takes responses from the node itself, if it is of the connection that the request came
from, and the reply-to is absent, is `$me`, or is the target address of that link; else to the node at the reply-to.
"""

from __future__ import annotations

from typing import Any, Callable

from proton import Condition, Message, Sender, Session
from proton.testing.copies import copy_of
from proton.testing.nodes import INTERNAL_ERROR, Node, Nodes, Queue

__all__ = ["Responder"]

#: the reply-to that names the link of the same pair
ME = "$me"


class Responder(Node):
    """Gives each message to a function.

    :param address: the address.
    :param nodes: the nodes that it is one of.
    :param function: takes the request, and returns the response, or None.
    """

    def __init__(self, address: str, nodes: Nodes, function: Callable[[Message], Message | None]) -> None:
        super().__init__(address, nodes)
        self.function = function
        #: the responses of each link that takes them from here
        self._outlets: dict[Sender, Queue] = {}

    def attach(self, link: Sender) -> Queue:
        """Take in a link that takes responses; they come from the queue that is returned."""
        queue = self._outlets[link] = Queue(self.address, self.nodes)
        return queue

    def detach(self, link: Any) -> None:
        """Remove a link that takes responses."""
        self._outlets.pop(link, None)

    def put(self, message: Message) -> None:
        """Take a request that came without a connection: its response needs a reply-to that is a node."""
        self.respond(message, None)

    def respond(self, request: Message, session: Session | None) -> Condition | None:
        """Call the function, and send what it returns.

        :param request: the request.
        :param session: the session that it came from, or None.
        :return: the condition if the function has failed, after a call of `Nodes.failed`.
        """

        def call() -> Message | None:
            returned = self.function(request)
            if returned is not None and not isinstance(returned, Message):
                got = f"{type(returned).__name__} {returned!r:.50}"
                raise TypeError(f"the function for requests returns a Message or None, got {got}")
            if returned is not None:
                returned.encode()  # raises here what would be raised where it is sent
            return returned

        failed, response = self.nodes.attempt(call, "answer_requests", self.address, request)
        if failed:
            return Condition(INTERNAL_ERROR, f"the function for requests to {self.address} failed")
        if response is not None:
            response = copy_of(response)  # a function may return the same one again
            if response.correlation_id is None:
                response.correlation_id = request.id if request.correlation_id is None else request.correlation_id
            self._send(response, request.reply_to, session)
        return None

    def _send(self, response: Message, reply_to: str | None, session: Session | None) -> None:
        connection = None if session is None else session.connection
        found = [
            link
            for link in self._outlets
            if link.connection is connection and reply_to in (None, ME, link.remote_target.address)
        ]
        if found:  # a client may have a pair of links in each of its sessions
            link = next((link for link in found if link.session is session), found[0])
            self._outlets[link].put(response)
            return
        node = self.nodes.find(self.nodes.address_of(reply_to))
        # A response that is a request again could cause responses without an end.
        if node is not None and not isinstance(node, Responder):
            node.post(response)
