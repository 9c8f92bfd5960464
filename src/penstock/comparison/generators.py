"""Measure generators: they have no score per row, so their metrics are compared without a test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from penstock.comparison.answers import answers, noise
from penstock.comparison.candidate import Candidate
from penstock.comparison.rows import TestRows
from penstock.config.params import Config
from penstock.core.errors import ComparisonError
from penstock.core.paths import Project
from penstock.evaluation.frechet import REFERENCE, Statistics, class_shares, frechet_distance, image_quality
from penstock.evaluation.session import onnx_outputs, open_model

BATCH_SIZE = 256


def measure_generators(
    project: Project, config: Config, candidates: Sequence[Candidate], rows: TestRows
) -> tuple[list[dict[str, float]], list[list[float]]]:
    """Return the metrics of each generator, and the shares of the classes among its images, with one reference.

    Raises:
        ComparisonError: The reference classifier is not here.
    """
    reference = _reference(project, config, candidates)
    real = Statistics.load(reference)
    classifier = open_model(reference / REFERENCE)
    metrics, shares = [], []
    for candidate in candidates:
        (outputs,) = answers([candidate], noise(candidate, len(rows)))
        found = onnx_outputs(classifier, outputs["image"], BATCH_SIZE)
        distance = frechet_distance(Statistics.of(found["features"]), real)
        metrics.append({"frechet_distance": round(distance, 4), **image_quality(found["probabilities"])})
        shares.append([round(float(share), 6) for share in class_shares(found["probabilities"])])
    return metrics, shares


def _reference(project: Project, config: Config, candidates: Sequence[Candidate]) -> Path:
    models = config.every_model
    known = [models[one.provenance.model].baseline for one in candidates if one.provenance.model in models]
    of_dataset = [name for name, one in config.fid_references.items() if one.dataset == candidates[0].dataset]
    for name in [*known, *of_dataset]:
        if (project.baseline(name) / REFERENCE).is_file():
            return project.baseline(name)
    raise ComparisonError(
        f"{candidates[0].reference}: baselines/ has no reference of the Frechet distance; "
        "`dvc repro fid_reference` makes it"
    )
