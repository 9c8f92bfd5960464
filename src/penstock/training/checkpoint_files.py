"""Checkpoints: an interrupted training resumes from the last one.

.penstock/checkpoints/<stage>/<model>/<key>/<training>/
    last.ckpt      the last checkpoint; written to new.ckpt first, so that it is complete or missing
    previous.ckpt  the previous checkpoint, used if the last one is damaged

Checkpoints are not outputs of the stage, because DVC deletes outputs before it reruns a stage. The key is a hash of
everything that determines the weights (`Provenance.key`). So a training never resumes from other data, parameters, code
or devices.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from lightning_fabric.plugins.io import TorchCheckpointIO
from pytorch_lightning import Trainer

from penstock.config.params import CheckpointsConfig
from penstock.core import console
from penstock.core.distributed import is_rank_zero
from penstock.core.errors import TrainingError

LAST, PREVIOUS, NEW = "last.ckpt", "previous.ckpt", "new.ckpt"
STATE_KEY = "PreemptionCheckpoint"  # key of that callback's state in a checkpoint
SECONDS_TO_END = 30.0  # time that another process has to end after a signal

# Locks are held until this process ends.
_held: dict[Path, FileLock] = {}


@dataclass(frozen=True)
class Checkpoints:
    """Manage the checkpoints of a stage for one model, which may have several trainings, such as one per fold."""

    home: Path
    """Folder of this stage and model; it contains a folder named by the key."""
    key: str
    """Hash of everything that determines the weights (`Provenance.key`)."""
    settings: CheckpointsConfig

    def begin(self) -> None:
        """Lock the folder, and remove checkpoints that cannot be resumed, with a message.

        Raises:
            TrainingError: Another process trains this model, for example one that a killed `dvc repro` left running.
        """
        if not is_rank_zero():
            return
        self._require_to_be_alone()
        if self.settings.resume == "never":
            shutil.rmtree(self.home, ignore_errors=True)
        others = [folder for folder in self.home.glob("*") if folder.name != self.key]
        for folder in others:
            shutil.rmtree(folder, ignore_errors=True)
        if others:
            console.note(
                "data, parameters, code or devices have changed since this training was interrupted, so it starts over"
            )

    def _require_to_be_alone(self) -> None:
        path = self.home.with_suffix(".lock")
        if path in _held:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=SECONDS_TO_END)
        try:
            lock.acquire()
        except Timeout:
            raise TrainingError(f"another process trains {self.home.name}; end it, or wait for it") from None
        _held[path] = lock

    def of(self, training: str) -> CheckpointFiles:
        """Return the checkpoint files of one training."""
        return CheckpointFiles(self.home / self.key / training, self.settings)

    def remove(self) -> None:
        """Remove all checkpoints, after the stage has written its outputs."""
        if is_rank_zero():
            shutil.rmtree(self.home, ignore_errors=True)


@dataclass(frozen=True)
class CheckpointFiles:
    """Read and write the last two checkpoints of one training."""

    folder: Path
    settings: CheckpointsConfig

    def latest(self, processes: int) -> tuple[Path, dict[str, Any]] | None:
        """Load the newest readable checkpoint.

        Args:
            processes: World size. Each rank needs its own state, so a checkpoint of another world size is not resumed.

        Returns:
            Path and content of the checkpoint, or None if the training cannot be resumed.
        """
        if self.settings.resume == "never":
            return None
        for path in (self.folder / LAST, self.folder / PREVIOUS):
            if path.is_file():
                try:
                    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
                except Exception as error:  # noqa: BLE001  (torch raises many types for damaged files)
                    reason = next(iter(str(error).splitlines()), type(error).__name__)
                    console.warn(f"{path}: skipped, since it is not a readable checkpoint ({reason})")
                    continue
                wrote = len(_state(checkpoint)["rank_states"]["random"])
                if wrote == processes:
                    return path, checkpoint
                console.warn(
                    f"{path}: written by {wrote} processes, and now there are {processes}; the training starts over"
                )
                return None
        return None

    def save(self, trainer: Trainer) -> None:
        """Write a checkpoint; all ranks call it, and rank 0 writes.

        The previous checkpoints stay until the new one is complete.

        Raises:
            OSError: The checkpoint cannot be written.
        """
        new, last = self.folder / NEW, self.folder / LAST
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            trainer.save_checkpoint(new, weights_only=False)
        except OSError:
            new.unlink(missing_ok=True)
            trainer.strategy.barrier()  # the other ranks wait at the barrier of `save_checkpoint`
            raise
        if trainer.is_global_zero:
            _fsync(new)
            if last.exists():
                last.replace(self.folder / PREVIOUS)
            new.replace(last)
            _fsync(self.folder)


def _fsync(path: Path) -> None:
    """Flush a file or folder to disk, so that it survives a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_finished(checkpoint: Mapping[str, Any]) -> bool:
    """Return whether the training is complete and only the stage was interrupted."""
    finished: bool = _state(checkpoint)["finished"]
    return finished


def _state(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = checkpoint["callbacks"][STATE_KEY]
    return state


class StreamingCheckpointIO(TorchCheckpointIO):
    """Write the checkpoints of `CheckpointFiles` directly to disk, and all others as Lightning does.

    Lightning's own `TorchCheckpointIO` builds the whole file in memory, and then writes a copy to another folder. A
    killed process would leave that copy there. `CheckpointFiles` needs no copy, because it renames complete files.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        if Path(path).name != NEW:
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with Path(path).open("wb") as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:  # torch raises it if the disk is full
                cause = error.__context__
                raise cause if isinstance(cause, OSError) else OSError(str(error)) from None
