"""Routes of the Open Inference Protocol v2 (https://github.com/kserve/open-inference-protocol).

    GET  /v2                                       what this server is
    GET  /v2/models/{name}[/versions/{version}]    inputs, outputs, and what the model was made from
    GET  ..../ready
    POST ..../infer                                {"inputs": [{"name", "datatype", "shape", "data"}]}
    POST /v2/repository/index                      every model, and why one is not served; GET as well

Whether the server itself is ready is in health.py.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from penstock.serving import v2_answer, v2_request
from penstock.serving.engine import Engine
from penstock.serving.http import BYTES, JSON, Request, Response, Routes, json_object, json_response
from penstock.serving.models import ServedModel
from penstock.serving.refusals import InputError, WrongKindError

# curl's own, which it sends with -d where nobody says what it is.
FORM = b"application/x-www-form-urlencoded"
KINDS = (JSON, BYTES, FORM)


def add_routes(routes: Routes, engine: Engine) -> None:
    protocol = _Protocol(engine)
    routes.add("GET", "/v2", protocol.about)
    for method in ("GET", "POST"):
        routes.add(method, "/v2/repository/index", protocol.index)
    for model in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        routes.add("GET", model, protocol.model)
        routes.add("GET", f"{model}/ready", protocol.model_ready)
        routes.add("POST", f"{model}/infer", protocol.infer)


class _Protocol:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.repository = engine.repository

    async def about(self, _request: Request) -> Response:
        return json_response({"name": "penstock", "version": version("penstock"), "extensions": ["binary_tensor_data"]})

    async def index(self, request: Request) -> Response:
        only_ready = json_object(request.body).get("ready", False) if request.body else False
        if not isinstance(only_ready, bool):
            raise InputError(f"ready: wants true or false, not {only_ready!r}")
        index = self.repository.index()
        return json_response([entry for entry in index if not only_ready or entry["state"] == "READY"])

    async def model(self, request: Request) -> Response:
        return json_response(metadata(self._named(request)))

    async def model_ready(self, request: Request) -> Response:
        return json_response({"name": self._named(request).name, "ready": True})

    async def infer(self, request: Request) -> Response:
        model = self._named(request)
        kind = request.headers.get(b"content-type", JSON)
        if kind not in KINDS and kind.partition(b";")[0].strip().lower() not in KINDS:
            raise WrongKindError(f"Content-Type: wants {JSON.decode()}, not {kind.decode('latin-1')}")
        asked = v2_request.read(request, model)
        outputs = await self.engine.infer(model, asked.inputs, asked.timeout)
        return v2_answer.write(model, outputs, asked.outputs, asked.id)

    def _named(self, request: Request) -> ServedModel:
        return self.repository.get(request.names["name"], request.names.get("version"))


def metadata(model: ServedModel) -> dict[str, Any]:
    """What the protocol says of a model; `parameters` lead back to the data and settings that it was made from."""
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": "onnxruntime_onnx",
        "inputs": [spec.report() for spec in model.inputs],
        "outputs": [spec.report() for spec in model.outputs],
        **({"optional_inputs": [spec.report() for spec in model.optional.values()]} if model.optional else {}),
        **({"classes": model.classes} if model.classes else {}),
        "parameters": model.metadata,
    }
