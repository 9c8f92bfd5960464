"""A plain server: the core of the Open Inference Protocol v2, and a short way for people.

    GET  /v2                             what this server is
    GET  /v2/health/live, /v2/health/ready
    GET  /v2/models/{name}               inputs, outputs, and what the model was made from
    GET  /v2/models/{name}/ready
    POST /v2/models/{name}/infer         {"inputs": [{"name", "datatype", "shape", "data"}]}
    GET  /models                         what is served
    POST /predict/{name}                 {"text": "..."}, {"features": [...]} or {"pixels": [[...]]}: one row

Errors are {"error": "..."} with a 4xx status (https://github.com/kserve/open-inference-protocol).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import prod
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock.serving.models import InputError, ServedModel


def create_app(models: Mapping[str, ServedModel]) -> Starlette:
    """The ASGI application that serves `models`."""
    server = _Server(models)
    return Starlette(
        routes=[
            Route("/v2", server.about),
            Route("/v2/health/live", server.live),
            Route("/v2/health/ready", server.live),
            Route("/v2/models/{name}", server.model),
            Route("/v2/models/{name}/ready", server.model_ready),
            Route("/v2/models/{name}/infer", server.infer, methods=["POST"]),
            Route("/models", server.models_served),
            Route("/predict/{name}", server.predict, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _refuse, InputError: _refuse},
    )


class _Server:
    def __init__(self, models: Mapping[str, ServedModel]) -> None:
        self.models = models

    async def about(self, _request: Request) -> Response:
        return _json({"name": "penstock", "version": "2", "extensions": []})

    async def live(self, _request: Request) -> Response:
        return _json({"live": True, "ready": True})

    async def models_served(self, _request: Request) -> Response:
        return _json({name: model.version for name, model in self.models.items()})

    async def model(self, request: Request) -> Response:
        model = self._named(request)
        return _json(
            {
                "name": model.name,
                "versions": [model.version],
                "platform": "onnxruntime",
                "inputs": [model.input.report()],
                "outputs": [output.report() for output in model.outputs],
                **({"classes": model.classes} if model.classes else {}),
                "parameters": model.metadata,
            }
        )

    async def model_ready(self, request: Request) -> Response:
        return _json({"name": self._named(request).name, "ready": True})

    async def infer(self, request: Request) -> Response:
        model = self._named(request)
        body = await _body(request)
        answers = await run_in_threadpool(model.infer, model.rows(_protocol_rows(body, model)))
        outputs = [
            {
                "name": output.name,
                "datatype": output.datatype,
                "shape": list(answers[output.name].shape),
                "data": answers[output.name].ravel().tolist(),
            }
            for output in model.outputs
        ]
        echoed = {"id": body["id"]} if "id" in body else {}
        return _json({"model_name": model.name, "model_version": model.version, "outputs": outputs} | echoed)

    async def predict(self, request: Request) -> Response:
        model = self._named(request)
        body = await _body(request)
        if set(body) != {model.input.name}:
            raise InputError(f'wants {{"{model.input.name}": ...}}: {model.metadata["input"]}')
        rows = model.rows([body[model.input.name]])
        started = time.perf_counter()
        (answer,) = await run_in_threadpool(model.predict, rows)
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        return _json(answer | {"milliseconds": milliseconds, "model_version": model.version})

    def _named(self, request: Request) -> ServedModel:
        name = request.path_params["name"]
        if name not in self.models:
            raise HTTPException(404, f"no model '{name}'; served are {', '.join(self.models)}")
        return self.models[name]


def _protocol_rows(body: Mapping[str, Any], model: ServedModel) -> object:
    """The rows of a v2 request, out of its one input tensor: `data` is flat or nested, `shape` says how to read it."""
    spec = model.input
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise InputError(f"'inputs' must be a list of one tensor, '{spec.name}'")
    tensor = inputs[0]
    for key, wanted in (("name", spec.name), ("datatype", spec.datatype)):
        if tensor.get(key) != wanted:
            raise InputError(f"inputs.0.{key}: wants '{wanted}', not {tensor.get(key)!r}")
    shape, data = tensor.get("shape"), tensor.get("data")
    if not isinstance(shape, list) or not all(type(size) is int and size > 0 for size in shape):
        raise InputError(f"inputs.0.shape: wants sizes like {list(spec.shape)}, not {shape!r}")
    if not isinstance(data, list):
        raise InputError("inputs.0.data: wants a list")
    flat = _flat(data)
    if len(flat) != prod(shape):
        raise InputError(f"inputs.0.data: {len(flat)} values do not fill the shape {shape}")
    if len(shape) != len(spec.shape):
        raise InputError(f"inputs.0.shape: wants sizes like {list(spec.shape)}, not {shape}")
    return _shaped(flat, shape)


def _flat(data: list[Any]) -> list[Any]:
    while data and isinstance(data[0], list):
        if not all(isinstance(part, list) for part in data):
            raise InputError("inputs.0.data: the rows have different depths")
        data = [value for part in data for value in part]
    return data


def _shaped(flat: list[Any], shape: list[int]) -> list[Any]:
    for size in reversed(shape[1:]):
        flat = [flat[start : start + size] for start in range(0, len(flat), size)]
    return flat


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise InputError(f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise InputError("the body must be a JSON object")
    return body


async def _refuse(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    message = error.detail if isinstance(error, HTTPException) else str(error)
    return _json({"error": message}, status)


def _json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")
