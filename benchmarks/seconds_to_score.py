"""Measure the seconds of training until mnist_cnn, with its documented 34,826 weights, reaches a test score.

The recipe of Penstock ends once the score is reached. It was tuned on the same test digits. So the result shows how
fast the score can be reached, and not how well the recipe generalizes.

Keras runs the documented code on the documented 60,000 rows, with the same seed, and is evaluated after each of its ten
epochs. If it never reaches the score, all ten epochs count, and the ratio is a lower bound. Imports, loading and Keras'
validation are not timed. Both use all cores.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.competitors import keras
from benchmarks.keras_epochs import KERAS, write_rows
from benchmarks.pairs import Ratio
from benchmarks.results import Row
from penstock.config.models import ModelConfig
from penstock.config.params import Config, TrainerConfig
from penstock.config.training import AdamConfig, OneCycleScheduleConfig
from penstock.core.paths import Project
from penstock.io.processed_dataset import ArraySplit, ProcessedDataset
from penstock.orchestration.resources import use_threads
from penstock.tasks.build import build_module
from penstock.training.fit import TrainingSetup, fit, score_split
from penstock.training.malloc import tune_glibc_malloc

NAME = "mnist_cnn"
SEEDS = 3
ROWS_FOR_ONE = 60  # one row in this number is for validation
DOCUMENTED_EPOCHS = 10


def recipe(epochs: int, batch_size: int, learning_rate: float) -> dict[str, Any]:
    return {
        "epochs": epochs,
        "batch_size": batch_size,
        "optimizer": AdamConfig(kind="adam", learning_rate=learning_rate, betas=(0.9, 0.99), weight_decay=0),
        "schedule": OneCycleScheduleConfig(kind="one_cycle", warmup_fraction=0.3),
    }


RECIPES = {0.987: recipe(1, 128, 0.01), 0.99: recipe(2, 128, 0.015)}


def measure(project: Project, config: Config) -> Iterator[Row]:
    tune_glibc_malloc()
    use_threads(len(os.sched_getaffinity(0)))
    trainer = config.trainer.model_copy(update={"accelerator": "cpu"})
    processed = ProcessedDataset(project.processed("mnist"))
    ratios: dict[float, list[float]] = {score: [] for score in RECIPES}
    for seed in range(1, SEEDS + 1):
        theirs = _epochs_of_keras(project, config, processed.not_test())
        for score, changes in RECIPES.items():
            model = changed(config.model(NAME), {**changes, "seed": seed})
            seconds, reached = train(model, trainer, processed)
            ratios[score].append(_seconds_until(score, theirs) / seconds if reached >= score else 0)
    for score, of_seeds in ratios.items():
        speed = Ratio.of(of_seeds if all(of_seeds) else [0, 0])  # a recipe must reach the score with every seed
        yield Row(f"seconds until {score:.1%} of the MNIST test set", KERAS, speed.value, speed.iqr_half, 4)
    use_threads(config.trainer.threads)


def changed(model: ModelConfig, training: Mapping[str, Any]) -> ModelConfig:
    return model.model_copy(update={"training": model.training.model_copy(update=training)})


def train(model: ModelConfig, trainer: TrainerConfig, processed: ProcessedDataset) -> tuple[float, float]:
    """Train on all rows outside the test split, and evaluate on test.

    Returns:
        Seconds of training, and the test score.
    """
    rows = processed.not_test()
    chosen_by, learnt = np.split(np.arange(len(rows)), [len(rows) // ROWS_FOR_ONE])
    setup = TrainingSetup(build_module, model, trainer, processed.info)
    begun = time.perf_counter()
    fitted = fit(setup, rows[learnt], rows[chosen_by])
    seconds = time.perf_counter() - begun
    metrics = score_split(setup, fitted.weights, processed.split("test"))
    return seconds, next(iter(metrics.values()))


def _epochs_of_keras(project: Project, config: Config, rows: ArraySplit) -> list[tuple[float, float]]:
    """Return the seconds and test score of each epoch, until the highest score of the recipes is reached."""
    epochs: list[tuple[float, float]] = []
    with TemporaryDirectory() as folder:
        write_rows(project, config, NAME, Path(folder), train=rows)
        with keras(project, "keras_documented.py", NAME, folder) as peer:
            while len(epochs) < DOCUMENTED_EPOCHS and (not epochs or epochs[-1][1] < max(RECIPES)):
                epochs.append((peer.tell("steps")["seconds"], peer.tell("score")["score"]))
    return epochs


def _seconds_until(score: float, epochs: list[tuple[float, float]]) -> float:
    """Return the seconds until an epoch reaches the score, or of all epochs if none does."""
    seconds = 0.0
    for of_epoch, reached in epochs:
        seconds += of_epoch
        if reached >= score:
            break
    return seconds
