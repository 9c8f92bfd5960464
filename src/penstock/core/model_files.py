"""Define the names of the files of a served model.

<model>/model.onnx         the model
<model>/model.int8.onnx    the int8 candidate: the same model, quantized
<model>/validation.json    the sha256 of every file that may be served
<model>/model.onnx.intoto.jsonl    its attestation
<model>/origin.json        where a downloaded model comes from: {"run_id": ..., "source": ...}

<model>.onnx               a model that is not in a folder of its own
<model>.validation.json    its sha256
"""

from pathlib import Path

ONNX, INT8, VALIDATION = "model.onnx", "model.int8.onnx", "validation.json"
ORIGIN = "origin.json"
ATTESTATION_SUFFIX = ".intoto.jsonl"
# The key in validation.json that holds the sha256 of each file.
DIGESTS = {ONNX: "sha256", INT8: "int8_sha256"}


def validation_of(file: Path) -> Path:
    """Return the path of the validation record of an ONNX file."""
    return file.with_name(VALIDATION) if file.name in DIGESTS else file.with_suffix(f".{VALIDATION}")


def attestation_of(file: Path) -> Path:
    """Return the path of the attestation that stands beside a file."""
    return file.with_name(file.name + ATTESTATION_SUFFIX)


def digest_key(file: Path) -> str:
    """Return the key in the validation record that holds the sha256 of an ONNX file."""
    return DIGESTS.get(file.name, DIGESTS[ONNX])
