"""Measure models that `penstock new dataset` makes, beside scikit-learn's gradient boosting: the mean of five seeds.

Each seed is another split and another training; both models have the same rows. The tables are those of scikit-learn.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any

from sklearn import datasets

from benchmarks.results import Row
from penstock.baselines import boosting
from penstock.config.loading import load_config
from penstock.config.models import BoostingBaselineConfig
from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.data.preprocessing.preprocess import preprocess
from penstock.io.processed_dataset import ProcessedDataset
from penstock.new.dataset import Request, new_dataset
from penstock.tasks.build import build_module
from penstock.training.fit import TrainingSetup, fit, score_split

SEEDS = 5
WITHIN = 0.01
TABLES = {
    "wine": datasets.load_wine,
    "breast_cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
    "diabetes": datasets.load_diabetes,
}
EMPTY = "trainer: {}\ndatasets: {}\nbaselines: {}\nmodels: {}\n"


def measure(_project: Project, _config: Config) -> Iterator[Row]:
    for name, load in TABLES.items():
        with TemporaryDirectory() as folder:
            differences = list(_differences(Path(folder), name, load()))
        what = f"{name}: score of the first model, less that of gradient boosting"
        yield Row(what, "HistGradientBoosting, five seeds", mean(differences), stdev(differences), -WITHIN)


def _differences(root: Path, name: str, table: Any) -> Iterator[float]:  # noqa: ANN401  (scikit-learn is untyped)
    (root / "params.yaml").write_text(EMPTY)
    write_csv(root / f"{name}.csv", table)
    project = Project(root)
    new_dataset(project, Request(name, str(root / f"{name}.csv"), target=("target",)))
    config = load_config(project.params)
    (model,) = config.models.values()
    for seed in range(1, SEEDS + 1):
        settings = config.dataset(name)
        settings = settings.model_copy(update={"split": settings.split.model_copy(update={"seed": seed})})
        shutil.rmtree(project.processed(name), ignore_errors=True)
        preprocess(name, settings, raw=root, folder=project.processed(name))
        processed = ProcessedDataset(project.processed(name))
        setup = TrainingSetup(build_module, model, config.trainer, processed.info).changed(seed=seed)
        fitted = fit(setup, processed.split("train"), processed.split("validation"))
        ((metric, ours),) = score_split(setup, fitted.weights, processed.split("test")).items()
        trees = boosting.measure(BoostingBaselineConfig(kind="boosting", dataset=name), settings, processed, root)
        print(f"{name} seed {seed}: {metric} {ours:.4f}, gradient boosting {trees[metric]:.4f}", flush=True)
        yield ours - trees[metric]


def write_csv(path: Path, table: Any) -> None:  # noqa: ANN401
    """Write a table of scikit-learn with a header; the last column, `target`, is a class by name, or a number."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(name.replace(" ", "_") for name in table.feature_names), "target"])
        names = getattr(table, "target_names", None)
        for row, target in zip(table.data, table.target, strict=True):
            writer.writerow([*(f"{value:.8g}" for value in row), target if names is None else names[target]])
