"""Guess what a model of a new dataset predicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.errors import ConfigError, nearest
from penstock.core.plurals import counted
from penstock.io.cell_texts import TRUE
from penstock.new.profile import ColumnProfile

NAMES = ("target", "label", "labels", "class", "y", "outcome", "species", "category", "sentiment", "diagnosis")
MAX_CLASSES = 20
"""Integers of at most so many values are classes, numbers otherwise."""
ROWS_PER_CLASS = 5
TRUE_FALSE = {"0", "1"}


@dataclass(frozen=True)
class Target:
    """What is predicted."""

    settings: dict[str, Any]
    """Content of `target`."""
    task: str
    """Task of its models."""
    shares: Sequence[float]
    """Share of the rows of each class or label; empty for numbers."""
    notes: Sequence[str]
    """What was assumed, for people."""

    @property
    def columns(self) -> list[str]:
        return list(self.settings.get("columns", (self.settings.get("column"),)))


def target_of(profiles: Mapping[str, ColumnProfile], wanted: Sequence[str]) -> Target:
    """Return the target.

    Args:
        profiles: The columns.
        wanted: Names of columns; empty to guess one.

    Raises:
        ConfigError: There is no such column, or it cannot be predicted.
    """
    for name in wanted:
        if name not in profiles:
            raise ConfigError(f"--target: no column '{name}'{nearest(name, profiles)}")
    notes = []
    columns = list(wanted)
    if not columns:
        columns = [_guess(profiles)]
        notes.append(f"the target is '{columns[0]}'; `--target COLUMN` chooses another")
    chosen = [profiles[name] for name in columns]
    for profile in chosen:
        if profile.missing:
            count = f"{profile.missing:,} of {profile.rows:,} rows have none"
            raise ConfigError(f"{profile.first_missing}: no target; {count}; drop them, or fill them in")
        if profile.kind == "constant":
            raise ConfigError(
                f"{profile.name}: all rows are '{profile.values[0]}', so there is nothing to predict; choose "
                "`--target COLUMN`"
            )
    if len(chosen) > 1:
        return _several(chosen, notes)
    if _is_class(chosen[0]):
        return _classes(chosen[0], notes)
    if not chosen[0].numbers:
        raise ConfigError(f"{columns[0]}: {chosen[0].seen} are neither classes nor numbers; choose `--target COLUMN`")
    return Target({"kind": "number", "columns": columns}, "regression", (), [*notes, "numbers: a regression"])


def _guess(profiles: Mapping[str, ColumnProfile]) -> str:
    by_name = {name.lower(): name for name in profiles}
    return next((by_name[name] for name in NAMES if name in by_name), list(profiles)[-1])


def _is_class(profile: ColumnProfile) -> bool:
    if profile.counts is None or len(profile.counts) < 2:
        return False
    if not profile.numbers:
        return len(profile.counts) < profile.rows
    few = len(profile.counts) <= min(MAX_CLASSES, max(2, profile.rows // ROWS_PER_CLASS))
    return profile.integers and few


def _classes(profile: ColumnProfile, notes: list[str]) -> Target:
    assert profile.counts is not None
    values = sorted(profile.values, key=_as_number) if profile.numbers else profile.values
    for value in values:
        if profile.counts[value] < ROWS_PER_CLASS:
            count = counted(profile.counts[value], "row")
            raise ConfigError(
                f"{profile.name}: the class '{value}' has {count}, at least {ROWS_PER_CLASS} are needed; merge it with "
                "another, or drop these rows"
            )
    settings = {"kind": "class", "column": profile.name, "classes": values}
    shares = [profile.counts[value] / profile.rows for value in values]
    return Target(settings, "classification", shares, [*notes, f"{len(values)} classes: a classification"])


def _several(profiles: Sequence[ColumnProfile], notes: list[str]) -> Target:
    columns = [profile.name for profile in profiles]
    if all(profile.booleans or set(profile.values) <= TRUE_FALSE for profile in profiles):
        shares = [_share_of_true(profile) for profile in profiles]
        text = f"{len(columns)} columns of true and false: a multi-label classification"
        return Target({"kind": "labels", "columns": columns}, "multilabel", shares, [*notes, text])
    for profile in profiles:
        if not profile.numbers:
            raise ConfigError(f"--target: several columns are all of numbers, or all of 0 and 1; {profile.name} is not")
    text = f"{len(columns)} columns of numbers: a regression"
    return Target({"kind": "number", "columns": columns}, "regression", (), [*notes, text])


def _share_of_true(profile: ColumnProfile) -> float:
    true = sum(rows for text, rows in (profile.counts or {}).items() if text.lower() in TRUE)
    return true / profile.rows


def _as_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf
