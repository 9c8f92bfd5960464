"""A build context: a Dockerfile of the serve extra, our sources, and the validated files.

    CONTEXT/Dockerfile, .dockerignore
    CONTEXT/source/     what pip installs, with the versions that were tested
    CONTEXT/models/     <model>/model.onnx, an int8 one that is served, and proof.json

`docker build --tag penstock CONTEXT`, then `docker run --rm --publish 127.0.0.1:8080:8080 penstock`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import penstock
from penstock.core.errors import PenstockError
from penstock.io.files import sha256, write_text
from penstock.packaging.folders import Recorded, folder_written_whole, is_ours, mark
from penstock.packaging.validated import ValidatedModel

KIND = "docker"
PORT = 8080
USER = 10001
# What pip needs to build the package.
SOURCES = ("pyproject.toml", "constraints.txt", "README.md", "LICENSE", "src/penstock")

DOCKERFILE = f"""\
# Written by `penstock package --docker`.
FROM python:{sys.version_info.major}.{sys.version_info.minor}-slim AS build
COPY source /source
RUN python -m venv /opt/penstock
RUN /opt/penstock/bin/pip install --no-cache-dir --constraint /source/constraints.txt "/source[serve]"

FROM python:{sys.version_info.major}.{sys.version_info.minor}-slim
COPY --from=build /opt/penstock /opt/penstock
COPY models /models
ENV PYTHONUNBUFFERED=1
USER {USER}:{USER}
EXPOSE {PORT}
# Whoever runs it may set PENSTOCK_TOKEN; the health routes answer without it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \\
    CMD ["/opt/penstock/bin/python", "-c", \
"from urllib.request import urlopen; urlopen('http://127.0.0.1:{PORT}/v2/health/ready', timeout=2)"]
ENTRYPOINT ["/opt/penstock/bin/penstock", "serve", "--models", "/models", "--host", "0.0.0.0", "--port", "{PORT}"]
"""
DOCKERIGNORE = "**/__pycache__\n**/*.egg-info\npenstock.json\n"


def write_docker(models: Sequence[ValidatedModel], context: Path) -> Recorded:
    """Writes the context, in the place of one that we wrote before; returns the files of models that are in it.

    Raises:
        ConfigError: the folder is there, and is somebody else's.
        PenstockError: Penstock was not installed from a clone, so there are no sources to build an image of.
    """
    is_ours(context, KIND)
    root = _sources()
    with folder_written_whole(context) as folder:
        write_text(folder / "Dockerfile", DOCKERFILE)
        write_text(folder / ".dockerignore", DOCKERIGNORE)
        for source in SOURCES:
            _copy(root / source, folder / "source" / source)
        files = {model.name: _copy_model(model, folder / "models") for model in models}
        mark(folder, KIND, files)
    return files


def _sources() -> Path:
    root = Path(penstock.__file__).parents[2]
    if not (root / "pyproject.toml").is_file():
        raise PenstockError(
            "--docker: needs the sources of Penstock; run it from a clone, with `pip install --editable`"
        )
    return root


def _copy(source: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, to)


def _copy_model(model: ValidatedModel, folder: Path) -> dict[str, str]:
    """Where the server looks: with the proof beside it, which it checks again."""
    home = folder / model.file.path.parent.name
    copies = [home / model.file.path.name, home / model.file.proof.name]
    model.copy_to(copies[0])
    shutil.copy(model.file.proof, copies[1])
    return {path.name: sha256(path) for path in copies}
