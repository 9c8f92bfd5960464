"""Short routes for one row: predict, and list the models.

POST /predict/{name}    {"text": "..."}, {"features": [...]} or {"pixels": [[...]]}; or an image, PNG or JPEG, as the
                        body or as a file in a form: light on dark, or with ?background=light
GET  /models            the version of every served model
"""

from __future__ import annotations

import time

from penstock.serving.http.messages import Request, Response, json_response
from penstock.serving.http.routes import Routes
from penstock.serving.rest.single_row import is_image, read_row
from penstock.serving.runtime.engine import Engine


def add_routes(routes: Routes, engine: Engine) -> None:
    """Add the routes of this module."""
    endpoints = PredictEndpoints(engine)
    routes.add("GET", "/models", endpoints.models)
    routes.add("POST", "/predict/{name}", endpoints.predict)


class PredictEndpoints:
    """Handlers of the short routes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.repository = engine.repository

    async def models(self, _request: Request) -> Response:
        return json_response({name: model.version for name, model in self.repository.models.items()})

    async def predict(self, request: Request) -> Response:
        started = time.perf_counter()
        model = self.repository.get(request.path_parameters["name"])
        inputs = await read_row(self.engine, request, model, cut_texts=True)
        timeout = self.engine.seconds_left(request.arrived) if is_image(request) else None
        outputs = await self.engine.infer(model, inputs, timeout)
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        prediction = model.prediction(outputs, 0)
        return json_response(prediction | {"milliseconds": milliseconds, "model_version": model.version})
