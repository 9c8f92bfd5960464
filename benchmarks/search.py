"""Trials per hour and the best score of `penstock sweep`, against Optuna and Lightning as their documentation shows.

Both have the same space, networks, epochs, sampler (TPE, its seed the number of the round), pruner, SQLite, and two
processes with `trainer.threads` threads each. They take turns; a turn is a whole search in a new folder, from the start
of its processes to their end. In ours that includes the runs in MLflow, checkpoints and the claims of the workers.

Ours scores a trial after the epoch with the lowest validation loss, and theirs after the last epoch.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import optuna
from ruamel.yaml import YAML

from benchmarks.competitors import environment_of_a_newcomer
from benchmarks.pairs import Ratio
from benchmarks.results import Row
from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.io.processed_dataset import ProcessedDataset, save_array

ROUNDS = 2
TRIALS = 20
PROCESSES = 2
LIMIT = 6000  # rows of training and validation
EPOCHS = {"iris_mlp": 100, "mnist_cnn": 3}
PLAIN = "Optuna and Lightning with a DataLoader"
STUDY = "benchmark"
HOUR = 3600


@dataclass(frozen=True)
class Search:
    """What a whole search took, and found."""

    seconds: float
    score: float
    """Validation accuracy of the best trial."""

    @property
    def trials_per_hour(self) -> float:
        return TRIALS / self.seconds * HOUR


def measure(project: Project, config: Config) -> Iterator[Row]:
    for name in [name for name in EPOCHS if name in config.models]:
        rounds = [_round(project, config, name, seed) for seed in range(1, ROUNDS + 1)]
        for who, searches in zip(("ours", "plain"), zip(*rounds, strict=True), strict=True):
            print(name, who, _summary(searches), flush=True)
        speed = Ratio.of([ours.trials_per_hour / plain.trials_per_hour for ours, plain in rounds])
        yield Row(f"trials per hour of a sweep of {name}", PLAIN, speed.value, speed.iqr_half, 1)
        score = Ratio.of([ours.score / plain.score for ours, plain in rounds])
        yield Row(f"best score after {TRIALS} trials of {name}", PLAIN, score.value, score.iqr_half, 0.99)


def _summary(searches: tuple[Search, ...]) -> str:
    speed, score = median(one.trials_per_hour for one in searches), median(one.score for one in searches)
    return f"{speed:.0f} trials per hour, best validation accuracy {score:.4f}"


def _round(project: Project, config: Config, name: str, seed: int) -> tuple[Search, Search]:
    """Run both searches, every second round in reverse order."""
    competitors: list[Callable[[Project, str, int], Search]] = [sweep, plain]
    found = {}
    for competitor in competitors if seed % 2 else reversed(competitors):
        with TemporaryDirectory() as folder:
            made = small_project(project, config, name, seed, Path(folder))
            found[competitor] = competitor(made, name, seed)
    return found[sweep], found[plain]


def small_project(project: Project, config: Config, name: str, seed: int, folder: Path) -> Project:
    """Make a project with fewer rows and epochs, in which nothing has run."""
    for linked in ("src", "pipelines", "dvc.yaml"):
        (folder / linked).symlink_to(project.root / linked)
    yaml = YAML()
    document = yaml.load(project.params)
    document["models"][name]["training"]["epochs"] = EPOCHS[name]
    document["search"][name] |= {"seed": seed, "trials": TRIALS, "winner_seeds": 0}
    yaml.dump(document, folder / "params.yaml")
    made, dataset = Project(folder), config.model(name).dataset
    _write_rows(ProcessedDataset(project.processed(dataset)), made.processed(dataset))
    return made


def _write_rows(processed: ProcessedDataset, folder: Path) -> None:
    """Write at most LIMIT of the rows outside the test split, in the shares of the splits."""
    processed.info.save(folder)
    learn, validation = processed.split("train"), processed.split("validation")
    rows = len(learn) + len(validation)
    for name, split in (("train", learn), ("validation", validation)):
        chosen = split[np.arange(len(split) * min(rows, LIMIT) // rows)]
        save_array(folder / name, "inputs", chosen.inputs)
        save_array(folder / name, "labels", chosen.labels)


def sweep(project: Project, name: str, _seed: int) -> Search:
    """Search with `penstock sweep`; the seed is in params.yaml."""
    storage = f"sqlite:///{project.root}/ours.db"
    options = ("--jobs", f"{PROCESSES}", "--study", STUDY, "--storage", storage)
    seconds = _seconds(project, [["penstock.cli", "sweep", name, *options]])
    return Search(seconds, _best(storage))


def plain(project: Project, name: str, seed: int) -> Search:
    """Search with `plain_search`; each process has a seed of its own, since with one both would draw the same."""
    storage = f"sqlite:///{project.root}/plain.db"
    optuna.create_study(storage=storage, study_name=STUDY, direction="maximize")
    script, share = "benchmarks.plain_search", f"{TRIALS // PROCESSES}"
    commands = [[script, storage, STUDY, name, share, f"{seed + 1000 * number}"] for number in range(PROCESSES)]
    return Search(_seconds(project, commands), _best(storage))


def _seconds(project: Project, commands: list[list[str]]) -> float:
    """Run modules at the same time; return the seconds until all have ended.

    Raises:
        RuntimeError: One failed.
    """
    environment = environment_of_a_newcomer() | {"PYTHONPATH": f"{Path.cwd()}/src:{Path.cwd()}"}
    begun = time.perf_counter()
    with (project.root / "log.txt").open("w") as log:
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", *command], cwd=project.root, env=environment, stdout=log, stderr=log
            )
            for command in commands
        ]
        codes = [process.wait() for process in processes]
    seconds = time.perf_counter() - begun
    if any(codes):
        raise RuntimeError((project.root / "log.txt").read_text())
    return seconds


def _best(storage: str) -> float:
    study = optuna.load_study(study_name=STUDY, storage=storage)
    assert len(study.trials) == TRIALS
    return float(study.best_value)
