"""Keep a folder of registered models in sync with the aliases of MLflow's registry.

The server does not import MLflow, which is large and slow to start. A separate process does (`sync_process`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from penstock.core.errors import ConfigError, PenstockError
from penstock.registry.model_uri import ModelURI
from penstock.tracking.uri import URI, registry_uri

SECONDS_TO_FINISH = 30.0
ATTESTATIONS = "--attestations"
CHALLENGERS = ".challengers"
"""Subfolder of the challengers, which the server does not take for models to serve."""


@contextmanager
def synced_models(
    models: Sequence[str],
    poll_seconds: float,
    challengers: Mapping[str, str] | None = None,
    *,
    attestations: bool = False,
) -> Iterator[Path]:
    """Yield a folder of models to serve, and keep it in sync with the registry.

    Args:
        models: URIs, `models:/NAME@ALIAS` or `models:/NAME/VERSION`, each name once.
        poll_seconds: Interval between two checks of the aliases, in seconds.
        challengers: URIs of challengers by the name of the served model; their folder is `CHALLENGERS/NAME` of the
            yielded one, as soon as the registry has them.
        attestations: Whether to download the attestations too.

    Raises:
        ConfigError: A URI is invalid, a model is named twice, the address of MLflow is unknown, or MLflow is not
            installed.
        PenstockError: A model cannot be downloaded, or its file is not the one that was validated.
    """
    uris = [ModelURI.parse(model) for model in models]
    _require_unique(uris)
    named = [f"{name}={ModelURI.parse(uri)}" for name, uri in (challengers or {}).items()]
    if find_spec("mlflow") is None:
        raise ConfigError(f"{[*models, *named][0]}: needs MLflow; install it by `pip install 'penstock[registry]'`")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "penstock.registry.sync_process",
            str(cache_dir()),
            str(poll_seconds),
            *([ATTESTATIONS] if attestations else []),
            *map(str, uris),
            *named,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {URI: registry_uri()},
    )
    try:
        yield _folder_of(process)
    finally:
        _end(process)


def cache_dir() -> Path:
    """Return the folder of the cache, which all servers share; XDG_CACHE_HOME, an absolute path, overrides its parent.

    Raises:
        ConfigError: The user has no home folder, as some users of containers.
    """
    parent = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not parent.is_absolute():
        try:
            parent = Path.home() / ".cache"
        except RuntimeError:
            raise ConfigError("XDG_CACHE_HOME: set it to a folder for models; there is no home folder") from None
    return parent / "penstock" / "registry"


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
    """Close the process's standard input, which ends it; kill it after a timeout."""
    try:
        process.communicate(timeout=SECONDS_TO_FINISH)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
