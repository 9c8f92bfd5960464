"""Whether the server lives and takes requests, and what it has done.

    GET /v2/health/live, /v2/health/ready    for whoever starts it and sends callers to it
    GET /metrics                             for Prometheus

These answer from memory.
"""

from __future__ import annotations

from penstock.serving.engine import Engine
from penstock.serving.http import Request, Response, Routes, json_response

PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"


def add_routes(routes: Routes, engine: Engine) -> None:
    health = _Health(engine)
    routes.add("GET", "/v2/health/live", health.live)
    routes.add("GET", "/v2/health/ready", health.ready)
    routes.add("GET", "/metrics", health.metrics)


class _Health:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.repository = engine.repository

    async def live(self, _request: Request) -> Response:
        return json_response({"live": True})

    async def ready(self, _request: Request) -> Response:
        if self.repository.ready:
            return json_response({"ready": True})
        return json_response({"ready": False, "error": "the server takes no more requests"}, 503)

    async def metrics(self, _request: Request) -> Response:
        versions = {name: model.version for name, model in self.repository.models.items()}
        return Response(self.engine.metrics.text(versions, self.engine.waiting).encode(), kind=PROMETHEUS)
