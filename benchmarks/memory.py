"""Measure the peak memory of training and of preprocessing, for the dataset and for ten copies of its rows.

Of a table, 100,000 and 1,000,000 different rows are preprocessed. There all resident memory counts. Otherwise only
private memory of the process counts: pages of a mapped file do not, since the system can evict them at any time.
`python -m benchmarks.memory MODEL|DATASET|table FOLDER` is the measured process. It trains the model for one epoch, or
preprocesses the dataset.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

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
MODELS, TEXTS = ("mnist_autoencoder", "imdb_rnn"), "imdb"
TABLE, TABLE_FILE, TABLE_ROWS = "table", "table.csv", 100_000
NUMBERS, CATEGORIES = ("a", "b", "c", "d", "e", "f"), ("g", "h")
SECONDS_BETWEEN_LOOKS = 0.02


def measure(project: Project, config: Config) -> Iterator[Row]:
    for name in MODELS:
        rows = ProcessedDataset(project.processed(config.model(name).dataset)).split("train")
        growth = _growth(partial(_peak_of_train, project, name, rows))
        what = f"peak memory of training {name} on {TIMES} times the rows"
        yield Row(what, "once the rows", growth.value, growth.iqr_half, 1.1, True)
    growth = _growth(partial(_peak_of_preprocess, project, list(config.dataset(TEXTS).files)))
    what = f"peak memory of preprocessing {TIMES} times the reviews"
    yield Row(what, "once the reviews", growth.value, growth.iqr_half, TIMES, True)
    yield from measure_table(project)


def measure_table(project: Project) -> Iterator[Row]:
    growth = _growth(partial(_peak_of_table, project))
    what = f"peak memory of preprocessing {TIMES} times the rows of a mixed table"
    yield Row(what, f"{TABLE_ROWS:,} rows", growth.value, growth.iqr_half, 2, True)


def _growth(peak: Callable[[int], int]) -> Ratio:
    return Ratio.of([peak(TIMES) / peak(1) for _ in range(PAIRS)])


def _peak_of_train(project: Project, model: str, rows: ArraySplit, times: int) -> int:
    with TemporaryDirectory() as folder:
        for name, array in (("inputs", rows.inputs), ("labels", rows.labels)):
            np.save(Path(folder) / f"{name}.npy", np.tile(array, (times, *[1] * (array.ndim - 1))))
        return _peak_of(model, folder, project)


def _peak_of_preprocess(project: Project, files: list[str], times: int) -> int:
    import pyarrow
    from pyarrow import parquet

    with TemporaryDirectory() as folder:
        for name in files:
            rows = parquet.read_table(project.raw(TEXTS) / name)
            parquet.write_table(pyarrow.concat_tables([rows] * times), Path(folder) / name)
        return _peak_of(TEXTS, folder, project)


def _peak_of_table(project: Project, times: int) -> int:
    """Return the peak of all resident memory in bytes, as the kernel counts it."""
    with TemporaryDirectory() as folder:
        _write_table(Path(folder) / TABLE_FILE, TABLE_ROWS * times)
        command = [sys.executable, "-m", "benchmarks.memory", TABLE, folder]
        return int(subprocess.run(command, cwd=project.root, check=True, capture_output=True).stdout) * 1024


def _write_table(path: Path, rows: int) -> None:
    """Write a mixed table of six columns of numbers, two of categories, a date and a boolean, and a class."""
    random = np.random.default_rng(1)
    begin = np.datetime64("2020-01-01")
    with path.open("w") as file:
        file.write(",".join([*NUMBERS, *CATEGORIES, "day", "flag", "label"]) + "\n")
        for row in range(rows):
            numbers = ",".join(f"{value:.4f}" for value in random.normal(size=len(NUMBERS)))
            flag, label = ("true", "false")[row % 2], ("no", "yes")[row % 3 == 0]
            file.write(f"{numbers},{'abc'[row % 3]},{'defg'[row % 4]},{begin + row % 1500},{flag},{label}\n")


def _table_settings(folder: Path) -> DatasetConfig:
    with (folder / TABLE_FILE).open() as file:
        rows = sum(1 for _ in file) - 1
    categories = dict(zip(CATEGORIES, ("abc", "defg"), strict=True))
    columns = {
        **{name: {"kind": "number"} for name in NUMBERS},
        **{name: {"kind": "category", "values": list(values)} for name, values in categories.items()},
        "day": {"kind": "date"},
        "flag": {"kind": "boolean"},
    }
    return DatasetConfig.model_validate(
        {
            "folder": str(folder),
            "files": {TABLE_FILE: {"bytes": 1, "sha256": "0" * 64}},
            "description": "a row of random values",
            "source": {"kind": "csv", "parts": {"all": TABLE_FILE}},
            "inputs": {"kind": "columns", "columns": columns},
            "target": {"kind": "class", "column": "label", "classes": ["no", "yes"]},
            "split": {"test": 0.2, "validation": 0.2, "seed": 1},
            "checks": {"rows": {"all": rows}},
            "behaviour": {},
        }
    )


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


def _expecting(settings: DatasetConfig, folder: Path) -> DatasetConfig:
    """Return the configuration of the dataset with checks that accept the repeated rows, which are kept."""
    from pyarrow import parquet

    files = {path.name.partition("-")[0]: path for path in folder.glob("*.parquet")}
    rows = {part: parquet.read_metadata(path).num_rows for part, path in files.items()}
    checks = settings.checks.model_copy(update={"rows": rows, "leakage": sum(rows.values())})
    split = settings.split.model_copy(update={"drop_duplicates": False})
    return settings.model_copy(update={"checks": checks, "split": split})


if __name__ == "__main__":
    project = Project.find()
    config = load_config(project.params)
    use_threads(config.trainer.threads)
    what, folder = sys.argv[1], Path(sys.argv[2])
    if what in config.models:
        _train(config, project, what, folder)
    elif what == TABLE:
        _preprocess(TABLE, _table_settings(folder), folder)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # KiB
    else:
        _preprocess(TEXTS, _expecting(config.dataset(TEXTS), folder), folder)
