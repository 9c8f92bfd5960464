"""A training that was killed goes on where it was: checkpoints, when they are written, and what is in them.

.penstock/checkpoints/<stage>/<model>/<key>/<training>/
    last.ckpt      written to new.ckpt first, so that it is whole or not there
    before.ckpt    the one before, for the day that the disk has damaged the last

They stand outside the stage's outputs, which DVC deletes before it runs the stage again, under the key of all that
shapes the weights (`Lineage.key`): other data, parameters, code or devices never go on from them.
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
SECONDS_TO_END = 30.0  # that a stage may have before it, after a signal
RANDOM_STATES = ("random", "random_gpu")
CHECKPOINT_DUE = 1  # a checkpoint, and below the number of any signal that ends a stage

# Until this process ends, one way or the other.
_held: dict[Path, FileLock] = {}


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a stage for one model: there may be several trainings in it, such as one for each fold.

    home: the folder of this stage and model, with a folder for the key in it.
    """

    home: Path
    key: str
    settings: CheckpointsConfig

    def begin(self) -> None:
        """Removes what cannot be gone on from, and says so.

        Raises:
            TrainingError: another process is at it: one that a killed `dvc repro` has left behind, for example.
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
                "data, parameters, code or devices have changed since a training was interrupted, so it begins anew"
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
        return CheckpointFiles(self.home / self.key / training, self.settings)

    def remove(self) -> None:
        """When the stage has written its outputs."""
        if is_rank_zero():
            shutil.rmtree(self.home, ignore_errors=True)


@dataclass(frozen=True)
class CheckpointFiles:
    """The last checkpoint of one training, and the one before."""

    folder: Path
    settings: CheckpointsConfig

    def latest(self, processes: int) -> tuple[Path, dict[str, Any]] | None:
        """The newest that can be read, with what is in it, if as many processes wrote it: each needs its own part."""
        if self.settings.resume == "never":
            return None
        for path in (self.folder / LAST, self.folder / PREVIOUS):
            if path.is_file():
                try:
                    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
                except Exception as error:  # noqa: BLE001  (whatever torch makes of damaged bytes)
                    reason = next(iter(str(error).splitlines()), type(error).__name__)
                    console.warn(f"{path}: no checkpoint that can be read, so it is passed over ({reason})")
                    continue
                wrote = len(_state(checkpoint)["shares"]["random"])
                if wrote == processes:
                    return path, checkpoint
                console.warn(f"{path}: of {wrote} processes, and now there are {processes}; the training begins anew")
                return None
        return None

    def save(self, trainer: Trainer) -> None:
        """Every process calls it, and the first one writes; the old ones stay until the new one is whole.

        Raises:
            OSError: it could not be written.
        """
        new, last = self.folder / NEW, self.folder / LAST
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            trainer.save_checkpoint(new, weights_only=False)
        except OSError:
            new.unlink(missing_ok=True)
            trainer.strategy.barrier()  # where the other processes wait
            raise
        if trainer.is_global_zero:
            _reach_the_disk(new)
            if last.exists():
                last.replace(self.folder / PREVIOUS)
            new.replace(last)
            _reach_the_disk(self.folder)


def _reach_the_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_finished(checkpoint: Mapping[str, Any]) -> bool:
    """Whether the training came to its end, and only the stage did not."""
    finished: bool = _state(checkpoint)["finished"]
    return finished


def _state(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = checkpoint["callbacks"][PreemptionCheckpoint.__qualname__]
    return state


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes where it is told to: Lightning's own makes the whole file in memory first, and then a copy in another
    folder, which a kill would leave there."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: object = None) -> None:
        with Path(path).open("wb") as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:  # what torch makes of a disk that is full
                cause = error.__context__
                raise cause if isinstance(cause, OSError) else OSError(str(error)) from None


class PreemptionCheckpoint(Checkpoint):
    """Writes a checkpoint every so many seconds, at a signal, and at the end; Lightning calls it after all others.

    A signal is answered between two steps: a checkpoint, then `Interrupted`. During validation, which no checkpoint can
    hold the middle of, it waits for its end. One that comes behind the last step waits for `answer_signal`.

    Beside what Lightning keeps, a checkpoint has the state of the random numbers and the sums of the epoch, of each
    process by itself, and the seconds that the training has taken.

    Args:
        files: None writes none; a signal ends the training all the same.
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
            # A copy: of a slice, torch would take the random state from where the first process's begins.
            share = {name: of_all[trainer.global_rank].clone() for name, of_all in self._restored.items()}
            _set_random_state(share)
            pl_module.load_rank_state({name: tensor for name, tensor in share.items() if name not in RANDOM_STATES})
            self._restored = None
            console.note(f"going on behind batch {self._place['batch']} of epoch {self._place['epoch']}")
        # Lightning has put in its own handlers just before, and puts back ours of the stage when training ends.
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
        # Behind the last one comes the validation, and then the end of the epoch.
        if not trainer.is_last_batch:
            self._save_if_due(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._save_if_due(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._finished = True
        self._save(trainer, pl_module)
        self._unanswered = _largest_of_all(trainer, self._signal.number or 0)

    def answer_signal(self) -> None:
        """Behind the end of a training: raises `Interrupted`, in every process, if a signal came to one of them that no
        step has answered."""
        if number := self._unanswered or self._signal.number:
            interrupt(number)

    def _save_if_due(self, trainer: Trainer, pl_module: LightningModule) -> None:
        why = _largest_of_all(trainer, self._due())
        if why:
            self._save(trainer, pl_module)
        if why > CHECKPOINT_DUE:
            interrupt(why)

    def _due(self) -> int:
        """The number of a signal, or `CHECKPOINT_DUE`, or 0 for no checkpoint."""
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
        # At the end of an epoch its means have been logged, and the next one starts from nothing.
        means = {} if trainer.is_last_batch else pl_module.rank_state()
        share = means | _random_state(trainer)
        self._shares = {name: _of_every_process(trainer, tensor) for name, tensor in share.items()}
        try:
            self.files.save(trainer)
        except OSError as error:
            if not self._warned:
                console.warn(f"{self.files.folder}: no checkpoint can be written; going on without one ({error})")
            self._warned = True


def _largest_of_all(trainer: Trainer, number: int) -> int:
    if trainer.world_size == 1:
        return number
    largest = torch.tensor(number, device=trainer.strategy.root_device)
    distributed.all_reduce(largest, distributed.ReduceOp.MAX)
    return int(largest)


def _require_the_same_step(trainer: Trainer, training: str) -> None:
    """Where not all nodes see the first one's checkpoints, some would go on and the others begin, or be elsewhere."""
    place = int(canonical_hash([training, trainer.global_step])[:15], 16)
    if len(set(_of_every_process(trainer, torch.tensor(place)).tolist())) > 1:
        raise TrainingError(
            f"{training}: the processes go on from different steps (here {trainer.global_step}): all nodes must see "
            "the same .penstock/checkpoints; share the project's folder, or set checkpoints.resume to never"
        )


def _of_every_process(trainer: Trainer, tensor: Tensor) -> Tensor:
    """Stacked by rank, on the CPU."""
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
