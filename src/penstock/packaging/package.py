"""`penstock package`: the same validated files for each engine that is named."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.core.errors import ConfigError
from penstock.packaging.docker import write_docker
from penstock.packaging.kserve import Service, write_kserve
from penstock.packaging.triton import write_triton
from penstock.packaging.validated import validated_models


@dataclass(frozen=True)
class Targets:
    """Where to write what; None is not written."""

    triton: Path | None = None
    docker: Path | None = None
    kserve: Service | None = None


def package(folders: Sequence[Path], names: Sequence[str], targets: Targets) -> None:
    """Writes the named models, or all that are validated, and says where.

    Raises:
        ConfigError: nothing is to be written, there is no such model, or a folder is somebody else's.
        PenstockError: a named model is not validated.
    """
    if targets == Targets():
        raise ConfigError("package: for whom? Give --triton, --docker or --kserve; --help says what they are")
    models, refused = validated_models(folders, names)
    for reason in refused:
        print(f"warning: {reason}", file=sys.stderr)
    if targets.triton:
        for name, files in write_triton(models, targets.triton).items():
            print(f"{targets.triton / name / list(files)[-1]}")
    if targets.docker:
        write_docker(models, targets.docker)
        print(f"{targets.docker}: `docker build --tag penstock {targets.docker}` makes the image")
    if targets.kserve:
        write_kserve(models, targets.kserve)
        print(f"{targets.kserve.file}: `kubectl apply --filename {targets.kserve.file}` starts the service")
