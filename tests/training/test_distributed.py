"""Train with several real processes over gloo, and on two nodes, and compare with one process."""

import json
import os
import subprocess
import sys

import pytest

from tests.helpers.ddp_training import evaluated, trained
from tests.helpers.nodes import FIRST, ON_TWO_NODES

pytestmark = pytest.mark.integration

TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
SEVERAL = ["-m", "tests.helpers.ddp_training"]


def environment(repository):
    paths = os.pathsep.join([str(repository), str(repository / "src")])
    return os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}


def run(repository, folder, name, *launcher, options=()):
    """Run the processes, and return the result of each rank."""
    done = subprocess.run(
        [*launcher, *SEVERAL, folder, name, *options],
        cwd=repository,
        env=environment(repository),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def assert_equal_to_one_process(config, name, ranks):
    first, second = ranks
    assert first == second
    alone = trained(config, name)
    for epoch, metrics in zip(alone.epochs, first["epochs"], strict=True):
        assert metrics == pytest.approx(dict(epoch.metrics), rel=1e-5, abs=1e-5)
    assert first["score"] == pytest.approx(evaluated(config, name, alone.weights), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    "name", ["iris_mlp", "mnist_cnn", "mnist_autoencoder", "mnist_lstm_stacked", "number", "labels"]
)
def test_two_torchrun_processes_equal_one_process(config, repository, tmp_path, name):
    """The last batch has one row for both processes."""
    launcher = [*TORCHRUN, "--standalone", "--nproc_per_node", "2"]
    assert_equal_to_one_process(config, name, run(repository, tmp_path, name, *launcher))


def test_two_lightning_processes_equal_one_process(config, repository, tmp_path):
    assert_equal_to_one_process(config, "iris_mlp", run(repository, tmp_path, "iris_mlp", sys.executable))


def test_batch_normalization_trains_where_the_last_batch_has_one_row_for_two_processes(repository, tmp_path):
    launcher = [*TORCHRUN, "--standalone", "--nproc_per_node", "2"]
    first, second = run(repository, tmp_path, "iris_mlp", *launcher, options=["batch"])
    assert first == second


def test_ranks_end_with_the_same_gan(repository, tmp_path):
    launcher = [*TORCHRUN, "--standalone", "--nproc_per_node", "2"]
    first, second = run(repository, tmp_path, "mnist_gan", *launcher)
    assert first == second


def test_signal_to_one_rank_after_the_last_step_ends_all_ranks(repository, tmp_path):
    """Otherwise the other rank would start the next fold, and wait there forever."""
    launcher = [*TORCHRUN, "--standalone", "--nproc_per_node", "2", "-m", "tests.helpers.signalled_training", tmp_path]
    subprocess.run(launcher, cwd=repository, env=environment(repository), timeout=120, check=True)
    assert [path.read_text() for path in sorted(tmp_path.glob("*.txt"))] == ["143", "143"]


def test_two_nodes_equal_one_process(config, repository, tmp_path):
    """The nodes are two network namespaces with their own addresses; torchrun's rendezvous connects them."""
    rendezvous = ["--rdzv_backend", "c10d", "--rdzv_endpoint", f"{FIRST}:29500", "--rdzv_id", "penstock"]
    launcher = [*ON_TWO_NODES, *TORCHRUN, "--nnodes", "2", "--nproc_per_node", "1", *rendezvous]
    assert_equal_to_one_process(config, "iris_mlp", run(repository, tmp_path, "iris_mlp", *launcher))
