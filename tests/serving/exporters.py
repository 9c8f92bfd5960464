"""Write ONNX files as their own exporters do, each with rows that it takes.

An exporter may write what the model answers before its export as `<name>.npz`, the reference of its validation.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.serving import third_party_models

Inputs = dict[str, NDArray[Any]]
Exporter = Callable[[Path], Inputs]

ROWS = 3
NAMES = np.array(["setosa", "versicolor", "virginica"])
RANDOM = np.random.default_rng(0)
FLOWERS = RANDOM.standard_normal((60, 4)).astype(np.float32)
SPECIES = np.arange(60) % 3


def scikit_classifier(labels: NDArray[Any], **options: Any) -> Exporter:
    def export(path: Path) -> Inputs:
        model = RandomForestClassifier(5, random_state=0).fit(FLOWERS, labels)
        return _save_scikit(path, model, FLOWERS, options)

    return export


def scikit_regressor(path: Path) -> Inputs:
    flowers = FLOWERS.astype(np.float64)
    return _save_scikit(path, LinearRegression().fit(flowers, SPECIES), flowers, {})


def scikit_columns(handle_unknown: str) -> Exporter:
    """A pipeline of three columns with types of their own, each an input [rows, 1]."""

    def export(path: Path) -> Inputs:
        columns: Inputs = {
            "height": RANDOM.standard_normal((60, 1)).astype(np.float32),
            "petals": RANDOM.integers(3, 9, (60, 1)),
            "colour": RANDOM.choice(["red", "white"], (60, 1)).astype(object),
        }
        encoder = OneHotEncoder(handle_unknown=handle_unknown)
        transformer = ColumnTransformer([("numbers", StandardScaler(), [0, 1]), ("words", encoder, [2])])
        table = np.concatenate([column.astype(object) for column in columns.values()], axis=1)
        model = make_pipeline(transformer, LogisticRegression()).fit(table, NAMES[SPECIES])
        kinds = {"height": FloatTensorType, "petals": Int64TensorType, "colour": StringTensorType}
        types = [(name, kind([None, 1])) for name, kind in kinds.items()]
        path.write_bytes(to_onnx(model, initial_types=types, options={"zipmap": False}).SerializeToString())
        probabilities = model.predict_proba(table)
        words = {"colour": columns["colour"].astype(str), "label": model.predict(table).astype(str)}
        np.savez(path.with_suffix(".npz"), allow_pickle=False, **columns | words, probabilities=probabilities)
        return {name: column[:ROWS] for name, column in columns.items()}

    return export


def scikit_texts(path: Path) -> Inputs:
    """A classifier of texts. onnxruntime would need the locale of skl2onnx's default from the system."""
    texts = np.array(["a good film", "a bad film", "so good", "bad, so bad"] * 5)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0] * 10)
    options = {id(model): {"zipmap": False}, id(model[0]): {"locale": "C"}}
    proto = to_onnx(model, initial_types=[("text", StringTensorType([None, 1]))], options=options)
    path.write_bytes(proto.SerializeToString())
    np.savez(path.with_suffix(".npz"), text=texts[:, None], probabilities=model.predict_proba(texts))
    return {"text": texts[:ROWS, None].astype(object)}


def _save_scikit(path: Path, model: Any, rows: NDArray[Any], options: dict[str, Any]) -> Inputs:
    path.write_bytes(to_onnx(model, rows[:1], options=options).SerializeToString())
    return {"X": rows[:ROWS]}


