"""Describe the columns of a mixed table and the numbers that a model predicts, in dataset_info.json.

A processed row is float32, one value per column:

    number     the number; NaN if missing
    category   the position in `categories`; `len(categories)` for any other text; NaN if missing
    boolean    1 or 0; NaN if missing
    date       days since 1970-01-01; NaN if missing
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

ColumnKind = Literal["number", "category", "boolean", "date"]


@dataclass(frozen=True, kw_only=True)
class ColumnInfo:
    """A column of a mixed table."""

    name: str
    """Name of the column, and of the input of the exported file."""
    kind: ColumnKind
    """Kind of its values."""
    categories: tuple[str, ...] = ()
    """The texts of a category."""
    required: bool = False
    """Whether a row must have a value."""
    unit: str = ""
    """Unit, for users."""
    description: str = ""
    """Meaning, for users."""

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> ColumnInfo:
        """Return the column that an object of dataset_info.json describes."""
        return cls(**{**content, "categories": tuple(content["categories"])})


@dataclass(frozen=True, kw_only=True)
class TargetInfo:
    """A number that is predicted."""

    name: str
    """Name of the column."""
    unit: str = ""
    """Unit, for users."""
