"""Write the validation record of an ONNX file, which the server reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.core.errors import MissingFileError
from penstock.core.model_files import DIGESTS, digest_key, validation_of
from penstock.io.files import read_json, write_json


def write_record(file: Path, digest: str, checks: Mapping[str, Any]) -> Path:
    """Write that a file is validated.

    Args:
        file: The ONNX file.
        digest: Its sha256.
        checks: What was checked.

    Returns:
        The path of the record.
    """
    path = validation_of(file)
    write_json(path, {digest_key(file): digest, **_other_digests(file), **checks})
    return path


def remove_record(file: Path) -> None:
    """Withdraw what says that a file is validated."""
    path = validation_of(file)
    if others := _other_digests(file):
        write_json(path, others)
    else:
        path.unlink(missing_ok=True)


def _other_digests(file: Path) -> dict[str, Any]:
    """Return the digests of other files in the same record: `model.onnx` and `model.int8.onnx` share one."""
    try:
        content = read_json(validation_of(file))
    except MissingFileError:
        return {}
    return {key: content[key] for key in DIGESTS.values() if key in content and key != digest_key(file)}
