"""Build the graph from the columns of a mixed table to a processed row, one named input per column.

It computes what `penstock.data.preprocessing.columns` computes, for any value that a client may send: a text that is no
category is the last category, a text that is no date or boolean is missing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from penstock.export.tokenizer_graph import IR_VERSION, OPSETS
from penstock.io.column_info import ColumnInfo

BOOLEANS = {"": math.nan, "false": 0.0, "true": 1.0}
# The dates that `datetime.date` knows, of the years 0001 to 9999.
_YEAR = r"(\d{3}[1-9]|\d{2}[1-9]\d|\d[1-9]\d{2}|[1-9]\d{3})"
_DIVISIBLE_BY_4 = "(0[48]|[2468][048]|[13579][26])"
_LEAP_YEAR = rf"(\d\d{_DIVISIBLE_BY_4}|{_DIVISIBLE_BY_4}00)"
_DAY_OF_MONTH = r"((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
DATE = f"{_YEAR}-{_DAY_OF_MONTH}|{_LEAP_YEAR}-02-29"
ANY_DATE = "1970-01-01"  # takes the place of a text that is no date, whose result is replaced
# Constants of all dates, by name.
CONSTANTS = {
    "no_date": np.array(ANY_DATE, dtype=object),
    "nan": np.array(math.nan, dtype=np.float32),
    "year_place": np.array(0),
    "month_place": np.array(1),
    "day_place": np.array(2),
    **{f"number_{value}": np.array(value) for value in (1, 2, 3, 4, 5, 12, 100, 153, 365, 400, 719468)},
}
AXIS = "axis"


def columns_graph(columns: Sequence[ColumnInfo], row: str) -> onnx.ModelProto:
    """Build the graph.

    Args:
        columns: The columns: float32 [batch] for numbers, string [batch] for all others, by their names.
        row: Name of the output, float32 [batch, columns].
    """
    prefix = free_prefix("columns", columns)
    nodes: list[onnx.NodeProto] = []
    for place, column in enumerate(columns):
        name = f"{prefix}{place}"
        nodes += _column(column, name, prefix)
        nodes.append(helper.make_node("Unsqueeze", [f"{name}/number", prefix + AXIS], [f"{name}/column"]))
    names = [f"{prefix}{place}/column" for place in range(len(columns))]
    nodes.append(helper.make_node("Concat", names, [row], axis=1))
    graph = helper.make_graph(
        nodes,
        "columns",
        [_input(column) for column in columns],
        [helper.make_tensor_value_info(row, TensorProto.FLOAT, ["batch", len(columns)])],
        [numpy_helper.from_array(value, prefix + name) for name, value in _constants(columns)],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)


def free_prefix(wanted: str, columns: Sequence[ColumnInfo]) -> str:
    """Return a prefix for names that no name of a column begins with."""
    while any(column.name.startswith(f"{wanted}/") for column in columns):
        wanted += "_"
    return f"{wanted}/"


def _input(column: ColumnInfo) -> onnx.ValueInfoProto:
    kind = TensorProto.FLOAT if column.kind == "number" else TensorProto.STRING
    return helper.make_tensor_value_info(column.name, kind, ["batch"])


def _constants(columns: Sequence[ColumnInfo]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the constants that the columns take; onnxruntime warns of others."""
    yield AXIS, np.array([1])
    if any(column.kind == "date" for column in columns):
        yield from CONSTANTS.items()


def _column(column: ColumnInfo, name: str, prefix: str) -> list[onnx.NodeProto]:
    """Return the nodes from a column to its numbers, float32 [batch]."""
    match column.kind:
        case "number":
            return [helper.make_node("Identity", [column.name], [f"{name}/number"])]
        case "boolean":
            return [_lookup(column.name, f"{name}/number", BOOLEANS, math.nan)]
        case "category":
            index = {text: float(number) for number, text in enumerate(column.categories)}
            return [_lookup(column.name, f"{name}/number", index | {"": math.nan}, len(column.categories))]
        case "date":
            return list(_days(column.name, name, prefix))


def _lookup(texts: str, numbers: str, index: dict[str, float], default: float) -> onnx.NodeProto:
    return helper.make_node(
        "LabelEncoder",
        [texts],
        [numbers],
        domain="ai.onnx.ml",
        keys_strings=list(index),
        values_floats=list(index.values()),
        default_float=float(default),
    )


def _days(texts: str, name: str, prefix: str) -> Iterator[onnx.NodeProto]:
    """Yield the nodes from dates, YYYY-MM-DD, to days since 1970-01-01 (Gregorian calendar); NaN for other texts.

    A year begins in March, so that the leap day is its last; then the days before a month are (153 m + 2) / 5.
    """

    def node(operator: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:  # noqa: ANN401
        found = [prefix + one if one in CONSTANTS else one if one == texts else f"{name}/{one}" for one in inputs]
        return helper.make_node(operator, found, [f"{name}/{output}"], **attributes)

    yield node("RegexFullMatch", [texts], "is_date", pattern=DATE)
    yield node("Where", ["is_date", texts, "no_date"], "date")
    yield helper.make_node("StringSplit", [f"{name}/date"], [f"{name}/parts", f"{name}/counts"], delimiter="-")
    for part in ("year", "month", "day"):
        yield node("Gather", ["parts", f"{part}_place"], f"{part}_text", axis=1)
        yield node("Cast", [f"{part}_text"], part, to=TensorProto.INT64)
    yield node("Less", ["month", "number_3"], "before_march")
    yield node("Cast", ["before_march"], "one_if_before_march", to=TensorProto.INT64)
    yield node("Sub", ["year", "one_if_before_march"], "y")
    yield node("Mul", ["one_if_before_march", "number_12"], "months_before")
    yield node("Sub", ["month", "number_3"], "months")
    yield node("Add", ["months", "months_before"], "m")
    yield node("Mul", ["m", "number_153"], "m153")
    yield node("Add", ["m153", "number_2"], "m153_2")
    yield node("Div", ["m153_2", "number_5"], "days_of_months")
    yield node("Mul", ["y", "number_365"], "days_of_years")
    yield node("Div", ["y", "number_4"], "leap_4")
    yield node("Div", ["y", "number_100"], "leap_100")
    yield node("Div", ["y", "number_400"], "leap_400")
    yield node("Add", ["days_of_years", "leap_4"], "sum_1")
    yield node("Sub", ["sum_1", "leap_100"], "sum_2")
    yield node("Add", ["sum_2", "leap_400"], "sum_3")
    yield node("Add", ["sum_3", "days_of_months"], "sum_4")
    yield node("Add", ["sum_4", "day"], "sum_5")
    yield node("Sub", ["sum_5", "number_719468"], "sum_6")
    yield node("Sub", ["sum_6", "number_1"], "days")
    yield node("Cast", ["days"], "days_float", to=TensorProto.FLOAT)
    yield node("Where", ["is_date", "days_float", "nan"], "number")
