"""Checkpoints: an interrupted training resumes from the last one.

.penstock/checkpoints/<stage>/<model>/<key>/<training>/
    last.ckpt      the last checkpoint; written to new.ckpt first, so that it is complete or missing
    before.ckpt    the previous checkpoint, used if the last one is damaged

Checkpoints are not outputs of the stage, because DVC deletes outputs before it reruns a stage. The key is a hash of
everything that determines the weights (`Provenance.key`). So a training never resumes from other data, parameters, code
or devices.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from lightning_fabric.plugins.io import TorchCheckpointIO
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor, distributed

from penstock.config.params import CheckpointsConfig
from penstock.core import console
from penstock.core.distributed import is_rank_zero
from penstock.core.errors import TrainingError
from penstock.core.signals import DeferredSignal, interrupt
from penstock.data.datamodule import ResumableDataLoader
from penstock.io.files import canonical_hash
from penstock.training.module import BaseModule

LAST, PREVIOUS, NEW = "last.ckpt", "before.ckpt", "new.ckpt"
SECONDS_TO_END = 30.0  # time that another process has to end after a signal
RANDOM_STATES = ("random", "random_gpu")
CHECKPOINT_DUE = 1  # below the numbers of the signals that end a stage, so that the maximum of all ranks is a signal

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
                wrote = len(_state(checkpoint)["shares"]["random"])
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
            _reach_the_disk(new)
            if last.exists():
                last.replace(self.folder / PREVIOUS)
            new.replace(last)
            _reach_the_disk(self.folder)


def _reach_the_disk(path: Path) -> None:
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
    state: dict[str, Any] = checkpoint["callbacks"][PreemptionCheckpoint.__qualname__]
    return state


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write a checkpoint directly to its path.

    Lightning's own `TorchCheckpointIO` builds the whole file in memory, and then writes a copy to another folder. A
    killed process would leave that copy there.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        with Path(path).open("wb") as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:  # torch raises it if the disk is full
                cause = error.__context__
                raise cause if isinstance(cause, OSError) else OSError(str(error)) from None


class PreemptionCheckpoint(Checkpoint):
    """Write a checkpoint at a fixed interval, on a signal, and at the end; Lightning runs it after other callbacks.

    A signal is handled between two steps: the callback writes a checkpoint, then raises `Interrupted`. Checkpoints
    cannot store a partial validation, so a signal during validation is handled after it. A signal after the last step
    is handled by `answer_signal`.

    Besides Lightning's state, a checkpoint contains the random state and the metric sums of the epoch for each rank,
    and the training time in seconds.

    Args:
        files: Where checkpoints are written. None writes none, and a signal still ends the training.
    """

    def __init__(self, files: CheckpointFiles | None) -> None:
        self.files = files
        self.seconds = 0.0
        self._finished = False
        self._warned = False
        self._signal = DeferredSignal()
        self._unanswered = 0
        self._restored: dict[str, Tensor] | None = None
        self._shares: dict[str, Tensor] = {}
        self._place = {"epoch": 1, "batch": 0}
        self._saved = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "shares": self._shares, "place": self._place, "finished": self._finished}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds = state_dict["seconds"]
        self._restored = state_dict["shares"]
        self._place = state_dict["place"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, BaseModule)
        if self.files:
            _require_the_same_step(trainer, self.files.folder.name)
        if self._restored is not None:
            # Clone: for a slice, `set_rng_state` ignores the offset and would read the state of rank 0.
            share = {name: of_all[trainer.global_rank].clone() for name, of_all in self._restored.items()}
            _set_random_state(share)
            pl_module.load_rank_state({name: tensor for name, tensor in share.items() if name not in RANDOM_STATES})
            self._restored = None
            console.note(f"resuming after batch {self._place['batch']} of epoch {self._place['epoch']}")
        # Lightning has just installed its own handlers. It restores the stage's handlers when training ends.
        self._signal.listen()
        self._saved = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401  (Lightning's own signature)
        batch: Any,  # noqa: ANN401
        batch_idx: int,
    ) -> None:
        # After the last batch, validation follows; `on_train_epoch_end` then saves.
        if not trainer.is_last_batch:
            self._save_if_due(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._save_if_due(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._finished = True
        self._save(trainer, pl_module)
        self._unanswered = _largest_of_all(trainer, self._signal.number or 0)

    def answer_signal(self) -> None:
        """Handle a signal that arrived after the last step.

        Raises:
            Interrupted: Any rank has received a signal; it is raised on all ranks.
        """
        if number := self._unanswered or self._signal.number:
            interrupt(number)

    def _save_if_due(self, trainer: Trainer, pl_module: LightningModule) -> None:
        why = _largest_of_all(trainer, self._due())
        if why:
            self._save(trainer, pl_module)
        if why > CHECKPOINT_DUE:
            interrupt(why)

    def _due(self) -> int:
        """Return the number of a signal, `CHECKPOINT_DUE`, or 0 if no checkpoint is due on this rank."""
        if self._signal.number:
            return self._signal.number
        is_time = self.files is not None and time.perf_counter() - self._saved >= self.files.settings.seconds
        return CHECKPOINT_DUE if is_time else 0

    def _save(self, trainer: Trainer, pl_module: LightningModule) -> None:
        now = time.perf_counter()
        self.seconds += now - self._saved
        self._saved = now
        if self.files is None:
            return
        assert isinstance(pl_module, BaseModule)
        assert isinstance(trainer.train_dataloader, ResumableDataLoader)
        self._place = {"epoch": trainer.current_epoch + 1, "batch": trainer.train_dataloader.batches_served}
        # At the end of an epoch, its means are logged already, and the next epoch starts from zero.
        means = {} if trainer.is_last_batch else pl_module.rank_state()
        share = means | _random_state(trainer)
        self._shares = {name: _of_every_process(trainer, tensor) for name, tensor in share.items()}
        try:
            self.files.save(trainer)
        except OSError as error:
            if not self._warned:
                console.warn(
                    f"{self.files.folder}: cannot write a checkpoint; training continues without one ({error})"
                )
            self._warned = True


def _largest_of_all(trainer: Trainer, number: int) -> int:
    """Return the maximum over all ranks."""
    if trainer.world_size == 1:
        return number
    largest = torch.tensor(number, device=trainer.strategy.root_device)
    distributed.all_reduce(largest, distributed.ReduceOp.MAX)
    return int(largest)


def _require_the_same_step(trainer: Trainer, training: str) -> None:
    """Check that all ranks resume from the same step.

    If a node does not see the checkpoints of the first node, its ranks would start from another step.

    Raises:
        TrainingError: The ranks resume from different steps.
    """
    place = int(canonical_hash([training, trainer.global_step])[:15], 16)
    if len(set(_of_every_process(trainer, torch.tensor(place)).tolist())) > 1:
        raise TrainingError(
            f"{training}: the processes resume from different steps (here {trainer.global_step}): all nodes must see "
            "the same .penstock/checkpoints; share the project's folder, or set checkpoints.resume to never"
        )


def _of_every_process(trainer: Trainer, tensor: Tensor) -> Tensor:
    """Gather a tensor from all ranks, stacked by rank, on the CPU: [world_size, ...]."""
    if trainer.world_size == 1:
        return tensor.cpu()[None]
    own = tensor.to(trainer.strategy.root_device)
    gathered = [torch.empty_like(own) for _ in range(trainer.world_size)]
    distributed.all_gather(gathered, own)
    return torch.stack(gathered).cpu()


def _random_state(trainer: Trainer) -> dict[str, Tensor]:
    device = trainer.strategy.root_device
    of_gpu = {"random_gpu": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {}
    return {"random": torch.get_rng_state(), **of_gpu}


def _set_random_state(share: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(share["random"])
    if "random_gpu" in share:
        torch.cuda.set_rng_state(share["random_gpu"])
