"""Compute the Frechet distance of two sets of images, on the features of a classifier.

Heusel et al., 2017, "GANs trained by a two time-scale update rule converge to a local Nash equilibrium",
arXiv:1706.08500.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock.io.files import write_arrays

REFERENCE = "reference.onnx"  # the classifier, in the folder of its statistics


@dataclass(frozen=True)
class Statistics:
    """Mean and covariance of feature vectors with D dimensions."""

    mean: NDArray[np.float64]
    """float64 [D]."""
    covariance: NDArray[np.float64]
    """float64 [D, D]."""

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> Statistics:
        """Compute the statistics of features, float32 [rows, D]."""
        wide = features.astype(np.float64)
        return cls(wide.mean(axis=0), np.cov(wide, rowvar=False))

    def save(self, folder: Path) -> None:
        write_arrays(folder / "statistics.npz", asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Statistics:
        with np.load(folder / "statistics.npz") as file:
            return cls(file["mean"], file["covariance"])


def class_shares(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the share of rows predicted as each class.

    Args:
        probabilities: float32 [rows, classes].

    Returns:
        float64 [classes].
    """
    return np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1]) / len(probabilities)


def image_quality(probabilities: NDArray[np.float32]) -> dict[str, float]:
    """Return the share of the rarest class (mode collapse) and the mean confidence (sharpness).

    Args:
        probabilities: float32 [rows, classes].
    """
    return {
        "smallest_class_share": round(float(class_shares(probabilities).min()), 6),
        "mean_confidence": round(float(probabilities.max(axis=1).mean()), 6),
    }


def frechet_distance(one: Statistics, other: Statistics) -> float:
    """Return the Frechet distance of two normal distributions (Dowson and Landau, 1982).

    The distance is |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)). The trace of the root is the sum of the singular values
    of C1^(1/2) C2^(1/2). The singular values are always real, but rounding can make the root of the product complex.
    """
    roots = [_root(statistics.covariance) for statistics in (one, other)]
    of_root = np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum()
    means = np.square(one.mean - other.mean).sum()
    return float(means + np.trace(one.covariance) + np.trace(other.covariance) - 2 * of_root)


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    root: NDArray[np.float64] = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return root
