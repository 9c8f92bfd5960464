"""Add an optional graph input that shifts the latent vector of an autoencoder.

Users shift the latent vector to see the effect of each dimension. The graph adds `latent_shift`, float32
[rows or 1, K], to the latent vector before decoding. The output `latent` does not change. The input is optional because
its default is zero: onnxruntime lists it under `get_overridable_initializers`.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LATENT, LATENT_SHIFT = "latent", "latent_shift"
_SHIFTED = "shifted_latent"


def with_latent_shift(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a model that computes all outputs except `latent` from the shifted latent vector.

    Args:
        proto: Model with an output `latent`, float32 [batch, K].
    """
    shifted = onnx.ModelProto()
    shifted.CopyFrom(proto)
    graph = shifted.graph
    (latent,) = (output for output in graph.output if output.name == LATENT)
    width = latent.type.tensor_type.shape.dim[1].dim_value
    for node in graph.node:
        node.input[:] = [_SHIFTED if name == LATENT else name for name in node.input]
    (made_by,) = (place for place, node in enumerate(graph.node) if LATENT in node.output)
    graph.node.insert(made_by + 1, helper.make_node("Add", [LATENT, LATENT_SHIFT], [_SHIFTED], name=LATENT_SHIFT))
    graph.initializer.append(numpy_helper.from_array(np.zeros((1, width), dtype=np.float32), LATENT_SHIFT))
    # An initializer with the name of an input is its default value.
    graph.input.append(helper.make_tensor_value_info(LATENT_SHIFT, TensorProto.FLOAT, ["rows or 1", width]))
    return shifted
