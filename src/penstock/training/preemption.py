"""Write checkpoints while a training runs, and end it on a signal."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor, distributed

from penstock.core import console
from penstock.core.errors import TrainingError
from penstock.core.signals import DeferredSignal, interrupt
from penstock.data.datamodule import ResumableDataLoader
from penstock.io.files import canonical_hash
from penstock.training.checkpoint_files import STATE_KEY, CheckpointFiles
from penstock.training.module import BaseModule

RANDOM_STATES = ("random", "random_gpu")
CHECKPOINT_DUE = 1  # below the numbers of the signals that end a stage, so that the maximum of all ranks is a signal


class PreemptionCheckpoint(Checkpoint):
    """Write a checkpoint at a fixed interval, on a signal, and at the end; Lightning runs it after other callbacks.

    A signal is handled between two steps: the callback writes a checkpoint, then raises `Interrupted`. Checkpoints
    cannot store a partial validation, so a signal during validation is handled after it. A signal after the last step
    is handled by `raise_pending_signal`.

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
        self._pending = 0
        self._restored: dict[str, Tensor] | None = None
        self._rank_states: dict[str, Tensor] = {}
        self._place = {"epoch": 1, "batch": 0}
        self._saved = 0.0

    @property
    def state_key(self) -> str:
        return STATE_KEY

    def state_dict(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds,
            "rank_states": self._rank_states,
            "place": self._place,
            "finished": self._finished,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds = state_dict["seconds"]
        self._restored = state_dict["rank_states"]
        self._place = state_dict["place"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, BaseModule)
        if self.files:
            _require_the_same_step(trainer, self.files.folder.name)
        if self._restored is not None:
            # Clone: for a slice, `set_rng_state` ignores the offset and would read the state of rank 0.
            rank_state = {name: of_all[trainer.global_rank].clone() for name, of_all in self._restored.items()}
            _set_random_state(rank_state)
            means = {name: tensor for name, tensor in rank_state.items() if name not in RANDOM_STATES}
            pl_module.load_rank_state(means)
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
        self._pending = _all_reduce_max(trainer, self._signal.number or 0)

    def raise_pending_signal(self) -> None:
        """Handle a signal that arrived after the last step.

        Raises:
            Interrupted: Any rank has received a signal; it is raised on all ranks.
        """
        if number := self._pending or self._signal.number:
            interrupt(number)

    def _save_if_due(self, trainer: Trainer, pl_module: LightningModule) -> None:
        why = _all_reduce_max(trainer, self._due())
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
        rank_state = means | _random_state(trainer)
        self._rank_states = {name: _all_gather(trainer, tensor) for name, tensor in rank_state.items()}
        try:
            self.files.save(trainer)
        except OSError as error:
            if not self._warned:
                console.warn(
                    f"{self.files.folder}: cannot write a checkpoint; training continues without one ({error})"
                )
            self._warned = True


def _all_reduce_max(trainer: Trainer, number: int) -> int:
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
    if len(set(_all_gather(trainer, torch.tensor(place)).tolist())) > 1:
        raise TrainingError(
            f"{training}: the processes resume from different steps (here {trainer.global_step}): all nodes must see "
            "the same .penstock/checkpoints; share the project's folder, or set checkpoints.resume to never"
        )


def _all_gather(trainer: Trainer, tensor: Tensor) -> Tensor:
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


def _set_random_state(rank_state: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(rank_state["random"])
    if "random_gpu" in rank_state:
        torch.cuda.set_rng_state(rank_state["random_gpu"])
