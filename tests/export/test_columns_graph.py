"""The graph of a mixed table computes what preprocessing computes, for any value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.config.columns import (
    BooleanColumnConfig,
    CategoryColumnConfig,
    ColumnConfigs,
    DateColumnConfig,
    NumberColumnConfig,
)
from penstock.config.data import ColumnsConfig
from penstock.data.preprocessing.columns import encode
from penstock.data.sources.rows import by_column
from penstock.evaluation.session import onnx_outputs, open_session
from penstock.export.columns_graph import columns_graph, free_prefix
from penstock.io.column_info import ColumnInfo

CATEGORIES = ("a", "b c", "ü", "0")
COLUMNS: ColumnConfigs = {
    "columns/0": NumberColumnConfig(kind="number"),
    "body mass (g)": CategoryColumnConfig(kind="category", values=CATEGORIES),
    "row": BooleanColumnConfig(kind="boolean"),
    "Größe": DateColumnConfig(kind="date"),
}
INFOS = [
    ColumnInfo(name=name, kind=column.kind, categories=CATEGORIES if column.kind == "category" else ())
    for name, column in COLUMNS.items()
]
ROWS = st.tuples(
    st.floats(width=32, allow_infinity=False),
    st.sampled_from([*CATEGORIES, "", "other", "A"]),
    st.sampled_from(["", "true", "false"]),
    st.dates().map(lambda date: date.isoformat()) | st.just(""),
)


@pytest.fixture(scope="module")
def session():
    return open_session(columns_graph(INFOS, "processed").SerializeToString())


def table(rows):
    dtype = [(name, np.float32 if column.kind == "number" else object) for name, column in COLUMNS.items()]
    return np.array(rows, dtype=dtype)


@given(st.lists(ROWS, min_size=1, max_size=9), st.sampled_from([1, 3, 7]))
@settings(deadline=None)
def test_the_graph_equals_preprocessing(session, rows, batch_size):
    inputs = table(rows)
    expected = encode(ColumnsConfig(kind="columns", columns=COLUMNS), inputs)
    assert set(by_column(inputs)) == {one.name for one in session.get_inputs()}
    np.testing.assert_array_equal(onnx_outputs(session, inputs, batch_size)["processed"], expected)


NO_DATES = (
    *("2021-13-01", "2021-00-10", "21-01-01", "2021-01-32", "2021-04-31", "2021-02-29", "1900-02-29", "0000-01-01"),
    *("yesterday", "2021-01-01 ", "2021-01-01\n", "\N{FULLWIDTH DIGIT TWO}021-01-01", "2021-1-1", "-001-01-01"),
)


@pytest.mark.parametrize("text", NO_DATES)
def test_a_text_that_is_no_date_is_missing(session, text):
    row = onnx_outputs(session, table([(1.0, "a", "true", text)]), 1)["processed"][0]
    assert np.isnan(row[3])
    assert list(row[:3]) == [1, 0, 1]


@pytest.mark.parametrize("text", ["0001-01-01", "0004-02-29", "1600-02-29", "2000-02-29", "2024-02-29", "9999-12-31"])
def test_the_first_and_last_dates_and_leap_days(session, text):
    row = onnx_outputs(session, table([(1.0, "a", "true", text)]), 1)["processed"][0]
    assert row[3] == np.datetime64(text, "D").astype(np.int64)


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=9)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
VALUES = {
    "number": st.floats(width=32, allow_infinity=False),
    "boolean": st.sampled_from(["", "true", "false"]) | TEXTS,
    "date": st.dates().map(str) | st.just(""),
}


@st.composite
def tables(draw):
    """Settings of any columns, and rows of any of their values."""
    columns, values = {}, []
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        categories = draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True))
        kinds = [NumberColumnConfig(kind="number"), BooleanColumnConfig(kind="boolean"), DateColumnConfig(kind="date")]
        column = draw(st.sampled_from([*kinds, CategoryColumnConfig(kind="category", values=categories)]))
        columns[name] = column
        values.append(VALUES.get(column.kind, st.sampled_from([*categories, ""]) | TEXTS))
    rows = draw(st.lists(st.tuples(*values), min_size=1, max_size=5))
    dtype = [(name, np.float32 if column.kind == "number" else object) for name, column in columns.items()]
    return ColumnsConfig(kind="columns", columns=columns), np.array(rows, dtype=dtype)


@given(tables())
@settings(deadline=None, max_examples=60)
def test_any_columns_of_any_names_equal_preprocessing(case):
    described, inputs = case
    infos = [
        ColumnInfo(name=name, kind=column.kind, categories=getattr(column, "values", ()))
        for name, column in described.columns.items()
    ]
    graph = columns_graph(infos, free_prefix("network", infos) + "row")
    (found,) = onnx_outputs(open_session(graph.SerializeToString()), inputs, 3).values()
    np.testing.assert_array_equal(found, encode(described, inputs))


def test_many_categories_are_looked_up():
    texts = tuple(f"town {number}" for number in range(10_000))
    graph = columns_graph([ColumnInfo(name="town", kind="category", categories=texts)], "row")
    towns = np.array([("town 0",), ("town 9999",), ("town 10000",), ("",)], dtype=[("town", object)])
    found = onnx_outputs(open_session(graph.SerializeToString()), towns, 4)["row"]
    np.testing.assert_array_equal(found, [[0], [9999], [10_000], [np.nan]])


def test_names_of_the_graph_begin_like_no_column():
    assert free_prefix("columns", INFOS) == "columns_/"
