"""The graph of a mixed table computes what preprocessing computes, for any value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.config.columns import (
    BooleanColumnConfig,
    CategoryColumnConfig,
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
COLUMNS = {
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


@pytest.mark.parametrize("text", ["2021-13-01", "2021-00-10", "21-01-01", "2021-01-32", "yesterday", "2021-01-01 "])
def test_a_text_that_is_no_date_is_missing(session, text):
    row = onnx_outputs(session, table([(1.0, "a", "true", text)]), 1)["processed"][0]
    assert np.isnan(row[3])
    assert list(row[:3]) == [1, 0, 1]


def test_names_of_the_graph_begin_like_no_column():
    assert free_prefix("columns", INFOS) == "columns_/"
