"""The short way for people: one raw row in, an answer in words out.

POST /predict/{name}    {"text": "..."}, {"features": [...]} or {"pixels": [[...]]}; a picture, as PNG or JPEG, itself
                        or as a file in a form: light on dark, or with ?background=light
GET  /models            what is served
"""

from __future__ import annotations

import time

from penstock.serving.engine import Engine
from penstock.serving.http import Request, Response, Routes, json_response
from penstock.serving.one_row import is_picture, one_row


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
        started = time.perf_counter()
        model = self.repository.get(request.names["name"])
        inputs = {model.input.name: await one_row(self.engine, request, model)}
        left = self.engine.seconds_left(request.arrived) if is_picture(request) else None
        outputs = await self.engine.infer(model, inputs, left)
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        return json_response(model.answer(outputs, 0) | {"milliseconds": milliseconds, "model_version": model.version})
