"""The gRPC server: methods by name, errors as status codes, the same limits as HTTP."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from penstock.core.errors import ConfigError
from penstock.serving.access_log import AccessLog
from penstock.serving.auth import BearerAuth
from penstock.serving.codecs.tensors import Tensors
from penstock.serving.errors import PayloadTooLargeError, RequestError
from penstock.serving.grpc import messages
from penstock.serving.grpc.call import CODES, Context, abort, headers_of
from penstock.serving.grpc.receiving import MessageReceiver
from penstock.serving.grpc.service import InferenceService
from penstock.serving.grpc.standard_services import add_standard_services
from penstock.serving.grpc.tensors import parse_message
from penstock.serving.runtime.engine import Engine
from penstock.serving.runtime.parser_process import MAX_INLINE_BODY
from penstock.serving.tls import key_and_certificates

NAME = "inference.GRPCInferenceService"
# Methods without authentication, by the HTTP path that has none either.
PUBLIC_METHODS = {"ServerLive": "/v2/health/live", "ServerReady": "/v2/health/ready"}

Method = Callable[..., Awaitable[Message | bytes]]


async def serve_grpc(engine: Engine, access_log: AccessLog | None, port: int, stop: asyncio.Event) -> None:
    """Answer calls in this event loop until `stop` and the grace period; then finish the open calls.

    Raises:
        ConfigError: The port is not available, or the certificate or its key is not usable.
    """
    receiver = MessageReceiver(engine.config.timeout, engine.memory)
    server = grpc.aio.server(
        handlers=[grpc.method_handlers_generic_handler(NAME, _handlers(engine, access_log, receiver))],
        options=[
            ("grpc.max_receive_message_length", engine.config.max_body_size),
            ("grpc.max_send_message_length", -1),
            ("grpc.http2.bdp_probe", 0),  # it would let clients send megabytes that no handler has asked for
            ("grpc.so_reuseport", 0),  # otherwise a second server on the port would get half of the calls
        ],
        maximum_concurrent_rpcs=engine.config.max_connections,
    )
    tls = key_and_certificates(engine.config)
    try:
        if tls is None:
            server.add_insecure_port(engine.config.address(port))
        else:
            server.add_secure_port(engine.config.address(port), grpc.ssl_server_credentials([tls]))
    except RuntimeError as error:
        raise ConfigError(f"--grpc-port {port}: {error}") from None
    health = await add_standard_services(server, engine, NAME, receiver)
    await server.start()
    await stop.wait()
    await health.enter_graceful_shutdown()
    await asyncio.sleep(engine.config.shutdown_grace)
    await server.stop(engine.config.timeout)


def _handlers(
    engine: Engine, access_log: AccessLog | None, receiver: MessageReceiver
) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
    service = InferenceService(engine)
    methods: dict[str, tuple[type[Message], Method]] = {
        "ServerLive": (messages.ServerLiveRequest, service.server_live),
        "ServerReady": (messages.ServerReadyRequest, service.server_ready),
        "ModelReady": (messages.ModelReadyRequest, service.model_ready),
        "ServerMetadata": (messages.ServerMetadataRequest, service.server_metadata),
        "ModelMetadata": (messages.ModelMetadataRequest, service.model_metadata),
        "ModelInfer": (messages.ModelInferRequest, service.model_infer),
        "RepositoryIndex": (messages.RepositoryIndexRequest, service.repository_index),
        "ModelStatistics": (messages.ModelStatisticsRequest, service.model_statistics),
    }
    calls = CallHandler(engine, service, access_log, receiver)
    return {
        # For clients, these methods have one request: a stream of requests is how a handler receives it by itself.
        name: grpc.stream_unary_rpc_method_handler(
            partial(calls.handle, name, request_type, method),
            response_serializer=_serialize,
        )
        for name, (request_type, method) in methods.items()
    }


def _serialize(response: Message | bytes) -> bytes:
    return response if isinstance(response, bytes) else response.SerializeToString()


class CallHandler:
    """Authenticate, answer, count and log each call."""

    def __init__(
        self, engine: Engine, service: InferenceService, access_log: AccessLog | None, receiver: MessageReceiver
    ) -> None:
        self.engine = engine
        self._service = service
        self._access_log = access_log
        self._auth = BearerAuth(engine.config.token)
        self._receiver = receiver

    async def handle(
        self, name: str, request_type: type[Message], method: Method, received: AsyncIterator[bytes], context: Context
    ) -> Message | bytes:
        """Answer one call.

        Args:
            name: Name of the method.
            request_type: Type of its request.
            method: The method.
            received: The serialized request, when it has arrived.
            context: The call.
        """
        started, code = time.monotonic(), grpc.StatusCode.UNKNOWN
        message, request, refusal = b"", None, None
        try:
            self._auth.check(PUBLIC_METHODS.get(name, ""), headers_of(context))
            message = await self._receiver.receive(received)
            started = time.monotonic()
            with self.engine.memory.reserve(len(message)):
                if len(message) <= MAX_INLINE_BODY:
                    request = parse_message(request_type, message)
                    response = await method(request)
                else:
                    request, inputs = await self._decode_large(name, message, started)
                    response = await method(request, inputs)
        except asyncio.CancelledError:  # the client has cancelled the call, or its deadline has passed
            code = grpc.StatusCode.CANCELLED
            raise
        except RequestError as error:
            # Without its traceback, whose frames would keep the message in memory.
            code, refusal = CODES[error.status], error.with_traceback(None)
        else:
            code = grpc.StatusCode.OK
        finally:  # before the client has its answer, after which it may look at the metrics
            seconds = time.monotonic() - started
            self._count(name, request, code, seconds)
            self._log(name, context, code, seconds, len(message))
        if refusal is not None:
            await abort(context, refusal)
        return response

    async def _decode_large(self, name: str, message: bytes, started: float) -> tuple[Message, Tensors]:
        if name != "ModelInfer":
            raise PayloadTooLargeError(f"the message is larger than {MAX_INLINE_BODY} bytes")
        return await self._service.decode_large(message, self.engine.seconds_left(started))

    def _count(self, method: str, request: Message | None, code: grpc.StatusCode, seconds: float) -> None:
        name = getattr(request, "model_name", "") or getattr(request, "name", "")
        model = name if name in self.engine.repository.models else ""
        metrics = self.engine.metrics.of(model)
        metrics.count_request("grpc", code.name, seconds)
        if method == "ModelInfer":
            metrics.count_inference(seconds, success=code is grpc.StatusCode.OK)

    def _log(self, name: str, context: Context, code: grpc.StatusCode, seconds: float, size: int) -> None:
        if self._access_log is not None:
            self._access_log.add(
                client=context.peer(),
                method="POST",
                path=f"/{NAME}/{name}",
                status=code.name,
                seconds=seconds,
                bytes_in=size,
                bytes_out=None,
            )
