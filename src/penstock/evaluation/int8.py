"""What the int8 candidate is worth beside the exact file: it is to be smaller and nearly as good.

It is asked for one row at a time, as the server asks it (`penstock.export.quantize` says why).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from penstock.config.models import ADOPTED, ModelConfig
from penstock.evaluation.parity import difference, exported_answers
from penstock.evaluation.results import Check, Metric, Predictions
from penstock.evaluation.session import open_model
from penstock.io.files import sha256

ROWS_AT_ONCE = 1


@dataclass(frozen=True)
class Candidate:
    """report: `int8` of validation.json; checks: its gates, which hold an adopted one."""

    report: Mapping[str, Any]
    checks: Mapping[str, Check]

    @property
    def gates(self) -> Mapping[str, Check]:
        return self.checks if self.report["adopted"] else {}


def judge_candidate(
    model: ModelConfig,
    exact: Predictions,
    path: Path,
    figure_of: Callable[[Predictions], Metric],
    test: Mapping[str, Any],
) -> Candidate:
    """The candidate at `path` on the questions that the exact file was asked, with these figures on `test` data."""
    session = open_model(path)
    quantized = replace(
        exact, path=path, session=session, answers=exported_answers(session, exact.inputs, ROWS_AT_ONCE)
    )
    figure = figure_of(quantized)
    checks = {
        f"int8_{figure.name}": _nearly_as_good(figure, test[figure.name], model.gates.int8),
        "int8_bytes": Check(path.stat().st_size, exact.path.stat().st_size - 1, at_least=False),
    }
    adopted = model.int8 == ADOPTED
    report = {
        "adopted": adopted,
        **({} if adopted else {"rejected_as": model.int8}),
        figure.name: figure.value,
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
        **_beside(quantized, exact),
        "missed": [gate for gate, check in checks.items() if not check.passed],
    }
    return Candidate(report, checks)


def _nearly_as_good(figure: Metric, of_exact: float, lost: float) -> Check:
    limit = of_exact - lost if figure.greater_is_better else of_exact + lost
    return Check(figure.value, round(limit, 6), at_least=figure.greater_is_better)


def _beside(quantized: Predictions, exact: Predictions) -> dict[str, float]:
    """How far the answers are from those of the exact file."""
    found = {"max_abs_diff": difference(quantized.answers, exact.answers)}
    if "label" in exact.answers:
        found["agreement"] = float((quantized.answers["label"] == exact.answers["label"]).mean())
    return found
