"""Tests of the rank of a process."""

import os
import subprocess
import sys

import pytest

from penstock.core.distributed import require_launcher, require_srun
from penstock.core.errors import ConfigError
from penstock.training.fit import make_trainer


@pytest.mark.parametrize("name", ["RANK", "NODE_RANK", "LOCAL_RANK"])
def test_a_leftover_rank_ends_a_stage_with_one_line(linked_project, name):
    done = subprocess.run(
        [sys.executable, "pipelines/download.py", "iris"],
        cwd=linked_project,
        env=os.environ | {name: "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {name}=1 is set, but MASTER_ADDR is not")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("of_launcher", [{"MASTER_ADDR": "localhost"}, {"SLURM_PROCID": "1"}])
def test_the_rank_of_a_launcher_is_no_leftover(monkeypatch, of_launcher):
    for name, value in {"RANK": "1", **of_launcher}.items():
        monkeypatch.setenv(name, value)
    require_launcher()


@pytest.mark.parametrize("tasks", ["4", "four"])
def test_training_outside_srun_ends_with_one_line(linked_project, tasks):
    """As in a batch script or in salloc."""
    done = subprocess.run(
        [sys.executable, "pipelines/train.py", "iris_mlp"],
        cwd=linked_project,
        env=os.environ | {"SLURM_NTASKS": tasks},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: SLURM_NTASKS={tasks} is set without SLURM_NTASKS_PER_NODE, so srun has not")
    assert "start it by `srun --ntasks-per-node N`, or `unset SLURM_NTASKS`" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_NTASKS": "1"},
        {"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "bash"},
        {"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2"},
        {"SLURM_NTASKS": "4", "TORCHELASTIC_RUN_ID": "1"},
    ],
)
def test_training_starts_where_lightning_does_not_expect_srun(monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    require_srun()


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({}, "SLURM_NTASKS=1 is set without SLURM_NODEID, so srun has not started this process"),
        ({"NODEID": "0", "PROCID": "0", "LOCALID": "0", "NTASKS_PER_NODE": "1"}, "--ntasks-per-node=1` does not match"),
    ],
)
def test_devices_that_do_not_fit_the_tasks_of_slurm_are_named(config, monkeypatch, variables, problem):
    for name, value in {"NTASKS": "1", **variables}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    with pytest.raises(ConfigError, match=problem):
        make_trainer(config.trainer.model_copy(update={"accelerator": "cpu", "devices": 2}), logger=False)
