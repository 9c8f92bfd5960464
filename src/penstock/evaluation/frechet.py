"""How different two sets of images are, in the eyes of a classifier."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penstock.io.files import write_arrays


@dataclass(frozen=True)
class Statistics:
    """Mean [D] and covariance [D, D] of feature vectors, float64."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> Statistics:
        """features: [rows, D]."""
        wide = features.astype(np.float64)
        return cls(wide.mean(axis=0), np.cov(wide, rowvar=False))

    def save(self, folder: Path) -> None:
        write_arrays(folder / "statistics.npz", asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Statistics:
        with np.load(folder / "statistics.npz") as file:
            return cls(file["mean"], file["covariance"])


def class_shares(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """How often each class is the likeliest, out of [rows, classes]: shares [classes]."""
    return np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1]) / len(probabilities)


def impression(probabilities: NDArray[np.float32]) -> dict[str, float]:
    """Whether a class is forgotten and whether the images are clear, as baseline.json and validation.json have it."""
    return {
        "smallest_class_share": round(float(class_shares(probabilities).min()), 6),
        "mean_confidence": round(float(probabilities.max(axis=1).mean()), 6),
    }


def frechet_distance(one: Statistics, other: Statistics) -> float:
    """Of two normal distributions (Dowson and Landau, 1982): |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)).

    The trace of the root is the sum of the singular values of C1^(1/2) C2^(1/2), which are real where rounding makes
    the root of the product complex.
    """
    roots = [_root(statistics.covariance) for statistics in (one, other)]
    of_root = np.linalg.svd(roots[0] @ roots[1], compute_uv=False).sum()
    means = np.square(one.mean - other.mean).sum()
    return float(means + np.trace(one.covariance) + np.trace(other.covariance) - 2 * of_root)


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    root: NDArray[np.float64] = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return root
