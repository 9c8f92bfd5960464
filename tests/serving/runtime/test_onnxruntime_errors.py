"""Errors of onnxruntime name no folders."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from penstock.serving.errors import ModelFailedError
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.onnxruntime_errors import ONNXRUNTIME_ERRORS, message_without_folders
from tests.serving import tiny_models

IMPOSSIBLE = {"numbers": np.array([tiny_models.IMPOSSIBLE], np.float32)}


def exported_at(folder):
    """Return `fractions` with nodes named by a folder of the exporting machine."""
    model = tiny_models.fractions()
    for number, node in enumerate(model.graph.node):
        node.name = f"{folder}node_{number}"
    return model


def reshape():
    """`numbers` float32 [rows, 2] to [3, ...]; the error for other rows names a file of onnxruntime's source."""
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["numbers", "shape"], ["same"])],
        "reshape",
        [helper.make_tensor_value_info("numbers", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor_value_info("same", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.array([3, -1]), "shape")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize("folder", ["/home/alice/my models/", "C:\\Users\\alice\\models\\", "/model/layer1/"])
def test_failed_runs_name_the_node_without_its_folder(folder):
    model = ServedModel("broken", exported_at(folder).SerializeToString())
    with pytest.raises(ModelFailedError, match=r"idx=9") as failure:
        model.run(IMPOSSIBLE)
    assert "Name:'node_4'" in str(failure.value)


def test_failed_runs_name_no_folder_of_the_source_of_onnxruntime():
    model = onnxruntime.InferenceSession(reshape().SerializeToString())
    with pytest.raises(ONNXRUNTIME_ERRORS, match="/onnxruntime/core") as failure:
        model.run(None, {"numbers": np.zeros((2, 2), np.float32)})
    message = message_without_folders(failure.value)
    assert "reshape_helper.h" in message
    assert "/onnxruntime" not in message


def test_failed_loads_name_the_file_without_its_folder(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ONNXRUNTIME_ERRORS, match=str(tmp_path)) as failure:
        onnxruntime.InferenceSession(str(path))
    message = message_without_folders(failure.value)
    assert "model.onnx" in message
    assert "/" not in message


def test_other_slashes_stay():
    assert message_without_folders(ValueError("1/2 and/or a / b, {2,3}/4")) == "1/2 and/or a / b, {2,3}/4"
