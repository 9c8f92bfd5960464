"""int8 copy of an exported file, for small devices, by onnxruntime's dynamic quantization.

Each weight takes one byte. Activations are scaled to bytes in every call, by their extremes over all rows of the call.
So the output for a row depends on the other rows of the batch, and the server runs int8 files one row at a time.
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
    """Write the int8 copy of the file at `onnx_path`, with the same metadata; return its size in bytes."""
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
    """Silence the advice to optimize the graph first, which would optimize it for this machine.

    The quantizer logs to the root logger, so only `logging.disable` reaches it.
    """
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
