"""Kills a pipeline, and lets it go on, until it is done: the whole process group, by SIGKILL."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from tests.helpers.small_project import SmallProject, small_repository

Moment = Callable[[Path], bool]
# A model of each kind: classification, reconstruction, GAN, without the reference classifier of the last one.
TARGETS = ("register@iris_mlp", "register@mnist_autoencoder", "export@mnist_gan")
MODELS = [target.partition("@")[2] for target in TARGETS]
EPOCHS = 2
SECONDS_TO_FINISH = 600


def there(pattern: str) -> Moment:
    """As soon as there is a file like this, below the project."""
    return lambda root: any(root.glob(pattern))


def after(seconds: float) -> Moment:
    until = time.monotonic() + seconds
    return lambda _: time.monotonic() >= until


# Of the life of a pipeline; DVC runs what does not need each other in any order.
CHECKPOINTS = ".penstock/checkpoints/train"
MOMENTS = {
    "download": there("data/raw/mnist/*"),
    "preprocess": there("data/processed/mnist/*/*.npy"),
    "the first steps of a training": there(f"{CHECKPOINTS}/iris_mlp/*/whole/*.ckpt"),
    "a fold of the cross-validation": there(f"{CHECKPOINTS}/iris_mlp/*/fold 1.2/last.ckpt"),
    "a checkpoint half written": there(f"{CHECKPOINTS}/mnist_autoencoder/*/whole/new.ckpt*"),
    "between two stages": there("models/mnist_autoencoder/weights.safetensors"),
    "an epoch of the GAN": there(f"{CHECKPOINTS}/mnist_gan/*/whole/before.ckpt"),
}


def small_project(repository: Path, folder: Path) -> SmallProject:
    """The small pipeline in a new folder, with a checkpoint after every step; nothing has run yet."""
    folder.mkdir()
    copy = small_repository(repository, folder)
    copy.run("dvc", "config", "--local", "core.no_scm", "true")
    copy.edit_params(checkpoints__seconds=1e-6)
    return copy


def forget(copy: SmallProject) -> None:
    """As if nothing had run."""
    for name in ("data/raw", "data/processed", "models", "reports", "mlruns", ".penstock", ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(copy.root / name, ignore_errors=True)
    for path in (copy.root / "dvc.lock", *copy.root.glob("mlflow.db*")):
        path.unlink(missing_ok=True)


def run(copy: SmallProject) -> subprocess.Popen[str]:
    """The pipeline, one stage after the other, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "penstock.cli", "repro", "--jobs", "1", *TARGETS],
        cwd=copy.root,
        env=os.environ | copy.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill_at_one_of(copy: SmallProject, moments: Mapping[str, Moment]) -> tuple[str | None, str]:
    """Runs the pipeline until one of the moments has come, and kills it; None where it was done before. Also returns
    what it said."""
    with run(copy) as process:
        come = None
        while process.poll() is None and not come:
            come = next((name for name, moment in moments.items() if moment(copy.root)), None)
            time.sleep(0.002)
        if come:
            os.killpg(process.pid, signal.SIGKILL)
        said = process.communicate()[0]
    assert come or process.returncode == 0, said
    return come, said


def finish(copy: SmallProject) -> str:
    with run(copy) as process:
        said = process.communicate(timeout=SECONDS_TO_FINISH)[0]
    assert process.returncode == 0, said
    return said


def trainings_gone_on_with(said: str) -> int:
    """How often a training went on from its checkpoint: equal bytes alone would also come of one that began anew."""
    return said.count("going on behind batch")


def outcome(root: Path) -> dict[str, str]:
    """The md5 of every file that the targets leave behind, latencies apart."""
    files = [
        path
        for folder in ("data/raw", "data/processed", "models", "reports")
        for path in (root / folder).rglob("*")
        if path.is_file() and path.name not in ("latency.json", ".gitignore")
    ]
    return {str(path.relative_to(root)): hashlib.md5(path.read_bytes()).hexdigest() for path in sorted(files)}


def mlflow_of(root: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{root}/mlflow.db")


def runs_of(root: Path, model: str, epochs: int) -> list[Run]:
    """MLflow's runs of a model that is trained for so many epochs, folds and seeds apart."""
    client = mlflow_of(root)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"params.`training.epochs` = '{epochs}' and tags.model = '{model}'")
    return [run for run in found if "mlflow.parentRunId" not in run.data.tags]


def steps_of(root: Path, run: Run) -> list[int]:
    """The epochs that MLflow has a loss of, in order; one that it was told twice is there twice."""
    return sorted(metric.step for metric in mlflow_of(root).get_metric_history(run.info.run_id, "train/loss"))


def assert_one_run_for_each(root: Path, models: Sequence[str], epochs: int) -> None:
    """In MLflow every model has one run, finished, with each epoch once; and one for each of its folds."""
    client = mlflow_of(root)
    for model in models:
        (run,) = runs_of(root, model, epochs)
        assert run.info.status == "FINISHED"
        assert steps_of(root, run) == list(range(1, epochs + 1))
        parent = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
        folds = [child.info.run_name for child in client.search_runs([run.info.experiment_id], parent)]
        assert sorted(folds) == ([f"fold 1.{fold}" for fold in range(1, 6)] if model == "iris_mlp" else [])
