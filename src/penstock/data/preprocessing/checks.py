"""Check the data against `datasets.<name>.checks` in params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.data import ChecksConfig, DatasetConfig
from penstock.config.targets import class_names
from penstock.core.errors import DataCheckError
from penstock.data.sources.rows import RawSplit
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


def require_same_shape(name: str, parts: Mapping[str, RawSplit]) -> None:
    """Raise a DataCheckError unless the inputs of all parts have the same shape and every part has rows."""
    shapes = {
        part: content.inputs.shape[1:] for part, content in parts.items() if isinstance(content.inputs, np.ndarray)
    }
    first = next(iter(shapes), "")
    for part, shape in shapes.items():
        if shape != shapes[first]:
            raise DataCheckError(
                f"datasets.{name}: the inputs of {part} have the shape {list(shape)}, those of {first} "
                f"{list(shapes[first])}"
            )


def of_raw(settings: DatasetConfig, parts: Mapping[str, RawSplit]) -> list[CheckResult]:
    """Check the number of rows and the balance of the classes (or labels) of all parts."""
    checks = settings.checks
    found_rows = {name: len(part) for name, part in parts.items()}
    rows = CheckResult("rows", found_rows == checks.rows, str(checks.rows), str(found_rows))
    if checks.class_share is None or settings.target.kind == "number":
        return [rows]
    smallest, largest = checks.class_share.min, checks.class_share.max
    shares = [_class_shares(part.labels, len(class_names(settings.target))) for part in parts.values()]
    lowest, highest = float(np.min(shares)), float(np.max(shares))
    return [
        rows,
        CheckResult(
            "class_share",
            smallest <= lowest and highest <= largest,
            f"{smallest} to {largest}",
            f"{lowest:.4f} to {highest:.4f}",
        ),
    ]


def _class_shares(labels: NDArray[Any], classes: int) -> NDArray[np.float64]:
    """Return the share of the rows that have each class, or each label."""
    counts = np.bincount(labels, minlength=classes) if labels.ndim == 1 else labels.sum(axis=0)
    return np.asarray(counts / len(labels), dtype=np.float64)


def of_processed(checks: ChecksConfig, splits: Mapping[SplitName, ArraySplit], leaked: int) -> list[CheckResult]:
    """Check the range of the processed inputs and the number of leaked rows.

    Args:
        checks: The declared limits.
        splits: The processed splits.
        leaked: Number of training and validation rows that are also in the test split.
    """
    leakage = CheckResult("leakage", leaked <= checks.leakage, f"at most {checks.leakage}", str(leaked))
    if checks.values is None:
        return [leakage]
    smallest, largest = checks.values.min, checks.values.max
    # NumPy's, since Python's min and max drop a NaN that is not the first value.
    lowest = float(np.min([split.inputs.min() for split in splits.values()]))
    highest = float(np.max([split.inputs.max() for split in splits.values()]))
    return [
        CheckResult(
            "values",
            # Rounding tolerance: float32 cannot represent 7.9.
            smallest - 1e-6 <= lowest and highest <= largest + 1e-6,
            f"{smallest:g} to {largest:g}",
            f"{lowest:g} to {highest:g}",
        ),
        leakage,
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
