"""Build tiny validated models that can fail in every way."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from penstock.export.tokenizer_graph import text_graph
from penstock.io.files import read_json, write_bytes, write_json

# Rows of `fractions`: [a, b] gives a table's entry b, and 1/a. No entry 9 is there, and 1/0 is no number.
TABLE = np.array([0, 10, 20, 30], np.float32)
GOOD, INFINITE, IMPOSSIBLE = [2.0, 1.0], [0.0, 1.0], [2.0, 9.0]
QUESTION = {"inputs": [{"name": "numbers", "datatype": "FP32", "shape": [1, 2], "data": GOOD}]}
"""One row as a request."""
INFER = "/v2/models/fractions/infer"


def fractions(shift=0.0, table=TABLE):
    """`numbers` float32 [rows, 2] to `sum` float32 [rows]: of the table's entry, 1/a and `shift`."""
    nodes = [
        helper.make_node("Gather", ["numbers", "zero"], ["a"], axis=1),
        helper.make_node("Gather", ["numbers", "one"], ["b"], axis=1),
        helper.make_node("Reciprocal", ["a"], ["fraction"]),
        helper.make_node("Cast", ["b"], ["index"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "index"], ["entry"]),
        helper.make_node("Sum", ["entry", "fraction", "shift"], ["sum"]),
    ]
    constants = {"zero": np.int64(0), "one": np.int64(1), "table": table, "shift": np.float32(shift)}
    return _model(nodes, ("numbers", TensorProto.FLOAT, 2), [("sum", TensorProto.FLOAT)], constants)


def slow(turns):
    """`numbers` float32 [rows, 2] to themselves, after `turns` products of large matrices."""
    square = np.zeros((512, 512), np.float32)
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["before", "square"], ["after"]),
            helper.make_node("Identity", ["go_on"], ["still"]),
        ],
        "turn",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, [512, 512]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, [512, 512]),
        ],
    )
    nodes = [
        helper.make_node("ReduceSum", ["numbers"], ["total"], keepdims=0),
        helper.make_node("Add", ["square", "total"], ["start"]),
        helper.make_node("Loop", ["turns", "", "start"], ["end"], body=body),
        helper.make_node("ReduceMax", ["end"], ["nothing"], keepdims=0),
        helper.make_node("Mul", ["nothing", "zero"], ["naught"]),
        helper.make_node("Add", ["numbers", "naught"], ["same"]),
    ]
    constants = {"square": square, "turns": np.int64(turns), "zero": np.float32(0)}
    return _model(nodes, ("numbers", TensorProto.FLOAT, 2), [("same", TensorProto.FLOAT, 2)], constants)


def scaled():
    """`numbers` float32 [rows, 2], and `shift` float32 [rows or 1, 2] that may be left out, to `parts` [rows, 2]: what
    `numbers` are of the largest in the run, and `shift`. As int8 does, it takes its scale from the whole run."""
    nodes = [
        helper.make_node("ReduceMax", ["numbers"], ["largest"], keepdims=0),
        helper.make_node("Div", ["numbers", "largest"], ["of_largest"]),
        helper.make_node("Add", ["of_largest", "shift"], ["parts"]),
    ]
    takes, shift = (
        ("numbers", TensorProto.FLOAT, 2),
        helper.make_tensor_value_info("shift", TensorProto.FLOAT, ["n", 2]),
    )
    model = _model(nodes, takes, [("parts", TensorProto.FLOAT, 2)], {"shift": np.zeros((1, 2), np.float32)})
    model.graph.input.append(shift)
    helper.set_model_props(model, {"input": "for tests", "precision": "int8"})
    return model


def bfloat16():
    """A valid model with an input type that is not served."""
    nodes = [helper.make_node("Identity", ["numbers"], ["same"])]
    return _model(nodes, ("numbers", TensorProto.BFLOAT16, 2), [("same", TensorProto.BFLOAT16, 2)], {})


