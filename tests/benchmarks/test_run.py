"""benchmarks/run.py: engines in turn, the tables, the summary; each quick benchmark once, with few messages."""

from __future__ import annotations

import pytest
import run

import bench_engines as engines
import growth
import measures
import wanted
from tests.support.programs import ROOT

OURS = engines.Engine("ours", "python")
OTHER = engines.Engine("other", "python", None)
#: those that take seconds, not minutes, and need nothing that may be missing
QUICK = (
    "throughput",
    "requests",
    "codec",
    "connections",
    "containers",
    "imports",
    "sizes",
    "closed",
    "growth_detached",
)


def in_turn(calls, fail=()):
    """A benchmark that notes the engine of each call; its row is the number of the call."""

    def benchmark(engine, messages):
        calls.append(engine.name)
        if len(calls) in fail:
            raise engines.WorkerFailed("it failed")
        return [engines.Row("row", "unit", len(calls))]

    return benchmark


def test_engines_are_measured_in_turn():
    calls = []
    values, higher, failures = run.collect(in_turn(calls), [OURS, OTHER], 10, 3)
    assert calls == ["ours", "other"] * 3
    assert values == {("row", "unit"): {"ours": [1, 3, 5], "other": [2, 4, 6]}}
    assert (higher, failures) == ({("row", "unit"): False}, [])


def test_a_failure_leaves_the_other_rounds():
    values, _, failures = run.collect(in_turn([], fail=[3]), [OURS, OTHER], 10, 2)
    assert values == {("row", "unit"): {"ours": [1], "other": [2, 4]}}
    assert failures == ["ours: it failed"]


@pytest.mark.parametrize("higher, better", [(True, "0.50x"), (False, "2.00x")])
def test_better_is_more_of_a_rate_and_less_of_a_time(higher, better):
    values = {("row", "unit"): {"ours": [1, 2, 9], "other": [4]}}
    _, line = run.table(values, {("row", "unit"): higher}, [OURS, OTHER])
    assert line.split() == ["row", "unit", "2.00", "4.00", better]


def test_a_row_that_an_engine_does_not_have_is_a_dash():
    values = {("row", "unit"): {"ours": [1]}}
    head, line = run.table(values, {("row", "unit"): True}, [OURS, OTHER])
    assert head.split() == ["ours", "other", "better"]
    assert line.split() == ["row", "unit", "1.00", "-", "-"]


MEDIANS = {("a", "client"): {"ours": 2.0, "other": 8.0}, ("a", "server"): {"ours": 3.0, "other": 7.0}}
MEDIANS[("b", "client")] = MEDIANS[("b", "server")] = {"ours": 10.0}
UNITS = ("client", "server")


@pytest.mark.parametrize(
    "row, value, reached",
    [
        (wanted.Wanted("sum", "x", "a", UNITS, 1, 5), 5, True),
        (wanted.Wanted("sum", "x", "a", UNITS, 1, 4.9), 5, False),
        (wanted.Wanted("mean of two ends", "x", "a", UNITS, 1, 3, share=2), 2.5, True),
        (wanted.Wanted("times another", "x", "a", UNITS, 1, 3, of="other"), 3, True),
        (wanted.Wanted("times another", "x", "a", UNITS, 1, 3.1, of="other"), 3, False),
        (wanted.Wanted("growth", "x", "b", UNITS, 1, 3, base="a"), 4, False),
    ],
)
def test_what_is_wanted_is_computed_of_medians(row, value, reached):
    assert row.value(MEDIANS, "ours") == value
    assert row.reached(value) is reached


def test_what_was_not_measured_has_no_value():
    assert wanted.Wanted("x", "x", "b", UNITS, 1, 1, of="other").value(MEDIANS, "ours") is None
    assert wanted.Wanted("x", "x", "c", UNITS, 1, 1).value(MEDIANS, "ours") is None


def test_the_summary_says_then_before_now_and_wanted(monkeypatch):
    monkeypatch.setattr(wanted, "WANTED", [wanted.Wanted("a row", "codec", "a", ("us",), 9, 5)])
    medians = {"codec": {("a", "us"): {"ours": 4.0, "before": 7.0}}}
    before = engines.Engine("before", "python")
    head, line = run.summary(medians, [OURS, before])
    assert head.split() == ["then", "before", "now", "wanted"]
    assert line.split() == ["a", "row", "9.00", "7.00", "4.00", "<=", "5", "reached"]
    assert list(run.summary({}, [OURS]))[1].split() == ["a", "row", "9.00", "-", "<=", "5"]


def test_every_wanted_row_is_of_a_benchmark():
    assert set(wanted.BENCHMARKS) <= {benchmark.__name__ for benchmark in run.BENCHMARKS}


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_benchmark_makes_the_rows_that_are_wanted_of_it(name):
    benchmark = getattr(measures, name, None) or getattr(growth, name)
    (ours,) = engines.engines()
    rows = benchmark(ours, 200)
    assert rows and all(row.value >= 0 or row.unit == "bytes resident" for row in rows)
    made = {(row.name, row.unit) for row in rows}
    for row in wanted.WANTED:
        if row.benchmark == name:
            assert {(row.row, unit) for unit in row.units} <= made


@pytest.mark.parametrize("name, variable", [("pypy", "PROTON_PYPY"), ("rhea", "PROTON_RHEA")])
def test_what_is_missing_is_said(name, variable, monkeypatch, capsys):
    monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", "")
    assert run.main(["--only", name]) == 0
    assert f"{name}: passed over: it needs" in capsys.readouterr().out


def test_another_checkout_is_a_column(capsys):
    arguments = ["--only", "containers", "--messages", "10", "--rounds", "1", "--before", str(ROOT), "--summary"]
    assert run.main(arguments) == 0
    output = capsys.readouterr().out
    assert "before: CPython" in output or "before: PyPy" in output
    (line,) = [line for line in output.splitlines() if line.startswith("Container()")]
    assert len(line.split()) == len(["Container()", "CPU", "us", "1", "2", "1.00x"])
    assert "wanted" in output.splitlines()[-len(wanted.WANTED) - 1]
