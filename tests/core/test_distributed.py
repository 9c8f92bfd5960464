"""Tests of the rank of a process."""

import os
import subprocess
import sys

import pytest

from penstock.core.distributed import require_launcher


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
