"""Parts of the document that many routes have in common: answers, refusals, parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.serving.openapi.shapes import STRING, Schema, a_ref
from penstock.serving.refusals import REFUSALS

Part = dict[str, Any]

JSON, BYTES, TEXT = "application/json", "application/octet-stream", "text/plain"
PICTURES, FORM = ("image/png", "image/jpeg"), "multipart/form-data"
# Why a request may not be answered; whatever the route, the body says it in words. 405 is of no operation that is here.
TOLD, NAMED, COMPUTED = (401,), (401, 404), tuple(status for status in REFUSALS if status != 405)
PARAMETERS: dict[str, Part] = {
    "version": {"in": "path", "name": "version", "required": True, "schema": STRING},
    "header_length": {
        "in": "header",
        "name": "Inference-Header-Content-Length",
        "schema": {"type": "integer", "minimum": 0},
        "description": "How many bytes are JSON, where tensors follow as bytes.",
    },
    "background": {
        "in": "query",
        "name": "background",
        "schema": {"enum": ["dark", "light"]},
        "description": "Of a picture: models know light digits on dark ground, so another one is turned round.",
    },
}


def operation(tag: str, summary: str, answers: Part, refusals: Iterable[int] = TOLD, body: Part | None = None) -> Part:
    """answers: by status; refusals: of `REFUSALS`; body: schemas by content type."""
    refused = {str(status): {"$ref": f"#/components/responses/{status}"} for status in refusals}
    asked = {} if body is None else {"requestBody": {"required": True, "content": body}}
    return {"tags": [tag], "summary": summary, **asked, "responses": answers | refused}


def answers(schema: Schema, kind: str = JSON, status: int = 200, description: str = "The answer.") -> Part:
    return {str(status): {"description": description, "content": {kind: {"schema": schema}}}}


def refusal(status: int) -> Part:
    response: Part = {"description": REFUSALS[status], "content": {JSON: {"schema": a_ref("Error")}}}
    if status == 503:
        response["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    return response


def parameters(*names: str) -> list[Part]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]
