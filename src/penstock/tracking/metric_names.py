"""Interpret names of metrics. The part before the slash is the section in MLflow's charts (docs/metrics.md)."""

from __future__ import annotations

from dataclasses import dataclass

SYSTEM = "system/"  # prefix that MLflow's page shows apart from the other metrics
_TIMED = ("time/", "latency/", "int8/latency_", SYSTEM)

TRAIN_LOSS, VAL_LOSS, TEST_LOSS = "train/loss", "val/loss", "test/loss"
GENERATOR_LOSS, DISCRIMINATOR_LOSS = "train/generator_loss", "train/discriminator_loss"
REAL_OUTPUT, FAKE_OUTPUT = "val/d_real", "val/d_fake"
LEARNING_RATE = "learning_rate"  # every training logs it, after each epoch
BEST_EPOCH, EPOCHS = "model/best_epoch", "model/epochs"  # logged once a training is complete
PARAMETERS, ONNX_BYTES = "model/parameters", "model/onnx_bytes"
TRAIN_SECONDS, LATENCY = "time/train_seconds", "latency/batch_1_ms"


@dataclass(frozen=True)
class Score:
    """The metric that ranks the models of a task."""

    name: str
    """Its name after the slash."""
    title: str
    higher_is_better: bool

    @property
    def test(self) -> str:
        """Name of its value on the test split."""
        return f"test/{self.name}"

    @property
    def training(self) -> str:
        """Name of its value on the training split, after each epoch."""
        return f"train/{self.name}"

    @property
    def validation(self) -> str:
        """Name of its value on the validation split, after each epoch."""
        return f"val/{self.name}"


# In the order of their columns; the first one that an experiment has sorts its runs.
SCORES = (
    Score("accuracy", "Accuracy", higher_is_better=True),
    Score("r2", "R\N{SUPERSCRIPT TWO}", higher_is_better=True),
    Score("macro_f1", "Macro F1", higher_is_better=True),
    Score("mean_squared_error", "Mean squared error", higher_is_better=False),
    Score("frechet_distance", "Frechet distance", higher_is_better=False),
)


def is_timed(name: str) -> bool:
    """Return whether a metric is a duration, a rate or a load, whose value differs between measurements."""
    return name.startswith(_TIMED)
