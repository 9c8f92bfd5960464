"""Write a build context for Docker: the Dockerfile of the repository, the files that it copies, and models.

    CONTEXT/Dockerfile, .dockerignore, pyproject.toml, constraints.txt, README.md, LICENSE, src/penstock/
    CONTEXT/models/     <model>/model.onnx, model.int8.onnx if it is served, and validation.json

Build it with `docker build --tag penstock CONTEXT`, and run it with
`docker run --rm --publish 127.0.0.1:8080:8080 penstock`.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import penstock
from penstock.core.errors import PenstockError
from penstock.core.model_files import DIGESTS, ONNX, VALIDATION
from penstock.deployment.deployable_model import DeployableModel
from penstock.deployment.folders import FileDigests, atomic_folder, is_own_output, write_marker
from penstock.io.files import sha256

KIND = "docker"
# The Dockerfile, and the files that it copies in addition to the models.
SOURCES = ("Dockerfile", ".dockerignore", "pyproject.toml", "constraints.txt", "README.md", "LICENSE", "src/penstock")


def write_docker(models: Sequence[DeployableModel], context: Path) -> FileDigests:
    """Write the build context; replace an earlier one.

    Args:
        models: The models to copy.
        context: The folder to write.

    Returns:
        SHA-256 of the files of each model.

    Raises:
        ConfigError: The folder has other content.
        PenstockError: Penstock is not installed from a clone, so its sources are missing.
    """
    is_own_output(context, KIND)
    root = _find_sources()
    with atomic_folder(context) as folder:
        for source in SOURCES:
            _copy(root / source, folder / source)
        files = {model.name: _copy_model(model, folder / "models") for model in models}
        write_marker(folder, KIND, files)
    return files


def _find_sources() -> Path:
    root = Path(penstock.__file__).parents[2]
    if not (root / "pyproject.toml").is_file():
        raise PenstockError(
            "--docker: needs the sources of Penstock; install it from a clone with `pip install --editable`"
        )
    return root


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def _copy_model(model: DeployableModel, folder: Path) -> dict[str, str]:
    """Copy a model in the layout of the server, with the validation.json that the server checks."""
    path = model.file.path
    # Each model has its folder, in which its file may be a candidate of another model: <model>/model.int8.onnx.
    copies = [folder / path.parent.name / path.name if path.name in DIGESTS else folder / model.name / ONNX]
    copies.append(copies[0].with_name(VALIDATION))
    model.copy_to(copies[0])
    shutil.copy(model.file.validation, copies[1])
    return {path.name: sha256(path) for path in copies}
