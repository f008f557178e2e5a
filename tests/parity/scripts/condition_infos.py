"""Conditions with descriptions and infos on every kind of endpoint, and what the other end reads (4.7)."""

from __future__ import annotations

from engines import linked, plain, pump

from proton import Condition, symbol

CONDITIONS = [
    Condition("a:b"),
    Condition("a:b", "words"),
    Condition("a:b", "words", {symbol("n"): 1, symbol("t"): "x"}),
    Condition("a:b", None, {symbol("only"): [1, 2]}),
    Condition("a:b", ""),
]
for condition in CONDITIONS:
    for kind in ("link", "session", "connection"):
        a, b, sender, receiver = linked()
        near = {"link": sender, "session": sender.session, "connection": a.connection}[kind]
        far = {"link": receiver, "session": receiver.session, "connection": b.connection}[kind]
        near.condition = condition
        near.close()
        pump(a, b)
        remote = far.remote_condition
        print(kind, remote and (remote.name, remote.description or None, plain(remote.info)))
        print(near.remote_condition, near.condition == condition, remote == condition)
