"""Describe a comparison as a few lines and tables, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from string import ascii_uppercase
from typing import Any

from penstock.comparison.candidate import Record
from penstock.comparison.compare import ClassDifference, ModelComparison, Pair, ScoreDifference
from penstock.comparison.differences import differing
from penstock.comparison.disagreements import Row
from penstock.core.plurals import counted

LETTERS = (*ascii_uppercase, *map("".join, product(ascii_uppercase, repeat=2)))
MOST_DISAGREEMENTS, MOST_CLASSES, MOST_SETTINGS = 10, 20, 60
LONGEST_VALUE = 24
ABSENT = "-"
SHORT = {"mean_squared_error": "mse"}
# Of docs/metrics.md, by interest.
METRIC_SECTIONS = ("test", "model", "time", "latency", "val", "train", "cv", "seeds", "int8", "baseline", "parity")


@dataclass(frozen=True)
class Answer:
    """How the answer of a model to one row is shown: what it is, and a figure."""

    answer: str
    """Key of the answer in a row of disagreement."""
    figure: str
    """Key of the figure."""
    title: str
    """Heading of the figure."""
    places: int

    def cells(self, found: Mapping[str, Any]) -> tuple[str, str]:
        return found[self.answer], f"{found[self.figure]:.{self.places}f}"


ANSWERS = {
    "classification": Answer("label", "probability", "prob.", 3),
    "multilabel": Answer("labels", "loss", "loss", 3),
    "regression": Answer("prediction", "mean_absolute_error", "error", 4),
}
LABELLED = ("classification", "multilabel")


@dataclass(frozen=True)
class Section:
    """A table with its heading."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    """Lines below the table."""
    left: frozenset[int] = frozenset({0})
    """Columns that are aligned to the left."""
    flexible: int | None = None
    """The column that is cut where the terminal is too narrow."""


def sections(comparison: ModelComparison, records: Sequence[Record]) -> list[Section]:
    """Return all tables of a comparison, in reading order; long ones are cut, and say so.

    Args:
        comparison: The comparison.
        records: The record of each model's training.
    """
    found = [_models(comparison), *_scores(comparison), _parameters(records), _metrics(comparison, records)]
    for letter, pair in _lettered(comparison):
        found += [_classes(comparison, letter, pair), _disagreements(comparison, letter, pair)]
    return [section for section in found if section.rows or section.notes]


def conclusions(comparison: ModelComparison) -> list[str]:
    """Return one line for each model but the first: what the test says about it."""
    return [
        _conclusion(comparison, letter, pair, candidate.reference)
        for (letter, pair), candidate in zip(_lettered(comparison), comparison.candidates[1:], strict=True)
    ]


def _conclusion(comparison: ModelComparison, letter: str, pair: Pair, reference: str) -> str:
    first = f"A ({comparison.candidates[0].reference})"
    if not pair.scores:
        return f"{letter} ({reference}) and {first}: not tested."
    if pair.same_file:
        return f"{letter} ({reference}) is the same file as {first}."
    score = pair.scores[0]
    low, high = score.test.interval
    places = decimal_places(score.score)
    figures = (
        f"{_name(score.score)} {score.test.difference:+z.{places}f}, "
        f"{_percent(comparison)} interval {low:+z.{places}f} to {high:+z.{places}f}, p {p_text(score.p_adjusted)}"
    )
    if pair.verdict == "no significant difference":
        return f"{letter} ({reference}) does not differ significantly from {first}: {figures}."
    return f"{letter} ({reference}) is significantly {pair.verdict} than {first}: {figures}."


def _percent(comparison: ModelComparison) -> str:
    return f"{100 * (1 - comparison.alpha):g} %"


def _lettered(comparison: ModelComparison) -> Iterator[tuple[str, Pair]]:
    return zip(LETTERS[1:], comparison.pairs, strict=False)


def _models(comparison: ModelComparison) -> Section:
    rows = [
        [letter, one.reference, one.source, one.sha256[:8]]
        for letter, one in zip(LETTERS, comparison.candidates, strict=False)
    ]
    title = f"{counted(len(comparison.rows), 'test row')} of {comparison.rows.dataset}"
    return Section(title, ("", "model", "file", "sha256"), rows, left=frozenset(range(4)), flexible=2)


def _scores(comparison: ModelComparison) -> Iterator[Section]:
    if not any(pair.scores for pair in comparison.pairs):
        note = (
            "A generator has no score per row, so there is no paired test: the metrics below are compared as numbers. "
            "They are measured with one reference classifier, for the same number of images."
        )
        yield Section("Scores", (), (), (note,))
        return
    several = len(comparison.pairs) > 1
    rows = [
        [_name(score.score), *([letter] if several else []), *_score_cells(score, comparison.alpha)]
        for letter, pair in _lettered(comparison)
        for score in pair.scores
    ]
    other = ["", "A", "other"] if several else ["A", "B"]
    columns = ("score", *other, "change", f"{_percent(comparison)} interval", "p", "")
    left = frozenset({0, 1, 7}) if several else frozenset({0, 6})
    yield Section("Scores, compared with A", columns, rows, _score_notes(comparison), left)


def _score_cells(score: ScoreDifference, alpha: float) -> list[str]:
    low, high = score.test.interval
    verdict = score.verdict(alpha)
    places = decimal_places(score.score)
    return [
        f"{score.a:.{places}f}",
        f"{score.b:.{places}f}",
        f"{score.test.difference:+z.{places}f}",
        f"{low:+z.{places}f} to {high:+z.{places}f}",
        p_text(score.p_adjusted),
        verdict if verdict in ("better", "worse") else "no evidence",
    ]


def _score_notes(comparison: ModelComparison) -> list[str]:
    methods = {score.score: score.test.method for pair in comparison.pairs for score in pair.scores}
    notes = [f"{_name(name)}: {method}" for name, method in methods.items()]
    if len(comparison.pairs) > 1:
        notes.append("p: with Holm's correction for the number of models; intervals without it")
    for letter, pair in _lettered(comparison):
        if pair.counts:
            counts = pair.counts
            notes.append(
                f"rows: both right {counts['both_right']:,}, only A {counts['only_a_right']:,}, "
                f"only {letter} {counts['only_b_right']:,}, both wrong {counts['both_wrong']:,}"
            )
    return notes


def _parameters(records: Sequence[Record]) -> Section:
    unknown = [letter for letter, one in zip(LETTERS, records, strict=False) if one.parameters is None]
    notes = [
        f"The parameters of {letter} are not known: params.yaml has other ones, and MLflow has no run of this file."
        for letter in unknown
    ]
    known = [one.parameters or {} for one in records]
    rows = [
        [key, *(_short(value) if value is not None else ABSENT for value in values)]
        for key, values in differing(known).items()
    ]
    if len(unknown) >= len(records) - 1:
        rows = []
    elif not rows and not unknown:
        notes.append("The parameters do not differ.")
    shown, rest = _cut(rows, MOST_SETTINGS, "parameters")
    return Section("Parameters that differ", ("", *LETTERS[: len(records)]), shown, [*notes, *rest])


def _metrics(comparison: ModelComparison, records: Sequence[Record]) -> Section:
    merged = merged_metrics(comparison, records)
    if any(one.is_int8 for one in comparison.candidates):  # fewer metrics are recorded of an int8 file
        common = set.intersection(*(set(one) for one in merged))
        merged = [{key: value for key, value in one.items() if key in common} for one in merged]
    rows = [
        [key, *(_number(value) if value is not None else ABSENT for value in values)]
        for key, values in differing(merged).items()
    ]
    shown, rest = _cut(rows, MOST_SETTINGS, "metrics")
    notes = ["test/ and the bytes of the file are measured now; the others are recorded.", *rest]
    return Section("Metrics that differ", ("", *LETTERS[: len(records)]), shown, notes)


def merged_metrics(comparison: ModelComparison, records: Sequence[Record]) -> list[dict[str, float]]:
    """Return the metrics of each model: those measured now, then the recorded ones."""
    return [
        {**measured, **record.metrics, **measured} for measured, record in zip(comparison.metrics, records, strict=True)
    ]


def _classes(comparison: ModelComparison, letter: str, pair: Pair) -> Section:
    largest = sorted(pair.classes, key=lambda one: -abs(one.b - one.a))[:MOST_CLASSES]
    shown = [one for one in pair.classes if one in largest]
    counted = any(one.only_a is not None for one in shown)
    parts = comparison.parts
    columns = [parts.kind, "rows", "A", letter, "change"]
    columns += ["only A", f"only {letter}"] if counted else []
    columns += ["p (Holm)"] if any(one.p_adjusted is not None for one in shown) else []
    hidden = len(pair.classes) - len(shown)
    notes = [f"{hidden} more differ less; --json has all."] if hidden else []
    title = f"{parts.score.capitalize()} by {parts.kind}, A and {letter}"
    places = decimal_places(pair.scores[0].score) if pair.scores else 4
    return Section(title, columns, [_class_cells(one, places) for one in shown], notes)


def _class_cells(one: ClassDifference, places: int) -> list[str]:
    scores = [f"{one.a:.{places}f}", f"{one.b:.{places}f}", f"{one.b - one.a:+z.{places}f}"]
    cells = [one.label, f"{one.rows:,}", *scores]
    if one.only_a is not None:
        cells += [str(one.only_a), str(one.only_b)]
    return cells + ([] if one.p_adjusted is None else [p_text(one.p_adjusted)])


def _disagreements(comparison: ModelComparison, letter: str, pair: Pair) -> Section:
    rows = pair.disagreements
    figure = ANSWERS.get(comparison.task)
    title = f"Rows whose error differs most, A and {letter}"
    if comparison.task in LABELLED:
        title = f"Rows that A and {letter} answer differently: {len(rows):,}"
    if figure is not None:
        columns = ["row", "true", "A", figure.title, letter, figure.title]
        cells = [[str(row["row"]), row["label"], *figure.cells(row["a"]), *figure.cells(row["b"])] for row in rows]
    else:
        columns = ["row", "class", "A", letter]
        cells = [[str(row["row"]), row["label"], *_errors(row)] for row in rows]
    if any("input" in row for row in rows):
        columns.append("input")
        cells = [[*one, row.get("input", "")] for one, row in zip(cells, rows, strict=True)]
    hidden = len(rows) - MOST_DISAGREEMENTS
    notes = [f"{hidden:,} more in --json."] if hidden > 0 else []
    left = frozenset({1, 2, 4, 6}) if figure is not None else frozenset({1, 4})
    flexible = len(columns) - 1 if columns[-1] == "input" else None
    return Section(title, columns, cells[:MOST_DISAGREEMENTS], notes, left, flexible)


def _errors(row: Row) -> list[str]:
    return [f"{error:.{decimal_places(score)}f}" for side in "ab" for score, error in row[side].items()]


def _cut(rows: list[list[str]], most: int, what: str) -> tuple[list[list[str]], list[str]]:
    hidden = len(rows) - most
    return rows[:most], [f"{hidden} more {what} in --json."] if hidden > 0 else []


def p_text(value: float) -> str:
    """Format a p-value."""
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def _number(value: float) -> str:
    if float(value).is_integer() and 1 < abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 100:
        return f"{value:,.1f}"
    return f"{value:.4f}" if abs(value) >= 0.001 or value == 0 else f"{value:.3g}"


def decimal_places(score: str) -> int:
    """Return the digits behind the point that tell two models apart."""
    return 5 if score == "mean_squared_error" else 4


def _name(score: str) -> str:
    return SHORT.get(score, score.replace("_", " "))


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[: LONGEST_VALUE - 1]}…"
