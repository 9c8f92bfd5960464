"""Compare tuned models with documented ones: by a paired test on the test rows, or else by their stored scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock import comparison
from penstock.comparison.candidate import Candidate, Record
from penstock.comparison.compare import compare
from penstock.comparison.output import document
from penstock.config.params import Config
from penstock.core.errors import ComparisonError, PenstockError
from penstock.core.paths import Project
from penstock.evaluation.gates import HIGHER_IS_BETTER
from penstock.io.files import canonical_hash, dvc_directory_hash, read_json, sha256, write_json
from penstock.io.provenance import python_files
from penstock.reporting.results import Result

SUFFIX = "_tuned"
ALPHA = 0.05
# Does not say which, so that the page has one note for all pairs.
EITHER_FILE = "the ONNX file of the tuned or of the documented model"
MOST_ROWS = 5  # rows of disagreement that are kept
Comparison = dict[str, Any]
"""One entry of `comparisons` in the output of `penstock compare --json`."""


@dataclass(frozen=True)
class TunedResult:
    """A tuned model beside the documented one that it is compared with."""

    tuned: Result
    documented: Result
    comparison: Comparison | None
    """The paired test; None if it cannot be made here."""
    reason: str = ""
    """Why there is no paired test."""

    @property
    def tested(self) -> bool:
        """Whether there is a paired test."""
        return bool(self.comparison and self.comparison["scores"])

    @property
    def score(self) -> dict[str, Any]:
        """The primary metric: `score`, `a` (documented), `b` (tuned), `difference`; tested: `interval`, `p_value`."""
        if self.comparison and self.comparison["scores"]:
            return dict(self.comparison["scores"][0])
        return {
            "score": self.tuned.primary_metric,
            "a": self.documented.score,
            "b": self.tuned.score,
            "difference": self.tuned.score - self.documented.score,
        }


def tuned_results(project: Project, config: Config, results: Sequence[Result]) -> list[TunedResult]:
    """Compare each tuned model with its documented counterpart.

    Args:
        project: The project. If its model files or test data are missing, only stored scores are compared.
        config: Content of params.yaml.
        results: Results of all models.
    """
    documented = [result for result in results if result.name in config.models]
    pairs = [
        (result, counterpart)
        for result in results
        if result.name in config.tuned and (counterpart := _counterpart(result, documented))
    ]
    return [_compared(project, config, tuned, counterpart) for tuned, counterpart in pairs]


def _counterpart(tuned: Result, documented: Sequence[Result]) -> Result | None:
    """Return the model of the same name without `_tuned`, or else the best one of the same dataset and task."""
    alike = [
        one for one in documented if (one.model.dataset, one.model.task) == (tuned.model.dataset, tuned.model.task)
    ]
    sign = 1 if tuned.primary_metric in HIGHER_IS_BETTER else -1
    named = [one for one in alike if one.name == tuned.name.removesuffix(SUFFIX)]
    return next(iter(named), max(alike, key=lambda one: sign * one.score, default=None))


def _compared(project: Project, config: Config, tuned: Result, documented: Result) -> TunedResult:
    try:
        candidates = [_candidate(project, one) for one in (documented, tuned)]
        return TunedResult(tuned, documented, _tested(project, config, candidates))
    except PenstockError as error:  # such as test data that are not here
        return TunedResult(tuned, documented, None, str(error))


def _candidate(project: Project, result: Result) -> Candidate:
    """Return the file of a model.

    Raises:
        ComparisonError: The file is missing, or is not the one that the report is about.
    """
    path = result.files.onnx
    if not path.is_file():
        raise ComparisonError(f"{EITHER_FILE} is not here")
    if sha256(path) != result.validation["onnx"]["sha256"]:
        raise ComparisonError(f"{EITHER_FILE} does not belong to its report")
    return Candidate(result.name, path, project.shown(path))


def _tested(project: Project, config: Config, candidates: Sequence[Candidate]) -> Comparison:
    """Return the paired test of two files, from an earlier report stage if nothing has changed since."""
    kept = project.scratch / "comparisons" / f"{_key(project, candidates)}.json"
    if not kept.is_file():
        found = compare(project, config, candidates, ALPHA)
        (pair,) = document(found, [Record(None, {}) for _ in candidates])["comparisons"]
        write_json(kept, {**pair, "disagreements": pair["disagreements"][:MOST_ROWS]})
    return read_json(kept)


def _key(project: Project, candidates: Sequence[Candidate]) -> str:
    """Identify a comparison by its files, its data and its code."""
    processed = project.processed(candidates[0].dataset)
    code = python_files(Path(comparison.__path__[0]))
    return canonical_hash(
        [
            [one.sha256 for one in candidates],
            dvc_directory_hash(processed) if processed.is_dir() else "",
            sorted(sha256(path) for path in code),
            ALPHA,
        ]
    )[:16]
