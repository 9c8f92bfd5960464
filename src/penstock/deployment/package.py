"""Write the validated models for other servers: `penstock package`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.core.errors import ConfigError
from penstock.deployment.deployable_model import deployable_models
from penstock.deployment.docker import write_docker
from penstock.deployment.kserve import KServeTarget, write_kserve
from penstock.deployment.triton import write_triton


@dataclass(frozen=True)
class Targets:
    """Output path of each format; None skips the format."""

    triton: Path | None = None
    docker: Path | None = None
    kserve: KServeTarget | None = None


def package(folders: Sequence[Path], names: Sequence[str], targets: Targets) -> None:
    """Write models, and print the paths.

    Args:
        folders: Folders of <model>/model.onnx and validation.json.
        names: Models to write; empty for all that are validated.
        targets: Where to write each format.

    Raises:
        ConfigError: No target is given, a model does not exist, or a folder has other content.
        PenstockError: A named model is not validated.
    """
    if targets == Targets():
        raise ConfigError("package: nothing to write; give --triton, --docker or --kserve (see --help)")
    models, rejected = deployable_models(folders, names)
    for reason in rejected:
        print(f"warning: {reason}", file=sys.stderr)
    if targets.triton:
        for name, files in write_triton(models, targets.triton).items():
            print(f"{targets.triton / name / list(files)[-1]}")
    if targets.docker:
        write_docker(models, targets.docker)
        print(f"{targets.docker}: build the image with `docker build --tag penstock {targets.docker}`")
    if targets.kserve:
        write_kserve(models, targets.kserve)
        print(f"{targets.kserve.file}: deploy it with `kubectl apply --filename {targets.kserve.file}`")
