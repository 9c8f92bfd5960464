"""Models of tables, texts and images with the metadata of their columns, written by their own exporters."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.serving import third_party_models

SPECIES = ["Adelie", "Chinstrap", "Gentoo"]
ISLANDS = ["Biscoe", "Dream", "Torgersen"]
PENGUIN_COLUMNS = [
    {"name": "bill_length", "kind": "number", "unit": "mm", "range": [32.1, 59.6], "description": "length of the bill"},
    {"name": "body_mass", "kind": "number", "unit": "g", "range": [2700, 6300], "missing": "NaN"},
    {"name": "island", "kind": "category", "categories": ISLANDS},
    {"name": "sex", "kind": "category", "categories": ["female", "male"], "missing": "unknown"},
]
PENGUIN = {"bill_length": 39.1, "body_mass": 3750, "island": "Torgersen", "sex": "male"}


def penguins() -> onnx.ModelProto:
    """A classifier by a ColumnTransformer, with an input [rows, 1] for each column."""
    table, kind = _penguins()
    proto = _column_pipeline(LogisticRegression(max_iter=500), table, kind)
    _rename(proto, {"label": "label", "probabilities": "probabilities"})
    return _with_metadata(proto, columns=PENGUIN_COLUMNS, classes=SPECIES)


def body_mass() -> onnx.ModelProto:
    """A regressor of two columns, without metadata."""
    table, _ = _penguins()
    numbers = table[:, :1].astype(np.float32)
    transformer = ColumnTransformer([("n", StandardScaler(), [0]), ("c", OneHotEncoder(handle_unknown="ignore"), [1])])
    rows = np.concatenate([table[:, :1], table[:, 2:3]], axis=1)
    model = make_pipeline(transformer, LinearRegression()).fit(rows, 100 * numbers[:, 0])
    types = [("bill_length", FloatTensorType([None, 1])), ("island", StringTensorType([None, 1]))]
    proto: onnx.ModelProto = to_onnx(model, initial_types=types)
    return proto


def two_targets() -> onnx.ModelProto:
    """A regression of two numbers from [rows, 3] with names for both."""
    rows = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
    model = LinearRegression().fit(rows, np.stack([rows.sum(axis=1), rows[:, 0]], axis=1))
    proto = to_onnx(model, rows[:1])
    _rename(proto, {"variable": "prediction"})
    columns = [{"name": name} for name in ("age", "bmi", "pressure")]
    return _with_metadata(proto, columns=columns, targets=[{"name": "height", "unit": "cm"}, {"name": "width"}])


def topics() -> onnx.ModelProto:
    """A multi-label classifier of four numbers: `labels` where a probability is above a half."""
    nodes = [
        helper.make_node("MatMul", ["signs", "weights"], ["scores"]),
        helper.make_node("Sigmoid", ["scores"], ["probabilities"]),
        helper.make_node("Greater", ["probabilities", "half"], ["is_there"]),
        helper.make_node("Cast", ["is_there"], ["labels"], to=TensorProto.INT64),
    ]
    constants = {"weights": np.eye(2, 3, dtype=np.float32) * 4, "half": np.float32(0.5)}
    gives = [("probabilities", TensorProto.FLOAT, "n", 3), ("labels", TensorProto.INT64, "n", 3)]
    proto = third_party_models._model(nodes, [("signs", TensorProto.FLOAT, "n", 2)], gives, constants)
    return _with_metadata(proto, classes=["sport", "music", "film"])


def switches() -> onnx.ModelProto:
    """Columns [rows] of a boolean, a whole number, a date and a free text: all of them are given back."""
    kinds = {
        "on": TensorProto.BOOL,
        "count": TensorProto.INT64,
        "since": TensorProto.STRING,
        "note": TensorProto.STRING,
    }
    nodes = [helper.make_node("Identity", [name], [f"same_{name}"]) for name in kinds]
    takes = [(name, kind, "n") for name, kind in kinds.items()]
    gives = [(f"same_{name}", kind, "n") for name, kind in kinds.items()]
    columns = [{"name": "since", "kind": "date", "example": "2026-11-29"}, {"name": "note", "kind": "text"}]
    return _with_metadata(third_party_models._model(nodes, takes, gives, {}), columns=columns)


def visits() -> onnx.ModelProto:
    """Columns [rows] of texts as Penstock exports a mixed table: a boolean, a date, a category; all are given back."""
    columns: list[dict[str, Any]] = [
        {"name": "smoker", "kind": "category", "categories": ["false", "true"], "missing": ""},
        {"name": "since", "kind": "date", "example": "2026-11-29", "missing": ""},
        {"name": "island", "kind": "category", "categories": [*ISLANDS, "none"], "missing": ""},
    ]
    names = [column["name"] for column in columns]
    nodes = [helper.make_node("Identity", [name], [f"same_{name}"]) for name in names]
    takes = [(name, TensorProto.STRING, "n") for name in names]
    gives = [(f"same_{name}", TensorProto.STRING, "n") for name in names]
    return _with_metadata(third_party_models._model(nodes, takes, gives, {}), columns=columns)


class _Colours(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        probabilities = torch.softmax(image.float().mean(dim=(1, 2)) / 16, dim=1)
        return probabilities, probabilities.argmax(dim=1)


def colours(folder: Path) -> onnx.ModelProto:
    """A torch classifier of RGB images uint8 [rows, 8, 8, 3] by their strongest colour."""
    path = folder / "colours.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Colours().eval(),
            (torch.zeros(2, 8, 8, 3, dtype=torch.uint8),),
            path,
            dynamo=True,
            verbose=False,
            input_names=["image"],
            output_names=["probabilities", "label"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
        )
    return _with_metadata(onnx.load(path), classes=["red", "green", "blue"])


def _penguins() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return a table [150, 4] like that of the Palmer penguins, and the species of each row."""
    random = np.random.default_rng(0)
    kind = np.arange(150) % 3
    bill = np.array([38.8, 48.8, 47.5])[kind] + random.normal(0, 2.5, 150)
    mass = np.array([3700, 3733, 5076])[kind] + random.normal(0, 400, 150)
    mass[::17] = np.nan
    island = np.array(ISLANDS)[np.where(random.random(150) < 0.7, (kind + 2) % 3, random.integers(0, 3, 150))]
    sex = random.choice(["female", "male", "unknown"], 150)
    return np.stack([bill.astype(object), mass.astype(object), island.astype(object), sex.astype(object)], 1), kind


