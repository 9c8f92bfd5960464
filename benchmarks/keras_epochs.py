"""Compare epochs of the documented models with the documented Keras code.

Both train in turns of one epoch, on the same rows and for the same number of epochs. They use all cores of this
process. `taskset --cpu-list 0 python -m benchmarks ...` limits them to one core, which the rows report. Both are then
evaluated on test: Penstock with the weights of the lowest validation loss, Keras with those of the last epoch.

The GAN and the attention network are left out, since they have no documented Keras code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.competitors import keras, ours
from benchmarks.pairs import Ratio
from benchmarks.results import Row
from penstock.config.models import AdversarialConfig
from penstock.config.params import Config
from penstock.core.cpu import usable_cores
from penstock.core.paths import Project
from penstock.io.processed_dataset import SPLITS, ArraySplit, ProcessedDataset

KERAS = "the documented Keras code"
WITHOUT_KERAS_CODE = ("attention", "gan")


def measure(project: Project, config: Config, epochs: int | None = None) -> Iterator[Row]:
    """Yield the rows of speed and test score of each model.

    Args:
        project: The project.
        config: Its configuration.
        epochs: Number of epochs; None is the documented number. With another number there are no scores.
    """
    one_core = ", both on one core" if usable_cores() == 1 else ""
    for name, model in config.models.items():
        if isinstance(model, AdversarialConfig) or model.network.kind in WITHOUT_KERAS_CODE:
            continue
        with TemporaryDirectory() as folder:
            write_rows(project, config, name, Path(folder))
            times, scores = _trained(project, name, Path(folder), epochs or model.training.epochs, ask=not epochs)
        speed = Ratio.of([theirs / ours for ours, theirs in times[1:]])  # the first epoch builds and traces the network
        yield Row(f"speed of an epoch of {name}{one_core}", KERAS, speed.value, speed.iqr_half, 1.5)
        for ours_is, theirs_is in scores:
            if model.task == "reconstruction":
                yield Row(f"test error of {name}", KERAS, ours_is / theirs_is, 0, 1, True)
            else:
                yield Row(f"test score of {name}", KERAS, ours_is / theirs_is, 0, 1)


def write_rows(project: Project, config: Config, name: str, folder: Path, train: ArraySplit | None = None) -> None:
    """Write the input files of `keras_documented.py`.

    Args:
        project: The project.
        config: Its configuration.
        name: The model.
        folder: The folder to write to.
        train: Training rows; None is the train split.
    """
    model = config.model(name)
    processed = ProcessedDataset(project.processed(model.dataset))
    for split in SPLITS:
        rows = train if train is not None and split == "train" else processed.split(split)
        np.save(folder / f"{split}_inputs.npy", rows.inputs)
        np.save(folder / f"{split}_labels.npy", rows.labels)
    settings = {"batch_size": model.training.batch_size, "seed": model.training.seed}
    (folder / "settings.json").write_text(json.dumps(settings))


def _trained(
    project: Project, name: str, folder: Path, epochs: int, *, ask: bool
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return the seconds of each epoch, and the test scores if `ask`, as pairs of Penstock and Keras."""
    with (
        ours("benchmarks.our_epochs", name, cwd=project.root) as us,
        keras(project, "keras_documented.py", name, folder) as them,
    ):
        times = [(us.tell("epoch")["seconds"], them.tell("epoch")["seconds"]) for _ in range(epochs)]
        return times, [(us.tell("score")["score"], them.tell("score")["score"])] if ask else []
