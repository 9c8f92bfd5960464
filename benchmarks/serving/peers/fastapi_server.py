"""FastAPI and onnxruntime as everyone writes it: pydantic bodies, plain functions, which FastAPI puts on threads.

`MODELS=FOLDER uvicorn fastapi_server:app --no-access-log`; THREADS limits onnxruntime's own, where several workers
share the cores.
"""

import os
from pathlib import Path

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = int(os.environ.get("THREADS", "0"))
sessions = {
    path.parent.name: onnxruntime.InferenceSession(path, options)
    for path in Path(os.environ["MODELS"]).glob("*/model.onnx")
}
app = FastAPI()


class Flowers(BaseModel):
    instances: list[list[float]]


class Digits(BaseModel):
    instances: list[list[list[int]]]


class Reviews(BaseModel):
    instances: list[str]


class Answer(BaseModel):
    probabilities: list[list[float]]
    label: list[int]


@app.post("/iris_mlp")
def iris(request: Flowers) -> Answer:
    return _answer("iris_mlp", "features", np.array(request.instances, dtype=np.float32))


@app.post("/mnist_cnn")
def mnist(request: Digits) -> Answer:
    return _answer("mnist_cnn", "pixels", np.array(request.instances, dtype=np.uint8))


@app.post("/imdb_lstm")
def imdb(request: Reviews) -> Answer:
    return _answer("imdb_lstm", "text", np.array(request.instances, dtype=object))


def _answer(model: str, name: str, rows: np.ndarray) -> Answer:
    probabilities, label = sessions[model].run(["probabilities", "label"], {name: rows})
    return Answer(probabilities=probabilities.tolist(), label=label.tolist())
