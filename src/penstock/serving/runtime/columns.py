"""The columns of a model: what the page's form, /predict and CSV files know of each value of a row.

The names and types are those of the file's inputs. Its exporter may say more in three entries of the metadata, each in
JSON; docs/serving.md documents them. An entry that is malformed is ignored, as other exporters may mean other things:

    columns    a list with an object for each column, by `name`; its other keys are optional: `kind` (`KINDS`),
               `description`, `unit`, `range` [low, high], `categories` [text, ...], `example`, and `missing`, which is
               what a missing value is to the model ("NaN" for a float). For one input [rows, n], n objects, in order.
    targets    a list with an object for each number of the output `prediction`: `name`, `unit`, `description`
    classes    the names of the classes of `label` and `probabilities`, or of `labels` and `probabilities`

Without `columns`, one input of numbers [rows, n] takes its names and its unit from `input` ("a, b and c in cm"). Its
ranges are those of `ranges` [[low, high], ...].
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from math import isnan
from typing import Any

import numpy as np

from penstock.serving.codecs.tensors import TensorSpec

KINDS = ("number", "category", "boolean", "date", "text", "image", "tensor")
MAX_COLUMNS = 256
"""An input with more values per row is one column of the kind `tensor`, whose value is a list."""
CHANNELS = 3  # of an RGB image
NAN = "NaN"
"""What stands for NaN in the metadata and on the page; JSON has none."""
TEXTS = ("description", "unit")
BOOLEANS = frozenset(["false", "true"])


@dataclass(frozen=True)
class Column:
    """A value of a row. It can be pickled."""

    name: str
    input: str
    """Name of the input tensor."""
    datatype: str
    kind: str
    """One of `KINDS`."""
    place: int | None = None
    """Position in the input's row; None if the column is the whole input."""
    description: str = ""
    unit: str = ""
    range: Sequence[float] | None = None
    """Lowest and highest value of the training data."""
    categories: Sequence[str] = ()
    """Values of the training data."""
    missing: Any = None
    """What a missing value is to the model; None if a value is required."""
    example: Any = None

    @property
    def is_boolean(self) -> bool:
        """Whether the texts of the column are `true` and `false`."""
        return self.datatype == "BYTES" and set(self.categories) == BOOLEANS

    def to_json(self) -> dict[str, Any]:
        """Describe the column; whatever is not known is left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        known = {key: value for key, value in values.items() if value not in (None, "", ())}
        if self.missing is None:
            return known
        is_nan = isinstance(self.missing, float) and isnan(self.missing)
        return known | {"missing": NAN if is_nan else self.missing}


def columns_of(inputs: Sequence[TensorSpec], metadata: Mapping[str, Any]) -> list[Column]:
    """Return the columns of a model, in the order of its inputs.

    Args:
        inputs: The required inputs.
        metadata: The file's metadata.
    """
    told = _objects(metadata.get("columns"))
    if len(inputs) == 1 and _is_row_of_values(inputs[0]):
        return list(_of_one_input(inputs[0], told, metadata))
    by_name = {one["name"]: one for one in told}
    return [_column(spec, by_name.get(spec.name, {"name": spec.name}), len(inputs)) for spec in inputs]


def targets_of(outputs: Sequence[TensorSpec], metadata: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return `name`, `unit` and `description` of each number of the output `prediction`; empty if the file has none."""
    sizes = [spec.shape[1] if len(spec.shape) == 2 else 1 for spec in outputs if spec.name == "prediction"]
    told = _objects(metadata.get("targets"))
    if sizes != [len(told)]:
        return []
    keys = ("name", *TEXTS)
    return [{key: one[key] for key in keys if isinstance(one.get(key), str)} for one in told]


def has_names(columns: Sequence[Column]) -> bool:
    """Return whether the file names the columns."""
    return any(column.place is None or column.name != _unnamed(column.place) for column in columns)


def _unnamed(place: int) -> str:
    return f"feature {place + 1}"


def is_single_value(spec: TensorSpec) -> bool:
    """Return whether a row of a tensor is one value, [rows] or [rows, 1]."""
    return spec.shape in ((-1,), (-1, 1))


def is_image(spec: TensorSpec) -> bool:
    """Return whether a row is an image: grey [height, width] or RGB [height, width, 3], uint8."""
    grey, rgb = len(spec.shape) == 3, len(spec.shape) == 4 and spec.shape[3] == CHANNELS
    return spec.datatype == "UINT8" and spec.shape[0] == -1 and (grey or rgb)


