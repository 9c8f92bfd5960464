"""The gRPC port: calls by name, refusals as status codes, and nothing larger than HTTP takes either."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from operator import methodcaller
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from penstock.core.errors import ConfigError
from penstock.serving.access_log import AccessLog
from penstock.serving.auth import Gate
from penstock.serving.engine import Engine
from penstock.serving.refusals import InputError, OverloadedError, RefusedError
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
# What answers without a token, as HTTP's paths are.
OPEN_PATHS = {"ServerLive": "/v2/health/live", "ServerReady": "/v2/health/ready"}

Call = Callable[[Any], Awaitable[Message]]
Context = grpc.aio.ServicerContext[Any, Any]


async def answer_calls(engine: Engine, access_log: AccessLog | None, port: int, stopping: asyncio.Event) -> None:
    """Answers on the port, in this event loop, until a moment after `stopping`; then lets the calls in hand end.

    Raises:
        ConfigError: the port cannot be had.
    """
    server = grpc.aio.server(
        handlers=[grpc.method_handlers_generic_handler(NAME, _handlers(engine, access_log))],
        options=[
            ("grpc.max_receive_message_length", engine.settings.largest_body),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),  # or a second server on the same port would get half of the calls
        ],
    )
    try:
        server.add_insecure_port(engine.settings.address(port))
    except RuntimeError as error:
        raise ConfigError(f"--grpc-port {port}: {error}") from None
    await server.start()
    await stopping.wait()
    await asyncio.sleep(engine.settings.grace)
    await server.stop(engine.settings.timeout)


def _handlers(engine: Engine, access_log: AccessLog | None) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
    service = Service(engine)
    calls: dict[str, tuple[type[Message], Call]] = {
        "ServerLive": (messages.ServerLiveRequest, service.server_live),
        "ServerReady": (messages.ServerReadyRequest, service.server_ready),
        "ModelReady": (messages.ModelReadyRequest, service.model_ready),
        "ServerMetadata": (messages.ServerMetadataRequest, service.server_metadata),
        "ModelMetadata": (messages.ModelMetadataRequest, service.model_metadata),
        "ModelInfer": (messages.ModelInferRequest, service.model_infer),
        "RepositoryIndex": (messages.RepositoryIndexRequest, service.repository_index),
    }
    answering = Answering(engine, access_log)
    return {
        name: grpc.unary_unary_rpc_method_handler(
            partial(answering.answer, name, request, call),
            response_serializer=methodcaller("SerializeToString"),
        )
        for name, (request, call) in calls.items()
    }


class Answering:
    """A call's way through token, answer or refusal, counts and log."""

    def __init__(self, engine: Engine, access_log: AccessLog | None) -> None:
        self.engine = engine
        self._access_log = access_log
        self._gate = Gate(engine.settings.token)

    async def answer(self, name: str, kind: type[Message], call: Call, sent: bytes, context: Context) -> Message:
        """kind: of message that was sent."""
        begun, size, code = time.monotonic(), len(sent), grpc.StatusCode.UNKNOWN
        request = None
        try:
            self._gate.admit(OPEN_PATHS.get(name, ""), _headers(context))
            with self.engine.room.hold(size):
                request = _parsed(kind, sent)
                response = await call(request)
        except asyncio.CancelledError:  # the caller has gone, or waits no longer
            code = grpc.StatusCode.CANCELLED
            raise
        except RefusedError as error:
            code = CODES[error.status]
            trailers = (("retry-after", str(error.retry_after)),) if isinstance(error, OverloadedError) else ()
            await context.abort(code, str(error), trailers)
        else:
            code = grpc.StatusCode.OK
            return response
        finally:
            seconds = time.monotonic() - begun
            self._count(request, code, seconds)
            if self._access_log is not None:
                self._access_log.add_call(context.peer(), f"/{NAME}/{name}", code.name, seconds, size)

    def _count(self, request: Message | None, code: grpc.StatusCode, seconds: float) -> None:
        name = getattr(request, "model_name", "") or getattr(request, "name", "")
        model = name if name in self.engine.repository.models else ""
        self.engine.metrics.of(model).answered("grpc", code.name, seconds)


def _parsed(kind: type[Message], sent: bytes) -> Message:
    try:
        return kind.FromString(sent)
    except DecodeError as error:
        raise InputError(f"this is no {kind.DESCRIPTOR.name}: {error}") from None


def _headers(context: Context) -> dict[bytes, bytes]:
    """Those that are text."""
    pairs = context.invocation_metadata() or ()
    return {name.encode(): value.encode() for name, value in pairs if isinstance(value, str)}
