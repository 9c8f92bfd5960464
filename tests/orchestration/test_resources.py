"""How many threads a stage has, and how many stages run at once."""

import os
import subprocess
import sys

import pytest

from penstock.config.params import TrainerConfig
from penstock.core import cpu as cores
from penstock.orchestration.resources import shares_of_gpus, stages_at_once, visible_gpus

THREADS = """
import numpy, torch
from threadpoolctl import threadpool_info
from penstock.orchestration.resources import use_threads
use_threads(1)
import penstock.models.common.ppmi_embeddings  # brings what SciPy and scikit-learn compute with
assert len(threadpool_info()) > 2
print(torch.get_num_threads(), {pool["num_threads"] for pool in threadpool_info()})
"""


def settings(**changes):
    usual = {"accelerator": "auto", "devices": "auto", "num_nodes": 1, "strategy": "auto", "precision": "32-true"}
    return TrainerConfig.model_validate(usual | {"threads": 1} | changes)


def test_every_library_has_the_threads_that_were_asked_for():
    said = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, check=True)
    assert said.stdout == "1 {1}\n"


@pytest.mark.parametrize(("threads", "stages"), [(1, 6), (2, 3), (4, 1), (16, 1)])
def test_without_gpus_each_stage_has_the_cores_for_its_threads(monkeypatch, threads, stages):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: range(6))
    assert stages_at_once(settings(threads=threads)) == stages


def test_a_container_has_the_cores_of_its_quota(monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: range(6))
    monkeypatch.setattr(cores, "CPU_QUOTA", tmp_path / "cpu.max")
    for quota, stages in (("max 100000", 6), ("250000 100000", 2), ("50000 100000", 1)):
        (tmp_path / "cpu.max").write_text(f"{quota}\n")
        assert stages_at_once(settings()) == stages


def test_each_gpu_has_a_stage(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,GPU-3f,7")
    assert visible_gpus() == ["0", "GPU-3f", "7"]
    assert stages_at_once(settings()) == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: range(6))
    assert stages_at_once(settings(accelerator="cpu")) == 6
    assert stages_at_once(settings(accelerator="cpu", devices=2)) == 3


@pytest.mark.parametrize(
    ("devices", "shares"), [("auto", ["0", "1", "2", "3", "4"]), (2, ["0,1", "2,3"]), (8, ["0,1,2,3,4"])]
)
def test_a_stage_sees_the_gpus_that_it_asks_for(monkeypatch, devices, shares):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4")
    assert shares_of_gpus(settings(devices=devices)) == shares
    assert stages_at_once(settings(devices=devices)) == len(shares)
