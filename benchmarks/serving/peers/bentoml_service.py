"""BentoML with adaptive batching, as its documentation writes a service
(https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html). It answers with probabilities alone: a
batchable method gives one array.

`MODELS=FOLDER bentoml serve bentoml_service:Models`
"""

import os
from pathlib import Path

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Models:
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._sessions = {
            path.parent.name: onnxruntime.InferenceSession(path, options)
            for path in Path(os.environ["MODELS"]).glob("*/model.onnx")
        }

    @bentoml.api(batchable=True, max_batch_size=32)
    def iris_mlp(self, rows: np.ndarray) -> np.ndarray:
        return self._probabilities("iris_mlp", "features", rows.astype(np.float32))

    @bentoml.api(batchable=True, max_batch_size=32)
    def mnist_cnn(self, rows: np.ndarray) -> np.ndarray:
        return self._probabilities("mnist_cnn", "pixels", rows.astype(np.uint8))

    @bentoml.api(batchable=True, max_batch_size=32)
    def imdb_lstm(self, rows: list[str]) -> np.ndarray:
        return self._probabilities("imdb_lstm", "text", np.array(rows, dtype=object))

    def _probabilities(self, model: str, name: str, rows: np.ndarray) -> np.ndarray:
        probabilities: np.ndarray = self._sessions[model].run(["probabilities"], {name: rows})[0]
        return probabilities
