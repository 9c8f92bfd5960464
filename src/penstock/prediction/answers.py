"""Outputs of a model as columns of a CSV file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from penstock.serving.codecs.tensors import Tensors, TensorSpec
from penstock.serving.runtime.columns import MAX_COLUMNS
from penstock.serving.runtime.model import ServedModel

LABEL_SEPARATOR = ";"


def answer_names(model: ServedModel, header: Sequence[str]) -> list[str]:
    """Return the names of the columns of the answers; one that the file has already begins with `predicted_`."""
    names = _names(model)
    return [f"predicted_{name}" if name in header else name for name in names]


def answer_columns(model: ServedModel, outputs: Tensors) -> list[list[str]]:
    """Return the cells of each column of the answers."""
    if model.classes and not model.runs_whole:
        labels = [model.classes[label] for label in outputs["label"]]
        return [labels, *_texts(outputs["probabilities"])]
    if model.label_names and not model.runs_whole:
        return [[_labels(model, row) for row in outputs["labels"]], *_texts(outputs["probabilities"])]
    return [column for spec in model.outputs for column in _cells(spec, outputs[spec.name])]


def _names(model: ServedModel) -> list[str]:
    if classes := (not model.runs_whole and (model.classes or model.label_names)):
        return ["label" if model.classes else "labels", *(f"probability_{name}" for name in classes)]
    return [name for spec in model.outputs for name in _names_of(model, spec)]


def _names_of(model: ServedModel, spec: TensorSpec) -> list[str]:
    if not _is_split(spec) or spec.shape[1] == 1:
        return [spec.name]
    parts: list[Any] = list(range(spec.shape[1]))
    if spec.name == "prediction" and model.targets:
        parts = [target["name"] for target in model.targets]
    elif f"{spec.name}.classes" in model.metadata:
        parts = json.loads(model.metadata[f"{spec.name}.classes"])
    return [f"{spec.name}_{part}" for part in parts]


def _is_split(spec: TensorSpec) -> bool:
    """Return whether each number of a row has a column of its own; larger rows are JSON in one column."""
    return len(spec.shape) == 2 and 1 <= spec.shape[1] <= MAX_COLUMNS


def _cells(spec: TensorSpec, output: NDArray[Any]) -> list[list[str]]:
    if _is_split(spec):
        return _texts(output)
    if output.ndim == 1:
        return _texts(output[:, None])
    return [[json.dumps(row) for row in output.tolist()]]


def _texts(output: NDArray[Any]) -> list[list[str]]:
    """Return the shortest text of each number that is read as the same number, column by column."""
    texts: list[list[str]] = output.astype(str).T.tolist()
    return texts if output.dtype != bool else [[text.lower() for text in column] for column in texts]


def _labels(model: ServedModel, row: NDArray[Any]) -> str:
    return LABEL_SEPARATOR.join(name for name, has in zip(model.label_names, row, strict=True) if has)
