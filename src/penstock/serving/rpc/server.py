"""The gRPC port: calls by name, refusals as status codes, and nothing larger than HTTP takes either."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from operator import methodcaller
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from penstock.errors import ConfigError
from penstock.serving.auth import Gate
from penstock.serving.engine import Engine
from penstock.serving.refusals import OverloadedError, RefusedError
from penstock.serving.rpc import messages
from penstock.serving.rpc.service import Service

NAME = "inference.GRPCInferenceService"
# What a refusal's HTTP status is called here.
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
# How long calls in hand may take to end.
GRACE_SECONDS = 30

Call = Callable[[Any], Awaitable[Message]]
Context = grpc.aio.ServicerContext[Any, Any]


async def answer_calls(engine: Engine, host: str, port: int, stopping: asyncio.Event) -> None:
    """Answers on the port, in this event loop, until `stopping`; then takes no more calls, and lets those in hand end.

    Raises:
        ConfigError: the port cannot be had.
    """
    server = grpc.aio.server(
        handlers=[grpc.method_handlers_generic_handler(NAME, _handlers(Service(engine), Gate(engine.settings.token)))],
        options=[
            ("grpc.max_receive_message_length", engine.settings.largest_body),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # or a second server on the same port would get half of the calls
        ],
    )
    try:
        server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:
        raise ConfigError(f"--grpc-port {port}: {error}") from None
    await server.start()
    await stopping.wait()
    await server.stop(GRACE_SECONDS)


def _handlers(service: Service, gate: Gate) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
    calls: dict[str, tuple[type[Message], Call]] = {
        "ServerLive": (messages.ServerLiveRequest, service.server_live),
        "ServerReady": (messages.ServerReadyRequest, service.server_ready),
        "ModelReady": (messages.ModelReadyRequest, service.model_ready),
        "ServerMetadata": (messages.ServerMetadataRequest, service.server_metadata),
        "ModelMetadata": (messages.ModelMetadataRequest, service.model_metadata),
        "ModelInfer": (messages.ModelInferRequest, service.model_infer),
        "RepositoryIndex": (messages.RepositoryIndexRequest, service.repository_index),
    }
    return {
        name: grpc.unary_unary_rpc_method_handler(
            _answering(call, gate),
            request_deserializer=request.FromString,
            response_serializer=methodcaller("SerializeToString"),
        )
        for name, (request, call) in calls.items()
    }


def _answering(call: Call, gate: Gate) -> Callable[[Message, Context], Awaitable[Message]]:
    async def answer(request: Message, context: Context) -> Message:
        try:
            gate.admit("", _headers(context))
            return await call(request)
        except RefusedError as error:
            trailers = (("retry-after", str(error.retry_after)),) if isinstance(error, OverloadedError) else ()
            await context.abort(CODES[error.status], str(error), trailers)

    return answer


def _headers(context: Context) -> dict[bytes, bytes]:
    return {
        name.encode(): value.encode() for name, value in context.invocation_metadata() or () if isinstance(value, str)
    }
