"""Each broker does what the table of docs/brokers.md says: one test for each cell."""

from __future__ import annotations

import pathlib

import pytest

from tests.brokers.operations import OPERATIONS
from tests.brokers.table import cell
from tests.support.peers import BROKERS, started

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs" / "brokers.md"


def documented():
    """The cells of the first table of the document, by row and column."""
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in lines]
    columns = rows[0][1:]
    return {row[0]: dict(zip(columns, row[1:])) for row in rows[2 : 3 + len(OPERATIONS)]}


TABLE = documented()


@pytest.fixture(scope="module", params=BROKERS)
def broker(request):
    with started(request.param) as peer:
        yield request.param, peer


@pytest.mark.parametrize("row", OPERATIONS)
def test_a_broker_does_what_the_table_says(broker, row):
    name, peer = broker
    assert cell(OPERATIONS[row], peer) == TABLE[row][name]


def test_the_table_has_a_row_for_each_operation():
    assert [row for row in TABLE if row != "version tried"] == list(OPERATIONS)
    assert all(list(columns) == list(BROKERS) for columns in TABLE.values())