def sides():
    """`pixels` uint8 [rows, 28, 28]: "left" or "right", whichever is brighter."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["bright"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["bright", "height"], ["columns"], keepdims=0),
        helper.make_node("Reshape", ["columns", "halves"], ["sides"]),
        helper.make_node("ReduceMean", ["sides", "width"], ["scores"], keepdims=0),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
    ]
    constants = {"height": np.array([1]), "halves": np.array([-1, 2, 14]), "width": np.array([2])}
    gives = [("probabilities", TensorProto.FLOAT, 2), ("label", TensorProto.INT64)]
    return _model(nodes, ("pixels", TensorProto.UINT8, 28, 28), gives, constants, classes='["left", "right"]')


def above(threshold):
    """`number` float32 [rows]: "low" or "high", whether it is above a threshold."""
    nodes = [
        helper.make_node("Sub", ["number", "threshold"], ["distance"]),
        helper.make_node("Sigmoid", ["distance"], ["high"]),
        helper.make_node("Sub", ["one", "high"], ["low"]),
        helper.make_node("Unsqueeze", ["low", "last"], ["low_column"]),
        helper.make_node("Unsqueeze", ["high", "last"], ["high_column"]),
        helper.make_node("Concat", ["low_column", "high_column"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    constants = {"threshold": np.float32(threshold), "one": np.float32(1), "last": np.array([1])}
    gives = [("probabilities", TensorProto.FLOAT, 2), ("label", TensorProto.INT64)]
    return _model(nodes, ("number", TensorProto.FLOAT), gives, constants, classes='["low", "high"]')


def echo():
    """`text` string [rows] to itself."""
    nodes = [helper.make_node("Identity", ["text"], ["same"])]
    return _model(nodes, ("text", TensorProto.STRING), [("same", TensorProto.STRING)], {})


def same(kind, *sizes):
    """`values` [rows, ...] of any type to themselves."""
    nodes = [helper.make_node("Identity", ["values"], ["same"])]
    return _model(nodes, ("values", kind, *sizes), [("same", kind, *sizes)], {})


def thirds(size):
    """`values` uint8 [rows, size] to a third of them, float32: as JSON, ten times the bytes."""
    nodes = [
        helper.make_node("Cast", ["values"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["numbers", "one"], ["more"]),
        helper.make_node("Div", ["more", "three"], ["third"]),
    ]
    constants = {"one": np.float32(1), "three": np.float32(3)}
    return _model(nodes, ("values", TensorProto.UINT8, size), [("third", TensorProto.FLOAT, size)], constants)


def token_ids(vocabulary, length, rule):
    """`text` string [rows] to `ids` int64 [rows, length], by the tokenizer of exported models."""
    model = text_graph(vocabulary, length, "text", "ids", rule)
    helper.set_model_props(model, {"parameters": "none"})
    return model


def save(folder: Path, name: str, model: onnx.ModelProto) -> str:
    """Write a model and its validation.json; return its version."""
    return save_bytes(folder, name, model.SerializeToString())


def save_bytes(folder: Path, name: str, content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    write_bytes(folder / name / "model.onnx", content)
    write_json(folder / name / "validation.json", {"sha256": digest})
    return digest[:12]


def adopt(folder: Path, name: str, candidate: onnx.ModelProto) -> None:
    """Write an int8 candidate that is served beside a saved model."""
    content, validation = candidate.SerializeToString(), folder / name / "validation.json"
    write_bytes(folder / name / "model.int8.onnx", content)
    write_json(validation, read_json(validation) | {"int8_sha256": hashlib.sha256(content).hexdigest()})


def _model(nodes, takes, gives, constants, **metadata):
    graph = helper.make_graph(
        nodes,
        "tiny",
        [_tensor(*takes)],
        [_tensor(*one) for one in gives],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(model, {"input": "for tests", "parameters": "none"} | metadata)
    onnx.checker.check_model(model, full_check=True)
    return model


def _tensor(name, kind, *sizes):
    return helper.make_tensor_value_info(name, kind, ["rows", *sizes])
