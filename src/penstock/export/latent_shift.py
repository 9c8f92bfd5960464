"""An optional input that shifts an autoencoder's code, to show what its numbers mean.

`code_shift` float32 [rows or 1, K] is added to the code before decoding; the output `code` does not change. The default
is zeros, so the input is optional: onnxruntime lists it under `get_overridable_initializers`.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CODE, CODE_SHIFT = "code", "code_shift"
_SHIFTED = "shifted_code"


def with_code_shift(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a graph in which all outputs but `code` are computed from the shifted code.

    Args:
        proto: A model with an output `code`, float32 [batch, K].
    """
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
    # An initializer with the name of an input is the default of that input.
    graph.input.append(helper.make_tensor_value_info(CODE_SHIFT, TensorProto.FLOAT, ["rows or 1", width]))
    return shifted
