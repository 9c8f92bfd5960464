"""The file of a registered version, out of MLflow into a cache, with what the server wants beside it.

CACHE/<name>/<version>/model.onnx, validation.json, origin.json
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion

from penstock.core.errors import PenstockError
from penstock.core.model_files import DIGESTS, ONNX, ORIGIN, VALIDATION
from penstock.io.files import sha256, write_bytes, write_json
from penstock.registry.model_uri import ModelURI
from penstock.tracking.errors import failures_of_storage

# A version's tags, as registration wrote them.
DIGEST, DATA, PARAMETERS = "onnx.sha256", "dvc.data", "parameters"


def find_version(client: MlflowClient, wanted: ModelURI) -> ModelVersion:
    """Raises `MlflowException` where there is none."""
    if wanted.alias:
        return client.get_model_version_by_alias(wanted.name, wanted.alias)
    return client.get_model_version(wanted.name, wanted.version)


def bring(version: ModelVersion, cache: Path) -> Path:
    """The version's folder in the cache, of the very file that was validated.

    Raises:
        PenstockError: the version does not say which file that is, or its file is another one.
        MlflowException, OSError: the file cannot be had.
    """
    uri = f"models:/{version.name}/{version.version}"
    digest = version.tags.get(DIGEST)
    if digest is None:
        raise PenstockError(f"{uri}: has no tag {DIGEST}; register it by `dvc repro`")
    home = cache / version.name / str(version.version)
    if not _is_there(home, digest):
        _download(uri, digest, home)
        write_json(home / ORIGIN, {"run_id": version.run_id, "source": uri})
        provenance = {"data": version.tags.get(DATA, ""), "parameters": version.tags.get(PARAMETERS, "")}
        write_json(home / VALIDATION, {DIGESTS[ONNX]: digest, "model": version.name, **provenance})
    return home


def _is_there(home: Path, digest: str) -> bool:
    return (home / VALIDATION).is_file() and (home / ONNX).is_file() and sha256(home / ONNX) == digest


def _download(uri: str, digest: str, home: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with failures_of_storage():
            path = Path(download_artifacts(artifact_uri=f"{uri}/{ONNX}", dst_path=folder))
        if sha256(path) != digest:
            raise PenstockError(f"{uri}: the file in MLflow is not the one that was validated; it is not served")
        write_bytes(home / ONNX, path.read_bytes())
