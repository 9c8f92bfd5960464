"""GET /openapi.json: the document of what is served now."""

from __future__ import annotations

from penstock.serving.engine import Engine
from penstock.serving.http import Request, Response, Routes, json_response
from penstock.serving.openapi.document import document


def add_routes(routes: Routes, engine: Engine) -> None:
    async def tell(_request: Request) -> Response:
        return json_response(document(engine.repository.models, token=engine.settings.token is not None))

    routes.add("GET", "/openapi.json", tell)
