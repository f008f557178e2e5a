"""Conditions on close, end and detach: every combination of name, description and info.

Frames of A, and what B reads.
"""

from __future__ import annotations

from engines import attempt, describe_condition, linked, pump, show

from proton import Condition, symbol

CASES = [
    Condition("x:name"),
    Condition("x:name", "description"),
    Condition("x:name", ""),
    Condition("x:name", "d", {symbol("key"): [1, "two"]}),
    Condition("x:name", None, {symbol("key"): None}),
    Condition("x:name", "é", {}),
    None,
]
for condition in CASES:
    for kind in ("link", "session", "connection"):
        a, b, sender, receiver = linked(trace=True)
        ours = {"link": sender, "session": sender.session, "connection": a.connection}[kind]
        theirs = {"link": receiver, "session": receiver.session, "connection": b.connection}[kind]
        ours.condition = condition
        ours.close()
        pump(a, b)
        show(f"{kind} {condition}", a, b)
        print(describe_condition(theirs.remote_condition), describe_condition(ours.condition), theirs.condition)
        theirs.condition = Condition("x:answer")
        theirs.close()
        pump(a, b)
        print(describe_condition(ours.remote_condition), ours.state, theirs.state)
a, b, sender, receiver = linked(trace=True)
sender.close()
sender.condition = Condition("x:late")
pump(a, b)
print(receiver.remote_condition)
sender.session.condition = "text"
attempt("a condition that is none", sender.session.close)
