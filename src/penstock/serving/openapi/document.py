"""The OpenAPI document of a server with these models (https://spec.openapis.org/oas/v3.1.0)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from math import prod
from typing import Any

from penstock.serving.explain import is_explained
from penstock.serving.models import ServedModel
from penstock.serving.openapi.operations import (
    BYTES,
    COMPUTED,
    FORM,
    JSON,
    NAMED,
    PARAMETERS,
    PICTURES,
    TEXT,
    Part,
    answers,
    operation,
    parameters,
    refusal,
)
from penstock.serving.openapi.shapes import (
    BINARY,
    BOOLEAN,
    COMPONENTS,
    STRING,
    Schema,
    a_list,
    a_ref,
    an_object,
    answer,
    input_tensor,
    one_of,
    row,
)
from penstock.serving.refusals import REFUSALS

Models = Mapping[str, ServedModel]

SHORT, PROTOCOL, SERVER = "In short", "Open Inference Protocol", "The server"
# An input of more values than this has no example: nobody reads it.
LARGEST_EXAMPLE = 100


def document(models: Models, *, token: bool) -> dict[str, Any]:
    """models: those that are served now, whose names, rows and answers it gives; token: whether callers show one."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Penstock",
            "version": version("penstock"),
            "description": "Validated models, asked in short or by the Open Inference Protocol v2.",
        },
        "tags": [{"name": tag} for tag in (SHORT, PROTOCOL, SERVER)],
        "paths": _short(models) | _protocol(models) | _server(),
        "components": {
            "schemas": COMPONENTS | _schemas(models),
            "responses": {str(status): refusal(status) for status in REFUSALS},
            "parameters": {"name": _name(models), **PARAMETERS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}] if token else [],
    }


def _short(models: Models) -> Part:
    predict = operation(SHORT, "One raw row, one answer", answers(a_ref("ShortAnswer")), COMPUTED, _row(models, "Row"))
    explained = {name: model for name, model in models.items() if is_explained(model)}
    explanation, body = answers(a_ref("Explanation")), _row(explained, "ExplainedRow")
    explain = operation(SHORT, "What each pixel or word did to the answer", explanation, COMPUTED, body)
    return {
        "/predict/{name}": {"parameters": parameters("name", "background"), "post": predict},
        "/explain/{name}": {"parameters": parameters("name", "background"), "post": explain},
        "/models": {"get": operation(SHORT, "The models that are served, by version", answers(a_ref("Versions")))},
    }


def _row(models: Models, schema: str) -> Part:
    """A row in JSON, or the picture itself where a model takes one."""
    examples = {name: {"value": example} for name, example in _rows(models)}
    body: Part = {JSON: {"schema": a_ref(schema), "examples": examples}}
    if any(model.input.datatype == "UINT8" for model in models.values()):
        body |= {kind: {"schema": BINARY} for kind in PICTURES}
        body[FORM] = {"schema": an_object({"file": BINARY})}
    return body


def _protocol(models: Models) -> Part:
    only_ready = {JSON: {"schema": an_object({}, {"ready": BOOLEAN})}}
    index = operation(PROTOCOL, "Every model, and why one is not served", answers(a_ref("Index")), (400, 401))
    return {
        "/v2": {"get": operation(PROTOCOL, "What this server is", answers(a_ref("Server")))},
        **_model(models, "/v2/models/{name}", parameters("name")),
        **_model(models, "/v2/models/{name}/versions/{version}", parameters("name", "version")),
        "/v2/repository/index": {"get": index, "post": index | {"requestBody": {"content": only_ready}}},
    }


def _model(models: Models, path: str, named: list[Part]) -> Part:
    told = operation(PROTOCOL, "Inputs, outputs, what the model was made from", answers(a_ref("Model")), NAMED)
    ready = operation(PROTOCOL, "Whether the model takes requests", answers(a_ref("ModelReady")), NAMED)
    examples = {name: {"value": example} for name, example in _requests(models)}
    body = {JSON: {"schema": a_ref("Request"), "examples": examples}, BYTES: {}}
    outputs = {"200": {"description": "The outputs.", "content": {JSON: {"schema": a_ref("Answer")}, BYTES: {}}}}
    infer = operation(PROTOCOL, "Rows in, outputs out", outputs, COMPUTED, body)
    return {
        path: {"parameters": named, "get": told},
        f"{path}/ready": {"parameters": named, "get": ready},
        f"{path}/infer": {"parameters": [*named, *parameters("header_length")], "post": infer},
    }


def _server() -> Part:
    """Health is told to whoever asks, with a token or without."""
    ready = answers(a_ref("Ready")) | answers(a_ref("Ready"), status=503, description="It takes no more requests.")
    return {
        "/v2/health/live": {
            "get": operation(SERVER, "Whether it lives", answers(a_ref("Live")), ()) | {"security": []}
        },
        "/v2/health/ready": {"get": operation(SERVER, "Whether it takes requests", ready, ()) | {"security": []}},
        "/metrics": {"get": operation(SERVER, "Counts and times, for Prometheus", answers(STRING, TEXT))},
        "/openapi.json": {"get": operation(SERVER, "This document", answers({"type": "object"}))},
    }


def _schemas(models: Models) -> dict[str, Schema]:
    """What follows from the models that are served."""
    specs = [spec for model in models.values() for spec in model.specs.values()]
    asked = a_list(an_object({"name": STRING}, {"parameters": an_object({}, {"binary_data": BOOLEAN})}))
    options = an_object({}, {"binary_data_output": BOOLEAN, "timeout": {"type": "integer", "minimum": 0}})
    return {
        "Row": one_of([row(model) for model in models.values()]),
        "ExplainedRow": one_of([row(model) for model in models.values() if is_explained(model)]),
        "ShortAnswer": one_of([answer(model) for model in models.values()]),
        "Request": an_object(
            {"inputs": a_list(one_of([input_tensor(spec) for spec in specs])) | {"minItems": 1}},
            {"id": STRING, "outputs": asked, "parameters": options},
        ),
    }


def _name(models: Models) -> Part:
    return {"in": "path", "name": "name", "required": True, "schema": {"enum": list(models)}}


def _rows(models: Models) -> Iterator[tuple[str, Part]]:
    """A row for each model, where it is short enough to be read."""
    for name, model in models.items():
        sizes = model.input.shape[1:]
        if model.input.datatype == "BYTES":
            yield name, {model.input.name: "A wonderful film."}
        elif len(sizes) == 1 and prod(sizes) <= LARGEST_EXAMPLE:
            yield name, {model.input.name: [1] * prod(sizes)}


def _requests(models: Models) -> Iterator[tuple[str, Part]]:
    for name, example in _rows(models):
        spec = models[name].input
        value = example[spec.name]
        tensor = spec.report() | {"shape": [1, *spec.shape[1:]], "data": value if isinstance(value, list) else [value]}
        yield name, {"inputs": [tensor]}
