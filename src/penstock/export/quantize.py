"""Write an int8 copy of an exported file for small devices, with onnxruntime's dynamic quantization.

Each weight takes one byte. Every call quantizes the activations by their range over all rows of the batch. The
output of a row therefore depends on the other rows of the batch. So the server runs int8 files with batch size 1.

The outputs do not depend on the processor: docs/decisions/int8-weights.md.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import quantize_dynamic

from penstock.export.graph import strip
from penstock.export.onnx_file import read_model, write_model


def write_int8(path: Path, onnx_path: Path) -> int:
    """Write the int8 copy of an exported file, with the same metadata.

    Args:
        path: Output file.
        onnx_path: The exported file.

    Returns:
        Size of the int8 file in bytes.
    """
    exact = read_model(onnx_path)
    with tempfile.TemporaryDirectory() as folder, _without_advice():
        quantized = Path(folder) / path.name
        quantize_dynamic(exact, quantized)
        candidate = read_model(quantized)
    _store_weights_unsigned(candidate)
    strip(candidate)
    metadata = {one.key: one.value for one in exact.metadata_props}
    onnx.helper.set_model_props(candidate, metadata | {"precision": "int8"})
    write_model(path, candidate)
    return path.stat().st_size


def _store_weights_unsigned(model: onnx.ModelProto) -> None:
    """Add 128 to int8 weights and to their zero points, in place, and store both as uint8.

    The weights mean the same. But x86 processors without VNNI multiply uint8 activations by int8 weights with an
    instruction that saturates (VPMADDUBSW), which changes the outputs. With uint8 weights, onnxruntime avoids it.
    """
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT8:
            shifted = numpy_helper.to_array(tensor).astype(np.int16) + 128
            tensor.CopyFrom(numpy_helper.from_array(shifted.astype(np.uint8), tensor.name))


@contextmanager
def _without_advice() -> Iterator[None]:
    """Suppress the advice to optimize the graph first, which would optimize it for this machine.

    The quantizer logs to the root logger. Only `logging.disable` suppresses that.
    """
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
