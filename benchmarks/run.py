"""Runs the benchmarks and prints a row for each number; with --reference, the same scripts on another engine in turn.

    python benchmarks/run.py                                  everything, on the python that runs this
    python benchmarks/run.py --reference PYTHON               beside the engine of another environment
    python benchmarks/run.py --only throughput --rounds 5     one of them

Each number is the median of its rounds. Rounds alternate between the engines, so that what else the machine does
meets both. `better` says how many times better ours is: the ratio of the medians, more messages or less time.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys

import measures


def collect(benchmark, engines, messages, rounds):
    """All values by (row name, unit) and engine name; what is better per row; the failures."""
    values, higher, failures = {}, {}, []
    for _ in range(rounds):
        for engine in engines:
            try:
                rows = benchmark(engine, messages)
            except measures.WorkerFailed as failure:
                failures.append(f"{engine.name}: {failure}")
                continue
            for row in rows:
                key = row.name, row.unit
                values.setdefault(key, {}).setdefault(engine.name, []).append(row.value)
                higher[key] = row.higher
    return values, higher, failures


def print_table(values, higher, engines):
    print(f"{'':34} {'':26}" + "".join(f"{engine.name:>12}" for engine in engines), end="")
    print(f"{'better':>9}" if len(engines) > 1 else "")
    for (name, unit), found in values.items():
        medians = [statistics.median(found[engine.name]) if engine.name in found else None for engine in engines]
        text = "".join(f"{number(median):>12}" for median in medians)
        if len(medians) > 1 and None not in medians:
            ours, other = medians
            text += f"{(ours / other if higher[name, unit] else other / ours):>8.2f}x"
        print(f"{name:34} {unit:26}{text}")


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def main():
    names = [benchmark.__name__ for benchmark in measures.COMPARED + measures.GROWTH]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", metavar="PYTHON", help="the python of an environment with the other engine")
    parser.add_argument("--messages", type=int, default=20000, help="in each round; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--only", action="append", choices=names, help="may be given more than once; default: all")
    options = parser.parse_args()
    ours = measures.Engine("ours", sys.executable, ours=True)
    engines = [ours]
    if options.reference:
        engines.append(measures.Engine("reference", options.reference, ours=False))
    print(f"python {sys.version.split()[0]}, {os.cpu_count()} CPUs, {options.messages:,} messages")
    failed = False
    for benchmark in measures.COMPARED + measures.GROWTH:
        if benchmark.__name__ not in (options.only or names):
            continue
        # Growth compares an engine with itself, within one round.
        alone = benchmark in measures.GROWTH
        chosen, rounds = ([ours], 1) if alone else (engines, options.rounds)
        if benchmark is measures.aio_pika and not measures.has_aio_pika():
            continue
        if benchmark in (measures.asyncio, measures.aio_pika):
            chosen = [ours]  # the other engine has none
        if benchmark is measures.rhea:
            other = measures.rhea_engine()
            if other is None:
                continue
            chosen = [ours, other]
        elif benchmark is measures.brokers and not measures.has_broker():
            continue
        print(f"\n{benchmark.__name__}: {benchmark.__doc__} ({rounds} rounds)", flush=True)
        values, higher, failures = collect(benchmark, chosen, options.messages, rounds)
        print_table(values, higher, chosen)
        for failure in failures:
            failed = True
            print(f"failed: {failure}")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
