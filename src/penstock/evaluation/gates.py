"""Compare measured values with the limits in params.yaml."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.config.models import ModelConfig
from penstock.core.errors import GateError

Report = Mapping[str, Any]

# Gates on scores: section and key of the measured value, and whether the limit is a minimum.
SCORE_GATES = {
    "accuracy": ("test", "accuracy", True),
    "macro_f1": ("test", "macro_f1", True),
    "auroc": ("test", "auroc", True),
    "loss": ("test", "loss", False),
    "expected_calibration_error": ("test", "expected_calibration_error", False),
    "smallest_class_precision": ("test", "smallest_class_precision", True),
    "smallest_class_recall": ("test", "smallest_class_recall", True),
    "cross_validation": ("cv", "mean", True),
    "r2": ("test", "r2", True),
    "mean_squared_error": ("test", "mean_squared_error", False),
    "mean_absolute_error": ("test", "mean_absolute_error", False),
    "micro_f1": ("test", "micro_f1", True),
    "exact_match": ("test", "exact_match", True),
    "ssim": ("test", "ssim", True),
    "frechet_distance": ("test", "frechet_distance", False),
    "frechet_ratio": ("test", "frechet_ratio", False),
    "class_share": ("test", "smallest_class_share", True),
    "mean_confidence": ("test", "mean_confidence", True),
    "sample_precision": ("test", "sample_precision", True),
    "sample_recall": ("test", "sample_recall", True),
}
NOT_MEASURED = math.nan
# Primary metrics to maximize. All others are minimized.
HIGHER_IS_BETTER = frozenset({"accuracy", "macro_f1", "r2"})
# Keys of `parity` in validation.json. These shares of test rows must be exactly 1.
SHARES = ("agreement", "token_ids")


@dataclass(frozen=True)
class Check:
    """Measured value and its limit."""

    value: float
    """Measured value; NaN, which passes no check, if the reports do not have it."""
    limit: float
    """Limit from params.yaml, inclusive."""
    at_least: bool
    """Whether the limit is a minimum; otherwise it is a maximum."""
    if_not_measured: str = "run the stage validate again"
    """What to say of a value that the reports do not have."""

    @property
    def passed(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        wanted = "at least" if self.at_least else "at most"
        # Ten digits: sizes in bytes have more than the six of `:g`.
        found = f"not measured ({self.if_not_measured})" if math.isnan(self.value) else f"{self.value:.10g}"
        return f"{found}, must be {wanted} {self.limit:.10g}"


Checks = dict[str, Check]


def parity_checks(model: ModelConfig, validation: Report) -> Checks:
    """Return the checks that the outputs of the exported file equal those of the trained network."""
    parity = validation["parity"]
    checks = {"parity": Check(parity["max_abs_diff"], model.gates.parity, at_least=False)}
    checks |= {share: Check(parity[share], 1.0, at_least=True) for share in SHARES if share in parity}
    if "latent_shift" in parity:
        checks["latent_shift"] = Check(parity["latent_shift"], model.gates.parity, at_least=False)
        checks["latent_shift_by_zeros"] = Check(parity["latent_shift_by_zeros"], 0.0, at_least=False)
    return checks


def score_checks(model: ModelConfig, training: Report, validation: Report) -> Checks:
    """Return the checks of the model's scores.

    Args:
        model: Settings of the model, with its gates.
        training: Content of training.json.
        validation: Content of validation.json of the same model.
    """
    measured = {"test": validation["test"], "cv": training.get("cv", {})}
    limits = model.gates.model_dump()
    checks = {
        gate: Check(measured[section].get(key, NOT_MEASURED), limits[gate], at_least)
        for gate, (section, key, at_least) in SCORE_GATES.items()
        if limits.get(gate) is not None
    }
    return checks | _behaviour_checks(limits.get("behaviour", {}), validation.get("behaviour", {}))


def _behaviour_checks(limits: Mapping[str, float], results: Mapping[str, Report]) -> Checks:
    reason = "it changes no test row; if it is new, run the stage validate again"
    return {
        f"behaviour.{test}": Check(results.get(test, {}).get("passed", NOT_MEASURED), limit, True, reason)
        for test, limit in limits.items()
    }


def int8_checks(model: ModelConfig, validation: Report) -> Checks:
    """Return the checks of the int8 file: score within `gates.int8` of the exact file, and smaller size."""
    int8, exact = validation["int8"], validation["test"]
    metric = next(iter(exact))
    at_least = metric in HIGHER_IS_BETTER
    limit = exact[metric] - model.gates.int8 if at_least else exact[metric] + model.gates.int8
    return {
        f"int8 ({metric})": Check(int8[metric], round(limit, 6), at_least),
        "int8 (bytes)": Check(int8["bytes"], validation["onnx"]["bytes"] - 1, at_least=False),
    }


def registration_checks(model: ModelConfig, training: Report, validation: Report) -> Checks:
    """Return all checks that a model must pass before registration and serving."""
    checks = score_checks(model, training, validation) | parity_checks(model, validation)
    return checks | (int8_checks(model, validation) if model.int8.serve else {})


def require_passed(checks: Checks, place: str) -> None:
    """Raise an error if a check failed.

    Args:
        checks: Checks by gate.
        place: Path of the gates in params.yaml, such as `models.iris_mlp.gates`.

    Raises:
        GateError: At least one check failed. The message has one line per failed check.
    """
    failed = [f"{place}.{gate}: {check}" for gate, check in checks.items() if not check.passed]
    if failed:
        raise GateError("\n".join(failed))
