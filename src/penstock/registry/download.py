"""Download registered model versions from MLflow into a cache, in the layout that the server loads.

CACHE/<name>/<version>/model.onnx, validation.json, origin.json
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion

from penstock.core.errors import PenstockError
from penstock.core.model_files import DIGESTS, ONNX, ORIGIN, VALIDATION, attestation_of
from penstock.io.files import sha256, write_bytes, write_json
from penstock.registry.model_uri import ModelURI
from penstock.tracking.errors import OF_MLFLOW, failures_of_storage
from penstock.tracking.tags import DATA, ONNX_SHA256, PARAMETERS


def find_version(client: MlflowClient, uri: ModelURI) -> ModelVersion:
    """Return the version of a URI.

    Raises:
        MlflowException: The version does not exist.
    """
    if uri.alias:
        return client.get_model_version_by_alias(uri.name, uri.alias)
    return client.get_model_version(uri.name, uri.version)


def download_version(version: ModelVersion, cache: Path) -> Path:
    """Download a version, unless it is cached, and return its folder in the cache.

    Raises:
        PenstockError: The version has no digest, its file is not the one that was validated, or the cache cannot be
            written.
        MlflowException, OSError: The file cannot be downloaded.
    """
    uri = f"models:/{version.name}/{version.version}"
    digest = version.tags.get(ONNX_SHA256)
    if digest is None:
        raise PenstockError(f"{uri}: has no tag {ONNX_SHA256}; register it by `dvc repro`")
    folder = cache / version.name / str(version.version)
    with _failures_of_cache(cache):
        if _is_cached(folder, digest):
            return folder
    content = _download(uri, digest)
    provenance = {"data": version.tags.get(DATA, ""), "parameters": version.tags.get(PARAMETERS, "")}
    with _failures_of_cache(cache):
        write_bytes(folder / ONNX, content)
        write_json(folder / ORIGIN, {"run_id": version.run_id, "source": uri})
        write_json(folder / VALIDATION, {DIGESTS[ONNX]: digest, "model": version.name, **provenance})
    return folder


def download_attestation(version: ModelVersion, folder: Path) -> None:
    """Download the attestation of a version to its folder in the cache, if MLflow has one beside the file.

    The server checks it, and says what is missing.
    """
    path = attestation_of(folder / ONNX)
    try:
        with tempfile.TemporaryDirectory() as temporary, failures_of_storage():
            uri = f"models:/{version.name}/{version.version}/{path.name}"
            content = Path(download_artifacts(artifact_uri=uri, dst_path=temporary)).read_bytes()
    except OF_MLFLOW:
        return
    with _failures_of_cache(folder):
        write_bytes(path, content)


@contextmanager
def _failures_of_cache(cache: Path) -> Iterator[None]:
    """Name the cache in errors of its files, such as those of a read-only home folder or a full disk."""
    try:
        yield
    except OSError as error:
        reason = f"{error.filename or cache}: {error.strerror or error}"
        raise PenstockError(f"{reason}; set XDG_CACHE_HOME to a folder in which models can be stored") from None


def _is_cached(folder: Path, digest: str) -> bool:
    return (folder / VALIDATION).is_file() and (folder / ONNX).is_file() and sha256(folder / ONNX) == digest


def _download(uri: str, digest: str) -> bytes:
    try:
        with tempfile.TemporaryDirectory() as temporary, failures_of_storage():
            path = Path(download_artifacts(artifact_uri=f"{uri}/{ONNX}", dst_path=temporary))
            content = path.read_bytes()
            found = sha256(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            place = tempfile.gettempdir()
            raise PenstockError(f"{place}: {error.strerror}; set TMPDIR to a folder with more space") from None
        raise
    if found != digest:
        raise PenstockError(f"{uri}: the file in MLflow is not the one that was validated; it is not served")
    return content
