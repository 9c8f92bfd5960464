"""gRPC's own services: health (grpc.health.v1) for probes, and reflection for tools such as grpcurl."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import grpc
import grpc.aio
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

from penstock.serving.auth import BearerAuth
from penstock.serving.errors import RequestError, UnauthorizedError
from penstock.serving.grpc import messages
from penstock.serving.grpc.call import Context, abort, headers_of
from penstock.serving.grpc.receiving import MessageReceiver
from penstock.serving.grpc.tensors import parse_message
from penstock.serving.runtime.engine import Engine

Status = health_pb2.HealthCheckResponse


class HealthService(health.aio.HealthServicer):
    """Health of the server, and of the inference service; needs no token, as the health routes of HTTP.

    Args:
        engine: The engine of the served models.
        service: Full name of the inference service.
    """

    def __init__(self, engine: Engine, service: str) -> None:
        super().__init__()
        self._engine = engine
        self._services = (health.OVERALL_HEALTH, service)

    async def update(self) -> None:
        """Take over whether the server is ready, for `Check` and open `Watch` calls."""
        ready = self._engine.repository.is_ready(all_models=self._engine.config.ready_requires_all)
        status = Status.SERVING if ready else Status.NOT_SERVING
        for service in self._services:
            await self.set(service, status)

    async def Check(self, request: Any, context: Context) -> Any:  # noqa: ANN401, N802  (gRPC's name)
        await self.update()
        return await super().Check(request, context)


class ReflectionService(reflection.aio.ReflectionServicer):
    """Definitions of all services; needs the token."""

    def __init__(self, service: str, auth: BearerAuth) -> None:
        pool = DescriptorPool()
        for file in (messages.DESCRIPTOR, health_pb2.DESCRIPTOR, reflection_pb2.DESCRIPTOR):
            pool.AddSerializedFile(file.serialized_pb)
        super().__init__((service, health.SERVICE_NAME, reflection.SERVICE_NAME), pool=pool)
        self._auth = auth

    async def ServerReflectionInfo(  # noqa: N802  (gRPC's name)
        self, request_iterator: AsyncIterator[Any], context: Context
    ) -> AsyncIterator[Any]:
        try:
            self._auth.check("", headers_of(context))
        except UnauthorizedError as error:
            await abort(context, error)
        async for response in super().ServerReflectionInfo(request_iterator, context):
            yield response


def _health_handler(service: HealthService, receiver: MessageReceiver) -> grpc.GenericRpcHandler:
    """Return the handler of the health service, which needs no token, so that its messages are limited as well."""

    async def answer(method: Callable[..., Awaitable[Any]], received: AsyncIterator[bytes], context: Context) -> Any:  # noqa: ANN401
        try:
            request = parse_message(health_pb2.HealthCheckRequest, await receiver.receive(received))
        except RequestError as error:
            await abort(context, error.with_traceback(None))
        return await method(request, context)

    serializer = Status.SerializeToString
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        "Check": grpc.stream_unary_rpc_method_handler(partial(answer, service.Check), response_serializer=serializer),
        "Watch": grpc.stream_stream_rpc_method_handler(partial(answer, service.Watch), response_serializer=serializer),
    }
    return grpc.method_handlers_generic_handler(health.SERVICE_NAME, handlers)


async def add_standard_services(
    server: grpc.aio.Server, engine: Engine, service: str, receiver: MessageReceiver
) -> HealthService:
    """Add both services to a server; return the first, which shows that the server shuts down."""
    health_service = HealthService(engine, service)
    await health_service.update()
    server.add_generic_rpc_handlers((_health_handler(health_service, receiver),))
    auth = BearerAuth(engine.config.token)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(ReflectionService(service, auth), server)
    return health_service
