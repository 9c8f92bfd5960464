"""The model repository: the models of some files and folders, by name; new files are loaded while the server runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from penstock.core.errors import ConfigError, PenstockError
from penstock.core.listed_models import is_of_project, missing_step
from penstock.serving.errors import ModelFailedError, UnknownModelError
from penstock.serving.runtime.batch_tuning import autotune
from penstock.serving.runtime.model import ServedModel
from penstock.serving.runtime.sources import FileStates, ModelFile, model_files, named_file

logger = logging.getLogger(__name__)


class Repository:
    """Served models by name.

    A model's new file replaces the old one when it is loaded, validated and warm; open requests finish with the old
    one. A rejected or deleted file changes nothing: a new one may be on its way. Only an int8 candidate that is
    withdrawn, and a model that params.yaml of its project no longer has, are no longer served.

    Args:
        sources: ONNX files and folders of them, as `model_files` finds them.
        max_batch_size: Rows per run of a model; None tunes it for each.
        allow_unvalidated: Whether to serve files that were not validated; their metadata say so.
        attestation_key: File of the public key that must have signed an attestation of each file; None requires none.
    """

    def __init__(
        self,
        sources: Sequence[Path],
        max_batch_size: int | None = None,
        *,
        allow_unvalidated: bool = False,
        attestation_key: Path | None = None,
    ) -> None:
        self.sources = sources
        self.max_batch_size = max_batch_size
        self.allow_unvalidated = allow_unvalidated
        self.attestation_key = attestation_key
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
        """Load the models of the sources.

        Raises:
            ConfigError: None of them can be served.
        """
        loaded = [(file, self._load(file)) for file in self._changed_files()]
        if not any(isinstance(model, ServedModel) for _, model in loaded):
            raise ConfigError("\n".join([*(str(error) for _, error in loaded), self._nothing_served(loaded)]).strip())
        for file, model in loaded:
            self._add(file, model)
        self.ready = True

    def _nothing_served(self, loaded: Sequence[object]) -> str:
        """Return the last line of the error; the reasons of files outside a project say what to do."""
        if loaded and not any(is_of_project(source / "model") for source in self.sources):
            return ""
        steps = [f"{source.name}: {step}" for source in self.sources if (step := missing_step(source))]
        sources = ", ".join(map(str, self.sources))
        return "\n".join(steps) or (
            f"{sources}: no validated models; run `penstock repro` to create them, or name an ONNX file"
        )

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
        found = {file.name: (file, file.state) for file in model_files(self.sources).values()}
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
            model = file.load(allow_unvalidated=self.allow_unvalidated, attestation_key=self.attestation_key)
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
        if not loaded.is_validated:
            logger.warning("%s: is served without a validation, as --allow-unvalidated says", file.path)
        self.rejected.pop(file.name, None)
        self.models[file.name] = loaded


def load_named(name: str, folders: Sequence[Path]) -> ServedModel:
    """Load one model of the folders.

    Raises:
        ConfigError: There is no such model, or it is not exported.
        PenstockError: It is not validated.
    """
    return named_file(name, folders).load()
