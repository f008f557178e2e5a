"""A `MessagingHandler` that notes what it is told, and a scene with it: an engine whose peer is a script.

The frames of the peer come in one read or in several, and the frames of the handler's end are looked at.
"""

from proton import Condition
from proton.handlers import MessagingHandler
from tests.support.engines import Script, state

STOLEN = Condition("amqp:link:stolen", "another consumer")
ERROR = {"error": state(0x1D, STOLEN.name, STOLEN.description)}
BEGIN = {"next_outgoing_id": 0, "incoming_window": 2048, "outgoing_window": 2048}
ENDS = ("error", "closing", "closed")


class Recorder(MessagingHandler):
    """Notes the callbacks of links and sessions, and does not close the connection for an error."""

    def __init__(self, notes=None):
        super().__init__(prefetch=0)
        self.notes = [] if notes is None else notes

    def note(self, name, event):
        self.notes.append(name)

    def on_unhandled(self, name, event):
        if name in OPENINGS:
            self.note(name, event)


OPENINGS = [f"on_{kind}_{what}" for kind in ("session", "link") for what in ("opening", "opened")]


def _noting(name):
    def callback(self, event):
        self.note(name, event)

    return callback


for _name in [f"on_{kind}_{what}" for kind in ("session", "link") for what in ENDS]:
    setattr(Recorder, _name, _noting(_name))


class Own(Recorder):
    """Decides itself what a detach without closed means."""

    def on_link_remote_detach(self, event):
        self.note("own", event)


SCOPES = ["link", "session", "connection"]


class Scene:
    """An engine with a session and a link, whose events go to a handler in one of the scopes; the peer is a script."""

    def __init__(self, handler, scope="connection", role="sender", we_attach=True):
        self.script = Script()
        self.handler = handler
        self.scope = scope
        if scope == "connection":
            self.script.connection.handler = handler
        if we_attach:
            self.link = getattr(self.script, role)()
        else:
            self.script.begun()
            self.script.send("attach", name="L", handle=0, role=role == "sender", initial_delivery_count=0)
            self.link = self.script.connection.link_head(0)
            self.link.open()
            self.script.received(), self.script.peer.events()
        if scope != "connection":
            getattr(self, scope).handler = handler

    @property
    def session(self):
        return self.link.session

    def dispatch(self):
        """Dispatches what is queued."""
        dispatch_all(self.script.peer.collector)

    def turn(self):
        """Dispatches what is queued, and gives the frames that are written then."""
        self.dispatch()
        return [describe(part) for part in self.script.received()]

    def told(self):
        notes, self.handler.notes[:] = list(self.handler.notes), []
        return " ".join(name[3:] if name.startswith("on_") else name for name in notes)


def dispatch_all(collector):
    while collector.peek() is not None:
        event = collector.peek()
        if event.handler is not None:
            event.dispatch(event.handler)
        collector.pop()


def describe(part):
    """`detach`, `detach closed amqp:x:y`, `attach null`, and so on."""
    words = [part.name]
    if part.name == "attach":
        terminus = part["target"] if part["role"] else part["source"]
        words += ["null"] * (terminus is None)
    if part.name == "detach":
        words += ["closed"] * bool(part["closed"])
    error = part["error"]
    return " ".join([*words, *([str(error.value[0])] if error is not None else [])])
