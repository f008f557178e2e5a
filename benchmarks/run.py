"""Runs the benchmarks and prints a row for each number; with --reference, the same scripts on another engine in turn.

    python benchmarks/run.py                                  everything, on the python that runs this
    python benchmarks/run.py --reference PYTHON               beside the engine of another environment
    python benchmarks/run.py --before FOLDER                  beside the package of another checkout
    python benchmarks/run.py --only throughput --rounds 5     one of them
    python benchmarks/run.py --summary --reference PYTHON     what is wanted, and a table of what is reached

Each number is the median of its rounds. Rounds alternate between the engines, so that what else the machine does
meets both. `better` says how many times better ours is than the column before it: the ratio of the medians, more
messages or less time. CPU is processor time, of one process.

PROTON_RHEA names the folder of rhea, PROTON_PYPY a PyPy, PROTON_AIO_PIKA a python with aio-pika, PROTON_PEERS_SCRIPTS
the folder of the scripts that start RabbitMQ 4.3; what needs one that is missing is passed over.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys

import bench_engines as engines
import growth
import measures
import wanted

#: what a benchmark compares ours with, besides the engines of the command line
OTHERS = {"rhea": engines.rhea, "pypy": engines.pypy, "aio_pika": engines.pika, "brokers": engines.pika}
#: where the engine of --reference has no part: what is measured is not in it, or is another library
OURS_ALONE = ("asyncio", "aio_pika", "rhea", "pypy")
BENCHMARKS = measures.COMPARED + growth.GROWTH


class PassedOver(Exception):
    """A benchmark is not for this machine; the text says why."""


def engines_of(benchmark, given):
    """The engines that a benchmark compares, of those given and those that it brings itself."""
    name = benchmark.__name__
    # Growth compares an engine with itself.
    alone = name in OURS_ALONE or benchmark in growth.GROWTH
    chosen = [engine for engine in given if engine.ours or not alone]
    if name in ("aio_pika", "brokers"):
        problem = measures.no_rabbitmq()
        if problem:
            raise PassedOver(problem)
    if name in OTHERS:
        try:
            chosen.append(OTHERS[name]())
        except engines.Missing as missing:
            if name != "brokers":  # it compares with the reference as well
                raise PassedOver(str(missing)) from None
    return chosen


def collect(benchmark, chosen, messages, rounds):
    """All values by (row name, unit) and engine name; what is better per row; the failures."""
    values, higher, failures = {}, {}, []
    for _ in range(rounds):
        for engine in chosen:
            try:
                rows = benchmark(engine, messages)
            except engines.WorkerFailed as failure:
                failures.append(f"{engine.name}: {failure}")
                continue
            for row in rows:
                key = row.name, row.unit
                values.setdefault(key, {}).setdefault(engine.name, []).append(row.value)
                higher[key] = row.higher
    return values, higher, failures


def medians_of(values):
    return {key: {name: statistics.median(numbers) for name, numbers in found.items()} for key, found in values.items()}


def table(values, higher, chosen):
    """The lines of a table: ours, and each other engine with how many times better ours is."""
    first, *others = [engine.name for engine in chosen]
    yield f"{'':34} {'':28}{first:>12}" + "".join(f"{name:>12}{'better':>9}" for name in others)
    for (name, unit), medians in medians_of(values).items():
        ours = medians.get(first)
        text = f"{name:34} {unit:28}{number(ours):>12}"
        for other in (medians.get(engine) for engine in others):
            text += f"{number(other):>12}{better(ours, other, higher[name, unit]):>9}"
        yield text


def better(ours, other, higher):
    if not ours or not other:
        return "-"
    return f"{ours / other if higher else other / ours:.2f}x"


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def summary(medians, chosen):
    """The lines of the table of what is wanted, `medians` by benchmark: then, before if there is one, now."""
    names = [engine.name for engine in chosen if engine.ours]
    heads = ["then", *(["before"] if "before" in names else []), "now", "wanted"]
    yield f"{'':54}" + "".join(f"{head:>10}" for head in heads)
    for row in wanted.WANTED:
        now = {name: row.value(medians.get(row.benchmark, {}), name) for name in names}
        shown = [row.then, *([now["before"]] if "before" in names else []), now["ours"]]
        goal = f"{'>=' if row.least else '<='} {row.goal:g}"
        verdict = "" if now["ours"] is None else "  reached" if row.reached(now["ours"]) else "  not reached"
        yield f"{row.name:54}" + "".join(f"{number(value):>10}" for value in shown) + f"{goal:>10}" + verdict


def parse(arguments):
    names = [benchmark.__name__ for benchmark in BENCHMARKS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", metavar="PYTHON", help="the python of an environment with the other engine")
    parser.add_argument("--before", metavar="FOLDER", help="another checkout of this project")
    parser.add_argument("--messages", type=int, default=20000, help="in each round; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--only", action="append", choices=names, help="may be given more than once; default: all")
    parser.add_argument(
        "--summary", action="store_true", help="the benchmarks of the table of what is wanted, then that table"
    )
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    given = engines.engines(options.reference, options.before)
    versions = ", ".join(f"{engine.name}: {engine.version}" for engine in given)
    print(f"{versions}; {os.cpu_count()} CPUs, {options.messages:,} messages")
    failed = False
    medians = {}
    chosen_names = options.only or (wanted.BENCHMARKS if options.summary else [b.__name__ for b in BENCHMARKS])
    with measures.HELD:
        for benchmark in BENCHMARKS:
            name = benchmark.__name__
            if name not in chosen_names:
                continue
            try:
                chosen = engines_of(benchmark, given)
            except PassedOver as reason:
                print(f"\n{name}: passed over: {reason}", flush=True)
                continue
            rounds = 1 if benchmark in growth.GROWTH else options.rounds
            print(f"\n{name}: {benchmark.__doc__} ({rounds} rounds)", flush=True)
            for engine in chosen:
                if engine not in given:
                    print(f"{engine.name}: {engine.version}")
            values, higher, failures = collect(benchmark, chosen, options.messages, rounds)
            medians[name] = medians_of(values)
            for line in table(values, higher, chosen):
                print(line)
            for failure in failures:
                failed = True
                print(f"failed: {failure}")
            sys.stdout.flush()
    if options.summary:
        print("\nsummary: then is November 2026, before the work on it")
        for line in summary(medians, given):
            print(line)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
