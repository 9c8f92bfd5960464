"""Decide whether a new version becomes champion."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.comparison.answers import noise
from penstock.comparison.candidate import Candidate
from penstock.comparison.compare import ModelComparison, ScoreDifference, compare
from penstock.comparison.sections import decimal_places, p_text
from penstock.config.params import Config
from penstock.config.promotion import PromotionConfig
from penstock.core.console import file_size
from penstock.core.errors import ComparisonError
from penstock.core.paths import Project
from penstock.registry.latency import compare_latency

DISTANCE = "frechet_distance"
FIRST = "no champion yet: the first version that passed its gates"


@dataclass(frozen=True)
class Verdict:
    """Whether a version becomes champion."""

    promoted: bool
    reason: str
    """Why, with the figures of both versions."""
    evidence: Mapping[str, Any]
    """The figures; JSON."""


def judge(
    project: Project, config: Config, rules: PromotionConfig, champion: Candidate, challenger: Candidate
) -> Verdict:
    """Compare a challenger with the champion on the test rows that both were measured on.

    Args:
        project: The project, which has the data.
        config: Its settings.
        rules: Rules for this model.
        champion: File of the champion.
        challenger: File of the new version.
    """
    # As in the validate stage: more threads than one change the last digits and the latency.
    os.environ.setdefault("OMP_NUM_THREADS", str(config.trainer.threads))
    try:
        comparison = compare(project, config, [champion, challenger], rules.alpha)
    except ComparisonError as error:
        return Verdict(False, f"cannot be compared: {error}", {})
    found = _score(comparison, rules)
    if not found.promoted:
        return found
    problems, costs = _costs(comparison, rules)
    return Verdict(not problems, "; but ".join([found.reason, *problems]), {**found.evidence, **costs})


def _score(comparison: ModelComparison, rules: PromotionConfig) -> Verdict:
    """Return whether the challenger has the better score."""
    (pair,) = comparison.pairs
    evidence = {"dataset": comparison.rows.dataset, "test_rows": len(comparison.rows)}
    if not pair.scores:
        return _by_distance(comparison, rules, evidence)
    score = pair.scores[0]
    evidence |= {
        "score": score.score,
        "champion": score.a,
        "challenger": score.b,
        "difference": score.test.difference,
        "interval": list(score.test.interval),
        "p": score.p_adjusted,
        "alpha": rules.alpha,
        "test": score.test.method,
    }
    text = _score_text(score, rules)
    verdict = score.verdict(rules.alpha)
    if verdict == "better":
        return Verdict(True, f"better by the paired test: {text}", evidence)
    gain = score.test.difference if score.higher_is_better else -score.test.difference
    if _reaches(rules.margin, gain):
        return Verdict(True, f"better by the margin of {rules.margin:g}: {text}", evidence)
    words = "worse by the paired test" if verdict == "worse" else "not significantly better"
    return Verdict(False, f"{words}: {text}", evidence)


def _by_distance(comparison: ModelComparison, rules: PromotionConfig, evidence: dict[str, Any]) -> Verdict:
    """Compare generators, which have no score per row, by the Frechet distance."""
    first, second = (metrics[f"test/{DISTANCE}"] for metrics in comparison.metrics)
    evidence |= {"score": DISTANCE, "champion": first, "challenger": second, "difference": round(second - first, 4)}
    text = f"Frechet distance {second:.1f}, champion {first:.1f}"
    if rules.margin is None:
        return Verdict(False, f"{text}; a generator has no paired test, and promotion.margin is not set", evidence)
    if _reaches(rules.margin, first - second):
        return Verdict(True, f"better by the margin of {rules.margin:g}: {text}", evidence)
    return Verdict(False, f"not better by the margin of {rules.margin:g}: {text}", evidence)


def _reaches(margin: float | None, gain: float) -> bool:
    return margin is not None and gain > 0 and gain >= margin


def _score_text(score: ScoreDifference, rules: PromotionConfig) -> str:
    low, high = score.test.interval
    places = decimal_places(score.score)
    return (
        f"{score.score.replace('_', ' ')} {score.b:.{places}f}, champion {score.a:.{places}f}, "
        f"{100 * (1 - rules.alpha):g} % interval of the difference {low:+z.{places}f} to {high:+z.{places}f}, "
        f"p {p_text(score.p_adjusted)}"
    )


def _costs(comparison: ModelComparison, rules: PromotionConfig) -> tuple[list[str], dict[str, Any]]:
    """Return what is slower or larger than allowed, and the figures."""
    first, second = comparison.candidates
    rows = [
        noise(one, 1) if comparison.task == "generation" else comparison.rows.inputs[:1]
        for one in comparison.candidates
    ]
    latency = compare_latency((first.session, second.session), rows, rules.max_latency_ratio)
    size = (first.bytes, second.bytes)
    problems = []
    if latency[1] > latency[0] * rules.max_latency_ratio:
        problems.append(
            f"too slow: {latency[1]:g} ms for one row, champion {latency[0]:g} ms, "
            f"at most {rules.max_latency_ratio:g} times as long is allowed"
        )
    if size[1] > size[0] * rules.max_size_ratio:
        problems.append(
            f"too large: {file_size(size[1])}, champion {file_size(size[0])}, "
            f"at most {rules.max_size_ratio:g} times as large is allowed"
        )
    return problems, {"latency_ms": list(latency), "bytes": list(size)}


def candidate_of(name: str, version: str, path: Path) -> Candidate:
    """Return the file of a version as something to compare."""
    return Candidate(f"version {version}", path, f"version {version} of {name}")
