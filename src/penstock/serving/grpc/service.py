"""Methods of the gRPC service, answered by the same engine as HTTP."""

from __future__ import annotations

from importlib.metadata import version

from google.protobuf.message import Message

from penstock.serving.codecs.tensors import Tensors, TensorSpec
from penstock.serving.errors import InputError
from penstock.serving.grpc.messages import (
    ModelInferRequest,
    ModelInferResponse,
    ModelMetadataRequest,
    ModelMetadataResponse,
    ModelReadyRequest,
    ModelReadyResponse,
    ModelStatistics,
    ModelStatisticsRequest,
    ModelStatisticsResponse,
    RepositoryIndexRequest,
    RepositoryIndexResponse,
    ServerLiveRequest,
    ServerLiveResponse,
    ServerMetadataRequest,
    ServerMetadataResponse,
    ServerReadyRequest,
    ServerReadyResponse,
)
from penstock.serving.grpc.tensors import (
    BINARY_DATA,
    check_outputs,
    decode_inputs,
    decode_large,
    encode_outputs,
    parse_message,
)
from penstock.serving.rest.statistics import model_statistics
from penstock.serving.rest.v2_request import MAX_DIGITS, MICROSECONDS
from penstock.serving.rest.v2_response import is_large
from penstock.serving.runtime.engine import Engine
from penstock.serving.runtime.model import ServedModel

EXTENSIONS = ["model_repository", "statistics"]


class InferenceService:
    """The service's methods, from request to response; each may raise a `RequestError`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.repository = engine.repository

    async def server_live(self, _request: ServerLiveRequest) -> ServerLiveResponse:
        return ServerLiveResponse(live=True)

    async def server_ready(self, _request: ServerReadyRequest) -> ServerReadyResponse:
        return ServerReadyResponse(ready=self.repository.is_ready(all_models=self.engine.config.ready_requires_all))

    async def model_ready(self, request: ModelReadyRequest) -> ModelReadyResponse:
        self._model(request.name, request.version)
        return ModelReadyResponse(ready=True)

    async def server_metadata(self, _request: ServerMetadataRequest) -> ServerMetadataResponse:
        return ServerMetadataResponse(name="penstock", version=version("penstock"), extensions=EXTENSIONS)

    async def model_metadata(self, request: ModelMetadataRequest) -> ModelMetadataResponse:
        model = self._model(request.name, request.version)
        return ModelMetadataResponse(
            name=model.name,
            versions=[model.version],
            platform="onnxruntime_onnx",
            inputs=[ModelMetadataResponse.TensorMetadata(**spec.to_json()) for spec in model.inputs],
            outputs=[ModelMetadataResponse.TensorMetadata(**spec.to_json()) for spec in model.outputs],
            properties={name: str(value) for name, value in model.metadata.items()},
        )

    async def model_infer(self, request: ModelInferRequest, inputs: Tensors | None = None) -> Message | bytes:
        """Answer a request, whose inputs may be decoded already; a large answer is serialized."""
        model = self._model(request.model_name, request.model_version)
        requested = _requested_outputs(request, model)
        inputs = decode_inputs(request, model.specs) if inputs is None else inputs
        outputs = await self.engine.infer(model, inputs, _timeout(request))
        if not is_large(outputs):
            return _response(request, model, requested, outputs)
        size = sum(outputs[spec.name].nbytes for spec in requested)
        return await self.engine.encode(size, lambda: _response(request, model, requested, outputs).SerializeToString())

    async def decode_large(self, message: bytes, seconds: float) -> tuple[ModelInferRequest, Tensors]:
        """Decode a request of `model_infer` beside the event loop.

        Raises:
            InputError: It is no request, or does not fit the model.
            DeadlineExceededError: It is not decoded after `seconds`.
        """
        signatures = {name: model.signature for name, model in self.repository.models.items()}
        rest, inputs = await self.engine.parser.run(seconds, decode_large, message, signatures)
        return parse_message(ModelInferRequest, rest), inputs

    async def repository_index(self, request: RepositoryIndexRequest) -> RepositoryIndexResponse:
        index = [entry for entry in self.repository.index() if not request.ready or entry["state"] == "READY"]
        return RepositoryIndexResponse(models=[RepositoryIndexResponse.ModelIndex(**entry) for entry in index])

    async def model_statistics(self, request: ModelStatisticsRequest) -> ModelStatisticsResponse:
        models = [self._model(request.name, request.version)] if request.name else self.repository.models.values()
        found = [model_statistics(model, self.engine.metrics.of(model.name)) for model in models]
        return ModelStatisticsResponse(model_stats=[ModelStatistics(**statistics) for statistics in found])

    def _model(self, name: str, version: str) -> ServedModel:
        return self.repository.get(name, version or None)


def _requested_outputs(request: ModelInferRequest, model: ServedModel) -> list[TensorSpec]:
    """Return the outputs that the request names, in its order; all outputs if it names none."""
    if not request.outputs:
        return model.outputs
    known = {spec.name: spec for spec in model.outputs}
    check_outputs(request, known)
    return [known[output.name] for output in request.outputs]


def _response(
    request: ModelInferRequest, model: ServedModel, requested: list[TensorSpec], outputs: Tensors
) -> ModelInferResponse:
    response = encode_outputs(requested, outputs, raw=_wants_bytes(request))
    response.model_name, response.model_version, response.id = model.name, model.version, request.id
    return response


def _wants_bytes(request: ModelInferRequest) -> bool:
    """Return whether to answer with raw bytes: as the outputs ask, or else as the inputs are; without inputs, yes."""
    asked = [
        output.parameters[BINARY_DATA].bool_param for output in request.outputs if BINARY_DATA in output.parameters
    ]
    return any(asked) if asked else bool(request.raw_input_contents) or not request.inputs


def _timeout(request: ModelInferRequest) -> float | None:
    """Return seconds; clients send microseconds as a number or as text, and 0 for no timeout."""
    if "timeout" not in request.parameters:
        return None
    parameter = request.parameters["timeout"]
    given = getattr(parameter, parameter.WhichOneof("parameter_choice") or "int64_param")
    text = str(given)
    if type(given) not in (int, str) or not text.isdecimal() or len(text) > MAX_DIGITS:
        raise InputError(f"parameters.timeout: expected microseconds, not {given!r}")
    return int(text) * MICROSECONDS or None
