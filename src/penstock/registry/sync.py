"""Models of MLflow's registry as a folder to serve, which follows its aliases.

The server itself imports no MLflow, which is large and slow to start: a process beside it does (`follower`).
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
def following(models: Sequence[str], seconds: float) -> Iterator[Path]:
    """A folder of the wanted models, as `models:/NAME@ALIAS` or `models:/NAME/VERSION`.

    Args:
        seconds: between two looks whether an alias has moved.

    Raises:
        ConfigError: one of them is none of these, a model is named twice, nobody says where MLflow is, or MLflow is
            not installed.
        PenstockError: a model cannot be brought, or its file is not the one that was validated.
    """
    wanted = [ModelURI.parse(model) for model in models]
    _require_different(wanted)
    if find_spec("mlflow") is None:
        raise ConfigError(f"{wanted[0]}: needs MLflow; `pip install 'penstock[registry]'` brings it")
    arguments = [str(cache()), str(seconds), *map(str, wanted)]
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock.registry.sync_process", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {URI: registry_uri()},
    )
    try:
        yield _folder(process)
    finally:
        _end(process)


def cache() -> Path:
    """Where what was brought stays for the next server; XDG_CACHE_HOME moves it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock" / "registry"


def _require_different(wanted: Sequence[ModelURI]) -> None:
    names = [one.name for one in wanted]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{name}: is named twice; a server has one version of a model")


def _folder(process: subprocess.Popen[bytes]) -> Path:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise PenstockError("the process that asks MLflow has ended; what it said is above")
    said = json.loads(line)
    if "error" in said:
        raise PenstockError(said["error"])
    return Path(said["folder"])


def _end(process: subprocess.Popen[bytes]) -> None:
    """By the end of its standard input."""
    try:
        process.communicate(timeout=SECONDS_TO_FINISH)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
