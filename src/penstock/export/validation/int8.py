"""What the int8 candidate is worth beside the exact file: it is to be smaller and nearly as good.

It is asked for one row at a time, as the server asks it (`penstock.export.quantize` says why).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from penstock.config.models import ADOPTED, Model
from penstock.export.parity import difference, exported_answers
from penstock.export.session import open_model
from penstock.export.validation.evidence import Check, Evidence
from penstock.files import sha256

ROWS_AT_ONCE = 1

# Of answers: the name of what a task is judged by, and its value.
Figure = Callable[[Evidence], tuple[str, float]]


@dataclass(frozen=True)
class Candidate:
    """report: `int8` of validation.json; checks: its gates, which hold an adopted one."""

    report: Mapping[str, Any]
    checks: Mapping[str, Check]

    @property
    def gates(self) -> Mapping[str, Check]:
        return self.checks if self.report["adopted"] else {}


def judge_candidate(model: Model, exact: Evidence, path: Path, figure_of: Figure, test: Mapping[str, Any]) -> Candidate:
    """The candidate at `path` on the questions that the exact file was asked, with these figures on `test` data."""
    session = open_model(path)
    quantized = replace(
        exact, path=path, session=session, answers=exported_answers(session, exact.inputs, ROWS_AT_ONCE)
    )
    figure, value = figure_of(quantized)
    checks = {
        f"int8_{figure}": _nearly_as_good(figure, value, test[figure], model.gates.int8),
        "int8_bytes": Check(path.stat().st_size, exact.path.stat().st_size - 1, at_least=False),
    }
    adopted = model.int8 == ADOPTED
    report = {
        "adopted": adopted,
        **({} if adopted else {"rejected_as": model.int8}),
        figure: value,
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
        **_beside(quantized, exact),
        "missed": [gate for gate, check in checks.items() if not check.passed],
    }
    return Candidate(report, checks)


def _nearly_as_good(figure: str, value: float, of_exact: float, less: float) -> Check:
    if figure == "accuracy":
        return Check(value, round(of_exact - less, 6), at_least=True)
    return Check(value, round(of_exact + less, 6), at_least=False)


def _beside(quantized: Evidence, exact: Evidence) -> dict[str, float]:
    """How far the answers are from those of the exact file."""
    found = {"max_abs_diff": difference(quantized.answers, exact.answers)}
    if "label" in exact.answers:
        found["agreement"] = float((quantized.answers["label"] == exact.answers["label"]).mean())
    return found
