"""Compare model files on the same test rows, each with the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.comparison.answers import answers
from penstock.comparison.candidate import Candidate, Task
from penstock.comparison.disagreements import Row, disagreements
from penstock.comparison.generators import measure_generators
from penstock.comparison.paired_tests import PairedTest, compare_values, holm
from penstock.comparison.parts import PARTS, Parts, Values
from penstock.comparison.rows import TestRows, load_test_rows
from penstock.comparison.scores import SCORES, Score
from penstock.config.params import Config
from penstock.core.paths import Project

Verdict = Literal["better", "worse", "no significant difference", "not tested"]


@dataclass(frozen=True)
class ScoreDifference:
    """Difference of one score of two models, second minus first."""

    score: str
    higher_is_better: bool
    a: float
    b: float
    test: PairedTest
    p_adjusted: float
    """p-value after Holm's correction for the number of comparisons with the first model."""

    def verdict(self, alpha: float) -> Verdict:
        """Return what the test says about the second model."""
        if self.p_adjusted >= alpha or self.test.difference == 0:
            return "no significant difference"
        return "better" if (self.test.difference > 0) == self.higher_is_better else "worse"


@dataclass(frozen=True)
class ClassDifference:
    """Scores of two models on the rows of one class, or other part."""

    label: str
    rows: int
    a: float
    b: float
    p_adjusted: float | None
    """p-value after Holm's correction for the number of classes; None without a test."""
    only_a: int | None = None
    """Rows that only the first model has right; None for other scores than accuracy."""
    only_b: int | None = None
    """Rows that only the second model has right."""


@dataclass(frozen=True)
class Pair:
    """Comparison of a model with the first one."""

    scores: Sequence[ScoreDifference]
    """The first decides the verdict; empty for generators."""
    counts: Mapping[str, int]
    """Classifiers: rows by which model is right; empty for others."""
    classes: Sequence[ClassDifference]
    disagreements: Sequence[Row]
    verdict: Verdict = "not tested"
    same_file: bool = False
    """Whether both models are the same file."""


@dataclass(frozen=True)
class ModelComparison:
    """Comparison of two or more models."""

    candidates: Sequence[Candidate]
    task: Task
    rows: TestRows
    alpha: float
    metrics: Sequence[Mapping[str, float]]
    """Metrics of each model that were measured for the comparison, by their names in MLflow."""
    parts: Parts
    """What is compared apart, such as each class."""
    pairs: Sequence[Pair]
    """Each model but the first, compared with the first."""

    @property
    def any_worse(self) -> bool:
        """Whether a model is significantly worse than the first."""
        return any(pair.verdict == "worse" for pair in self.pairs)


def compare(project: Project, config: Config, candidates: Sequence[Candidate], alpha: float) -> ModelComparison:
    """Run all models on their common test rows, and compare each with the first.

    Args:
        project: The project that has the data.
        config: Its settings.
        candidates: At least two models.
        alpha: Significance level.

    Raises:
        ComparisonError: The models are not of the same test rows, or cannot be run.
    """
    rows = load_test_rows(project, config, candidates)
    task = candidates[0].task
    if task == "generation":
        measured, shares = measure_generators(project, config, candidates, rows)
        pairs = [_untested(rows, shares[0], other) for other in shares[1:]]
    else:
        measured, pairs = _tested(task, candidates, rows, alpha)
    return ModelComparison(
        candidates=candidates,
        task=task,
        rows=rows,
        alpha=alpha,
        metrics=[_named(*each) for each in zip(candidates, measured, strict=True)],
        parts=PARTS[task],
        pairs=[
            replace(pair, same_file=other.sha256 == candidates[0].sha256)
            for pair, other in zip(pairs, candidates[1:], strict=True)
        ],
    )


def _tested(
    task: Task, candidates: Sequence[Candidate], rows: TestRows, alpha: float
) -> tuple[list[dict[str, float]], list[Pair]]:
    """Return the scores of each model, and the tests of each with the first."""
    found = answers(candidates, rows.inputs)
    values = [[score.of_rows(outputs, rows) for score in SCORES[task]] for outputs in found]
    measured = [
        {score.name: score.value(of_score) for score, of_score in zip(SCORES[task], of_model, strict=True)}
        for of_model in values
    ]
    parts = [PARTS[task].of(outputs, rows) for outputs in found]
    pairs = [
        Pair(
            scores=[_difference(*each, alpha) for each in zip(SCORES[task], values[0], values[number], strict=True)],
            counts=_counts(values[0][0], values[number][0]) if task == "classification" else {},
            classes=_classes(parts[0], parts[number], alpha),
            disagreements=disagreements(task, found[0], found[number], rows),
        )
        for number in range(1, len(found))
    ]
    return measured, _adjusted(pairs, alpha)


def _named(candidate: Candidate, measured: Mapping[str, float]) -> dict[str, float]:
    return {f"test/{name}": value for name, value in measured.items()} | {"model/onnx_bytes": float(candidate.bytes)}


def _difference(score: Score, first: NDArray[Any], second: NDArray[Any], alpha: float) -> ScoreDifference:
    test = score.compare(first, second, alpha)
    values = score.value(first), score.value(second)
    return ScoreDifference(score.name, score.higher_is_better, *values, test, test.p_value)


def _adjusted(pairs: Sequence[Pair], alpha: float) -> list[Pair]:
    """Correct the p-values of each score for the number of pairs, and set the verdicts."""
    columns = [
        [
            replace(difference, p_adjusted=p_adjusted)
            for difference, p_adjusted in zip(column, holm([one.p_adjusted for one in column]), strict=True)
        ]
        for column in zip(*(pair.scores for pair in pairs), strict=True)
    ]
    return [
        replace(pair, scores=scores, verdict=scores[0].verdict(alpha))
        for pair, scores in zip(pairs, zip(*columns, strict=True), strict=True)
    ]


def _counts(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> dict[str, int]:
    return {
        "both_right": int((first & second).sum()),
        "only_a_right": int((first & ~second).sum()),
        "only_b_right": int((second & ~first).sum()),
        "both_wrong": int((~first & ~second).sum()),
    }


def _classes(first: Values, second: Values, alpha: float) -> list[ClassDifference]:
    """Test the difference in each part, with Holm's correction for the number of parts."""
    adjusted = holm([compare_values(values, second[name], alpha).p_value for name, values in first.items()])
    return [
        _class_difference(name, values, second[name], p_adjusted)
        for (name, values), p_adjusted in zip(first.items(), adjusted, strict=True)
    ]


def _class_difference(label: str, first: NDArray[Any], second: NDArray[Any], p_adjusted: float) -> ClassDifference:
    found = ClassDifference(label, len(first), _mean(first), _mean(second), p_adjusted)
    if first.dtype != np.bool_:
        return found
    counts = _counts(first, second)
    return replace(found, only_a=counts["only_a_right"], only_b=counts["only_b_right"])


def _untested(rows: TestRows, first: Sequence[float], second: Sequence[float]) -> Pair:
    classes = [
        ClassDifference(label, int((rows.labels == number).sum()), one, other, None)
        for number, (label, one, other) in enumerate(zip(rows.classes, first, second, strict=True))
    ]
    return Pair(scores=[], counts={}, classes=classes, disagreements=[])


def _mean(values: NDArray[Any]) -> float:
    return round(float(values.mean()), 6)
