"""Tests of slices by the inputs of mixed tables and by the size of a number."""

import numpy as np

from penstock.evaluation.slices import input_slices, quarters
from penstock.io.column_info import ColumnInfo
from penstock.io.dataset_info import DatasetInfo


def test_quarters_keep_equal_numbers_together():
    found = {name: rows.nonzero()[0].tolist() for name, rows in quarters(np.array([1.5, 1.5, 1.5, 1.5, 2, 3]))}
    assert found == {"1.5 to 1.5": [0, 1, 2, 3], "2 to 3": [4, 5]}


def test_mixed_tables_have_slices_by_categories_that_rows_have():
    columns = (
        ColumnInfo(name="age", kind="number"),
        ColumnInfo(name="port", kind="category", categories=("north", "east", "south")),
        ColumnInfo(name="alone", kind="boolean"),
        ColumnInfo(name="ticket", kind="category", categories=tuple(map(str, range(100)))),
    )
    info = DatasetInfo(
        dataset="d", kind="columns", shape=(4,), vocab_size=0, classes=(), description="", columns=columns
    )
    inputs = np.array(
        [(1, "south", "true", "3"), (2, "", "false", "4"), (3, "south", "true", "")],
        dtype=[("age", np.float32), ("port", object), ("alone", object), ("ticket", object)],
    )
    found = input_slices(inputs, info, lambda rows: {"first": float(rows[0])})
    assert found == {
        "port": [
            {"slice": "south", "rows": 2, "first": 1.0},
            {"slice": "(missing)", "rows": 1, "first": 0.0},
        ],
        "alone": [{"slice": "false", "rows": 1, "first": 0.0}, {"slice": "true", "rows": 2, "first": 1.0}],
    }
