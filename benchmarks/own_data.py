"""Measure models that `penstock new dataset` makes, beside simple models of scikit-learn on the same rows.

Each seed is another split and another training. The sets are those of own_sets.py, and 2,000 reviews of IMDB. A table's
target is gradient boosting; a text's or an image's is the better of the simple models.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks.own_sets import write_set
from benchmarks.results import Row
from penstock.baselines import boosting, linear
from penstock.config.data import DatasetConfig
from penstock.config.loading import load_config
from penstock.config.models import BoostingBaselineConfig, LinearBaselineConfig
from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.data.preprocessing.preprocess import preprocess
from penstock.data.sources.read import read_dataset
from penstock.data.sources.rows import part_for
from penstock.io.processed_dataset import ProcessedDataset
from penstock.new.dataset import Request, new_dataset
from penstock.tasks.build import build_module
from penstock.training.fit import TrainingSetup, fit, score_split

SEEDS = {"wine": 5, "breast_cancer": 5, "digits": 5, "diabetes": 5, "penguins": 5}
SEEDS |= {"docs": 3, "reviews": 3, "numerals": 3, "photos": 3}
REVIEWS = 2_000
WITHIN = 0.01
EMPTY = "trainer: {}\ndatasets: {}\nbaselines: {}\nmodels: {}\n"
OURS, BOOSTING, LINEAR, SUPPORT = "first model", "gradient boosting", "linear model", "support vector machine"

Scores = dict[str, float]
"""Score of each model, by its name."""


def measure(project: Project, config: Config) -> Iterator[Row]:
    for name, seeds in SEEDS.items():
        with TemporaryDirectory() as folder:
            source = _reviews(project, config, Path(folder)) if name == "reviews" else write_set(name, Path(folder))
            found = list(_scores(Path(folder), name, source, seeds))
        means = {model: mean(scores[model] for scores in found) for model in found[0]}
        print(name, *(f"{model} {value:.4f}" for model, value in means.items()), sep=", ", flush=True)
        simple = {model: value for model, value in means.items() if model != OURS}
        other = BOOSTING if BOOSTING in simple else max(simple, key=lambda model: simple[model])
        differences = [scores[OURS] - scores[other] for scores in found]
        what = f"{name}: score of the first model, less that of the {other}"
        yield Row(what, f"scikit-learn, {seeds} seeds", mean(differences), stdev(differences), -WITHIN)


def _scores(root: Path, name: str, source: Path, seeds: int) -> Iterator[Scores]:
    """Yield the scores on the test rows, for each seed."""
    (root / "params.yaml").write_text(EMPTY)
    project = Project(root)
    new_dataset(project, Request(name, str(source)))
    config = load_config(project.params)
    (model,) = config.models.values()
    for seed in range(1, seeds + 1):
        settings = config.dataset(name)
        settings = settings.model_copy(update={"split": settings.split.model_copy(update={"seed": seed})})
        raw = root / str(settings.folder)
        shutil.rmtree(project.processed(name), ignore_errors=True)
        preprocess(name, settings, raw=raw, folder=project.processed(name))
        processed = ProcessedDataset(project.processed(name))
        setup = TrainingSetup(build_module, model, config.trainer, processed.info).changed(seed=seed)
        fitted = fit(setup, processed.split("train"), processed.split("validation"))
        ((metric, ours),) = score_split(setup, fitted.weights, processed.split("test")).items()
        yield {OURS: ours} | _simple_models(name, settings, processed, raw, metric)


def _simple_models(name: str, settings: DatasetConfig, processed: ProcessedDataset, raw: Path, metric: str) -> Scores:
    """Fit scikit-learn's models on the training rows, and score them on the test rows."""
    of_linear = LinearBaselineConfig(kind="linear", dataset=name)
    scores = {LINEAR: linear.measure(of_linear, settings, processed, raw)[metric]}
    if processed.info.kind == "columns":
        trees = BoostingBaselineConfig(kind="boosting", dataset=name)
        scores[BOOSTING] = boosting.measure(trees, settings, processed, raw)[metric]
    if processed.info.kind == "image":
        train, test = (_pixels(settings, processed, raw, split) for split in ("train", "test"))
        scores[SUPPORT] = float(make_pipeline(StandardScaler(), SVC()).fit(*train).score(*test))
    return scores


def _pixels(settings: DatasetConfig, processed: ProcessedDataset, raw: Path, split: Any) -> Sequence[Any]:  # noqa: ANN401
    rows = part_for(read_dataset(settings, raw), split)[processed.rows(split)]
    return np.asarray(rows.inputs, dtype=np.float32).reshape(len(rows.labels), -1), rows.labels


def _reviews(project: Project, config: Config, folder: Path) -> Path:
    """Write the first reviews of IMDB's training file, in a random order, as a CSV file of text and label."""
    imdb = config.dataset("imdb")
    rows = part_for(read_dataset(imdb, project.raw("imdb")), "train")
    chosen = np.random.default_rng(0).permutation(len(rows.labels))[:REVIEWS]
    path = folder / "reviews.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((rows.inputs[row], ("negative", "positive")[rows.labels[row]]) for row in chosen)
    return path
