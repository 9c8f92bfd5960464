"""An optional input that moves an autoencoder's code, for those who want to see what the numbers of it mean.

`code_shift` float32 [rows or 1, K] is added to the code before it is decoded; `code` itself stays what it was. Its
default is zeros, so nobody needs to give it: stock onnxruntime lists it under `get_overridable_initializers`.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CODE, CODE_SHIFT = "code", "code_shift"
_SHIFTED = "shifted_code"


def with_code_shift(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of a graph that has an output `code` float32 [batch, K], whose other outputs are of the shifted code."""
    shifted = onnx.ModelProto()
    shifted.CopyFrom(proto)
    graph = shifted.graph
    (code,) = (output for output in graph.output if output.name == CODE)
    width = code.type.tensor_type.shape.dim[1].dim_value
    for node in graph.node:
        node.input[:] = [_SHIFTED if name == CODE else name for name in node.input]
    (made_by,) = (place for place, node in enumerate(graph.node) if CODE in node.output)
    graph.node.insert(made_by + 1, helper.make_node("Add", [CODE, CODE_SHIFT], [_SHIFTED], name=CODE_SHIFT))
    graph.initializer.append(numpy_helper.from_array(np.zeros((1, width), dtype=np.float32), CODE_SHIFT))
    # An initializer that is an input as well is the input's default.
    graph.input.append(helper.make_tensor_value_info(CODE_SHIFT, TensorProto.FLOAT, ["rows or 1", width]))
    return shifted
