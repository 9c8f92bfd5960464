"""Load validated models, and copy their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.core.errors import ConfigError, PenstockError
from penstock.io.files import write_bytes
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.onnx_file import digest, read_external_data
from penstock.serving.runtime.sources import ModelFile, model_files, named_file


@dataclass(frozen=True)
class DeployableModel:
    """A validated model and its file."""

    file: ModelFile
    model: ServedModel

    @property
    def name(self) -> str:
        return self.model.name

    def copy_to(self, path: Path) -> None:
        """Copy the ONNX file, and its external data beside the copy.

        Raises:
            PenstockError: The file is no longer the one that was validated.
        """
        content = self.file.path.read_bytes()
        external_data = read_external_data(self.file.path, content)
        if digest(content, external_data) != self.model.digest:
            raise PenstockError(f"{self.file.path}: changed while it was copied; run `penstock package` again")
        for name, data in external_data.items():
            write_bytes(path.with_name(name), data)
        write_bytes(path, content)


def deployable_models(folders: Sequence[Path], names: Sequence[str] = ()) -> tuple[list[DeployableModel], list[str]]:
    """Load the validated models of folders.

    Args:
        folders: Folders of <model>/model.onnx and validation.json.
        names: Models to load; empty for all that are validated.

    Returns:
        The models, and a message per model that is left out.

    Raises:
        ConfigError: A named model does not exist, or no model is validated.
        PenstockError: A named model is not validated.
    """
    if names:
        named = [named_file(name, folders) for name in dict.fromkeys(names)]
        return [DeployableModel(file, file.load()) for file in named], []
    models, rejected = [], []
    for file in model_files(folders).values():
        try:
            models.append(DeployableModel(file, file.load()))
        except PenstockError as error:
            rejected.append(str(error))
    if not models:
        shown = ", ".join(map(str, folders))
        reason = f"{shown}: no validated models; run `penstock repro` to create them"
        raise ConfigError("\n".join([*rejected, reason]))
    return models, rejected
