"""Check the data against `datasets.<name>.checks` in params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from penstock.config.data import ChecksConfig
from penstock.core.errors import DataCheckError
from penstock.data.datasets.base import RawSplit
from penstock.io.processed_dataset import ArraySplit, SplitName


@dataclass(frozen=True)
class CheckResult:
    """The result of one check."""

    key: str
    """Key below `checks`."""
    passed: bool
    """Whether the data pass the check."""
    declared: str
    """Declared value, for messages."""
    found: str
    """Measured value, for messages."""


def of_raw(checks: ChecksConfig, parts: Mapping[str, RawSplit], classes: int) -> list[CheckResult]:
    """Check the number of rows and the class balance of the official parts."""
    found_rows = {name: len(part.labels) for name, part in parts.items()}
    smallest, largest = checks.class_share.min, checks.class_share.max
    shares = [np.bincount(part.labels, minlength=classes) / len(part.labels) for part in parts.values()]
    lowest, highest = float(np.min(shares)), float(np.max(shares))
    return [
        CheckResult("rows", found_rows == checks.rows, str(checks.rows), str(found_rows)),
        CheckResult(
            "class_share",
            smallest <= lowest and highest <= largest,
            f"{smallest} to {largest}",
            f"{lowest:.4f} to {highest:.4f}",
        ),
    ]


def of_processed(checks: ChecksConfig, splits: Mapping[SplitName, ArraySplit], leaked: int) -> list[CheckResult]:
    """Check the range of the processed inputs and the number of leaked rows.

    Args:
        checks: The declared limits.
        splits: The processed splits.
        leaked: Number of training and validation rows that are also in the test split.
    """
    smallest, largest = checks.values.min, checks.values.max
    lowest = min(float(split.inputs.min()) for split in splits.values())
    highest = max(float(split.inputs.max()) for split in splits.values())
    return [
        CheckResult(
            "values",
            # Rounding tolerance: float32 cannot represent 7.9.
            smallest - 1e-6 <= lowest and highest <= largest + 1e-6,
            f"{smallest:g} to {largest:g}",
            f"{lowest:g} to {highest:g}",
        ),
        CheckResult("leakage", leaked <= checks.leakage, f"at most {checks.leakage}", str(leaked)),
    ]


def require(dataset: str, results: list[CheckResult]) -> None:
    """Raise `DataCheckError` with one line for each check that failed."""
    failed = [
        f"datasets.{dataset}.checks.{result.key}: declared {result.declared}, found {result.found}"
        for result in results
        if not result.passed
    ]
    if failed:
        raise DataCheckError("\n".join(failed))