def _column_pipeline(estimator: Any, table: np.ndarray[Any, Any], target: np.ndarray[Any, Any]) -> onnx.ModelProto:
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    words = OneHotEncoder(handle_unknown="ignore")
    transformer = ColumnTransformer([("numbers", numbers, [0, 1]), ("words", words, [2, 3])])
    model = make_pipeline(transformer, estimator).fit(table, target)
    kinds = {
        "bill_length": FloatTensorType,
        "body_mass": FloatTensorType,
        "island": StringTensorType,
        "sex": StringTensorType,
    }
    types = [(name, kind([None, 1])) for name, kind in kinds.items()]
    proto: onnx.ModelProto = to_onnx(model, initial_types=types, options={"zipmap": False})
    return proto


def _rename(proto: onnx.ModelProto, names: dict[str, str]) -> None:
    """Rename outputs, in the order of the file."""
    for output, name in zip(proto.graph.output, names.values(), strict=True):
        for node in proto.graph.node:
            node.output[:] = [name if one == output.name else one for one in node.output]
            node.input[:] = [name if one == output.name else one for one in node.input]
        output.name = name


def _with_metadata(proto: onnx.ModelProto, **entries: Any) -> onnx.ModelProto:
    helper.set_model_props(proto, {key: json.dumps(value) for key, value in entries.items()})
    return proto
