"""Read and write ONNX files without torch, because its import takes seconds."""

from __future__ import annotations

from pathlib import Path

import onnx

from penstock.io.files import write_bytes
from penstock.io.provenance import Provenance


def read_model(path: Path) -> onnx.ModelProto:
    """Read an ONNX model."""
    return onnx.load(path)


def write_model(path: Path, proto: onnx.ModelProto) -> None:
    """Write a model atomically, with reproducible bytes."""
    write_bytes(path, proto.SerializeToString(deterministic=True))


def read_provenance(path: Path) -> Provenance:
    """Read the provenance from the metadata of an exported file."""
    metadata = {prop.key: prop.value for prop in read_model(path).metadata_props}
    return Provenance(**{key: metadata[key] for key in ("model", "data", "parameters", "code")})
