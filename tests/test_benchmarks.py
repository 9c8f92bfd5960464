"""What the benchmarks say follows from what they measured; their scripts run."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks import results
from benchmarks.competitors import ours
from benchmarks.pairs import Ratio, times_in_turns
from benchmarks.reference_loops import bare_epoch
from benchmarks.results import Row
from benchmarks.seconds_to_score import changed
from tests.conftest import REPOSITORY
from tests.models.documented import DATA
from tests.training.golden import rows_of


def test_a_ratio_is_the_median_of_pairs_with_half_the_distance_of_their_quartiles():
    assert Ratio.of([1, 2, 3, 4, 100]) == Ratio(3, 1)


def test_competitors_take_turns_and_the_first_round_only_warms_up():
    turns: list[str] = []

    def competitor(name):
        def take_turn():
            turns.append(name)
            return len(turns)

        return take_turn

    assert times_in_turns(2, competitor("ours"), competitor("theirs")) == [(3, 4), (5, 6)]
    assert turns == ["ours", "theirs"] * 3


def test_telemetry_is_disabled_before_a_benchmark_imports_onnxruntime():
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", "import benchmarks.serving.ort_baseline"]
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run(command, env=environment, cwd=REPOSITORY, check=True)


@pytest.mark.parametrize(("ratio", "at_most", "passed"), [(1.5, False, True), (1.4, False, False), (1.5, True, True)])
def test_a_row_passes_at_its_target(ratio, at_most, passed):
    assert Row("speed", "theirs", ratio, 0, 1.5, at_most).passed is passed


def test_rows_that_were_not_measured_again_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FILE", tmp_path / "results.json")
    results.keep([Row("speed", "theirs", 1, 0, 2), Row("memory", "itself", 1, 0, 1, True)])
    results.keep([Row("speed", "theirs", 3, 0, 2)])
    kept = json.loads(results.FILE.read_text())["rows"]
    assert [(row["metric"], row["ratio"], row["passed"]) for row in kept] == [("speed", 3, True), ("memory", 1, True)]


@pytest.mark.parametrize("name", ["iris_mlp", "imdb_attention", "mnist_gan"])
def test_a_bare_loop_trains_each_kind_of_model(config, name):
    model = changed(config.model(name), {"batch_size": 4})
    assert bare_epoch(model, DATA[model.dataset], rows_of(model.dataset)) > 0


@pytest.mark.parametrize(
    "competitor", [("ours", "iris_mlp"), ("tuned", "iris_mlp"), ("dataloader", "iris_mlp"), ("dataloader", "mnist_gan")]
)
def test_an_epoch_is_timed_in_a_process_of_its_own(small_run, competitor):
    with ours("benchmarks.one_epoch", *competitor, "32-true", cwd=small_run.root) as process:
        assert process.tell("3")["seconds"] > 0


def test_the_script_for_a_gpu_runs_where_there_is_none(changed_run):
    command = [sys.executable, "-m", "benchmarks.gpu", "--accelerator", "cpu", "--model", "iris_mlp"]
    changed_run.run(*command)
    found = json.loads((changed_run.root / "benchmarks/gpu.json").read_text())
    assert [row["precision"] for row in found["trainings"]] == ["32-true", "bf16-mixed"]
    assert all(row["difference_from_cpu"] == 0 for row in found["trainings"])
    assert {"seconds", "accuracy", "precision", "seed"} == set(found["seconds to 99% of MNIST"][0])
