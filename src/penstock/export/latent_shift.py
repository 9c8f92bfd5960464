"""Add an optional graph input that shifts the code of an autoencoder.

Users shift the code to see the effect of each latent dimension. The graph adds `code_shift`, float32 [rows or 1, K], to
the code before decoding. The output `code` does not change. The input is optional because its default is zero:
onnxruntime lists it under `get_overridable_initializers`.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CODE, CODE_SHIFT = "code", "code_shift"
_SHIFTED = "shifted_code"


def with_code_shift(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a model that computes all outputs except `code` from the shifted code.

    Args:
        proto: Model with an output `code`, float32 [batch, K].
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
    # An initializer with the name of an input is its default value.
    graph.input.append(helper.make_tensor_value_info(CODE_SHIFT, TensorProto.FLOAT, ["rows or 1", width]))
    return shifted
