"""Principal component analysis: the best linear reconstruction for a given latent dimension."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from penstock.config.data import DatasetConfig
from penstock.config.models import PcaBaselineConfig
from penstock.core.errors import WrongSettingError
from penstock.io.processed_dataset import ArraySplit, ProcessedDataset


def measure(
    settings: PcaBaselineConfig, _dataset: DatasetConfig, processed: ProcessedDataset, _raw: Path
) -> dict[str, Any]:
    """Fit a PCA on the training rows.

    Args:
        settings: The entry of `baselines`.
        processed: The splits.

    Returns:
        `mean_squared_error` of the reconstructed test rows, on pixels scaled to 0..1.

    Raises:
        WrongSettingError: `components` exceeds the number of training rows or pixels.
    """
    train, test = _shares(processed.split("train")), _shares(processed.split("test"))
    rows, pixels = train.shape
    if settings.components > min(rows, pixels):
        problem = f"{settings.components}; must be at most {min(rows, pixels)}, the number of "
        raise WrongSettingError("components", problem + ("training rows" if rows < pixels else "pixels"))
    components = PCA(settings.components, svd_solver="covariance_eigh").fit(train)
    given_back = components.inverse_transform(components.transform(test))
    return {"mean_squared_error": round(float(np.square(given_back - test).mean()), 6)}


def _shares(split: ArraySplit) -> NDArray[np.float64]:
    return np.asarray(split.inputs).reshape(len(split), -1) / 255
