"""Download models from MLflow's registry in a separate process, which `penstock.registry.sync` starts.

    MLFLOW_TRACKING_URI=... python -m penstock.registry.sync_process CACHE POLL_SECONDS models:/NAME@ALIAS...

The process creates a folder of symbolic links into the cache, prints its path, and polls the aliases. When an alias has
moved, the link is replaced atomically, and the server loads the new version. A model that cannot be downloaded stays at
its version. When standard input is closed, also by a crash of the server, the process removes the folder and exits.

MODEL=models:/NAME@ALIAS is the challenger of a served model, whose link is in the subfolder `CHALLENGERS`. The server
does not wait for it. Its link is removed while the registry has no such version. With --attestations, those that stand
beside the files in MLflow are downloaded too.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from penstock.core import console
from penstock.core.errors import PenstockError, first_line
from penstock.core.model_files import ONNX, attestation_of
from penstock.core.signals import SIGNALS
from penstock.registry.download import download_attestation, download_version, find_version
from penstock.registry.model_uri import ModelURI
from penstock.registry.sync import ATTESTATIONS, CHALLENGERS
from penstock.tracking.errors import OF_MLFLOW, failures_of_storage, reason_of
from penstock.tracking.moved_project import follow_moved_project
from penstock.tracking.uri import URI, absolute, be_brief, label_of, require_complete

# Errors of a download.
FAILURES = (PenstockError, *OF_MLFLOW)
# The codes of a model or version, and of an alias, that the registry does not have.
UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class RegistrySync:
    """Symbolic links in `folder`, one per model, to the versions in `cache`.

    Args:
        address: Tracking URI of MLflow.
        client: Client of that address.
        cache: Folder of the downloaded versions; each address has its own subfolder.
        folder: Folder of the links.
        uris: The models.
        challengers: Challengers by the name of the served model.
        attestations: Whether to download the attestations too.
    """

    def __init__(
        self,
        address: str,
        client: MlflowClient,
        cache: Path,
        folder: Path,
        uris: Sequence[ModelURI],
        challengers: Mapping[str, ModelURI] | None = None,
        *,
        attestations: bool = False,
    ) -> None:
        self.address = address
        self.cache = cache / label_of(absolute(address))
        self.folder = folder
        self._models = {folder / uri.name: uri for uri in uris}
        self._challengers = {folder / CHALLENGERS / name: uri for name, uri in (challengers or {}).items()}
        self._client = client
        self._attestations = attestations
        self._linked: dict[Path, Path] = {}
        self._warned: dict[Path, str] = {}

    def sync(self) -> None:
        """Link every model but the challengers.

        Raises:
            PenstockError: A model cannot be downloaded.
        """
        for link, uri in self._models.items():
            try:
                self._link(link, uri)
            except FAILURES as error:
                raise PenstockError(self._reason(uri, error)) from None

    def poll(self) -> None:
        """Link models whose version has changed.

        A model that cannot be downloaded stays at its version, and each new reason is printed once as a warning.
        """
        for link, uri in (self._models | self._challengers).items():
            try:
                self._link(link, uri)
                self._warned.pop(link, None)
            except FAILURES as error:
                self._warn(link, self._reason(uri, error))
                if link in self._challengers and _is_unknown(error):
                    link.unlink(missing_ok=True)
                    self._linked.pop(link, None)

    def _link(self, link: Path, uri: ModelURI) -> None:
        with failures_of_storage():
            found = find_version(self._client, uri)
        version = download_version(found, self.cache)
        is_linked = self._linked.get(link) == version
        # Again and again until there is one: it may be signed later, and a download may fail.
        if self._attestations and not (is_linked and attestation_of(version / ONNX).is_file()):
            download_attestation(found, version)
        if is_linked:
            return
        link.parent.mkdir(exist_ok=True)
        new = link.with_name(f".{link.name}.new")
        new.unlink(missing_ok=True)  # left by a failed attempt
        new.symlink_to(version.resolve())
        new.replace(link)
        self._linked[link] = version

    def _reason(self, uri: ModelURI, error: Exception) -> str:
        """Return the reason as one line; messages of `PenstockError` already name the model."""
        reason = first_line(error)
        return reason if isinstance(error, PenstockError) else f"{uri}: MLflow at {self.address}: {reason}"

    def _warn(self, link: Path, reason: str) -> None:
        if self._warned.get(link) != reason:
            console.warn(reason)
        self._warned[link] = reason


def _is_unknown(error: Exception) -> bool:
    """Return whether the registry says that it has no such model, version or alias."""
    return isinstance(error, MlflowException) and error.error_code in UNKNOWN


def main(address: str, cache: Path, poll_seconds: float, arguments: Sequence[str]) -> None:
    # The server handles signals, and ends this process when it has finished.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    be_brief()
    try:
        _serve_folder(address, cache, poll_seconds, arguments)
    except PenstockError as error:
        _answer({"error": str(error)})


def _serve_folder(address: str, cache: Path, poll_seconds: float, arguments: Sequence[str]) -> None:
    client = _connect(address)
    models = [argument for argument in arguments if argument != ATTESTATIONS]
    uris = [ModelURI.parse(model) for model in models if "=" not in model]
    challengers = {name: ModelURI.parse(uri) for name, is_one, uri in (one.partition("=") for one in models) if is_one}
    with _temporary_folder() as folder:
        registry = RegistrySync(
            address, client, cache, Path(folder), uris, challengers, attestations=models != arguments
        )
        registry.sync()
        _answer({"folder": folder})
        if challengers:
            registry.poll()
        while not _has_ended(poll_seconds):
            registry.poll()


def _connect(address: str) -> MlflowClient:
    """Return a client.

    Raises:
        PenstockError: MLflow does not accept the address. It would create the database of a wrong one.
    """
    try:
        require_complete(address)
        with failures_of_storage():
            mlflow.set_tracking_uri(address)
            follow_moved_project(address)
            return MlflowClient()
    except FAILURES as error:
        remedy = f"set {URI}, or tracking.uri in params.yaml, to http://HOST:PORT or sqlite:///FILE"
        raise PenstockError(f"MLflow at {address}: {reason_of(error)}; {remedy}") from None


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="penstock-")
    except OSError as error:
        raise PenstockError(f"{error.strerror or error}; set TMPDIR to a folder for temporary files") from None


def _answer(content: dict[str, str]) -> None:
    with suppress(BrokenPipeError):  # the server has exited
        os.write(sys.stdout.fileno(), json.dumps(content).encode() + b"\n")


def _has_ended(seconds: float) -> bool:
    """Wait for some seconds, or until standard input is closed; return whether it is closed."""
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(readable)


if __name__ == "__main__":
    main(os.environ[URI], Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3:])
