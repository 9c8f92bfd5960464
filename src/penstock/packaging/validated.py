"""Models that have passed their gates, as files to copy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.core.errors import ConfigError, PenstockError, nearest
from penstock.io.files import write_bytes
from penstock.serving.models import ServedModel
from penstock.serving.repository import ModelFile, model_files


@dataclass(frozen=True)
class ValidatedModel:
    """A model that the server would serve, and where its file lies."""

    file: ModelFile
    model: ServedModel

    @property
    def name(self) -> str:
        return self.model.name

    def copy_to(self, path: Path) -> None:
        """Raises `PenstockError` where the file is no longer the one that was proven."""
        content = self.file.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.model.digest:
            raise PenstockError(f"{self.file.path}: changed while it was copied; run `penstock package` again")
        write_bytes(path, content)


def validated_models(folders: Sequence[Path], names: Sequence[str] = ()) -> tuple[list[ValidatedModel], list[str]]:
    """The named models; without names, all that are validated, and why others are not.

    Raises:
        ConfigError: there is no model of a name, or none at all.
        PenstockError: a named model has not passed its gates, or its file is not the one that did.
    """
    files = model_files(folders)
    for name in names:
        if name not in files:
            raise ConfigError(f"{_shown(folders)}: no model '{name}'{nearest(name, files)}")
    if names:
        return [ValidatedModel(files[name], files[name].load()) for name in dict.fromkeys(names)], []
    validated, refused = [], []
    for file in files.values():
        try:
            validated.append(ValidatedModel(file, file.load()))
        except PenstockError as error:
            refused.append(str(error))
    if not validated:
        raise ConfigError(
            "\n".join([*refused, f"{_shown(folders)}: no validated models here; `make repro` makes them"])
        )
    return validated, refused


def _shown(folders: Sequence[Path]) -> str:
    return ", ".join(map(str, folders))
