"""The protocol's calls, answered by the same engine as HTTP."""

from __future__ import annotations

from importlib.metadata import version

from penstock.serving.engine import Engine
from penstock.serving.models import ServedModel
from penstock.serving.refusals import InputError
from penstock.serving.rpc.messages import (
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataRequest,
    ModelMetadataResponse,
    ModelReadyRequest,
    ModelReadyResponse,
    RepositoryIndexRequest,
    RepositoryIndexResponse,
    ServerLiveRequest,
    ServerLiveResponse,
    ServerMetadataRequest,
    ServerMetadataResponse,
    ServerReadyRequest,
    ServerReadyResponse,
)
from penstock.serving.rpc.tensors import input_arrays, output_tensors
from penstock.serving.tensors import TensorSpec
from penstock.serving.v2_request import MICROSECONDS


class Service:
    """Each call from its request to its response; raise `RefusedError`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.repository = engine.repository

    async def server_live(self, _request: ServerLiveRequest) -> ServerLiveResponse:
        return ServerLiveResponse(live=True)

    async def server_ready(self, _request: ServerReadyRequest) -> ServerReadyResponse:
        return ServerReadyResponse(ready=self.repository.ready)

    async def model_ready(self, request: ModelReadyRequest) -> ModelReadyResponse:
        self._named(request.name, request.version)
        return ModelReadyResponse(ready=True)

    async def server_metadata(self, _request: ServerMetadataRequest) -> ServerMetadataResponse:
        return ServerMetadataResponse(name="penstock", version=version("penstock"), extensions=["model_repository"])

    async def model_metadata(self, request: ModelMetadataRequest) -> ModelMetadataResponse:
        model = self._named(request.name, request.version)
        return ModelMetadataResponse(
            name=model.name,
            versions=[model.version],
            platform="onnxruntime_onnx",
            inputs=[ModelMetadataResponse.TensorMetadata(**spec.report()) for spec in model.inputs],
            outputs=[ModelMetadataResponse.TensorMetadata(**spec.report()) for spec in model.outputs],
        )

    async def model_infer(self, request: ModelInferRequest) -> ModelInferResponse:
        model = self._named(request.model_name, request.model_version)
        wanted = _wanted(request, model)
        outputs = await self.engine.infer(model, input_arrays(request, model.specs), _timeout(request))
        # Who sends typed contents is answered with typed contents.
        response = output_tensors(wanted, outputs, raw=bool(request.raw_input_contents))
        response.model_name, response.model_version, response.id = model.name, model.version, request.id
        return response

    async def repository_index(self, request: RepositoryIndexRequest) -> RepositoryIndexResponse:
        index = [entry for entry in self.repository.index() if not request.ready or entry["state"] == "READY"]
        return RepositoryIndexResponse(models=[RepositoryIndexResponse.ModelIndex(**entry) for entry in index])

    def _named(self, name: str, version: str) -> ServedModel:
        return self.repository.get(name, version or None)


def _wanted(request: ModelInferRequest, model: ServedModel) -> list[TensorSpec]:
    """The outputs that the request names, in its order; all of the model's where it names none."""
    if not request.outputs:
        return model.outputs
    known = {spec.name: spec for spec in model.outputs}
    for index, output in enumerate(request.outputs):
        if output.name not in known:
            raise InputError(f"outputs.{index}.name: wants {' or '.join(map(repr, known))}, not {output.name!r}")
        if output.parameters:
            raise InputError(f"outputs.{index}.parameters: '{next(iter(output.parameters))}' is not known here")
    return [known[output.name] for output in request.outputs]


def _timeout(request: ModelInferRequest) -> float | None:
    """Seconds, of a parameter in microseconds, as Triton's clients send it; 0 is as good as none."""
    given = request.parameters["timeout"].int64_param if "timeout" in request.parameters else 0
    if given < 0:
        raise InputError(f"parameters.timeout: wants microseconds, not {given}")
    return given * MICROSECONDS or None
