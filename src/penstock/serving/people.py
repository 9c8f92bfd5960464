"""The short way for people: one raw row in, an answer in words out.

POST /predict/{name}    {"text": "..."}, {"features": [...]} or {"pixels": [[...]]}; a picture, as PNG or JPEG, itself
                        or as a file in a form: light on dark, or with ?background=light
GET  /models            what is served
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

from numpy.typing import NDArray

from penstock.serving.engine import Engine
from penstock.serving.http import Request, Response, Routes, json_response
from penstock.serving.json_values import rows_of
from penstock.serving.models import ServedModel
from penstock.serving.refusals import InputError, WrongKindError

PICTURES = (b"image/", b"multipart/form-data")
BACKGROUNDS = ("dark", "light")
# Each holds one large picture in memory.
DECODING_THREADS = 2


def add_routes(routes: Routes, engine: Engine) -> None:
    people = _People(engine)
    routes.add("GET", "/models", people.models)
    routes.add("POST", "/predict/{name}", people.predict)


class _People:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.repository = engine.repository
        self._decoding = ThreadPoolExecutor(DECODING_THREADS, "decoding")

    async def models(self, _request: Request) -> Response:
        return json_response({name: model.version for name, model in self.repository.models.items()})

    async def predict(self, request: Request) -> Response:
        started = time.perf_counter()
        model = self.repository.get(request.names["name"])
        outputs = await self.engine.infer(model, {model.input.name: await self._row(request, model)})
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        return json_response(model.answer(outputs, 0) | {"milliseconds": milliseconds, "model_version": model.version})

    async def _row(self, request: Request, model: ServedModel) -> NDArray[Any]:
        """[1, ...]"""
        spec = model.input
        if request.headers.get(b"content-type", b"").lower().startswith(PICTURES):
            if spec.datatype != "UINT8":
                raise WrongKindError(f'{model.name} takes no pictures: wants {{"{spec.name}": ...}}, as JSON')
            return await asyncio.get_running_loop().run_in_executor(self._decoding, _picture, request, model)
        body = request.json()
        if set(body) != {spec.name}:
            raise InputError(f'wants {{"{spec.name}": ...}}: {model.metadata["input"]}')
        return rows_of([body[spec.name]], spec)


def _picture(request: Request, model: ServedModel) -> NDArray[Any]:
    from penstock.serving.images import pixels, upload

    background = parse_qs(request.query).get("background", ["dark"])[-1]
    if background not in BACKGROUNDS:
        raise InputError(f"background: wants {' or '.join(BACKGROUNDS)}, not '{background}'")
    content, picture_format = upload(request.body, request.headers[b"content-type"].decode("latin-1"))
    _, height, width = model.input.shape
    return pixels(content, (width, height), [picture_format], light_background=background == "light")[None]
