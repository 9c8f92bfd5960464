"""Make inputs of a run from described splits, as MLflow's `log_input` makes them from NumPy arrays."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from mlflow.data.schema import TensorDatasetSchema
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.types import Schema, TensorSpec
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT


def dataset_input(described: Mapping[str, Any]) -> DatasetInput:
    """Return the input of a run for a split that `penstock.tracking.dataset_splits.describe_split` described."""
    arrays = described["arrays"]
    dataset = Dataset(
        name=described["name"],
        digest=described["digest"],
        source_type="local",
        source=json.dumps({"uri": described["source"]}),
        schema=json.dumps(_schema(arrays)) if arrays else None,
        profile=json.dumps(_profile(arrays)) if arrays else None,
    )
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, described["context"])])


def _schema(arrays: Mapping[str, Any]) -> dict[str, Any]:
    features, targets = (
        Schema([TensorSpec(np.dtype(array["dtype"]), (-1, *array["shape"][1:]))])
        for array in (arrays["features"], arrays["targets"])
    )
    found: dict[str, Any] = TensorDatasetSchema(features, targets).to_dict()
    return found


def _profile(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return shape, number of values and bytes of each array."""
    profile: dict[str, Any] = {}
    for name, array in arrays.items():
        size = math.prod(array["shape"])
        nbytes = size * np.dtype(array["dtype"]).itemsize
        profile |= {f"{name}_shape": array["shape"], f"{name}_size": size, f"{name}_nbytes": nbytes}
    return profile
