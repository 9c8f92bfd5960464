"""Routes of the Open Inference Protocol v2 (https://github.com/kserve/open-inference-protocol).

GET  /v2                                          what this server is
GET  /v2/health/live, /v2/health/ready
GET  /v2/models/{name}[/versions/{version}]       inputs, outputs, and what the model was made from
GET  ..../ready
POST ..../infer                                   {"inputs": [{"name", "datatype", "shape", "data"}]}
POST /v2/repository/index                         every model, and why one is not served
"""

from __future__ import annotations

from penstock.serving.engine import Engine
from penstock.serving.http import Request, Response, Routes, json_object, json_response
from penstock.serving.models import ServedModel
from penstock.serving.refusals import OverloadedError
from penstock.serving.v2_json import inputs_of, outputs_report


def add_routes(routes: Routes, engine: Engine) -> None:
    protocol = _Protocol(engine)
    routes.add("GET", "/v2", protocol.about)
    routes.add("GET", "/v2/health/live", protocol.live)
    routes.add("GET", "/v2/health/ready", protocol.ready)
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
        return json_response({"name": "penstock", "version": "2", "extensions": ["model_repository"]})

    async def live(self, _request: Request) -> Response:
        return json_response({"live": True})

    async def ready(self, _request: Request) -> Response:
        if not self.repository.ready:
            raise OverloadedError("not ready")
        return json_response({"ready": True})

    async def index(self, request: Request) -> Response:
        only_ready = bool(request.body) and json_object(request.body).get("ready") is True
        index = self.repository.index()
        return json_response([entry for entry in index if not only_ready or entry["state"] == "READY"])

    async def model(self, request: Request) -> Response:
        model = self._named(request)
        return json_response(
            {
                "name": model.name,
                "versions": [model.version],
                "platform": "onnxruntime_onnx",
                "inputs": [spec.report() for spec in model.inputs],
                "outputs": [spec.report() for spec in model.outputs],
                **({"classes": model.classes} if model.classes else {}),
                "parameters": model.metadata,
            }
        )

    async def model_ready(self, request: Request) -> Response:
        return json_response({"name": self._named(request).name, "ready": True})

    async def infer(self, request: Request) -> Response:
        model = self._named(request)
        body = request.json()
        outputs = await self.engine.infer(model, inputs_of(body, model))
        echoed = {"id": body["id"]} if "id" in body else {}
        named = {"model_name": model.name, "model_version": model.version}
        return json_response(named | echoed | {"outputs": outputs_report(outputs, model)})

    def _named(self, request: Request) -> ServedModel:
        return self.repository.get(request.names["name"], request.names.get("version"))
