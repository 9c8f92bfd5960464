"""Show the declared limits of the data beside what the preprocess stage found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from penstock.config.params import Config

TOLERANCE = 1e-6  # float32 cannot represent 7.9


class DataCheck(NamedTuple):
    """One check of a dataset."""

    dataset: str
    name: str
    declared: str
    found: str
    passed: bool


def data_checks(config: Config, data: Mapping[str, Mapping[str, Any]]) -> list[DataCheck]:
    """Return the checks of params.yaml with the figures of data.json.

    The preprocess stage counts the rows and classes of the official files, which data.json does not have; it fails
    unless they are as declared.

    Args:
        config: Content of params.yaml.
        data: Content of data.json by dataset.
    """
    return [check for name, report in data.items() for check in _of_dataset(name, config, report)]


def _of_dataset(name: str, config: Config, report: Mapping[str, Any]) -> Iterator[DataCheck]:
    checks = config.dataset(name).checks
    rows = ", ".join(f"{part} {count:,}" for part, count in checks.rows.items())
    yield DataCheck(name, "rows of the official files", rows, "as declared", True)
    if checks.class_share is not None:
        share = f"{checks.class_share.min:g} to {checks.class_share.max:g}"
        yield DataCheck(name, "share of each class in the official files", share, "as declared", True)
    for column, check in checks.columns.items():
        limits = f"{check.range.min:g} to {check.range.max:g}, " if check.range is not None else ""
        declared = f"{limits}at most {100 * check.missing:g} % missing"
        yield DataCheck(name, f"column {column} in the official files", declared, "as declared", True)
    values = [value for split in report["splits"].values() for value in split["values"] if value is not None]
    if checks.values is not None and values:
        low, high = min(values), max(values)
        in_range = checks.values.min - TOLERANCE <= low and high <= checks.values.max + TOLERANCE
        limits = f"{checks.values.min:g} to {checks.values.max:g}"
        yield DataCheck(name, "values", limits, f"{low:g} to {high:g}", in_range)
    leaked = report["duplicates"]["leaked"]
    most = f"at most {checks.leakage}"
    yield DataCheck(name, "rows that are also in test", most, str(leaked), leaked <= checks.leakage)
