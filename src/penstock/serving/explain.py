"""Which parts of an input an answer rests on: POST /explain/{name}, with the body that /predict/{name} takes.

Images answer with a weight for each pixel, `weights` [height][width]; texts with one for each word, `weights`
[{"start", "end", "weight"}] in characters. The method is `penstock.serving.occlusion`'s. One request costs at most
`occlusion.PARTS_OF_TEXT` rows and one more, a few at a time, so that the requests of others go in between.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.engine import Engine
from penstock.serving.http import Request, Response, Routes, json_response
from penstock.serving.models import ServedModel
from penstock.serving.occlusion import ImageParts, TextParts, losses
from penstock.serving.one_row import one_row
from penstock.serving.refusals import InputError

ROWS_AT_ONCE = 32
DIGITS = 4


def add_routes(routes: Routes, engine: Engine) -> None:
    routes.add("POST", "/explain/{name}", Explanations(engine).explain)


class Explanations:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.repository = engine.repository

    async def explain(self, request: Request) -> Response:
        model = self.repository.get(request.names["name"])
        if not is_explained(model):
            raise InputError(f"{model.name}: only the labels of images and of texts are explained")
        (row,) = await one_row(self.engine, request, model)
        started = time.perf_counter()
        parts = TextParts.of(row) if isinstance(row, str) else ImageParts.of(row)
        probabilities = await self._probabilities(model, parts.rows, request.arrived)
        label = int(probabilities[0].argmax())
        found = losses(probabilities, label)
        return json_response(
            {
                "label": model.classes[label],
                "probability": float(probabilities[0, label]),
                "method": "occlusion",
                "weights": _weights(parts, found),
                "milliseconds": round((time.perf_counter() - started) * 1000, 3),
                "model_version": model.version,
            }
        )

    async def _probabilities(self, model: ServedModel, rows: NDArray[Any], arrived: float) -> NDArray[np.float32]:
        """[rows, classes], asked for in batches of bounded size; all of them in the time of one request."""
        batches = [rows[first : first + ROWS_AT_ONCE] for first in range(0, len(rows), ROWS_AT_ONCE)]
        answers = [
            await self.engine.infer(model, {model.input.name: batch}, self.engine.seconds_left(arrived))
            for batch in batches
        ]
        return np.concatenate([answer["probabilities"] for answer in answers])


def is_explained(model: ServedModel) -> bool:
    return bool(model.classes) and model.input.datatype in ("UINT8", "BYTES")


def _weights(parts: ImageParts | TextParts, found: NDArray[np.float64]) -> list[Any]:
    if isinstance(parts, ImageParts):
        pixels: list[Any] = np.round(parts.weights(found), DIGITS).tolist()
        return pixels
    spans = zip(parts.spans, found, strict=True)
    return [{"start": span.start, "end": span.end, "weight": round(float(loss), DIGITS)} for span, loss in spans]
