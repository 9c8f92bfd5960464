"""Train a model with Penstock, one epoch per line on stdin, on all cores.

    python -m benchmarks.our_epochs MODEL

`epoch` prints the seconds of an epoch. `score` prints the test score of the selected weights.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from penstock.config.loading import load_config
from penstock.core.paths import Project
from penstock.io.processed_dataset import ProcessedDataset
from penstock.orchestration.resources import use_threads
from penstock.tasks.build import build_module
from penstock.training.checkpoint_files import CheckpointFiles
from penstock.training.fit import TrainingSetup, fit, score_split
from penstock.training.history import Epoch
from penstock.training.malloc import tune_glibc_malloc


def main(name: str) -> None:
    project = Project.find()
    config = load_config(project.params)
    model = config.model(name)
    processed = ProcessedDataset(project.processed(model.dataset))
    use_threads(len(os.sched_getaffinity(0)))
    tune_glibc_malloc()
    trainer = config.trainer.model_copy(update={"accelerator": "cpu"})
    begun = 0.0

    def wait() -> None:
        nonlocal begun
        sys.stdin.readline()
        begun = time.perf_counter()

    def on_epoch(epoch: Epoch, epochs: int) -> None:
        _say(seconds=time.perf_counter() - begun)
        if epoch.epoch < epochs:
            wait()

    setup = TrainingSetup(build_module, model, trainer, processed.info)
    wait()
    with TemporaryDirectory() as folder:
        fitted = fit(
            setup,
            processed.split("train"),
            processed.split("validation"),
            on_epoch,
            checkpoints=CheckpointFiles(Path(folder), config.checkpoints),
        )
    sys.stdin.readline()
    metrics = score_split(setup, fitted.weights, processed.split("test"))
    _say(score=next(iter(metrics.values())))


def _say(**answer: float) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
