"""Puts a model.onnx into MLflow's form, which `mlflow models serve --model-uri FOLDER` takes.

`python mlflow_model.py MODEL.onnx FOLDER`
"""

import sys

import mlflow.onnx
import numpy as np
import onnx
import onnxruntime
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

DTYPES = {"tensor(float)": "float32", "tensor(uint8)": "uint8", "tensor(string)": "str", "tensor(int64)": "int64"}


def _schema(nodes: list) -> Schema:
    return Schema([TensorSpec(np.dtype(DTYPES[node.type]), (-1, *node.shape[1:]), node.name) for node in nodes])


path, folder = sys.argv[1:]
session = onnxruntime.InferenceSession(path)
mlflow.onnx.save_model(
    onnx.load(path),
    folder,
    signature=ModelSignature(_schema(session.get_inputs()), _schema(session.get_outputs())),
    pip_requirements=["onnxruntime", "numpy"],
    onnx_execution_providers=["CPUExecutionProvider"],
)
