"""The benchmarks that compare an engine with itself: does a thing cost more after many others, or beside them?

An editor must keep: what is compared is measured within one round.
"""

from __future__ import annotations

import contextlib

from bench_engines import Engine, Row, end, free_port, pair, result_of
from measures import exchange, per_message


def growth_messages(engine: Engine, messages: int) -> list[Row]:
    """Does a message cost more after many others?"""
    # 1,000,000 with the default number of messages; each step is measured over what follows it.
    steps = [messages // 20 * factor for factor in (1, 10, 100, 1000)]
    window = max(1000, messages // 4)
    marks = ("--marks", ",".join(map(str, steps)), "--window", window)
    sides = exchange(engine, steps[-1] + window, *marks, prefetch=500)
    rows = []
    for step in steps:
        for side, result in zip(("sender", "receiver"), sides):
            edges = result["edges"]
            spent = edges[str(step + window)]["cpu"] - edges[str(step)]["cpu"]
            rows.append(Row(f"after {step:,} messages", f"{side} CPU us/message", spent / window * 1e6))
    return rows


def growth_links(engine: Engine, messages: int) -> list[Row]:
    """Does a message cost more when many links share the session?"""
    rows = []
    for busy, text in ((1, "one of them busy"), (0, "all busy")):
        for links in (1, 10, 100, 1000):
            sides = exchange(engine, messages, "--links", links, "--busy", busy, prefetch=100)
            rows += per_message(f"{links} links, {text}", *sides, messages)
    return rows


def growth_idle(engine: Engine, messages: int) -> list[Row]:
    """Does a message cost more beside many idle connections?"""
    rows = []
    for idle in (0, 10, 1000, 5000):
        sides = exchange(engine, messages, "--idle", idle, prefetch=100)
        rows += per_message(f"{idle} idle connections", *sides, messages)
    return rows


def growth_crowd(engine: Engine, messages: int) -> list[Row]:
    """Ten connections with messages among many: what does a connection cost, what a message?"""
    rows = []
    for count in (10, 100, 1000, 5000):
        common = ("--messages", messages, "--connections", count)
        sides = pair(engine, "crowd.py", ("receive", *common), ("send", *common))
        name = f"10 of {count:,} connections"
        rows.append(Row(name, "messages/s", messages / sides[0]["seconds"], higher=True))
        for side, result in zip(("sender", "receiver"), sides):
            rows.append(Row(name, f"{side} CPU us/message", result["cpu"] / messages * 1e6))
            rows.append(Row(name, f"{side} CPU us/opening", result["opening"] / count * 1e6))
    return rows


def soak(engine: Engine, messages: int) -> list[Row]:
    """What grows with messages and connections through one process? 2,000,000 and 20,000 by default."""
    counts = ("--messages", messages * 100, "--connections", messages)
    with contextlib.ExitStack() as stack:
        worker = engine.start("soak.py", "--port", free_port(), *counts)
        stack.callback(end, worker)
        result = result_of(worker, seconds=3600)
    rows = []
    for mark in result["marks"]:
        name = f"{mark['messages']:,} in {mark['connections']:,}"
        rows.append(Row(name, "MiB resident", mark["bytes"] / 1048576))
        rows.append(Row(name, "descriptors", mark["descriptors"]))
        rows.append(Row(name, "objects", mark["objects"]))
    before, after = result["traced"]
    count = after["connections"] - before["connections"]
    rows.append(Row(f"{count:,} connections more", "KiB allocated and kept", (after["bytes"] - before["bytes"]) / 1024))
    rows.append(Row("all of it", "CPU seconds", result["cpu"]))
    return rows


def after(engine: Engine, roles: tuple[str, str], marks: list[int], *arguments: object) -> list[tuple[int, str, float]]:
    """CPU us for each of the 200 that follow each mark, by mark and side."""
    window = 200
    common = ("--connections", marks[-1] + window, "--marks", ",".join(map(str, marks)), "--window", window, *arguments)
    sides = pair(engine, "connections.py", (roles[0], *common), (roles[1], *common))
    found = []
    for mark in marks:
        for side, result in zip(("client", "server"), sides):
            first, last = result["edges"][str(mark + 1)], result["edges"][str(mark + window)]
            found.append((mark, side, (last["cpu"] - first["cpu"]) / (window - 1) * 1e6))
    return found


def growth_accepted(engine: Engine, messages: int) -> list[Row]:
    """Does a connection cost more beside many idle connections?"""
    rows = []
    for held in (0, 100, 1000, 5000):
        for _, side, spent in after(engine, ("accept", "cycle"), [200], "--held", held):
            rows.append(Row(f"beside {held:,} idle connections", f"{side} CPU us/connection", spent))
    return rows


def growth_detached(engine: Engine, messages: int) -> list[Row]:
    """Does the end of a link cost more beside many links of its session?"""
    rows = []
    for held in (100, 1000, 4000):
        common = ("--connections", 1000, "--held", held)
        for side, result in zip(("client", "server"), pair(engine, "links.py", ("accept", *common), ("end", *common))):
            rows.append(Row(f"beside {held:,} links", f"{side} CPU us/detach", result["cpu"] / 1000 * 1e6))
    return rows


def growth_connections(engine: Engine, messages: int) -> list[Row]:
    """Does a connection, or a link, cost more after many others?"""
    # 100,000 of each with the default number of messages
    marks = [messages // 200, messages // 20, messages // 2, messages * 5]
    rows = []
    for roles, kind in ((("accept", "cycle"), "connection"), (("accept-links", "links"), "link")):
        for mark, side, spent in after(engine, roles, marks):
            rows.append(Row(f"after {mark:,} {kind}s", f"{side} CPU us/{kind}", spent))
    return rows


GROWTH = (growth_messages, growth_links, growth_idle, growth_accepted, growth_detached, growth_connections)
GROWTH += (growth_crowd, soak)
