"""Short routes: predict one row or a few, and list the models.

POST /predict/{name}    {"text": "..."}, {"features": [...]}, {"pixels": [[...]]} or {"height": 1.8, "colour": "red"};
                        several such rows as {"instances": [...]}; or an image, PNG or JPEG, as the body or as a file
                        in a form: light on dark, or with ?background=light
GET  /models            the version of every served model
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import orjson
from numpy.typing import NDArray

from penstock.serving.codecs.tensors import Tensors
from penstock.serving.errors import InputError
from penstock.serving.http.messages import Request, Response, json_response
from penstock.serving.http.routes import Routes
from penstock.serving.rest.single_row import INSTANCES, is_image, read_rows
from penstock.serving.rest.v2_response import MAX_INLINE_VALUES, is_large
from penstock.serving.runtime.engine import Engine
from penstock.serving.runtime.model import ServedModel

LARGE_VALUE_BYTES = 40
"""Bytes of a value in a large answer, in pieces and joined."""


def add_routes(routes: Routes, engine: Engine) -> None:
    """Add the routes of this module."""
    endpoints = PredictEndpoints(engine)
    routes.add("GET", "/models", endpoints.models)
    routes.add("POST", "/predict/{name}", endpoints.predict)


class PredictEndpoints:
    """Handlers of the short routes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.repository = engine.repository

    async def models(self, _request: Request) -> Response:
        return json_response({name: model.version for name, model in self.repository.models.items()})

    async def predict(self, request: Request) -> Response:
        started = time.perf_counter()
        model = self.repository.get(request.path_parameters["name"])
        inputs, is_list = await read_rows(self.engine, request, model)
        if is_list and model.runs_whole:
            raise InputError(f"{INSTANCES}: {model.name} runs each request whole; send one row per request")
        timeout = self.engine.seconds_left(request.arrived) if is_image(request) else None
        outputs = await self.engine.infer(model, inputs, timeout)
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        about = {"milliseconds": milliseconds, "model_version": model.version}
        if not (is_list or is_large(outputs)):
            return json_response(model.prediction(outputs, 0) | about)
        size = LARGE_VALUE_BYTES * sum(output.size for output in outputs.values())
        if is_list:
            return await self.engine.encode(size, partial(_encode_rows, model, outputs, about))
        return await self.engine.encode(size, partial(_encode_large, model, outputs, about))


def _encode_rows(model: ServedModel, outputs: Tensors, about: dict[str, Any]) -> Response:
    return json_response({"predictions": model.predictions(outputs)} | about)


def _encode_large(model: ServedModel, outputs: Tensors, about: dict[str, Any]) -> Response:
    """Encode all outputs piece by piece, so that a thread that does so lets others run in between."""
    parts = [b"{"]
    for name, output in outputs.items():
        model.check_json(name, output)
        parts += [orjson.dumps(name), b":", *_pieces(output if model.runs_whole else output[0]), b","]
    return Response(b"".join([*parts, orjson.dumps(about)[1:]]))


def _pieces(array: NDArray[Any]) -> list[bytes]:
    """Encode nested lists."""
    if array.size <= MAX_INLINE_VALUES:
        return [orjson.dumps(array.tolist())]
    parts = [b"["]
    rows = max(1, MAX_INLINE_VALUES * len(array) // array.size)
    for first in range(0, len(array), rows):
        piece = array[first : first + rows]
        parts += [orjson.dumps(piece.tolist())[1:-1]] if rows > 1 or array.ndim == 1 else _pieces(piece[0])
        parts.append(b",")
    parts[-1] = b"]"
    return parts
