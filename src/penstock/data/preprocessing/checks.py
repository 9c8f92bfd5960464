"""Check the data against `datasets.<name>.checks` in params.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from penstock.config.data import ChecksConfig, InputsConfig
from penstock.core.errors import DataCheckError
from penstock.data.datasets.base import RawDataset, RawSplit, raw_split_for
from penstock.data.preprocessing.encoder import find_problem
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


def require_valid_parts(name: str, dataset: RawDataset, parts: Mapping[str, RawSplit], inputs: InputsConfig) -> None:
    """Check what the reader of a dataset returns.

    Raises:
        DataCheckError: Parts, inputs or labels are not as `RawDataset` declares them; one line for each part.
    """
    file = f"src/penstock/data/datasets/{name}.py"
    if set(parts) not in ({"all"}, {"train", "test"}):
        found = ", ".join(f"'{part}'" for part in parts) or "missing"
        raise DataCheckError(f"{file}: read: the parts are {found}; return 'all', or 'train' and 'test'")
    problems = {part: next(_problems(dataset, content, inputs), None) for part, content in parts.items()}
    if not any(problems.values()):
        problems = {"test": _other_shape(parts)}
    if any(problems.values()):
        raise DataCheckError("\n".join(f"{file}: read: '{part}': {text}" for part, text in problems.items() if text))


def _other_shape(parts: Mapping[str, RawSplit]) -> str | None:
    train, test = (list(raw_split_for(parts, split).inputs.shape[1:]) for split in ("train", "test"))
    return f"inputs have the shape {test}, those of 'train' {train}" if test != train else None


def _problems(dataset: RawDataset, part: RawSplit, inputs: InputsConfig) -> Iterator[str]:
    """Yield what is wrong with one part; a later check relies on the earlier ones. Rows are counted from 0."""
    labels = part.labels
    if not isinstance(part.inputs, np.ndarray) or not isinstance(labels, np.ndarray):
        yield "inputs or labels are no NumPy arrays"
    if not part.inputs.size:
        yield f"no inputs: their shape is {list(part.inputs.shape)}"
    if labels.shape != part.inputs.shape[:1]:
        yield f"labels have the shape {list(labels.shape)}, inputs {list(part.inputs.shape)}; return one label for each"
    if labels.dtype != np.int64:
        yield f"labels have the dtype {labels.dtype}; return int64, indexes into the classes"
    for row in np.flatnonzero((labels < 0) | (labels >= len(dataset.classes))):
        yield f"row {row}: the label {labels[row]} is not an index into the {len(dataset.classes)} classes"
    problem = find_problem(inputs, part.inputs)
    if problem:
        yield problem


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
