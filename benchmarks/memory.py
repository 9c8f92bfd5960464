"""The most memory that training and preprocessing take, of the data once and of the same rows ten times.

What counts is memory that is the process's own: pages of a mapped file, which the system may drop at any time, do not.
`python -m benchmarks.memory train|preprocess FOLDER` is the process that is watched.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil

from benchmarks.results import Row
from penstock.config import Config, load_config
from penstock.config.data import Dataset
from penstock.data.processed import Processed, Split
from penstock.machine import use_threads
from penstock.project import Project

TIMES = 10
MODEL, TEXTS = "mnist_autoencoder", "imdb"
SECONDS_BETWEEN_LOOKS = 0.02


def measure(project: Project, config: Config) -> Iterator[Row]:
    processed = Processed(project.processed(config.model(MODEL).dataset))
    once, often = (_peak_of_train(project, processed.split("train"), times) for times in (1, TIMES))
    yield Row(f"peak memory of training {MODEL} on {TIMES} times the rows", "once the rows", often / once, 0, 1.1, True)
    once, often = (_peak_of_preprocess(project, times) for times in (1, TIMES))
    what = f"peak memory of preprocessing {TIMES} times the reviews"
    yield Row(what, "once the reviews", often / once, 0, TIMES, True)


def _peak_of_train(project: Project, rows: Split, times: int) -> int:
    with TemporaryDirectory() as folder:
        for name, array in (("inputs", rows.inputs), ("labels", rows.labels)):
            np.save(Path(folder) / f"{name}.npy", np.tile(array, (times, *[1] * (array.ndim - 1))))
        return _peak_of("train", folder, project)


def _peak_of_preprocess(project: Project, times: int) -> int:
    import pyarrow
    from pyarrow import parquet

    with TemporaryDirectory() as folder:
        for path in project.raw(TEXTS).glob("*.parquet"):
            parquet.write_table(pyarrow.concat_tables([parquet.read_table(path)] * times), Path(folder) / path.name)
        return _peak_of("preprocess", folder, project)


def _peak_of(what: str, folder: str, project: Project) -> int:
    """Bytes."""
    with subprocess.Popen([sys.executable, "-m", "benchmarks.memory", what, folder], cwd=project.root) as process:
        watched, peak = psutil.Process(process.pid), 0
        while process.poll() is None:
            taken = watched.memory_info()
            peak = max(peak, taken.rss - taken.shared)
            time.sleep(SECONDS_BETWEEN_LOOKS)
    if process.returncode:
        raise RuntimeError(f"{what}: exit code {process.returncode}")
    return peak


def _train(config: Config, project: Project, folder: Path) -> None:
    from penstock.training.fit import fit
    from penstock.training.memory import keep_freed_memory

    keep_freed_memory()
    model = config.model(MODEL)
    model = model.model_copy(update={"training": model.training.model_copy(update={"epochs": 1})})
    processed = Processed(project.processed(model.dataset))
    inputs, labels = (np.load(folder / f"{name}.npy", mmap_mode="c") for name in ("inputs", "labels"))
    trainer = config.trainer.model_copy(update={"accelerator": "cpu"})
    fit(model, trainer, processed.manifest, Split(inputs=inputs, labels=labels), processed.split("validation"))


def _preprocess(config: Config, folder: Path) -> None:
    from penstock.data.preprocess import preprocess

    settings = config.dataset(TEXTS)
    with TemporaryDirectory() as processed:
        preprocess(TEXTS, _expecting(settings, folder), raw=folder, folder=Path(processed))


def _expecting(settings: Dataset, folder: Path) -> Dataset:
    """As many rows as there are; the same ones again and again are kept, and are no mistake."""
    from pyarrow import parquet

    files = {path.name.partition("-")[0]: path for path in folder.glob("*.parquet")}
    rows = {part: parquet.read_metadata(path).num_rows for part, path in files.items()}
    expect = settings.expect.model_copy(update={"rows": rows, "leakage": sum(rows.values())})
    split = settings.split.model_copy(update={"drop_duplicates": False})
    return settings.model_copy(update={"expect": expect, "split": split})


if __name__ == "__main__":
    project = Project.find()
    config = load_config(project.params)
    use_threads(config.trainer.threads)
    if sys.argv[1] == "train":
        _train(config, project, Path(sys.argv[2]))
    else:
        _preprocess(config, Path(sys.argv[2]))
