"""Time one epoch of training per line on stdin, which is the number of steps, and print its seconds.

    python -m benchmarks.one_epoch ours|bare|tuned|dataloader MODEL PRECISION

`training_step.py` compares the four. Two epochs run per line, and only the second is timed.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pytorch_lightning import Trainer as LightningTrainer

from benchmarks.reference_loops import bare_epoch, epoch_with_dataloader, epoch_with_our_loader
from penstock.config.loading import load_config
from penstock.config.models import ModelConfig
from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.io.dataset_info import DatasetInfo
from penstock.io.processed_dataset import ArraySplit, ProcessedDataset
from penstock.orchestration.resources import use_threads
from penstock.tasks.build import build_module
from penstock.training.checkpoint_files import CheckpointFiles
from penstock.training.fit import TrainingSetup, fit
from penstock.training.malloc import tune_glibc_malloc

VALIDATION_ROWS = 16


def main(competitor: str, name: str, precision: str) -> None:
    project = Project.find()
    config = load_config(project.params)
    use_threads(config.trainer.threads)
    if competitor != "dataloader":
        tune_glibc_malloc()
    model = config.model(name)
    model = model.model_copy(update={"training": model.training.model_copy(update={"epochs": 2})})
    processed = ProcessedDataset(project.processed(model.dataset))
    rows, validation = processed.split("train"), processed.split("validation")[np.arange(VALIDATION_ROWS)]
    for line in sys.stdin:
        learn = rows[np.arange(int(line) * model.training.batch_size) % len(rows)]
        match competitor:
            case "ours":
                seconds = _our_epoch(model, config, precision, processed.info, learn, validation)
            case "bare":
                seconds = bare_epoch(model, processed.info, learn)
            case "tuned":
                seconds = epoch_with_our_loader(model, processed.info, learn)
            case _:
                seconds = epoch_with_dataloader(model, processed.info, learn)
        print(json.dumps({"seconds": seconds}), flush=True)


def _our_epoch(
    model: ModelConfig, config: Config, precision: str, info: DatasetInfo, learn: ArraySplit, validation: ArraySplit
) -> float:
    """Return the seconds of an epoch, with its share of a checkpoint every `checkpoints.seconds` seconds."""
    trainer = config.trainer.model_copy(update={"accelerator": "cpu", "precision": precision})
    ends: list[float] = []
    with TemporaryDirectory() as folder:
        checkpoints = _Timed(Path(folder), config.checkpoints)
        fit(
            TrainingSetup(build_module, model, trainer, info),
            learn,
            validation,
            lambda epoch, epochs: ends.append(time.perf_counter()),
            checkpoints=checkpoints,
        )
        of_checkpoint = checkpoints.seconds[-1]
    seconds = ends[-1] - ends[-2]
    return seconds + of_checkpoint * seconds / config.checkpoints.seconds


@dataclass(frozen=True)
class _Timed(CheckpointFiles):
    """Checkpoints whose writing is timed; the last one is written at the end of training."""

    seconds: list[float] = field(default_factory=list)
    """Seconds to write each checkpoint."""

    def save(self, trainer: LightningTrainer) -> None:
        begun = time.perf_counter()
        super().save(trainer)
        self.seconds.append(time.perf_counter() - begun)


if __name__ == "__main__":
    main(*sys.argv[1:])
