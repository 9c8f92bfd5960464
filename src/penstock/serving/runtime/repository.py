"""The model repository: validated models of some folders, by name; new files are loaded while the server runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.core.errors import ConfigError, PenstockError, nearest
from penstock.core.file_state import FileState
from penstock.core.listed_models import is_listed
from penstock.core.model_files import INT8, ONNX, VALIDATION
from penstock.serving.errors import ModelFailedError, UnknownModelError
from penstock.serving.runtime.batch_tuning import autotune
from penstock.serving.runtime.model import ServedModel, load_model, serves_int8

FileStates = tuple[FileState | None, ...]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelFile:
    """A model's ONNX file, and the validation.json that names its sha256."""

    name: str
    path: Path
    validation: Path
    is_listed: bool = True
    """Whether params.yaml has the model, if the folder is one of a project."""

    @property
    def state(self) -> FileStates:
        """Changes when either file does."""
        return FileState.of(self.path), FileState.of(self.validation)

    @property
    def is_withdrawn(self) -> bool:
        """Whether it is an int8 candidate that is no longer to be served."""
        return self.path.name == INT8 and serves_int8(self.validation) is False

    def without_path(self, message: str) -> str:
        """Return a message for clients, who need not know where the folder of models is."""
        home = self.path.parent
        return message.replace(str(home), f"{home.parent.name}/{home.name}")

    def load(self) -> ServedModel:
        """Load the model.

        Raises:
            PenstockError: It is not listed, not validated, or not a valid ONNX file.
        """
        if not self.is_listed:
            home = self.path.parent
            raise PenstockError(f"{home}: not served, since params.yaml has no such model; `rm -r {home}` deletes it")
        return load_model(self.name, self.path, self.validation)


def model_files(folders: Sequence[Path]) -> dict[str, ModelFile]:
    """Find the model files of some folders, whether they are validated or not.

    An int8 candidate that is served is a model of its own, `<model>.int8`. A folder whose name starts with a dot is
    being written and is skipped. Where two folders have the same model, the first folder's is returned, unless
    params.yaml has only the other one.
    """
    found = {path.parent: None for folder in reversed(folders) for path in folder.glob("[!.]*/model*.onnx")}
    homes = {home.name: home for home in sorted(found, key=is_listed)}
    files = [file for name, home in sorted(homes.items()) for file in _files(name, home)]
    return {file.name: file for file in files}


def _files(name: str, home: Path) -> Iterator[ModelFile]:
    onnx, int8, validation = home / ONNX, home / INT8, home / VALIDATION
    if FileState.of(onnx):
        yield ModelFile(name, onnx, validation, is_listed(home))
    if FileState.of(int8) and serves_int8(validation):
        yield ModelFile(f"{name}.int8", int8, validation, is_listed(home))


class Repository:
    """Served models by name.

    A model's new file replaces the old one when it is loaded, validated and warm; open requests finish with the old
    one. A rejected or deleted file changes nothing: a new one may be on its way. Only an int8 candidate that is
    withdrawn, and a model that params.yaml of its project no longer has, are no longer served.

    Args:
        folders: Folders of <model>/model.onnx and validation.json.
        max_batch_size: Rows per run of a model; None tunes it for each.
    """

    def __init__(self, folders: Sequence[Path], max_batch_size: int | None = None) -> None:
        self.folders = folders
        self.max_batch_size = max_batch_size
        self.models: dict[str, ServedModel] = {}
        self.rejected: dict[str, str] = {}
        """Why a model, or its new file, is not served, by name."""
        self.ready = False
        """Whether the server accepts requests."""
        self._seen: dict[str, tuple[ModelFile, FileStates]] = {}

    @property
    def names(self) -> list[str]:
        return list(self.models)

    def get(self, name: str, version: str | None = None) -> ServedModel:
        """Return a served model.

        Raises:
            UnknownModelError: There is no such model, or not in this version.
        """
        model = self.models.get(name)
        if model is None:
            raise UnknownModelError(self._why_unknown(name))
        if version is not None and version != model.version:
            raise UnknownModelError(f"no version '{version}' of '{name}'; the served version is {model.version}")
        return model

    def is_ready(self, *, all_models: bool) -> bool:
        """Return whether the server accepts requests.

        Args:
            all_models: Whether every model of the folders must be served too, as the protocol has it.
        """
        return self.ready and not (all_models and self.rejected)

    def _why_unknown(self, name: str) -> str:
        if name in self.rejected:
            return self.rejected[name]
        return f"no model '{name}'; the served models are {', '.join(self.models)}"

    def index(self) -> list[dict[str, Any]]:
        """List every model of the folders, as the protocol's repository index does."""
        served = [
            {"name": name, "version": model.version, "state": "READY", "reason": self.rejected.get(name, "")}
            for name, model in self.models.items()
        ]
        return served + [
            {"name": name, "state": "UNAVAILABLE", "reason": reason}
            for name, reason in self.rejected.items()
            if name not in self.models
        ]

    def load(self) -> None:
        """Load the models of the folders.

        Raises:
            ConfigError: None of them can be served.
        """
        for file in self._changed_files():
            self._add(file, self._load(file))
        if not self.models:
            folders = ", ".join(map(str, self.folders))
            reasons = [*self.rejected.values(), f"{folders}: no validated models; run `make repro` to create them"]
            raise ConfigError("\n".join(reasons))
        self.ready = True

    async def watch(self, seconds: float) -> None:
        """Check for new files every `seconds`, until cancelled; load them beside the event loop."""
        while True:
            await asyncio.sleep(seconds)
            with suppress(OSError):  # a network folder may be away for a while
                await self._update()

    async def _update(self) -> None:
        for file in await asyncio.to_thread(self._changed_files):
            self._add(file, await asyncio.to_thread(self._load, file))
        for name in await asyncio.to_thread(self._withdrawn):
            self._remove(name)

    def _changed_files(self) -> list[ModelFile]:
        found = {file.name: (file, file.state) for file in model_files(self.folders).values()}
        changed = [file for name, (file, state) in found.items() if self._seen.get(name) != (file, state)]
        self._seen |= found
        return changed

    def _withdrawn(self) -> list[str]:
        return [name for name, (file, _) in self._seen.items() if file.is_withdrawn]

    def _remove(self, name: str) -> None:
        for by_name in (self.models, self.rejected, self._seen):
            by_name.pop(name, None)

    def _load(self, file: ModelFile) -> ServedModel | PenstockError:
        try:
            model = file.load()
            model.policy = autotune(model, self.max_batch_size)
        except PenstockError as error:
            return error
        except (OSError, ModelFailedError) as error:
            return PenstockError(f"{file.path}: {error}")
        except Exception as error:  # noqa: BLE001  (one broken file must not stop the others)
            return PenstockError(f"{file.path}: {type(error).__name__}: {error}")
        return model

    def _add(self, file: ModelFile, loaded: ServedModel | PenstockError) -> None:
        if isinstance(loaded, PenstockError):
            self.rejected[file.name] = file.without_path(str(loaded))
            logger.warning("%s", loaded)
            if not file.is_listed:
                self.models.pop(file.name, None)
            return
        self.rejected.pop(file.name, None)
        self.models[file.name] = loaded


def load_named(name: str, folders: Sequence[Path]) -> ServedModel:
    """Load one model of the folders.

    Raises:
        ConfigError: There is no such model.
        PenstockError: It is not validated.
    """
    files = model_files(folders)
    if name not in files:
        raise ConfigError(f"{', '.join(map(str, folders))}: no model '{name}'{nearest(name, files)}")
    return files[name].load()
