"""Measure the peak memory of training and of preprocessing, for a dataset and for ten times its rows.

Training has ten copies of the rows of MNIST and IMDB. There only private memory of the process counts: pages of a
mapped file do not, since the system can evict them at any time. Preprocessing has generated files of different rows, a
mixed table and texts; there all resident memory counts. `python -m benchmarks.memory MODEL|table|texts FOLDER` is the
measured process. It trains the model for one epoch, or preprocesses the generated file.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

import numpy as np
import psutil

from benchmarks.pairs import Ratio
from benchmarks.results import Row
from penstock.config.data import DatasetConfig
from penstock.config.loading import load_config
from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.io.processed_dataset import ArraySplit, ProcessedDataset
from penstock.orchestration.resources import use_threads

PAIRS = 3
TIMES = 10
# The model with the shortest epoch on each of the two large datasets.
MODELS = ("mnist_autoencoder", "imdb_rnn")
FILE, CLASSES = "generated.csv", ("no", "yes")
NUMBERS, CATEGORIES = ("a", "b", "c", "d", "e", "f"), {"g": "abc", "h": "defg"}
WORDS, WORDS_OF_TEXT = 200_000, 250
SECONDS_BETWEEN_LOOKS = 0.02


def measure(project: Project, config: Config) -> Iterator[Row]:
    for name in MODELS:
        rows = ProcessedDataset(project.processed(config.model(name).dataset)).split("train")
        growth = _growth(partial(_peak_of_train, project, name, rows))
        what = f"peak memory of training {name} on {TIMES} times the rows"
        yield Row(what, "once the rows", growth.value, growth.iqr_half, 1.1, True)
    yield from measure_preprocessing(project)


def measure_preprocessing(project: Project) -> Iterator[Row]:
    for name, generated in GENERATED.items():
        growth = _growth(partial(_peak_of_preprocess, project, name))
        what = f"peak memory of preprocessing {TIMES} times the rows of {generated.shown}"
        yield Row(what, f"{generated.rows:,} rows", growth.value, growth.iqr_half, 2, True)


def _growth(peak: Callable[[int], int]) -> Ratio:
    return Ratio.of([peak(TIMES) / peak(1) for _ in range(PAIRS)])


def _peak_of_train(project: Project, model: str, rows: ArraySplit, times: int) -> int:
    with TemporaryDirectory() as folder:
        for name, array in (("inputs", rows.inputs), ("labels", rows.labels)):
            np.save(Path(folder) / f"{name}.npy", np.tile(array, (times, *[1] * (array.ndim - 1))))
        return _peak_of(model, folder, project)


def _peak_of_preprocess(project: Project, name: str, times: int) -> int:
    """Return the peak of all resident memory in bytes, as the kernel counts it."""
    generated = GENERATED[name]
    with TemporaryDirectory() as folder:
        with (Path(folder) / FILE).open("w") as file:
            generated.write(file, generated.rows * times)
        command = [sys.executable, "-m", "benchmarks.memory", name, folder]
        return int(subprocess.run(command, cwd=project.root, check=True, capture_output=True).stdout) * 1024


def _write_table(file: TextIO, rows: int) -> None:
    """Write a mixed table of six columns of numbers, two of categories, a date and a boolean, and a class."""
    random = np.random.default_rng(1)
    begin = np.datetime64("2020-01-01")
    file.write(",".join([*NUMBERS, *CATEGORIES, "day", "flag", "label"]) + "\n")
    for row in range(rows):
        numbers = ",".join(f"{value:.4f}" for value in random.normal(size=len(NUMBERS)))
        categories = ",".join(values[row % len(values)] for values in CATEGORIES.values())
        file.write(
            f"{numbers},{categories},{begin + row % 1500},{('true', 'false')[row % 2]},{CLASSES[row % 3 == 0]}\n"
        )


def _write_texts(file: TextIO, rows: int) -> None:
    """Write texts of 250 words, about 1,200 characters; the frequency of a word is about 1 / its rank."""
    random = np.random.default_rng(1)
    names = np.array([f"w{number:x}" for number in range(WORDS)])
    file.write("text,label\n")
    for row in range(rows):
        ranks = np.exp(random.uniform(0, np.log(WORDS), size=WORDS_OF_TEXT)).astype(np.int64)
        file.write(f"{' '.join(names[ranks])},{CLASSES[row % 3 == 0]}\n")


@dataclass(frozen=True)
class Generated:
    """A file of random rows with a class."""

    shown: str
    """Its name in results."""
    rows: int
    """Number of rows, of which ten times as many are measured as well."""
    write: Callable[[TextIO, int], None]
    """Function that writes so many rows."""
    inputs: dict[str, Any]
    """`datasets.<name>.inputs`."""

    def settings(self, folder: Path) -> DatasetConfig:
        with (folder / FILE).open() as file:
            rows = sum(1 for _ in file) - 1
        return DatasetConfig.model_validate(
            {
                "folder": str(folder),
                "files": {FILE: {"bytes": 1, "sha256": "0" * 64}},
                "description": "a row of random values",
                "source": {"kind": "csv", "parts": {"all": FILE}},
                "inputs": self.inputs,
                "target": {"kind": "class", "column": "label", "classes": list(CLASSES)},
                "split": {"test": 0.2, "validation": 0.2, "seed": 1},
                "checks": {"rows": {"all": rows}},
                "behaviour": {},
            }
        )


TABLE = {
    **{name: {"kind": "number"} for name in NUMBERS},
    **{name: {"kind": "category", "values": list(values)} for name, values in CATEGORIES.items()},
    "day": {"kind": "date"},
    "flag": {"kind": "boolean"},
}
TEXT = {"kind": "text", "column": "text", "vocab_size": 10_000, "max_length": 250}
GENERATED = {
    "table": Generated("a mixed table", 100_000, _write_table, {"kind": "columns", "columns": TABLE}),
    "texts": Generated("texts", 20_000, _write_texts, TEXT),
}


def _peak_of(what: str, folder: str, project: Project) -> int:
    """Run the measured process, and return its peak private memory in bytes."""
    with subprocess.Popen([sys.executable, "-m", "benchmarks.memory", what, folder], cwd=project.root) as process:
        watched, peak = psutil.Process(process.pid), 0
        while process.poll() is None:
            taken = watched.memory_info()
            peak = max(peak, taken.rss - taken.shared)
            time.sleep(SECONDS_BETWEEN_LOOKS)
    if process.returncode:
        raise RuntimeError(f"{what}: exit code {process.returncode}")
    return peak


def _train(config: Config, project: Project, name: str, folder: Path) -> None:
    from penstock.tasks.build import build_module
    from penstock.training.fit import TrainingSetup, fit
    from penstock.training.malloc import tune_glibc_malloc

    tune_glibc_malloc()
    model = config.model(name)
    model = model.model_copy(update={"training": model.training.model_copy(update={"epochs": 1})})
    processed = ProcessedDataset(project.processed(model.dataset))
    inputs, labels = (np.load(folder / f"{part}.npy", mmap_mode="c") for part in ("inputs", "labels"))
    trainer = config.trainer.model_copy(update={"accelerator": "cpu"})
    fit(
        TrainingSetup(build_module, model, trainer, processed.info),
        ArraySplit(inputs=inputs, labels=labels),
        processed.split("validation"),
    )


def _preprocess(name: str, settings: DatasetConfig, folder: Path) -> None:
    from penstock.data.preprocessing.preprocess import preprocess

    with TemporaryDirectory() as processed:
        preprocess(name, settings, raw=folder, folder=Path(processed) / name)


if __name__ == "__main__":
    project = Project.find()
    config = load_config(project.params)
    use_threads(config.trainer.threads)
    what, folder = sys.argv[1], Path(sys.argv[2])
    if what in config.models:
        _train(config, project, what, folder)
    else:
        _preprocess(what, GENERATED[what].settings(folder), folder)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # KiB
