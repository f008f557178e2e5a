"""What is wanted of the speed, what it was in November 2026, and what a run says: the rows of `run.py --summary`.

A value is computed of the medians of the rows that the benchmarks print: processor time, which counts on a busy machine
too. "Times" of another engine are its processor time by ours, both ends together, in the same run.
"""

from __future__ import annotations

from dataclasses import dataclass

#: the medians of a benchmark: by (row name, unit), then by the engine's name
Medians = dict[tuple[str, str], dict[str, float]]
BOTH = ("sender CPU us/message", "receiver CPU us/message")
TRIP = ("client CPU us/round trip", "server CPU us/round trip")
US = ("CPU us",)
MESSAGE = ("CPU us/message",)


@dataclass(frozen=True)
class Wanted:
    """One row: `row` of `benchmark`, the sum of its `units`.

    :param then: in November 2026; None if it was not measured.
    :param of: the engine whose sum is divided by ours; None for our sum itself.
    :param share: what our sum is divided by: 2 for the mean of two ends, 1000 for thousands.
    :param base: the row whose sum ours is divided by, for what is to stay flat.
    """

    name: str
    benchmark: str
    row: str
    units: tuple[str, ...]
    then: float | None
    goal: float
    of: str | None = None
    share: float = 1
    base: str | None = None

    @property
    def least(self) -> bool:
        """Whether `goal` is what the value is to reach, not what it is to stay below."""
        return self.of is not None

    def value(self, medians: Medians, engine: str) -> float | None:
        """The number of an engine; None if a row that it is made of was not measured."""
        try:
            ours = self._sum(medians, engine, self.row)
            if self.of:
                return self._sum(medians, self.of, self.row) / ours
            if self.base:
                return ours / self._sum(medians, engine, self.base)
        except KeyError:
            return None
        return ours / self.share

    def _sum(self, medians: Medians, engine: str, row: str) -> float:
        return sum(medians[row, unit][engine] for unit in self.units)

    def reached(self, value: float) -> bool:
        return value >= self.goal if self.least else value <= self.goal


def times(name, benchmark, row, units, then, goal, of="reference"):
    return Wanted(f"{name}, times {of}", benchmark, row, units, then, goal, of)


def both(name, benchmark, row, then, goal):
    """A row for each of two directions: encode and decode."""
    return [
        times(f"{name}, {what}", benchmark, f"{row}, {what}", US, was, wanted)
        for what, was, wanted in zip(("encode", "decode"), then, goal)
    ]


SLIM = ("bytes allocated by Python",)
WANTED = [
    *both("nested Data", "codec", "nested Data", (0.35, 0.75), (2.5, 1.5)),
    *both("1,000 integers in Data", "codec", "1,000 integers in Data", (0.16, 0.48), (2, 1.5)),
    *both("full message", "codec", "full message", (3.0, 1.36), (3.5, 1.8)),
    Wanted("prefetch 10, us a message and side", "throughput", "prefetch 10", BOTH, 27, 15, share=2),
    times("prefetch 10", "throughput", "prefetch 10", BOTH, 2.8, 4.5),
    times("prefetch 100", "throughput", "prefetch 100", BOTH, 4.8, 6),
    times("prefetch 500", "throughput", "prefetch 500", BOTH, 5.2, 6),
    times("round trips by callbacks", "requests", "round trips", TRIP, 3.7, 5),
    times("SyncRequestResponse", "requests", "SyncRequestResponse", TRIP, 3.1, 4.5),
    times("connections", "connections", "open and close, 1 at once", ("CPU us, both ends",), 2.6, 3.5),
    Wanted("import proton, ms", "imports", "import proton", ("CPU ms",), 47, 33),
    Wanted("a sender, kB", "sizes", "idle sender", SLIM, 4.3, 2.5, share=1000),
    Wanted("a receiver, kB", "sizes", "idle receiver", SLIM, 4.3, 2.5, share=1000),
    Wanted("a session, kB", "sizes", "idle session", SLIM, 2.3, 1.5, share=1000),
    Wanted("closed connection, bytes that wait", "closed", "closed connections, both ends",
           ("bytes that wait, each",), 10_000, 100),
    Wanted("detach: beside 4,000 links by 100", "growth_detached", "beside 4,000 links",
           ("client CPU us/detach", "server CPU us/detach"), 51 / 22, 1.15, base="beside 100 links"),
    Wanted("accepted: beside 5,000 by 100", "growth_accepted", "beside 5,000 idle connections",
           ("server CPU us/connection",), 140 / 93, 1.15, base="beside 100 idle connections"),
    *(times(f"prefetch {n}", "rhea", f"prefetch {n}", BOTH, None, 1, "rhea") for n in (10, 100, 500)),
    *(
        times(f"RabbitMQ, {what}, {kind} queue", "brokers", f"{what}, {kind} queue", MESSAGE, was, goal, of)
        for of, goal, then in (("reference", 5, (4.1, 3.9)), ("aio-pika", 8, (11, 6)))
        for what, was in zip(("publish", "consume"), then)
        for kind in ("classic", "quorum")
    ),
]  # fmt: skip

#: the benchmarks that make these rows
BENCHMARKS = list(dict.fromkeys(wanted.benchmark for wanted in WANTED))
