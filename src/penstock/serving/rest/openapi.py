"""GET /openapi.json: openapi.json of this folder, filled in with the served models.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import orjson

from penstock.serving.codecs.tensors import DTYPES, TensorSpec
from penstock.serving.http.messages import Request, Response, json_response
from penstock.serving.http.routes import Routes
from penstock.serving.rest.explain import is_explainable
from penstock.serving.runtime.columns import Column, is_single_value
from penstock.serving.runtime.engine import Engine
from penstock.serving.runtime.model import ServedModel

TEMPLATE = Path(__file__).with_suffix(".json").read_bytes()
JSON = "application/json"
# An example row of more numbers is not readable.
MAX_EXAMPLE_SIZE = 16

Models = Mapping[str, ServedModel]
Part = dict[str, Any]
T = TypeVar("T")


def add_routes(routes: Routes, engine: Engine) -> None:
    """Add the route of the document."""

    async def openapi(_request: Request) -> Response:
        return json_response(openapi_document(engine.repository.models, auth=engine.config.token is not None))

    routes.add("GET", "/openapi.json", openapi)


def openapi_document(models: Models, *, auth: bool) -> Part:
    """Return the OpenAPI document of a server.

    Args:
        models: The served models.
        auth: Whether clients must send a token.
    """
    document: Part = orjson.loads(TEMPLATE)
    document["info"]["version"] = version("penstock")
    document["security"] = [{"token": []}] if auth else []
    components = document["components"]
    components["parameters"]["name"]["schema"]["enum"] = list(models)
    elements = {datatype: components["schemas"][datatype] for datatype in DTYPES}
    _fill_schemas(components["schemas"], models, elements)
    _fill_bodies(components["requestBodies"], models)
    return document


def _fill_schemas(schemas: Part, models: Models, elements: Part) -> None:
    schemas["Row"] = _one_of(models.values(), lambda model: _row(model, elements))
    schemas["Rows"]["properties"]["instances"]["items"] = _one_of(
        [model for model in models.values() if model.inputs and not model.runs_whole],
        lambda model: _row(model, elements),
    )
    explainable = [model for model in models.values() if is_explainable(model)]
    schemas["ExplainableRow"] = _one_of(explainable, lambda model: _row(model, elements))
    one = _one_of(models.values(), lambda model: _prediction(model, elements))
    # The first of one list, not of lists in lists: Swagger UI makes its example of it.
    schemas["Prediction"] = {"anyOf": [*one.get("anyOf", [one]), {"$ref": "#/components/schemas/Predictions"}]}
    specs = [spec for model in models.values() for spec in model.specs.values()]
    schemas["InferenceRequest"]["properties"]["inputs"]["items"] = _one_of(specs, _input_tensor)


def _fill_bodies(bodies: Part, models: Models) -> None:
    explainable = {name: model for name, model in models.items() if is_explainable(model)}
    for body, its_models in (("Row", models), ("ExplainableRow", explainable)):
        content = bodies[body]["content"]
        content[JSON]["examples"] = {name: {"value": row} for name, row in _example_rows(its_models)}
        if not any(model.takes_images for model in its_models.values()):
            bodies[body]["content"] = {JSON: content[JSON]}
    requests = {name: {"value": request} for name, request in _example_requests(models)}
    bodies["InferenceRequest"]["content"][JSON]["examples"] = requests


def _one_of(values: Iterable[T], schema_of: Callable[[T], Part]) -> Part:
    """Return a schema for any of the values."""
    schemas: list[Part] = []
    for schema in map(schema_of, values):
        if schema not in schemas:
            schemas.append(schema)
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _object(required: Mapping[str, Part], **more: object) -> Part:
    return {"type": "object", "properties": dict(required), "required": list(required), **more}


def _row(model: ServedModel, elements: Part) -> Part:
    """Describe the body of a short request: one row by the name of each input."""
    whole = {column.input: column for column in model.columns if column.place is None}
    rows = {
        spec.name: _column(spec, whole[spec.name], elements)
        if model.signature.is_table and is_single_value(spec)
        else _nested(spec, elements) | {"description": model.metadata.get("input", spec.expected)}
        for spec in model.inputs
    }
    schema = _object(rows, additionalProperties=False)
    schema["required"] = [name for name in rows if name not in whole or whole[name].missing is None]
    return schema


def _column(spec: TensorSpec, column: Column, elements: Part) -> Part:
    """Describe the value of a column; others than the known categories are answered as well."""
    unit = f" in {column.unit}" if column.unit else ""
    schema: Part = {**elements[spec.datatype], "description": f"{column.description or column.name}{unit}"}
    if column.is_boolean:
        schema["type"] = ["boolean", "string"]
    if column.categories:
        schema["examples"] = list(column.categories)[:MAX_EXAMPLE_SIZE]
    elif column.example is not None:
        schema["examples"] = [column.example]
    return schema if column.missing is None else {"anyOf": [schema, {"type": "null"}]}


def _prediction(model: ServedModel, elements: Part) -> Part:
    number = {"type": "number"}
    outputs: Part = {spec.name: _nested(spec, elements, whole=model.runs_whole) for spec in model.outputs}
    if model.classes and not model.runs_whole:
        outputs = {"label": {"enum": model.classes}, "probabilities": _object(dict.fromkeys(model.classes, number))}
    if model.label_names and not model.runs_whole:
        labels = {"type": "array", "items": {"enum": model.label_names}}
        outputs = {"labels": labels, "probabilities": _object(dict.fromkeys(model.label_names, number))}
    return _object({**outputs, "milliseconds": number, "model_version": {"type": "string"}})


def _nested(spec: TensorSpec, elements: Part, *, whole: bool = False) -> Part:
    """Describe one row of a tensor, or the whole tensor: lists in lists of its sizes."""
    schema: Part = elements[spec.datatype]
    for size in reversed(spec.shape if whole else spec.shape[1:]):
        sizes = {} if size == -1 else {"minItems": size, "maxItems": size}
        schema = {"type": "array", "items": schema, **sizes}
    return schema


def _input_tensor(spec: TensorSpec) -> Part:
    """Describe a tensor of a request; its data are here, or behind the JSON, as its parameters say."""
    dimensions = len(spec.shape)
    sizes: Part = {"type": "array", "items": {"type": "integer", "minimum": 1}}
    most = 2 if dimensions == 1 else dimensions  # [rows, 1] is taken for [rows]
    shape = sizes | {"minItems": dimensions, "maxItems": most, "examples": [_smallest(spec)]}
    tensor = _object({"name": {"const": spec.name}, "datatype": {"const": spec.datatype}, "shape": shape})
    size = {"type": "integer", "minimum": 0}
    tensor["properties"] |= {
        "data": {"type": "array", "description": "flat, or nested by the shape"},
        "parameters": {"type": "object", "properties": {"binary_data_size": size}},
    }
    return tensor


def _smallest(spec: TensorSpec) -> list[int]:
    """Return the sizes of a tensor, with 1 for those that are open."""
    return [1 if size == -1 else size for size in spec.shape]


def _example_rows(models: Models) -> Iterator[tuple[str, Part]]:
    """Yield a row for each model whose rows are short enough to be read."""
    for name, model in models.items():
        if model.takes_texts:
            yield name, {model.input.name: "A wonderful film."}
        elif model.signature.is_table and all(map(is_single_value, model.inputs)):
            yield name, {column.input: _example_value(column) for column in model.columns}
        elif len(model.inputs) == 1 and model.input.datatype != "BYTES" and model.input.shape[:1] == (-1,):
            sizes = _smallest(model.input)[1:]
            if len(sizes) == 1 and prod(sizes) <= MAX_EXAMPLE_SIZE:
                yield name, {model.input.name: [1] * prod(sizes)}


def _example_value(column: Column) -> Any:  # noqa: ANN401  (of the type of the column)
    if column.example is not None:
        return column.example
    if column.categories:
        return column.categories[0]
    if column.datatype in ("BYTES", "BOOL"):
        return "a" if column.datatype == "BYTES" else True
    return column.range[0] if column.range else 1


def _example_requests(models: Models) -> Iterator[tuple[str, Part]]:
    for name, row in _example_rows(models):
        values = {key: value if isinstance(value, list) else [value] for key, value in row.items()}
        yield (
            name,
            {
                "inputs": [
                    spec.to_json() | {"shape": _smallest(spec), "data": values[spec.name]}
                    for spec in models[name].inputs
                ]
            },
        )
