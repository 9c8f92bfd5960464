"""Precision and recall of generated samples, on the features of a classifier.

Kynkaanniemi et al., 2019, "Improved precision and recall metric for assessing generative models", arXiv:1904.06991.
The manifold of a set is the union of balls around its points. The radius of a ball is the distance to the k-th nearest
other point of the set.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 3  # k of the paper
ROWS = 2500  # of each set: distances of all pairs need memory and time of its square


def precision_and_recall(real: NDArray[np.float32], generated: NDArray[np.float32]) -> dict[str, float]:
    """Compute the precision and recall of generated samples.

    Args:
        real: Features of real samples, float32 [N, D].
        generated: Features of generated samples, float32 [M, D].

    Returns:
        `sample_precision`, the share of generated samples inside the manifold of real ones, and `sample_recall`, the
        share of real samples inside the manifold of generated ones; rounded to 6 digits.
    """
    return {
        "sample_precision": round(_share_inside(generated, real), 6),
        "sample_recall": round(_share_inside(real, generated), 6),
    }


def _share_inside(samples: NDArray[np.float32], manifold: NDArray[np.float32]) -> float:
    # The nearest point of the set to each of its points is the point itself.
    radii = np.sort(_squared_distances(manifold, manifold), axis=1)[:, min(NEIGHBOURS, len(manifold) - 1)]
    return float((_squared_distances(samples, manifold) <= radii).any(axis=1).mean())


def _squared_distances(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the squared distance of each pair, float64 [N, M]."""
    wide, other_wide = one.astype(np.float64), other.astype(np.float64)
    products = -2 * wide @ other_wide.T
    distances: NDArray[np.float64] = products + np.square(wide).sum(axis=1)[:, None] + np.square(other_wide).sum(axis=1)
    return distances
