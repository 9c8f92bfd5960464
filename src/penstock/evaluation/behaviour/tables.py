"""Perturb rows of numbers, float32 [N, features]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penstock.config.behaviour import NoiseTestConfig, OutOfRangeTestConfig, TableTestConfig


def perturbed_numbers(
    test: TableTestConfig, numbers: NDArray[np.float32], generator: np.random.Generator
) -> NDArray[np.float32]:
    """Perturb numbers as a behaviour test says.

    Args:
        test: Settings of the test.
        numbers: float32 [N, features].
        generator: Source of noise and signs.

    Returns:
        float32 [N, features].
    """
    match test:
        case NoiseTestConfig():
            changed = numbers + generator.normal(0, test.std, size=numbers.shape)
        case OutOfRangeTestConfig():
            changed = numbers * test.factor * generator.choice([-1, 1], size=numbers.shape)
    return changed.astype(np.float32)
