"""Names of metrics for readers, as the tables of the page and of the model card show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measure:
    """How a metric is shown."""

    label: str
    meaning: str
    """One sentence; the tooltip of a column."""
    direction: str = ""
    """An arrow to the better values; empty for a metric that only describes."""
    places: int = 4
    """Digits behind the point."""


SIGNIFICANT = 6  # digits of a value
UP, DOWN = "\N{UPWARDS ARROW}", "\N{DOWNWARDS ARROW}"
MEASURES = {
    "accuracy": Measure("accuracy", "Share of correct labels.", UP),
    "macro_f1": Measure("macro F1", "Mean over the classes of the harmonic mean of precision and recall.", UP),
    "auroc": Measure("AUROC", "Area under the ROC curve, mean over the classes.", UP),
    "loss": Measure("log loss", "Mean cross-entropy.", DOWN),
    "expected_calibration_error": Measure(
        "calibration error", "Expected calibration error: mean gap of confidence and accuracy.", DOWN
    ),
    "smallest_class_precision": Measure("lowest precision", "Lowest precision of any class.", UP),
    "smallest_class_recall": Measure("lowest recall", "Lowest recall of any class.", UP),
    "f1": Measure("F1", "Harmonic mean of precision and recall.", UP),
    "mean_squared_error": Measure("MSE", "Mean squared error; of pixels, in 0..1.", DOWN, 5),
    "r2": Measure("R\N{SUPERSCRIPT TWO}", "Share of the variance that is explained, mean over the targets.", UP),
    "mean_absolute_error": Measure("MAE", "Mean absolute error, in the unit of the target.", DOWN),
    "mean_error": Measure("mean error", "Mean of predicted less actual numbers."),
    "median_absolute_error": Measure("median error", "Half of the rows have an absolute error of at most this.", DOWN),
    "absolute_error_90": Measure("90 % error", "Nine of ten rows have an absolute error of at most this.", DOWN),
    "precision": Measure("precision", "Share of the rows with this answer that are right.", UP),
    "recall": Measure("recall", "Share of the rows of this kind that are found.", UP),
    "micro_f1": Measure("micro F1", "F1 score over all labels of all rows.", UP),
    "exact_match": Measure("exact match", "Share of rows with all labels right.", UP),
    "ssim": Measure("SSIM", "Structural similarity of given and reconstructed images.", UP),
    "frechet_distance": Measure("Frechet distance", "Distance of generated from real test images.", DOWN, 1),
    "frechet_ratio": Measure("Frechet ratio", "The distance as a share of the untrained generator's.", DOWN, 3),
    "sample_precision": Measure("precision", "Share of generated images inside the manifold of real ones.", UP, 3),
    "sample_recall": Measure("recall", "Share of real images inside the manifold of generated ones.", UP, 3),
    "smallest_class_share": Measure("rarest class", "Share of the rarest class among generated images.", UP, 3),
    "mean_confidence": Measure("confidence", "Mean of the reference classifier's highest probability.", UP, 3),
}


def measure(name: str) -> Measure:
    """Return how a metric is shown; one that is not known by its name."""
    return MEASURES.get(name) or Measure(name.replace("_", " "), "")


def shown(name: str, value: float) -> str:
    """Format the value of a metric."""
    return f"{value:.{places(name, value)}f}"


def places(name: str, value: float) -> int:
    """Return the digits behind the point; large values have fewer, since errors have the unit of the target."""
    digits = len(f"{abs(value):.0f}")
    return min(measure(name).places, max(0, SIGNIFICANT - digits))


def numbers(section: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a section of a report, without names and nested values."""
    return {name: value for name, value in section.items() if type(value) in (int, float)}


def names(sections: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the metrics that any of several sections has, in their order."""
    return list(dict.fromkeys(name for section in sections for name in numbers(section)))
