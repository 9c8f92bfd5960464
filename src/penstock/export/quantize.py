"""Write an int8 copy of an exported file for small devices, with onnxruntime's dynamic quantization.

Each weight takes one byte. Every call quantizes the activations by their range over all rows of the batch. The
output of a row therefore depends on the other rows of the batch. So the server runs int8 files with batch size 1.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
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
    strip(candidate)
    metadata = {one.key: one.value for one in exact.metadata_props}
    onnx.helper.set_model_props(candidate, metadata | {"precision": "int8"})
    write_model(path, candidate)
    return path.stat().st_size


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
