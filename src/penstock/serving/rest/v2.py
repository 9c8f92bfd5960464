"""Routes of the Open Inference Protocol v2 (https://github.com/kserve/open-inference-protocol).

    GET  /v2, /v2/                                 name and extensions of the server
    GET  /v2/models/{name}[/versions/{version}]    inputs, outputs, and provenance of the model
    GET  ..../ready
    GET  ..../stats, /v2/models/stats              counts and durations (Triton's extension)
    POST ..../infer                                {"inputs": [{"name", "datatype", "shape", "data"}]}
    POST /v2/repository/index                      every model, and why one is not served; also GET

health.py has the server's own health.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from importlib.metadata import version
from typing import Any

from penstock.serving.errors import InputError, PayloadTooLargeError, UnsupportedMediaTypeError
from penstock.serving.http.messages import BYTES, JSON, Request, Response, is_json, json_object, json_response
from penstock.serving.http.routes import Routes
from penstock.serving.rest import v2_request, v2_response
from penstock.serving.rest.statistics import model_statistics
from penstock.serving.runtime.engine import Engine
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.parser_process import MAX_INLINE_BODY
from penstock.serving.runtime.signature import Signature

EXTENSIONS = ["binary_tensor_data", "model_repository", "statistics"]


def add_routes(routes: Routes, engine: Engine) -> None:
    """Add the routes of the protocol."""
    endpoints = V2Endpoints(engine)
    for path in ("/v2", "/v2/"):  # the latter is in the protocol's own OpenAPI document
        routes.add("GET", path, endpoints.server)
    for method in ("GET", "POST"):
        routes.add(method, "/v2/repository/index", endpoints.index)
    routes.add("GET", "/v2/models/stats", endpoints.all_statistics)
    for model in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        routes.add("GET", model, endpoints.model)
        routes.add("GET", f"{model}/ready", endpoints.model_ready)
        routes.add("GET", f"{model}/stats", endpoints.statistics)
        routes.add("POST", f"{model}/infer", endpoints.infer)


class V2Endpoints:
    """Handlers of the protocol's routes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.repository = engine.repository

    async def server(self, _request: Request) -> Response:
        return json_response({"name": "penstock", "version": version("penstock"), "extensions": EXTENSIONS})

    async def index(self, request: Request) -> Response:
        if len(request.body) > MAX_INLINE_BODY:
            raise PayloadTooLargeError(f"the body is larger than {MAX_INLINE_BODY} bytes")
        only_ready = json_object(request.body).get("ready", False) if request.body else False
        if not isinstance(only_ready, bool):
            raise InputError(f"ready: expected true or false, not {only_ready!r}")
        index = self.repository.index()
        return json_response([entry for entry in index if not only_ready or entry["state"] == "READY"])

    async def model(self, request: Request) -> Response:
        return json_response(metadata(self._model(request)))

    async def model_ready(self, request: Request) -> Response:
        return json_response({"name": self._model(request).name, "ready": True})

    async def statistics(self, request: Request) -> Response:
        return self._statistics([self._model(request)])

    async def all_statistics(self, _request: Request) -> Response:
        return self._statistics(self.repository.models.values())

    def _statistics(self, models: Iterable[ServedModel]) -> Response:
        metrics = self.engine.metrics
        return json_response({"model_stats": [model_statistics(model, metrics.of(model.name)) for model in models]})

    async def infer(self, request: Request) -> Response:
        model = self._model(request)
        content_type = request.headers.get(b"content-type", JSON)
        if not (is_json(content_type) or content_type.partition(b";")[0].strip().lower() == BYTES):
            raise UnsupportedMediaTypeError(
                f"Content-Type: expected {JSON.decode()}, not {content_type.decode('latin-1')}"
            )
        if v2_request.is_large(request, model.signature):
            parsed = await self._parse_large(request, model.signature)
        else:
            parsed = v2_request.parse(request, model.signature)
        outputs = await self.engine.infer(model, parsed.inputs, parsed.timeout)
        if not v2_response.is_large(outputs):
            return v2_response.encode(model, outputs, parsed.outputs, parsed.id)
        encode = partial(v2_response.encode_large, model, outputs, parsed.outputs, parsed.id)
        return await self.engine.encode(v2_response.encoded_size(outputs, parsed.outputs), encode)

    async def _parse_large(self, request: Request, signature: Signature) -> v2_request.InferenceRequest:
        seconds = self.engine.seconds_left(request.arrived)
        return await self.engine.parser.run(seconds, v2_request.parse_large, request, signature)

    def _model(self, request: Request) -> ServedModel:
        return self.repository.get(request.path_parameters["name"], request.path_parameters.get("version"))


def metadata(model: ServedModel) -> dict[str, Any]:
    """Describe a model; `parameters` has the hashes of its data, parameters and code."""
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": "onnxruntime_onnx",
        "inputs": [spec.to_json() for spec in model.inputs],
        "outputs": [spec.to_json() for spec in model.outputs],
        **({"optional_inputs": [spec.to_json() for spec in model.optional.values()]} if model.optional else {}),
        **({"classes": classes} if (classes := model.classes or model.label_names) else {}),
        "columns": [column.to_json() for column in model.columns],
        **({"targets": model.targets} if model.targets else {}),
        "parameters": model.metadata,
    }