def _objects(entry: object) -> list[dict[str, Any]]:
    """Parse a list of objects with names that differ; empty if the entry is something else."""
    with suppress(ValueError, TypeError):
        found = json.loads(entry)  # type: ignore[arg-type]
        names = [one["name"] for one in found]
        if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return list(found)
    return []


def _is_row_of_values(spec: TensorSpec) -> bool:
    return len(spec.shape) == 2 and spec.shape[0] == -1 and 1 < spec.shape[1] <= MAX_COLUMNS


def _of_one_input(spec: TensorSpec, told: list[dict[str, Any]], metadata: Mapping[str, Any]) -> Iterator[Column]:
    count = spec.shape[1]
    described = told if len(told) == count else _described(count, metadata)
    for place, one in enumerate(described):
        value = TensorSpec(spec.name, spec.datatype, (-1,))
        yield _column(value, one, count, place)


def _described(count: int, metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Describe the values of a row by the entries `input` and `ranges`."""
    parts = re.fullmatch(r"(.*?)(?: in (\S+))?", str(metadata.get("input", "")), re.DOTALL)
    names = re.split(r", (?:and )?| and ", parts[1]) if parts else []
    unit = (parts[2] or "") if parts else ""
    if len(set(names)) != count:
        names, unit = [_unnamed(place) for place in range(count)], ""
    ranges: list[Any] = []
    with suppress(ValueError, TypeError):
        ranges = list(json.loads(metadata.get("ranges", "[]")))
    ranges = ranges if len(ranges) == count else [None] * count
    return [{"name": name, "unit": unit, "range": low_high} for name, low_high in zip(names, ranges, strict=True)]


def _column(spec: TensorSpec, told: Mapping[str, Any], num_columns: int, place: int | None = None) -> Column:
    known: dict[str, Any] = {key: told[key] for key in TEXTS if isinstance(told.get(key), str)}
    if categories := _list(told.get("categories"), str):
        known["categories"] = categories
    low_high = _list(told.get("range"), (int, float))
    if len(low_high) == 2 and low_high[0] <= low_high[1]:
        known["range"] = low_high
    kind = told.get("kind")
    if kind not in KINDS or not _fits(kind, spec):
        kind = _kind(spec, is_alone=num_columns == 1, has_categories="categories" in known)
    values = {key: value for key in ("missing", "example") if (value := _value(told.get(key), spec)) is not None}
    return Column(str(told["name"]), spec.name, spec.datatype, kind, place, **known, **values)


def _list(values: object, kind: type | tuple[type, ...]) -> tuple[Any, ...]:
    """Return the values of a list of one kind; empty if it is something else."""
    fits = isinstance(values, list) and all(isinstance(value, kind) for value in values)
    return tuple(values) if fits else ()  # type: ignore[arg-type]


def _kind(spec: TensorSpec, *, is_alone: bool, has_categories: bool) -> str:
    """Return the kind of a column whose exporter does not say."""
    if is_image(spec):
        return "image"
    if not is_single_value(spec) and spec.shape:
        return "tensor"
    if spec.datatype == "BOOL":
        return "boolean"
    if spec.datatype != "BYTES":
        return "category" if has_categories else "number"
    return "text" if is_alone and not has_categories else "category"


def _fits(kind: str, spec: TensorSpec) -> bool:
    """Return whether an input can have a kind that its exporter says."""
    if kind in ("image", "tensor"):
        return kind == _kind(spec, is_alone=True, has_categories=False)
    if not is_single_value(spec) and spec.shape:
        return False
    is_text = spec.datatype == "BYTES"
    return {"number": not is_text and spec.datatype != "BOOL", "boolean": spec.datatype == "BOOL"}.get(kind, is_text)


def _value(told: object, spec: TensorSpec) -> Any:  # noqa: ANN401  (of the type of the column)
    """Return a value of the metadata in the type of the column; None if it is none, or the column has many values."""
    if told is None or not (is_single_value(spec) or not spec.shape):
        return None
    if spec.datatype in ("BYTES", "BOOL"):
        return told if isinstance(told, str if spec.datatype == "BYTES" else bool) else None
    with suppress(ValueError, TypeError, OverflowError):
        number = np.array([told if told != NAN else float("nan")], spec.dtype)[0]
        return float(str(number)) if number.dtype.kind == "f" else number.item()  # 44.755, not 44.755001068115234
    return None
