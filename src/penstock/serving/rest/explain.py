"""Explain a label: POST /explain/{name}, with the body of /predict/{name}.

Images are answered with `weights` [height][width], one per pixel; texts with `weights` [{"start", "end", "weight"}],
one per word, in characters. occlusion.py has the method. A request costs at most `occlusion.MAX_TEXT_PARTS` + 1 rows,
run in small batches, so that requests of others run in between.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.errors import InputError
from penstock.serving.http.messages import Request, Response, json_response
from penstock.serving.http.routes import Routes
from penstock.serving.rest.occlusion import ImageParts, TextParts, log_odds_drops
from penstock.serving.rest.single_row import read_row
from penstock.serving.runtime.engine import Engine
from penstock.serving.runtime.model import ServedModel

BATCH_SIZE = 32
DIGITS = 4


def add_routes(routes: Routes, engine: Engine) -> None:
    """Add the route of this module."""
    routes.add("POST", "/explain/{name}", ExplainEndpoint(engine).explain)


class ExplainEndpoint:
    """Handler of /explain/{name}."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.repository = engine.repository

    async def explain(self, request: Request) -> Response:
        model = self.repository.get(request.path_parameters["name"])
        if not is_explainable(model):
            raise InputError(f"{model.name}: only classifiers of grey images and texts can be explained")
        ((row,),) = (await read_row(self.engine, request, model)).values()
        started = time.perf_counter()
        rule = model.metadata.get("word_rule", "ascii")
        parts = TextParts.of(row, rule) if isinstance(row, str) else ImageParts.of(row)
        probabilities = await self._probabilities(model, parts.rows, request.arrived)
        label = int(probabilities[0].argmax())
        drops = log_odds_drops(probabilities, label)
        return json_response(
            {
                "label": model.classes[label],
                "probability": float(probabilities[0, label]),
                "method": "occlusion",
                "weights": _weights(parts, drops),
                "milliseconds": round((time.perf_counter() - started) * 1000, 3),
                "model_version": model.version,
            }
        )

    async def _probabilities(self, model: ServedModel, rows: NDArray[Any], arrived: float) -> NDArray[np.float32]:
        """Return probabilities [rows, classes], computed in batches within the timeout of one request."""
        batches = [rows[first : first + BATCH_SIZE] for first in range(0, len(rows), BATCH_SIZE)]
        outputs = [
            await self.engine.infer_parts(model, {model.input.name: batch}, self.engine.seconds_left(arrived))
            for batch in batches
        ]
        return np.concatenate([output["probabilities"] for output in outputs])


def is_explainable(model: ServedModel) -> bool:
    """Return whether a model is a classifier of grey images or of texts."""
    return bool(model.classes) and not model.runs_whole and (model.takes_grey_images or model.takes_texts)


def _weights(parts: ImageParts | TextParts, drops: NDArray[np.float64]) -> list[Any]:
    if isinstance(parts, ImageParts):
        pixels: list[Any] = np.round(parts.weights(drops), DIGITS).tolist()
        return pixels
    spans = zip(parts.spans, drops, strict=True)
    return [{"start": span.start, "end": span.end, "weight": round(float(drop), DIGITS)} for span, drop in spans]
