"""Classifiers: the share of right answers, and which classes are mistaken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.models import Classification
from penstock.data.datasets import Part
from penstock.data.processed import Split
from penstock.export.validation.evidence import Check, Evidence, Figure, Judgement
from penstock.networks.servable import Servable

SHOWN_MISTAKES = 24


def questions(test: Part, processed: Split, _network: Servable) -> tuple[NDArray[Any], NDArray[Any]]:
    """The test split, raw for the file and processed for the network."""
    return test.inputs, processed.inputs


def figure(evidence: Evidence) -> Figure:
    right = evidence.answers["label"] == evidence.test.labels
    return Figure("accuracy", round(float(right.mean()), 6), more_is_better=True)


def judge(model: Classification, evidence: Evidence) -> Judgement:
    likely, answered, labels = evidence.answers["probabilities"], evidence.answers["label"], evidence.test.labels
    name, accuracy, _ = figure(evidence)
    checks = {name: Check(accuracy, model.gates.accuracy, at_least=True)}
    if model.gates.cross_validation is not None:
        mean = evidence.material.training["folds"]["mean"]
        checks["cross_validation"] = Check(mean, model.gates.cross_validation, at_least=True)
    return Judgement(
        test={name: accuracy, "loss": round(_loss(likely, labels), 6)},
        baseline={"accuracy": evidence.material.baseline_figures()["accuracy"]},
        checks=checks,
        examples=_mistakes(evidence),
        details={"confusion": confusion(labels, answered, evidence.manifest.classes)},
    )


def confusion(labels: NDArray[np.int64], answered: NDArray[np.int64], classes: Sequence[str]) -> list[list[int]]:
    """How often each class (rows) was answered as each class (columns)."""
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (labels, answered), 1)
    table: list[list[int]] = counts.tolist()
    return table


def _loss(likely: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Mean cross-entropy of the probabilities; float32 can give 0, whose logarithm is no number."""
    right = np.nan_to_num(likely[np.arange(len(labels)), labels].astype(np.float64))
    return float(-np.log(np.clip(right, np.finfo(np.float32).tiny, 1)).mean())


def _mistakes(evidence: Evidence) -> dict[str, NDArray[Any]]:
    """The wrong answers that were given with the most confidence, in that order; `rows` count in the test split."""
    likely, answered = evidence.answers["probabilities"].max(axis=1), evidence.answers["label"]
    wrong = np.flatnonzero(answered != evidence.test.labels)
    rows = wrong[np.argsort(-likely[wrong], kind="stable")][:SHOWN_MISTAKES]
    mistakes = {
        "rows": rows,
        "labels": evidence.test.labels[rows],
        "answered": answered[rows],
        "confidence": likely[rows],
    }
    return mistakes | ({"images": evidence.test.inputs[rows]} if evidence.manifest.kind == "image" else {})
