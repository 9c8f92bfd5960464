"""A folder of registered models that follows the aliases of MLflow's registry.

The server imports no MLflow, which is large and slow to start. A process beside it does (`sync_process`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from penstock.core.errors import ConfigError, PenstockError
from penstock.registry.model_uri import ModelURI
from penstock.tracking.uri import URI, registry_uri

SECONDS_TO_FINISH = 30.0


@contextmanager
def synced_models(models: Sequence[str], poll_seconds: float) -> Iterator[Path]:
    """Yield a folder of models to serve, and keep it in step with the registry.

    Args:
        models: `models:/NAME@ALIAS` or `models:/NAME/VERSION`, each name once.
        poll_seconds: Between two checks of the aliases.

    Raises:
        ConfigError: a URI is invalid or a model is named twice, the address of MLflow is unknown, or MLflow is not
            installed.
        PenstockError: a model cannot be downloaded, or its file is not the one that was validated.
    """
    uris = [ModelURI.parse(model) for model in models]
    _require_unique(uris)
    if find_spec("mlflow") is None:
        raise ConfigError(f"{uris[0]}: needs MLflow; install it by `pip install 'penstock[registry]'`")
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock.registry.sync_process", str(cache_dir()), str(poll_seconds), *map(str, uris)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {URI: registry_uri()},
    )
    try:
        yield _folder_of(process)
    finally:
        _end(process)


def cache_dir() -> Path:
    """Return where downloads stay for the next server; XDG_CACHE_HOME moves it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock" / "registry"


def _require_unique(uris: Sequence[ModelURI]) -> None:
    names = [uri.name for uri in uris]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{name}: is named twice; a server has one version of a model")


def _folder_of(process: subprocess.Popen[bytes]) -> Path:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise PenstockError("the process that downloads from MLflow has ended; its message is above")
    answer = json.loads(line)
    if "error" in answer:
        raise PenstockError(answer["error"])
    return Path(answer["folder"])


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close standard input, which ends the process."""
    try:
        process.communicate(timeout=SECONDS_TO_FINISH)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
