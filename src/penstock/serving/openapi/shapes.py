"""What bodies look like, as JSON schemas (https://json-schema.org/draft/2020-12)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.serving.json_values import LARGEST_FP32
from penstock.serving.models import ServedModel
from penstock.serving.tensors import TensorSpec

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
BINARY: Schema = {"type": "string", "format": "binary"}
# One element of a tensor's data.
ELEMENTS: dict[str, Schema] = {
    "FP32": NUMBER | {"minimum": -LARGEST_FP32, "maximum": LARGEST_FP32},
    "UINT8": INTEGER | {"minimum": 0, "maximum": 255},
    "INT64": INTEGER | {"minimum": -(2**63), "maximum": 2**63 - 1},
    "BYTES": STRING,
}


def an_object(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object of these keys; answers may have others, which are not told."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "properties": properties, "required": list(required)}


def a_list(items: Schema, size: int | None = None) -> Schema:
    """size: exactly so many; any number where it is None."""
    sizes = {} if size is None else {"minItems": size, "maxItems": size}
    return {"type": "array", "items": items, **sizes}


def a_ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def one_of(schemas: Sequence[Schema]) -> Schema:
    """Each once; a choice of one is no choice."""
    different = [schema for number, schema in enumerate(schemas) if schema not in schemas[:number]]
    return different[0] if len(different) == 1 else {"anyOf": different}


def nested(spec: TensorSpec) -> Schema:
    """A row of a tensor, or one of its outputs: lists in lists, in its sizes."""
    schema = ELEMENTS[spec.datatype]
    for size in reversed(spec.shape[1:]):
        schema = a_list(schema, size)
    return schema


def row(model: ServedModel) -> Schema:
    """The body of the short way: one raw row by the input's name."""
    described = nested(model.input) | {"description": model.metadata.get("input", model.input.wanted)}
    return an_object({model.input.name: described}) | {"additionalProperties": False}


def answer(model: ServedModel) -> Schema:
    """What the short way answers."""
    outputs = (
        {
            "label": {"enum": model.classes},
            "probabilities": an_object(dict.fromkeys(model.classes, NUMBER)),
        }
        if model.classes
        else {spec.name: nested(spec) for spec in model.outputs}
    )
    return an_object({**outputs, "milliseconds": NUMBER, "model_version": STRING})


def input_tensor(spec: TensorSpec) -> Schema:
    """A tensor of a request by the protocol; its data are here, or behind the JSON, as its parameters say."""
    return an_object(
        {
            "name": {"const": spec.name},
            "datatype": {"const": spec.datatype},
            "shape": a_list(INTEGER | {"minimum": 1}, len(spec.shape)) | {"examples": [[1, *spec.shape[1:]]]},
        },
        {
            "data": {"type": "array", "description": "flat, or nested as the shape says"},
            "parameters": an_object({}, {"binary_data_size": INTEGER | {"minimum": 0}}),
        },
    )


# What does not depend on the models that are served.
COMPONENTS: dict[str, Schema] = {
    "Error": an_object({"error": STRING | {"description": "what was wrong, and what is wanted"}}),
    "Live": an_object({"live": BOOLEAN}),
    "Ready": an_object({"ready": BOOLEAN}, {"error": STRING}),
    "ModelReady": an_object({"name": STRING, "ready": BOOLEAN}),
    "Server": an_object({"name": STRING, "version": STRING, "extensions": a_list(STRING)}),
    "Tensor": an_object(
        {
            "name": STRING,
            "datatype": {"enum": list(ELEMENTS)},
            "shape": a_list(INTEGER) | {"description": "-1 is as many rows as there are"},
        }
    ),
    "Model": an_object(
        {
            "name": STRING,
            "versions": a_list(STRING) | {"description": "the first 12 digits of the file's sha256"},
            "platform": STRING,
            "inputs": a_list(a_ref("Tensor")),
            "outputs": a_list(a_ref("Tensor")),
            "parameters": {"type": "object", "description": "what the model was made from"},
        },
        {
            "optional_inputs": a_list(a_ref("Tensor")) | {"description": "have values of their own"},
            "classes": a_list(STRING),
        },
    ),
    "Index": a_list(
        an_object(
            {"name": STRING, "state": {"enum": ["READY", "UNAVAILABLE"]}},
            {"version": STRING, "reason": STRING},
        )
    ),
    "Explanation": an_object(
        {
            "label": STRING,
            "probability": NUMBER,
            "method": {"const": "occlusion"},
            "weights": {
                "description": "what the log-odds of the label lose without the pixel, or without the word at these "
                "characters of the text",
                "anyOf": [
                    a_list(a_list(NUMBER)),
                    a_list(an_object({"start": INTEGER, "end": INTEGER, "weight": NUMBER})),
                ],
            },
            "milliseconds": NUMBER,
            "model_version": STRING,
        }
    ),
    "Versions": {"type": "object", "additionalProperties": STRING},
    "Answer": an_object(
        {
            "model_name": STRING,
            "model_version": STRING,
            "outputs": a_list(
                an_object(
                    {"name": STRING, "datatype": {"enum": list(ELEMENTS)}, "shape": a_list(INTEGER)},
                    {"data": {"type": "array"}, "parameters": {"type": "object"}},
                )
            ),
        },
        {"id": STRING},
    ),
}
