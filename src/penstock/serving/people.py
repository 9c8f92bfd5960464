"""The short way for people.

POST /predict/{name}    one raw row: {"text": "..."}, {"features": [...]} or {"pixels": [[...]]}
GET  /models            what is served
"""

from __future__ import annotations

import time

from penstock.serving.engine import Engine
from penstock.serving.http import Request, Response, Routes, json_response
from penstock.serving.json_values import rows_of
from penstock.serving.refusals import InputError


def add_routes(routes: Routes, engine: Engine) -> None:
    people = _People(engine)
    routes.add("GET", "/models", people.models)
    routes.add("POST", "/predict/{name}", people.predict)


class _People:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.repository = engine.repository

    async def models(self, _request: Request) -> Response:
        return json_response({name: model.version for name, model in self.repository.models.items()})

    async def predict(self, request: Request) -> Response:
        model = self.repository.get(request.names["name"])
        body = request.json()
        spec = model.input
        if set(body) != {spec.name}:
            raise InputError(f'wants {{"{spec.name}": ...}}: {model.metadata["input"]}')
        rows = rows_of([body[spec.name]], spec)
        started = time.perf_counter()
        outputs = await self.engine.infer(model, {spec.name: rows})
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        return json_response(model.answer(outputs, 0) | {"milliseconds": milliseconds, "model_version": model.version})
