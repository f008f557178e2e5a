"""The links of a broker for tests: how they are attached to nodes, and what their ends leave behind.

Keep true: what one of several links gives back is offered again only once all of them are gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from proton import Condition, Link, Receiver, Sender, Terminus
from proton.testing.consumers import Consumer
from proton.testing.nodes import Node, Nodes, Queue, Subscription, Topic
from proton.testing.responders import Responder
from proton.testing.termini import lifetime_policy, selector_filters, selector_of, symbols_of
from proton.testing.transactions import Coordinator

__all__ = ["Links"]

#: the condition of a link to a node that does not exist
NOT_FOUND = "amqp:not-found"


class Links:
    """All links of one run of a broker.

    :param nodes: what they are attached to.
    :param coordinator: the transactions.
    """

    def __init__(self, nodes: Nodes, coordinator: Coordinator) -> None:
        self._nodes = nodes
        self._coordinator = coordinator
        #: the links that send to clients
        self.consumers: dict[Link, Consumer] = {}
        #: the links that clients send on, with their address; None for a relay
        self.producers: dict[Link, str | None] = {}
        #: the links to the coordinator
        self.control: set[Link] = set()

    def __iter__(self) -> Iterator[Link]:
        return iter([*self.consumers, *self.producers, *self.control])

    def at(self, address: str | None) -> Iterator[Link]:
        """The links of an address; all for None."""
        for link, consumer in list(self.consumers.items()):
            if address in (None, consumer.queue.address):
                yield link
        for link, target in list(self.producers.items()):
            if address in (None, target):
                yield link

    # -- attach --------------------------------------------------------------------------------------------------

    def attach(self, link: Any) -> Condition | None:
        """Join a link to its node.

        :return: why it is refused, or None.
        """
        link.snd_settle_mode = link.remote_snd_settle_mode
        if isinstance(link, Receiver):
            return self._attach_producer(link)
        return self._attach_consumer(link)

    def _attach_producer(self, link: Receiver) -> Condition | None:
        remote = link.remote_target
        link.source.copy(link.remote_source)
        if remote.type == Terminus.COORDINATOR:
            self._coordinator.attach(link)
            self.control.add(link)
            return None
        link.target.copy(remote)
        if remote.dynamic:
            link.target.address = self._make_dynamic(link, remote).address
        elif remote.address and self._find(remote) is None:
            return Condition(NOT_FOUND, f"no node at {remote.address}")
        self.producers[link] = link.target.address if remote.dynamic else self._nodes.address_of(remote.address or None)
        return None

    def _attach_consumer(self, link: Sender) -> Condition | None:
        remote = link.remote_source
        link.target.copy(link.remote_target)
        if remote.type == Terminus.UNSPECIFIED:
            return self._resume(link)
        filters = selector_filters(remote) if self._nodes.selectors else {}
        try:
            selector = selector_of(filters)
        except ValueError as error:
            return Condition("amqp:invalid-field", str(error))
        node = self._make_dynamic(link, remote) if remote.dynamic else self._find(remote)
        if node is None:
            return Condition(NOT_FOUND, f"no node at {remote.address}")
        link.source.copy(remote)
        if remote.dynamic:
            link.source.address = node.address
        # 3.5.8: the filters in the answer are those that work.
        link.source.filter.clear()
        if filters:
            link.source.filter.put_object(filters)
        if isinstance(node, Topic):
            return self._subscribe(link, node, selector)
        if isinstance(node, Responder):
            self.consumers[link] = Consumer(link, node.attach(link), selector)
            return None
        assert isinstance(node, Queue)
        browses = remote.distribution_mode == Terminus.DIST_MODE_COPY
        self.consumers[link] = Consumer(link, node, selector, browses)
        return None

    def _find(self, terminus: Terminus) -> Node | None:
        address = self._nodes.address_of(terminus.address)
        return self._nodes.find(address, "topic" in symbols_of(terminus.capabilities))

    def _make_dynamic(self, link: Link, terminus: Terminus) -> Queue | Topic:
        is_topic = bool(symbols_of(terminus.capabilities) & {"topic", "temporary-topic"})
        return self._nodes.make_dynamic(link, lifetime_policy(terminus), is_topic)

    # -- subscriptions -------------------------------------------------------------------------------------------

    def _subscribe(self, link: Sender, topic: Topic, selector: Any) -> Condition | None:
        source = link.remote_source
        capabilities = symbols_of(source.capabilities)
        is_durable = source.expiry_policy == Terminus.EXPIRE_NEVER or source.timeout > 0
        is_shared = "shared" in capabilities
        key: object = link
        if is_durable or is_shared:
            key = _key_of(link, is_shared, "global" in capabilities)
        subscription = topic.subscriptions.get(key)
        if subscription is None:
            subscription = topic.subscriptions[key] = Subscription(topic, key)
        elif subscription.consumers and not is_shared:
            # 2.6.1: the link comes from a new connection of the client, whose old one may be lost.
            for consumer in list(subscription.consumers):
                stolen = Condition("amqp:link:stolen", f"{link.name} was attached elsewhere")
                self.end(consumer.link, stolen, closed=False)
        subscription.is_durable = is_durable
        subscription.timeout = None if source.expiry_policy == Terminus.EXPIRE_NEVER else float(source.timeout)
        subscription.selector = selector
        subscription.source = link.source
        self.consumers[link] = Consumer(link, subscription)
        return None

    def _resume(self, link: Sender) -> Condition | None:
        """Attach a link that asks for what its name stands for: JMS clients end a subscription so (2.6.3)."""
        for is_shared, is_global in ((False, False), (True, False), (True, True)):
            key = _key_of(link, is_shared, is_global)
            for node in self._nodes.found.values():
                subscription = node.subscriptions.get(key) if isinstance(node, Topic) else None
                if subscription is not None:
                    link.source.copy(subscription.source)
                    self.consumers[link] = Consumer(link, subscription)
                    return None
        return Condition(NOT_FOUND, f"no subscription {link.name}")

    # -- ends ----------------------------------------------------------------------------------------------------

    def remove(self, links: Iterable[Link], closed: bool = True, lost: bool = False) -> None:
        """Forget links; what their clients have not settled is given back.

        :param closed: False if a durable subscription stays.
        :param lost: the connection was lost: each delivery has failed, since what the client has done is unknown. After
            an orderly end the messages are as released (3.5.3, default-outcome).
        """
        links = list(links)
        left: dict[Queue, None] = {}
        for link in links:
            if link in self.control:
                self.control.discard(link)
                left.update(dict.fromkeys(self._coordinator.remove_link(link)))
            self.producers.pop(link, None)
            consumer = self.consumers.pop(link, None)
            if consumer is None:
                continue
            consumer.detach(failed=lost)
            queue = consumer.queue
            node = self._nodes.found.get(queue.address)
            if isinstance(node, Responder):
                node.detach(link)
                continue
            if not isinstance(queue, Subscription) or queue.consumers or (queue.is_durable and not closed):
                left[queue] = None
            else:
                queue.end()
        for link in links:
            self._end_dynamic(link)
        for queue in left:
            self._nodes.changed(queue)

    def _end_dynamic(self, link: Link) -> None:
        address = link.source.address if isinstance(link, Sender) else link.target.address
        node = self._nodes.found.get(address or "")
        if node is not None and node.lifetime is not None:
            if node.lifetime.owner is link:
                node.lifetime.owner = None
            self.tidy(node)

    def tidy(self, node: Any) -> None:
        """Delete a dynamic node whose life is over (3.5.10)."""
        if node.lifetime is not None and node.address in self._nodes.found:
            links = list(self.at(node.address))
            if node.lifetime.is_over(len(links), len(node) + node.unsettled):
                self.delete(node.address)

    def delete(self, address: str) -> bool:
        """Delete a node with its messages, and end its links; False if it does not exist."""
        node = self._nodes.found.pop(address, None)
        if node is None:
            return False
        for link in list(self.at(address)):
            self.end(link, Condition("amqp:resource-deleted", f"{address} is deleted"))
        return True

    def end(self, link: Link, condition: Condition | None, closed: bool = True) -> None:
        """End a link.

        :param condition: the reason.
        :param closed: False for a detach without `closed`.
        """
        self.remove([link], closed)
        link.condition = condition
        if closed:
            link.close()
        else:
            link.detach()


def _key_of(link: Link, is_shared: bool, is_global: bool) -> tuple[str, str, bool]:
    """What a subscription is found by: the client and a name, for a global one the name alone.

    Clients of JMS append to the name of a link what makes it unique in its connection (`name|2`, `name|global`).
    """
    name = str(link.name)
    client = "" if is_global else str(link.connection.remote_container)
    return client, name.split("|")[0] if is_shared else name, is_shared
