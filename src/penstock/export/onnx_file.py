"""Read and write ONNX files without torch, which takes seconds to import."""

from __future__ import annotations

from pathlib import Path

import onnx

from penstock.io.files import write_bytes
from penstock.io.provenance import Provenance


def read_model(path: Path) -> onnx.ModelProto:
    return onnx.load(path)


def write_model(path: Path, proto: onnx.ModelProto) -> None:
    write_bytes(path, proto.SerializeToString(deterministic=True))


def read_provenance(path: Path) -> Provenance:
    """Return the provenance that an exported file has in its metadata."""
    metadata = {prop.key: prop.value for prop in read_model(path).metadata_props}
    return Provenance(**{key: metadata[key] for key in ("model", "data", "parameters", "code")})
