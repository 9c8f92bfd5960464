"""Kill the process group of a pipeline with SIGKILL at chosen moments, and resume it until it has finished."""

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
# One model per task: classification, reconstruction, GAN. The reference classifier of the GAN is left out.
TARGETS = ("register@iris_mlp", "register@mnist_autoencoder", "export@mnist_gan")
MODELS = [target.partition("@")[2] for target in TARGETS]
EPOCHS = 2
SECONDS_TO_FINISH = 600


def there(pattern: str) -> Moment:
    """Return the moment at which a file of the project matches a glob pattern."""
    return lambda root: any(root.glob(pattern))


def after(seconds: float) -> Moment:
    until = time.monotonic() + seconds
    return lambda _: time.monotonic() >= until


# Moments of a pipeline; DVC runs independent stages in any order.
CHECKPOINTS = ".penstock/checkpoints/train"
MOMENTS = {
    "download": there("data/raw/mnist/*"),
    "preprocess": there("data/processed/mnist/*/*.npy"),
    "the first steps of a training": there(f"{CHECKPOINTS}/iris_mlp/*/whole/*.ckpt"),
    "a fold of the cross-validation": there(f"{CHECKPOINTS}/iris_mlp/*/fold 1.2/last.ckpt"),
    "a checkpoint half written": there(f"{CHECKPOINTS}/mnist_autoencoder/*/whole/new.ckpt*"),
    "between two stages": there("models/mnist_autoencoder/weights.safetensors"),
    "an epoch of the GAN": there(f"{CHECKPOINTS}/mnist_gan/*/whole/previous.ckpt"),
}


def small_project(repository: Path, folder: Path) -> SmallProject:
    """Create the small pipeline in a new folder, with a checkpoint after each step, without running it."""
    folder.mkdir()
    copy = small_repository(repository, folder)
    copy.run("dvc", "config", "--local", "core.no_scm", "true")
    copy.edit_params(checkpoints__seconds=1e-6)
    return copy


def forget(copy: SmallProject) -> None:
    """Delete all outputs of the pipeline, including caches and MLflow runs."""
    for name in ("data/raw", "data/processed", "models", "reports", "mlruns", ".penstock", ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(copy.root / name, ignore_errors=True)
    for path in (copy.root / "dvc.lock", *copy.root.glob("mlflow.db*")):
        path.unlink(missing_ok=True)


def run(copy: SmallProject) -> subprocess.Popen[str]:
    """Start the pipeline in its own process group, one stage at a time."""
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
    """Run the pipeline until one of the moments, and kill it.

    Returns:
        Name of the moment, or None if the pipeline finished earlier, and the output of the pipeline.
    """
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
    """Count the trainings that resumed from a checkpoint; a restarted training would give the same bytes."""
    return said.count("resuming after batch")


def outcome(root: Path) -> dict[str, str]:
    """Return the MD5 of each output file by path, except latencies."""
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
    """Return the MLflow runs of a model with this number of epochs, without those of folds and seeds."""
    client = mlflow_of(root)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"params.`training.epochs` = '{epochs}' and tags.model = '{model}'")
    return [run for run in found if "mlflow.parentRunId" not in run.data.tags]


def steps_of(root: Path, run: Run) -> list[int]:
    """Return the epochs with a logged loss, in order; an epoch that was logged twice appears twice."""
    return sorted(metric.step for metric in mlflow_of(root).get_metric_history(run.info.run_id, "train/loss"))


def assert_one_run_for_each(root: Path, models: Sequence[str], epochs: int) -> None:
    """Assert that each model has one finished run with each epoch once, and one child run per fold."""
    client = mlflow_of(root)
    for model in models:
        (run,) = runs_of(root, model, epochs)
        assert run.info.status == "FINISHED"
        assert steps_of(root, run) == list(range(1, epochs + 1))
        parent = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
        folds = [child.info.run_name for child in client.search_runs([run.info.experiment_id], parent)]
        assert sorted(folds) == ([f"fold 1.{fold}" for fold in range(1, 6)] if model == "iris_mlp" else [])
