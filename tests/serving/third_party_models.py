"""Build ONNX files that the pipeline would not export: outputs that are no rows, and inputs of any kind."""

import tempfile
import warnings

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

FLOAT, UINT8, INT64 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT64


def lstm_with_states():
    """`steps` float32 [rows, 5, 3] to the outputs [rows, 5, 4] and the states [1, rows, 4] of a torch LSTM."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        path = f"{folder}/model.onnx"
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _LSTM(),
            (torch.zeros(2, 5, 3),),
            path,
            dynamo=False,
            input_names=["steps"],
            output_names=["outputs", "hidden", "cell"],
            dynamic_axes={"steps": {0: "batch"}, "outputs": {0: "batch"}, "hidden": {1: "batch"}, "cell": {1: "batch"}},
        )
        return onnx.load(path)


class _LSTM(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(3, 4, batch_first=True)

    def forward(self, steps):
        outputs, (hidden, cell) = self.lstm(steps)
        return outputs, hidden, cell


def detector(threshold=0.0, rows="rows", boxes="boxes"):
    """`scores` float32 [rows, 1]: those above a threshold, any number of rows."""
    nodes = [
        helper.make_node("Squeeze", ["scores", "column"], ["flat"]),
        helper.make_node("Greater", ["flat", "threshold"], ["is_box"]),
        helper.make_node("Compress", ["scores", "is_box"], ["boxes"], axis=0),
    ]
    constants = {"column": np.array([1]), "threshold": np.float32(threshold)}
    return _model(nodes, [("scores", FLOAT, rows, 1)], [("boxes", FLOAT, boxes, 1)], constants)


def mean():
    """`numbers` float32 [rows, 2] to their mean, a scalar."""
    nodes = [helper.make_node("ReduceMean", ["numbers"], ["mean"], keepdims=0)]
    return _model(nodes, [("numbers", FLOAT, "rows", 2)], [("mean", FLOAT)], {})


def centred():
    """`numbers` float32 [rows, 2] without the mean of all rows: rows that change each other's outputs."""
    nodes = [
        helper.make_node("ReduceMean", ["numbers", "axis"], ["mean"]),
        helper.make_node("Sub", ["numbers", "mean"], ["centred"]),
    ]
    return _model(nodes, [("numbers", FLOAT, "rows", 2)], [("centred", FLOAT, "rows", 2)], {"axis": np.array([0])})


def without_inputs():
    """The constant [1, 2]."""
    nodes = [helper.make_node("Identity", ["constant"], ["numbers"])]
    return _model(nodes, [], [("numbers", FLOAT, 2)], {"constant": np.array([1, 2], np.float32)})


def double(*shape):
    """`numbers` float32 of a shape, times two."""
    nodes = [helper.make_node("Add", ["numbers", "numbers"], ["doubled"])]
    return _model(nodes, [("numbers", FLOAT, *shape)], [("doubled", FLOAT, *shape)], {})


def sum_of_two():
    """`a` and `b`, float32 [rows, 2], to their sum."""
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"])]
    return _model(nodes, [("a", FLOAT, "n", 2), ("b", FLOAT, "n", 2)], [("sum", FLOAT, "n", 2)], {})


def colour_pictures():
    """`pixels` uint8 [rows, 2, 2, 3] to themselves, with class names beside an output that has none."""
    nodes = [helper.make_node("Identity", ["pixels"], ["same"])]
    model = _model(nodes, [("pixels", UINT8, "n", 2, 2, 3)], [("same", UINT8, "n", 2, 2, 3)], {})
    helper.set_model_props(model, {"classes": '["a", "b"]'})
    return model


def with_class_names(classes):
    """`numbers` to themselves, with any entry `classes` in the metadata."""
    model = double("n", 2)
    helper.set_model_props(model, {"classes": classes})
    return model


def _model(nodes, takes, gives, constants):
    graph = helper.make_graph(
        nodes,
        "third_party",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, *shape in takes],
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, *shape in gives],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    return model
