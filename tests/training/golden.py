"""Compute the losses of the first 20 steps of every model; `python -m tests.training.golden` updates golden.json.

Each step is an epoch of one batch. The rows are drawn from a fixed seed, so nothing is downloaded.
"""

import json
from pathlib import Path

import numpy as np

from penstock.config.loading import load_config
from penstock.io.processed_dataset import ArraySplit
from penstock.orchestration.resources import use_threads
from penstock.tasks.build import build_module
from penstock.training.fit import TrainingSetup, fit
from tests.models.documented import DATA

FILE = Path(__file__).with_name("golden.json")
STEPS, ROWS = 20, 16


def rows_of(dataset):
    """Create 16 rows of the dataset's shape, from which the labels can be learned."""
    generator, info = np.random.default_rng(0), DATA[dataset]
    labels = generator.integers(0, len(info.classes), ROWS)
    inputs: np.ndarray
    match info.kind:
        case "table":
            inputs = (generator.normal(size=(ROWS, *info.shape)) + labels[:, None]).astype(np.float32)
        case "image":
            inputs = generator.integers(0, 200, (ROWS, *info.shape), dtype=np.uint8)
            inputs[np.arange(ROWS), labels + 5] = 255
        case _:
            inputs = generator.integers(2, info.vocab_size, (ROWS, *info.shape), dtype=np.int32)
            inputs[:, -30:] = (2 + labels)[:, None]
            inputs[0] = 0
    return ArraySplit(inputs=inputs, labels=labels)


def losses(config, name):
    """Return the training loss of each of the first steps."""
    model = config.model(name)
    changes = {"epochs": STEPS, "batch_size": ROWS, "early_stopping": None}
    changes = {key: value for key, value in changes.items() if key in type(model.training).model_fields}
    short = model.model_copy(update={"training": model.training.model_copy(update=changes)})
    if short.network.kind == "ngrams":  # with 16 rows, each row is a group
        short = short.model_copy(update={"network": short.network.model_copy(update={"group_size": 1})})
    rows = rows_of(model.dataset)
    return [
        epoch.metrics["train/loss"]
        for epoch in fit(TrainingSetup(build_module, short, config.trainer, DATA[model.dataset]), rows, rows).epochs
    ]


if __name__ == "__main__":
    config = load_config(Path(__file__).parents[2] / "params.yaml")
    use_threads(config.trainer.threads)
    golden = {name: [float(f"{loss:.7g}") for loss in losses(config, name)] for name in config.every_model}
    FILE.write_text(json.dumps(golden, indent=1) + "\n")
