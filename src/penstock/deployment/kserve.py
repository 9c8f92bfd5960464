"""Write an InferenceService for KServe, with the image of Penstock, or with Triton and a model repository.

https://kserve.github.io/website/docs/reference/crd-api
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.core.errors import ConfigError
from penstock.deployment.deployable_model import DeployableModel
from penstock.deployment.template import fill_in, quoted
from penstock.io.files import write_text

# First line of each file that Penstock writes; other files are not overwritten.
HEADER = "# Written by `penstock package --kserve`"


@dataclass(frozen=True)
class KServeTarget:
    """The file to write, and the image or the Triton repository to deploy."""

    file: Path
    image: str | None
    """Image built from the output of `penstock package --docker`."""
    storage: str | None
    """URI of the output of `penstock package --triton`."""


def write_kserve(models: Sequence[DeployableModel], target: KServeTarget) -> None:
    """Write the InferenceService.

    Raises:
        ConfigError: Not exactly one of image and storage is given, or the file has other content.
    """
    versions = quoted({f"penstock/{model.name}": model.model.version for model in models})
    if target.image and not target.storage:
        text = fill_in("kserve_container.yaml", versions=versions, image=quoted(target.image))
    elif target.storage and not target.image:
        text = fill_in("kserve_triton.yaml", versions=versions, storage=quoted(target.storage))
    else:
        raise ConfigError(
            "--kserve: give either --image, built from the output of --docker, or --storage, the URI of --triton's"
        )
    if target.file.exists() and not target.file.read_text(encoding="utf-8").startswith(HEADER):
        raise ConfigError(f"{target.file}: exists, and `penstock package` did not write it; choose another file")
    write_text(target.file, text)
