"""Look at the values of each column of a file, batch by batch: memory does not grow with the file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
from pyarrow import compute

from penstock.data.sources.batch import SourceBatch

MAX_CATEGORIES = 1000
LONGEST_CATEGORY = 60  # characters; longer texts are read word by word
WORDS_OF_TEXT = 4  # mean number of words from which a column is free text
# Numbers that no reader takes for one: with a unit, a currency or thousands marks.
DECORATED = r"^[^\d,.+-]{0,3}[+-]?\d[\d.,' \u00a0]*[^\d]{0,3}$"
OTHER_DATE = r"^\d{1,4}[./-]\d{1,2}[./-]\d{1,4}([T ].*)?$"
DATE = r"^\d{4}-\d{2}-\d{2}([T ].*)?$"
BOOLEANS = ("true", "false", "yes", "no", "t", "f", "y", "n")

Kind = Literal["number", "category", "boolean", "date", "text", "identifier", "constant", "empty"]


@dataclass
class ColumnProfile:
    """What the values of a column are."""

    name: str
    rows: int = 0
    missing: int = 0
    numbers: bool = True
    dates: bool = True
    booleans: bool = True
    integers: bool = True
    ascending: bool = True
    """Whether the numbers are integers that follow one another."""
    low: float = math.inf
    high: float = -math.inf
    characters: int = 0
    words: int = 0
    longest: int = 0
    counts: dict[str, int] | None = field(default_factory=dict)
    """Rows of each text; None if there are too many."""
    distinct_texts: bool = True
    first_day: str = "9999-99-99"
    last_day: str = ""
    first_missing: str = ""
    """Place of the first row without a value, such as `wine.csv:17: alcohol`."""
    _last: float = math.nan

    def add(self, texts: pa.Array, decimal: str) -> None:
        """Look at the values of a batch; null is a missing value."""
        self.rows += len(texts)
        self.missing += texts.null_count
        present = texts.drop_null()
        if not len(present):
            return
        self._count(present)
        self._measure(present)
        if self.numbers:
            self._add_numbers(present, decimal)
        self.dates = self.dates and _all(compute.match_substring_regex(present, DATE))
        if self.dates:
            days = compute.min_max(compute.utf8_slice_codeunits(present, 0, len("YYYY-MM-DD")))
            self.first_day = min(self.first_day, days["min"].as_py())
            self.last_day = max(self.last_day, days["max"].as_py())
        self.booleans = self.booleans and _all(compute.is_in(compute.utf8_lower(present), pa.array(BOOLEANS)))

    def _count(self, present: pa.Array) -> None:
        if self.counts is None:
            return
        for pair in compute.value_counts(present).to_pylist():
            before = self.counts.get(pair["values"], 0)
            self.counts[pair["values"]] = before + pair["counts"]
            self.distinct_texts = self.distinct_texts and before == 0 and pair["counts"] == 1
        if len(self.counts) > MAX_CATEGORIES:
            self.counts = None

    def _measure(self, present: pa.Array) -> None:
        lengths = compute.utf8_length(present)
        self.characters += compute.sum(lengths).as_py()
        self.longest = max(self.longest, compute.max(lengths).as_py())
        self.words += compute.sum(compute.add(compute.count_substring_regex(present, r"\s+"), 1)).as_py()

    def _add_numbers(self, present: pa.Array, decimal: str) -> None:
        texts = compute.utf8_trim_whitespace(present)
        if decimal == ",":
            texts = compute.replace_substring(texts, ",", ".")
        try:
            values = texts.cast(pa.float64()).to_numpy(zero_copy_only=False)
        except pa.ArrowInvalid:
            self.numbers = False
            return
        if not np.isfinite(values).all():
            self.numbers = False
            return
        self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        self.integers = self.integers and bool((values == np.rint(values)).all())
        steps = np.diff(np.concatenate([[self._last] if not math.isnan(self._last) else [], values]))
        self.ascending = self.ascending and self.integers and bool((steps == 1).all())
        self._last = float(values[-1])

    @property
    def kind(self) -> Kind:
        """The kind of the column."""
        present = self.rows - self.missing
        if not present:
            return "empty"
        if self.counts is not None and len(self.counts) == 1 and not self.missing:
            return "constant"
        if self.numbers:
            return "identifier" if self.ascending and present == self.rows > 2 else "number"
        if self.booleans or self.dates:
            return "boolean" if self.booleans else "date"
        return self._kind_of_texts(present)

    def _kind_of_texts(self, present: int) -> Kind:
        if self.words / present >= WORDS_OF_TEXT or self.longest > LONGEST_CATEGORY:
            return "text"
        return "identifier" if self.counts is None or (self.distinct_texts and present > 2) else "category"

    @property
    def values(self) -> list[str]:
        """The texts, sorted."""
        return sorted(self.counts or ())

    @property
    def hint(self) -> str:
        """What to do if the texts are dates or numbers that are written in another way; empty if they are not."""
        texts = self.values
        if self.kind not in ("category", "identifier") or self.numbers or not texts:
            return ""
        if all(re.match(OTHER_DATE, text) for text in texts):
            return "dates are read as YYYY-MM-DD; rewrite them, or they count as texts"
        if all(re.match(DECORATED, text) for text in texts):
            return "numbers are read without units, signs of currencies and thousands marks; rewrite them"
        return ""

    @property
    def missing_share(self) -> float:
        return self.missing / self.rows if self.rows else 0.0

    @property
    def seen(self) -> str:
        """What was seen, for people."""
        if self.kind in ("number", "identifier") and self.numbers:
            return f"{self.low:g} to {self.high:g}"
        if self.kind == "date":
            return f"{self.first_day} to {self.last_day}"
        if self.counts is None:
            return f"more than {MAX_CATEGORIES} texts"
        shown = ", ".join(self.values[:4])
        more = f" and {len(self.counts) - 4} more" if len(self.counts) > 4 else ""
        return f"{shown}{more}" if self.longest <= LONGEST_CATEGORY else f"{len(self.counts)} texts"


def profiles_of(batches: Iterable[SourceBatch], columns: Iterable[str]) -> dict[str, ColumnProfile]:
    """Return the profile of each column.

    Raises:
        DataFileError: A file cannot be read; the message names the file and the line.
    """
    profiles = {name: ColumnProfile(name) for name in columns}
    for batch in batches:
        for name, profile in profiles.items():
            texts = batch.arrow_texts(name)
            profile.add(texts, batch.decimal)
            if texts.null_count and not profile.first_missing:
                row = compute.index(texts.is_null(), value=True).as_py()
                profile.first_missing = batch.place(row, name)
    return profiles


def _all(values: pa.Array) -> bool:
    return bool(compute.all(values).as_py())