class _Sequences(torch.nn.Module):
    """Weight each step of a sequence [rows, steps, 3] by attention; return the mean and the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.score = torch.nn.Linear(3, 1)

    def forward(self, steps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weights = torch.softmax(self.score(steps), dim=1)
        return (weights * steps).sum(dim=1), weights.squeeze(2)


def torch_network(*, dynamic: bool = True, external: bool = False, half: bool = False) -> Exporter:
    def export(path: Path) -> Inputs:
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Linear(4, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2))
        rows = torch.randn(ROWS, 4)
        if half:
            network, rows = network.half(), rows.half()
        shapes = ({0: torch.export.Dim("batch")},) if dynamic else None
        _export_torch(network, rows, path, "features", ["scores"], shapes, external=external)
        np.savez(path.with_suffix(".npz"), features=rows.numpy(), scores=network(rows).detach().numpy())
        return {"features": rows.numpy()}

    return export


def torch_sequences(path: Path) -> Inputs:
    steps = torch.randn(ROWS, 5, 3)
    shapes = ({0: torch.export.Dim("batch"), 1: torch.export.Dim("steps")},)
    _export_torch(_Sequences(), steps, path, "steps", ["mean", "weights"], shapes)
    return {"steps": steps[:, :4].numpy()}


def torch_lstm(path: Path) -> Inputs:
    """The exporter before dynamo, with states whose rows are not first."""
    onnx.save(third_party_models.lstm_with_states(), path)
    return {"steps": RANDOM.standard_normal((ROWS, 5, 3)).astype(np.float32)}


def _export_torch(
    network: torch.nn.Module,
    rows: torch.Tensor,
    path: Path,
    takes: str,
    gives: list[str],
    shapes: Any,
    *,
    external: bool = False,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (rows,),
            path,
            dynamo=True,
            verbose=False,
            input_names=[takes],
            output_names=gives,
            dynamic_shapes=shapes,
            external_data=external,
        )


def echo(kind: int, values: NDArray[Any]) -> Exporter:
    """Return the exporter of a model that answers its input, [rows, 2] of any type."""

    def export(path: Path) -> Inputs:
        nodes = [helper.make_node("Identity", ["x"], ["same"])]
        onnx.save(third_party_models._model(nodes, [("x", kind, "n", 2)], [("same", kind, "n", 2)], {}), path)
        return {"x": values}

    return export


def several(path: Path) -> Inputs:
    """Inputs and outputs of different types: `a` where `mask` holds, else 0; and how many hold."""
    nodes = [
        helper.make_node("Where", ["mask", "a", "zero"], ["kept"]),
        helper.make_node("Cast", ["mask"], ["ones"], to=TensorProto.INT32),
        helper.make_node("ReduceSum", ["ones", "axis"], ["count"], keepdims=0),
    ]
    takes = [("a", TensorProto.DOUBLE, "n", 2), ("mask", TensorProto.BOOL, "n", 2)]
    gives = [("kept", TensorProto.DOUBLE, "n", 2), ("count", TensorProto.INT32, "n")]
    constants = {"zero": np.float64(0), "axis": np.array([1])}
    onnx.save(third_party_models._model(nodes, takes, gives, constants), path)
    return {"a": RANDOM.standard_normal((ROWS, 2)), "mask": np.array([[True, False], [False, False], [True, True]])}


def made(make: Callable[[], onnx.ModelProto], inputs: Inputs) -> Exporter:
    def export(path: Path) -> Inputs:
        onnx.save(make(), path)
        return inputs

    return export


def _extremes(dtype: Any) -> NDArray[Any]:
    limits = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else np.finfo(dtype)
    return np.array([[limits.min, limits.max], [0, 1], [2, 3]], dtype)


TYPES = {
    "bool": (TensorProto.BOOL, np.array([[True, False], [False, True], [True, True]])),
    "uint8": (TensorProto.UINT8, _extremes(np.uint8)),
    "uint16": (TensorProto.UINT16, _extremes(np.uint16)),
    "uint32": (TensorProto.UINT32, _extremes(np.uint32)),
    "uint64": (TensorProto.UINT64, _extremes(np.uint64)),
    "int8": (TensorProto.INT8, _extremes(np.int8)),
    "int16": (TensorProto.INT16, _extremes(np.int16)),
    "int32": (TensorProto.INT32, _extremes(np.int32)),
    "int64": (TensorProto.INT64, _extremes(np.int64)),
    "float16": (TensorProto.FLOAT16, _extremes(np.float16)),
    "float32": (TensorProto.FLOAT, _extremes(np.float32)),
    "float64": (TensorProto.DOUBLE, _extremes(np.float64)),
    "string": (TensorProto.STRING, np.array([["a", ""], ["ü €", "日本"], ["d", "e\n"]], object)),
}
BATCHED: dict[str, Exporter] = {
    "scikit_classifier": scikit_classifier(SPECIES, zipmap=False),
    "scikit_zipmap": scikit_classifier(SPECIES),
    "scikit_zipmap_columns": scikit_classifier(SPECIES, zipmap="columns"),
    "scikit_string_labels": scikit_classifier(NAMES[SPECIES], zipmap=False),
    "scikit_string_zipmap": scikit_classifier(NAMES[SPECIES]),
    "scikit_regressor": scikit_regressor,
    "scikit_texts": scikit_texts,
    "scikit_columns": scikit_columns("ignore"),
    "torch_dynamic_batch": torch_network(),
    "torch_half": torch_network(half=True),
    "torch_external_data": torch_network(external=True),
    "several": several,
    **{f"echo_{name}": echo(kind, values) for name, (kind, values) in TYPES.items()},
}
WHOLE: dict[str, Exporter] = {
    "scikit_known_words": scikit_columns("error"),  # it cannot compute made rows
    "torch_static_batch": torch_network(dynamic=False),
    "torch_sequences": torch_sequences,
    "torch_lstm": torch_lstm,
    "scalar_output": made(third_party_models.mean, {"numbers": np.ones((ROWS, 2), np.float32)}),
    "detector": made(third_party_models.detector, {"scores": np.array([[1], [-1], [2]], np.float32)}),
    "without_inputs": made(third_party_models.without_inputs, {}),
}
EXPORTERS = BATCHED | WHOLE
