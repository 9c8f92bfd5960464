"""An int8 candidate of an exported file, for small devices: onnxruntime's dynamic quantisation.

Weights are kept in a byte each, and what passes through is scaled to bytes anew in every call, by its extremes over all
rows of the call. So the answer to a row depends on the rows beside it: asked for one row at a time, it does not.
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
    """Writes the candidate for the exported file at `onnx_path`, with the same metadata, and returns its bytes."""
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
    """It advises, past any logger of its own, to optimise the graph first, which would be for this machine."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
