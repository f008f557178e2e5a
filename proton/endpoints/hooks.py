"""`MessageHooks`: what is called for each message, for traces and measurements; `proton.hooks` is the door.

Each place where a message passes compares `active` with None, which is all that it costs without hooks: no call, no
object. Rules for editors:
1. What a hook raises is logged, and goes no further: a message must not fail because it is watched.
2. What the program raises passes through unchanged, and a context manager of a hook cannot swallow it.
3. Each message that was sent has one `outcome`, whatever has become of it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Callable

from proton.endpoints.terminus import Terminus
from proton.logs import log

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from proton.endpoints.delivery import Delivery
    from proton.endpoints.receiver import Receiver
    from proton.endpoints.sender import Sender
    from proton.message import Message

__all__ = ["MessageHooks", "add_hooks", "remove_hooks"]


class MessageHooks:
    """What is called for each message. A subclass defines the methods that it needs; `add_hooks` has them called.

    They are called in the thread that sends, receives or runs the loop, must not block, and see all connections of the
    process. What they raise is logged.
    """

    def before_send(self, sender: Sender, message: Message) -> object:
        """Called before a message is encoded. It may set attributes of the message, which keeps them.

        A message of the program may be sent several times, and its dicts may be shared: set new dicts in place of
        changing those that it has.

        :param sender: the link.
        :param message: the message; of a stream, what surrounds the body.
        :return: anything, for `after_send`, `send_failed` and `outcome`.
        """
        return None

    def after_send(self, delivery: Delivery, token: Any) -> None:
        """Called when a message is queued, to be written as credit allows.

        :param delivery: the delivery, which may be given attributes.
        :param token: what `before_send` returned.
        """

    def send_failed(self, message: Message, token: Any, error: BaseException) -> None:
        """Called in place of `after_send` where `send` raises; `outcome` is not called then.

        :param message: the message.
        :param token: what `before_send` returned.
        :param error: what `send` raises.
        """

    def outcome(self, delivery: Delivery, token: Any) -> None:
        """Called once for each message that was sent, when nothing more can come for it.

        :param delivery: `remote_state` is the outcome, and 0 where there is none: the link sends settled, or the
            program has settled or aborted it, or its link or connection has ended; `settled` tells whether the receiver
            has settled it.
        :param token: what `before_send` returned.
        """

    def received(self, receiver: Receiver, message: Message, delivery: Delivery | None) -> None:
        """Called when a message is handed to a program that has asked for it: blocking, or awaited.

        :param receiver: the link.
        :param message: the message.
        :param delivery: its delivery, which may be given attributes; None for the response to a request.
        """

    def around_message(
        self, receiver: Receiver, message: Message, delivery: Delivery
    ) -> AbstractContextManager[object] | None:
        """Called before `on_message` of a handler.

        :param receiver: the link.
        :param message: the message.
        :param delivery: its delivery, which may be given attributes.
        :return: a context manager to be entered around `on_message`, or None. It sees what `on_message` raises,
            `Reject` and `Release` included, and cannot swallow it.
        """
        return None

    def answered(self, delivery: Delivery) -> None:
        """Called when this end settles a message that it has received.

        :param delivery: `local_state` is the outcome, 0 where there is none, and `local` has its fields.
        """


class ActiveHooks:
    """The hooks that were added; calls each of them.

    :param hooks: the hooks, in the order of their calls.
    :param announced: senders that are in `send`.
    """

    def __init__(self, hooks: tuple[MessageHooks, ...], announced: set[Sender]) -> None:
        self.hooks = hooks
        #: senders whose message the hooks have seen, while they send it
        self.announced = announced

    def before_send(self, sender: Sender, message: Message) -> list[tuple[MessageHooks, object]]:
        """Calls the hooks; each with what it returned."""
        return [(hook, _call(hook.before_send, sender, message)) for hook in self.hooks]

    def send(self, sender: Sender, message: Message, send: Callable[[Message], Any]) -> Any:
        """Sends a message, with the hooks before and after.

        :param send: sends it; in there `announced` has the sender.
        """
        # What goes to a coordinator is not a message of the program (4.2).
        is_own = sender.target.type != Terminus.COORDINATOR
        tokens = self.before_send(sender, message) if is_own else []
        self.announced.add(sender)
        try:
            delivery = send(message)
        except BaseException as error:
            self.send_failed(message, tokens, error)
            raise
        finally:
            self.announced.discard(sender)
        self.after_send(delivery, tokens)
        return delivery

    def send_failed(self, message: Message, tokens: list[tuple[MessageHooks, object]], error: BaseException) -> None:
        """Tells the hooks that a message was not sent."""
        for hook, token in tokens:
            _call(hook.send_failed, message, token, error)

    def after_send(self, delivery: Delivery, tokens: list[tuple[MessageHooks, object]]) -> None:
        """Tells the hooks that a message is queued; at once of its outcome too where none will come."""
        if not tokens:
            return
        for hook, token in tokens:
            _call(hook.after_send, delivery, token)
        delivery._watched_by = tokens
        if delivery.link.snd_settle_mode == delivery.link.SND_SETTLED:
            self.ended(delivery)

    def ended(self, delivery: Delivery) -> None:
        """Tells the outcome of a message that was sent, to the hooks that have seen it and were not told yet."""
        tokens, delivery._watched_by = delivery._watched_by, ()
        for hook, token in tokens:
            if hook in self.hooks:  # not removed since
                _call(hook.outcome, delivery, token)

    def settled_here(self, delivery: Delivery) -> None:
        """This end has settled a delivery: it gives up a message of its own, or has answered one that has come."""
        if delivery.link.is_sender:
            self.ended(delivery)
        # What its sender has settled or given up needs no answer.
        elif not delivery.aborted and (not delivery.settled or delivery.link.rcv_settle_mode == 1):  # RCV_SECOND
            for hook in self.hooks:
                _call(hook.answered, delivery)

    def received(self, receiver: Receiver, message: Message, delivery: Delivery | None) -> None:
        """Tells the hooks of a message that a program gets."""
        for hook in self.hooks:
            _call(hook.received, receiver, message, delivery)

    def handle(self, on_message: Callable[[Any], Any], event: Any) -> Any:
        """Calls `on_message` with its event, within what the hooks enter around it; what it returns."""
        entered = []
        for hook in self.hooks:
            manager = _call(hook.around_message, event.delivery.link, event.message, event.delivery)
            if manager is not None and _call(manager.__enter__, failed=_FAILED) is not _FAILED:
                entered.append(manager)
        try:
            result = on_message(event)
        except BaseException:
            self._leave(entered, *sys.exc_info())
            raise
        self._leave(entered, None, None, None)
        return result

    def _leave(self, entered: list[Any], kind: Any, error: Any, traceback: Any) -> None:
        for manager in reversed(entered):
            _call(manager.__exit__, kind, error, traceback)


_FAILED = object()


def _call(hook: Callable[..., Any], *args: Any, failed: Any = None) -> Any:
    """What a hook returns; `failed` where it raises."""
    try:
        return hook(*args)
    except Exception as error:
        log.error("a hook has failed: %s", getattr(hook, "__qualname__", hook), exc_info=error)
        return failed


#: the hooks that were added, None without any
active: ActiveHooks | None = None


def add_hooks(hooks: MessageHooks) -> None:
    """Have hooks called for each message of this process, after those that were added before.

    :param hooks: an object of a subclass of `MessageHooks`; adding it twice does nothing.
    :raises TypeError: another object.
    """
    global active
    if not isinstance(hooks, MessageHooks):
        raise TypeError(f"expected an object of a subclass of MessageHooks, got {hooks!r:.50}")
    before = () if active is None else active.hooks
    if hooks not in before:
        active = ActiveHooks((*before, hooks), set() if active is None else active.announced)


def remove_hooks(hooks: MessageHooks) -> None:
    """Have hooks called no more, also not with the outcomes of messages under way.

    :param hooks: what was given to `add_hooks`; nothing happens if it was not.
    """
    global active
    if active is not None:
        left = tuple(hook for hook in active.hooks if hook is not hooks)
        active = ActiveHooks(left, active.announced) if left else None
