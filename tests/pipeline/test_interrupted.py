"""A stage that is asked to stop, and a worker that dies among others: no step is lost, and MLflow has one run."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from tests.helpers.killed_pipeline import CHECKPOINTS, assert_one_run_for_each, runs_of, trainings_gone_on_with
from tests.helpers.processes import wait_until
from tests.helpers.small_project import SmallProject, small_repository

MODEL, EPOCHS = "mnist_autoencoder", 12
OUTPUTS = [f"models/{MODEL}/weights.safetensors", f"reports/{MODEL}/history.csv", f"reports/{MODEL}/training.json"]
# Else torchrun's workers read the addresses of those before them: github.com/pytorch/pytorch/issues/167288.
A_STORE_FOR_EACH_START = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "--max_restarts", "2"]


@pytest.fixture(scope="session")
def preprocessed(repository, made_once):
    """Small data, and settings for a checkpoint after every step."""

    def make(folder):
        copy = small_repository(repository, folder)
        copy.edit_params(**{f"models__{MODEL}__training__epochs": EPOCHS, "checkpoints__seconds": 1e-6})
        copy.run("dvc", "config", "--local", "core.no_scm", "true")
        copy.run("dvc", "repro", "preprocess@mnist")

    return SmallProject(made_once("preprocessed", make), shared=True)


@pytest.fixture
def project(preprocessed, tmp_path):
    return preprocessed.copied_to(tmp_path / "project")


@pytest.fixture(scope="session")
def uninterrupted_outputs(preprocessed, made_once):
    """Return the outputs of a training that nothing interrupts, by its number of processes."""

    def train(processes):
        def make(folder):
            folder.rmdir()
            copy = preprocessed.copied_to(folder)
            if processes > 1:
                copy.edit_params(trainer__devices=processes, trainer__accelerator="cpu")
            copy.run("python", "pipelines/train.py", MODEL)

        return outputs(SmallProject(made_once(f"uninterrupted_{processes}", make)))

    return train


@pytest.fixture
def stage(project):
    """Begins the training as DVC does, or by a launcher; waits until it is in the middle of it."""
    processes = []

    def stage(*launcher):
        process = subprocess.Popen(
            [sys.executable, *launcher, "pipelines/train.py", MODEL],
            cwd=project.root,
            env=os.environ | project.environment | A_STORE_FOR_EACH_START,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        wait_until(lambda: any((project.root / CHECKPOINTS).glob("*/*/whole/previous.ckpt")))
        return process

    yield stage
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def outputs(project):
    return [(project.root / name).read_bytes() for name in OUTPUTS]


def assert_stops_and_resumes(project, process, number, expected):
    """After a signal, MLflow knows of it, and the resumed training gives the outputs of an uninterrupted one."""
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + number, said
    assert runs_of(project.root, MODEL, EPOCHS)[-1].info.status == "KILLED"
    assert trainings_gone_on_with(project.run("python", "pipelines/train.py", MODEL).stdout) == 1
    assert outputs(project) == expected
    assert_one_run_for_each(project.root, [MODEL], EPOCHS)


def test_a_disk_too_full_for_the_weights_costs_one_line_and_no_epoch(project, uninterrupted_outputs):
    """A real one, in a mount namespace; what has been trained is there when the disk has room again."""
    training = f"python pipelines/train.py {MODEL}"
    on_full_disk = f"mkdir -p models/{MODEL} && mount -t tmpfs -o size=4k none models/{MODEL} && {training}"
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    failed = project.run(*namespace, on_full_disk, check=False)
    assert failed.returncode == 1
    last_line = failed.stdout.splitlines()[-1]
    assert last_line.startswith(f"error: {project.root}/models/{MODEL}/weights.safetensors: ")
    assert "No space left on device" in last_line
    again = project.run(*training.split()).stdout
    assert f"epoch {EPOCHS:>3}/{EPOCHS}" not in again
    assert outputs(project) == uninterrupted_outputs(1)
    assert_one_run_for_each(project.root, [MODEL], EPOCHS)


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(number, marks=pytest.mark.slow) for number in (signal.SIGINT, signal.SIGUSR1))],
)
def test_a_stage_that_gets_a_signal_resumes_where_it_stopped(project, stage, number, uninterrupted_outputs):
    process = stage()
    process.send_signal(number)
    assert_stops_and_resumes(project, process, number, uninterrupted_outputs(1))


def test_processes_of_lightning_stop_together_and_resume(project, stage, uninterrupted_outputs):
    project.edit_params(trainer__devices=2, trainer__accelerator="cpu")
    first = stage()
    first.send_signal(signal.SIGTERM)
    assert_stops_and_resumes(project, first, signal.SIGTERM, uninterrupted_outputs(2))


@pytest.mark.slow
def test_a_worker_that_dies_is_restarted_with_the_others(project, stage, uninterrupted_outputs):
    """torchrun restarts both workers, and they resume from the checkpoint."""
    project.edit_params(trainer__devices=2, trainer__accelerator="cpu")
    torchrun = stage(*TORCHRUN)
    second = next(child for child in psutil.Process(torchrun.pid).children() if child.environ().get("RANK") == "1")
    second.kill()
    said = torchrun.communicate(timeout=180)[0]
    assert torchrun.returncode == 0, said
    assert trainings_gone_on_with(said) == 1
    assert outputs(project) == uninterrupted_outputs(2)
    assert_one_run_for_each(project.root, [MODEL], EPOCHS)
