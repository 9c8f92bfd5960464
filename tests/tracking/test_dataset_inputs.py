"""The splits of a run's dataset in MLflow, next to those of a stock `mlflow.data` dataset."""

import json

import numpy as np
import pytest
from mlflow.data.numpy_dataset import from_numpy

from penstock.io.processed_dataset import save_array
from tests.tracking.tracked_runs import DIGEST, TrackedRuns

ROWS = {"train": 6, "validation": 3, "test": 2}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    for split, rows in ROWS.items():
        save_array(root / "data/processed/mnist", f"{split}/inputs", np.zeros((rows, 28, 28), np.uint8))
        save_array(root / "data/processed/mnist", f"{split}/labels", np.zeros(rows, np.int64))
    return root


@pytest.fixture(scope="module")
def run(root):
    runs = TrackedRuns(root)
    runs.train("mnist_cnn", "accuracy", 0.9)
    runs.validate("mnist_cnn", {"test/accuracy": 0.9})
    return runs.client.get_run(runs.log("mnist_cnn", lambda _: None))


@pytest.mark.parametrize(
    ("split", "context"), [("train", "training"), ("validation", "validation"), ("test", "testing")]
)
def test_each_split_is_an_input_as_mlflow_makes_it_from_arrays(root, run, split, context):
    (found,) = [one for one in run.inputs.dataset_inputs if one.tags[0].value == context]
    inputs, labels = (np.load(root / f"data/processed/mnist/{split}/{name}.npy") for name in ("inputs", "labels"))
    stock = from_numpy(inputs, targets=labels, name=f"mnist_{split}", digest=DIGEST).to_dict()
    assert (found.dataset.name, found.dataset.digest) == (stock["name"], stock["digest"])
    for attribute in ("schema", "profile"):
        assert json.loads(getattr(found.dataset, attribute)) == json.loads(stock[attribute])
    assert json.loads(found.dataset.source) == {"uri": "data/processed/mnist"}


def test_a_repeated_stage_adds_no_input(run):
    assert len(run.inputs.dataset_inputs) == 3
