"""Show the declared limits of the data beside what the preprocess stage found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from penstock.config.data import RangeConfig
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


def _of_dataset(name: str, config: Config, report: Mapping[str, Any]) -> list[DataCheck]:
    checks = config.dataset(name).checks
    rows = ", ".join(f"{part} {count:,}" for part, count in checks.rows.items())
    found = [DataCheck(name, "rows of the official files", rows, "as declared", True)]
    if checks.class_share is not None:
        share = f"{checks.class_share.min:g} to {checks.class_share.max:g}"
        found.append(DataCheck(name, "share of each class in the official files", share, "as declared", True))
    if checks.values is not None:
        found.append(_values(name, checks.values, report))
    leaked = report["duplicates"]["leaked"]
    passed = leaked <= checks.leakage
    return [*found, DataCheck(name, "rows that are also in test", f"at most {checks.leakage}", str(leaked), passed)]


def _values(name: str, declared: RangeConfig, report: Mapping[str, Any]) -> DataCheck:
    values = [value for split in report["splits"].values() for value in split["values"]]
    low, high = min(values), max(values)
    in_range = declared.min - TOLERANCE <= low and high <= declared.max + TOLERANCE
    return DataCheck(name, "values", f"{declared.min:g} to {declared.max:g}", f"{low:g} to {high:g}", in_range)
