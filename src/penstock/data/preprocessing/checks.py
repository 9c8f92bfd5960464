"""Check the data against `datasets.<name>.checks` in params.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.data import ChecksConfig, DatasetConfig
from penstock.config.targets import class_names
from penstock.core.errors import DataCheckError
from penstock.data.preprocessing.parts import PartRows
from penstock.data.preprocessing.statistics import column_statistics
from penstock.io.processed_dataset import SplitName


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


def of_raw(settings: DatasetConfig, parts: Mapping[str, PartRows]) -> list[CheckResult]:
    """Check of all parts the number of rows, the balance of the classes (or labels), and the columns."""
    checks = settings.checks
    found_rows = {name: len(part) for name, part in parts.items()}
    rows = CheckResult("rows", found_rows == checks.rows, str(checks.rows), str(found_rows))
    columns = _of_columns(settings, parts) if checks.columns else []
    if checks.class_share is None:
        return [rows, *columns]
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
        *columns,
    ]


@dataclass(frozen=True)
class _Column:
    """What all parts have in a column."""

    low: float
    high: float
    missing: float
    """Share of rows without a value."""


def _of_columns(settings: DatasetConfig, parts: Mapping[str, PartRows]) -> list[CheckResult]:
    found = _found_columns(settings, parts)
    results = []
    for name, declared in settings.checks.columns.items():
        column = found[name]
        results.append(
            CheckResult(
                f"columns.{name}.missing",
                column.missing <= declared.missing,
                f"a share of at most {declared.missing:g}",
                f"{column.missing:.4g}",
            )
        )
        if declared.range is not None:
            # As float32, like the data: it cannot represent 7.9.
            low, high = np.float32(declared.range.min), np.float32(declared.range.max)
            # A column without any value is in every range; `missing` says whether it may be.
            in_range = bool(np.isnan(column.low)) or bool(low <= column.low and column.high <= high)
            bounds = f"{declared.range.min:g} to {declared.range.max:g}"
            results.append(CheckResult(f"columns.{name}.range", in_range, bounds, f"{column.low:g} to {column.high:g}"))
    return results


def _found_columns(settings: DatasetConfig, parts: Mapping[str, PartRows]) -> dict[str, _Column]:
    found: dict[str, _Column] = {}
    if settings.inputs.kind in ("table", "columns"):
        found |= _statistics(settings.input_columns, [part.inputs for part in parts.values()])
    if settings.target.kind == "number":
        found |= _statistics(settings.target.columns, [part.labels for part in parts.values()])
    return found


def _statistics(names: Sequence[str], tables: Sequence[NDArray[Any]]) -> dict[str, _Column]:
    found = [column_statistics(table) for table in tables]
    rows = sum(len(table) for table in tables)
    low, high = np.fmin.reduce([one.low for one in found]), np.fmax.reduce([one.high for one in found])
    missing = (rows - np.sum([one.present for one in found], axis=0)) / rows
    return {name: _Column(float(low[i]), float(high[i]), float(missing[i])) for i, name in enumerate(names)}


def _class_shares(labels: NDArray[Any], classes: int) -> NDArray[np.float64]:
    """Return the share of the rows that have each class, or each label."""
    counts = np.bincount(labels, minlength=classes) if labels.ndim == 1 else labels.sum(axis=0)
    return np.asarray(counts / len(labels), dtype=np.float64)


def of_processed(
    checks: ChecksConfig, ranges: Mapping[SplitName, tuple[float, float]], leaked: int
) -> list[CheckResult]:
    """Check the range of the processed inputs and the number of leaked rows.

    Args:
        checks: The declared limits.
        ranges: The smallest and the largest input of each split.
        leaked: Number of training and validation rows that are also in the test split.
    """
    leakage = CheckResult("leakage", leaked <= checks.leakage, f"at most {checks.leakage}", str(leaked))
    if checks.values is None:
        return [leakage]
    smallest, largest = checks.values.min, checks.values.max
    # NaN is a missing value of a mixed table; `columns` declares how many may be.
    lowest = float(np.fmin.reduce([low for low, _ in ranges.values()]))
    highest = float(np.fmax.reduce([high for _, high in ranges.values()]))
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
