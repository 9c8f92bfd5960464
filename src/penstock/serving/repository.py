"""What is served: the validated models of some folders, by name and version; new files are taken up while it runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.core.errors import ConfigError, PenstockError, nearest
from penstock.core.model_files import EXACT, INT8, PROOF
from penstock.serving.models import ServedModel, is_adopted, load_model
from penstock.serving.plan import measure
from penstock.serving.refusals import ModelFailedError, UnknownModelError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelFile:
    """Where a model lies, and the proof that its bytes are the validated ones."""

    name: str
    path: Path
    proof: Path

    @property
    def state(self) -> tuple[object, ...]:
        """Changes when either file does."""
        return tuple(_state(path) for path in (self.path, self.proof))

    @property
    def is_dropped(self) -> bool:
        """Whether it is an int8 candidate that its proof does not adopt."""
        return self.path.name == INT8 and is_adopted(self.proof) is False

    def load(self) -> ServedModel:
        return load_model(self.name, self.path, self.proof)


def model_files(folders: Sequence[Path]) -> dict[str, ModelFile]:
    """The files by model, whether they may be served or not; where two folders have one, the first folder's.

    An int8 candidate that was adopted is a model of its own, `<model>.int8`. What begins with a dot is being made.
    """
    homes = {path.parent.name: path.parent for folder in reversed(folders) for path in folder.glob("[!.]*/model*.onnx")}
    files = [file for name, home in sorted(homes.items()) for file in _files(name, home)]
    return {file.name: file for file in files}


def _files(name: str, home: Path) -> Iterator[ModelFile]:
    exact, int8, proof = home / EXACT, home / INT8, home / PROOF
    if _state(exact):
        yield ModelFile(name, exact, proof)
    if _state(int8) and is_adopted(proof):
        yield ModelFile(f"{name}.int8", int8, proof)


class Repository:
    """Models by name. A model's new file takes the old one's place when it is loaded, proven and warm; requests that
    have the old one in hand end with it. A file that is refused changes nothing, nor does one that is gone: a new one
    may be on its way. Only an int8 candidate whose proof no longer adopts it is served no more.

    most_rows: of a run of a model, where it is not to be measured; refused: why a model, or its new file, is not
    served, by name; ready: whether requests are taken at all.
    """

    def __init__(self, folders: Sequence[Path], most_rows: int | None = None) -> None:
        self.folders = folders
        self.most_rows = most_rows
        self.models: dict[str, ServedModel] = {}
        self.refused: dict[str, str] = {}
        self.ready = False
        self._seen: dict[str, tuple[ModelFile, tuple[object, ...]]] = {}

    @property
    def names(self) -> list[str]:
        return list(self.models)

    def get(self, name: str, version: str | None = None) -> ServedModel:
        """Raises `UnknownModelError`."""
        model = self.models.get(name)
        if model is None:
            raise UnknownModelError(self._unknown(name))
        if version is not None and version != model.version:
            raise UnknownModelError(f"no version '{version}' of '{name}'; served is {model.version}")
        return model

    def _unknown(self, name: str) -> str:
        if name in self.refused:
            return self.refused[name]
        return f"no model '{name}'; served are {', '.join(self.models)}"

    def index(self) -> list[dict[str, Any]]:
        """Every model that lies in the folders, as the protocol's repository index lists them."""
        served = [
            {"name": name, "version": model.version, "state": "READY", "reason": self.refused.get(name, "")}
            for name, model in self.models.items()
        ]
        return served + [
            {"name": name, "state": "UNAVAILABLE", "reason": reason}
            for name, reason in self.refused.items()
            if name not in self.models
        ]

    def load(self) -> None:
        """Loads what lies in the folders now.

        Raises:
            ConfigError: none of it may be served.
        """
        for file in self._changed():
            self._take(file.name, self._loaded(file))
        if not self.models:
            shown = ", ".join(map(str, self.folders))
            reasons = [*self.refused.values(), f"{shown}: no validated models here; `make repro` makes them"]
            raise ConfigError("\n".join(reasons))
        self.ready = True

    async def watch(self, seconds: float) -> None:
        """Looks for new files every so many seconds, until it is cancelled; loads them beside the event loop."""
        while True:
            await asyncio.sleep(seconds)
            with suppress(OSError):  # a folder that is away for a while, as a network's may be, changes nothing
                await self._look()

    async def _look(self) -> None:
        for file in await asyncio.to_thread(self._changed):
            self._take(file.name, await asyncio.to_thread(self._loaded, file))
        for name in await asyncio.to_thread(self._dropped):
            self._retire(name)

    def _changed(self) -> list[ModelFile]:
        found = {file.name: (file, file.state) for file in model_files(self.folders).values()}
        changed = [file for name, (file, state) in found.items() if self._seen.get(name) != (file, state)]
        self._seen |= found
        return changed

    def _dropped(self) -> list[str]:
        return [name for name, (file, _) in self._seen.items() if file.is_dropped]

    def _retire(self, name: str) -> None:
        for of_models in (self.models, self.refused, self._seen):
            of_models.pop(name, None)

    def _loaded(self, file: ModelFile) -> ServedModel | PenstockError:
        try:
            model = file.load()
            model.plan = measure(model, self.most_rows)
        except PenstockError as error:
            return error
        except (OSError, ModelFailedError) as error:
            return PenstockError(f"{file.path}: {error}")
        except Exception as error:  # noqa: BLE001  (whatever is wrong with one file, the others are served)
            return PenstockError(f"{file.path}: {type(error).__name__}: {error}")
        return model

    def _take(self, name: str, loaded: ServedModel | PenstockError) -> None:
        if isinstance(loaded, PenstockError):
            self.refused[name] = str(loaded)
            logger.warning("%s", loaded)
            return
        self.refused.pop(name, None)
        self.models[name] = loaded


def load_named(name: str, folders: Sequence[Path]) -> ServedModel:
    """One model of the folders.

    Raises:
        ConfigError: there is no such model.
        PenstockError: it may not be served.
    """
    files = model_files(folders)
    if name not in files:
        raise ConfigError(f"{', '.join(map(str, folders))}: no model '{name}'{nearest(name, files)}")
    return files[name].load()


def _state(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
