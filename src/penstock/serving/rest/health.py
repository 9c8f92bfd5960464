"""Health and metrics of the server; these routes answer from memory.

GET /v2/health/live, /v2/health/ready    for supervisors and load balancers
GET /metrics                             for Prometheus
"""

from __future__ import annotations

from penstock.serving.http.messages import Request, Response, json_response
from penstock.serving.http.routes import Routes
from penstock.serving.metrics import CONTENT_TYPE
from penstock.serving.runtime.engine import Engine


def add_routes(routes: Routes, engine: Engine) -> None:
    """Add the routes of this module."""
    endpoints = HealthEndpoints(engine)
    routes.add("GET", "/v2/health/live", endpoints.live)
    routes.add("GET", "/v2/health/ready", endpoints.ready)
    routes.add("GET", "/metrics", endpoints.metrics)


class HealthEndpoints:
    """Handlers of the health and metrics routes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.repository = engine.repository

    async def live(self, _request: Request) -> Response:
        return json_response({"live": True})

    async def ready(self, _request: Request) -> Response:
        if self.repository.is_ready(all_models=self.engine.config.ready_requires_all):
            return json_response({"ready": True})
        if self.repository.ready:
            names = ", ".join(self.repository.rejected)
            return json_response({"ready": False, "error": f"not served: {names}; see /v2/repository/index"}, 503)
        return json_response({"ready": False, "error": "the server is shutting down"}, 503)

    async def metrics(self, _request: Request) -> Response:
        versions = {name: model.version for name, model in self.repository.models.items()}
        return Response(self.engine.metrics.export(versions, self.engine.queue_sizes), media_type=CONTENT_TYPE)
