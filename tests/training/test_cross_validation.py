"""Cross-validate, and train from several seeds, with models of several tasks and datasets."""

import numpy as np
import pytest

from penstock.io.processed_dataset import ProcessedDataset, save_array
from penstock.tasks.build import build_module
from penstock.training.checkpoint_files import Checkpoints
from penstock.training.cross_validation import cross_validate, multi_seed
from penstock.training.fit import TrainingSetup, fit
from tests.models.documented import DATA
from tests.training.golden import rows_of


@pytest.fixture
def processed(tmp_path):
    """Write a processed dataset: 16 rows for each split, and one repeat of two folds."""

    def processed(dataset):
        rows = rows_of(dataset)
        for split in ("train", "validation", "test"):
            save_array(tmp_path, f"{split}/inputs", rows.inputs)
            save_array(tmp_path, f"{split}/labels", rows.labels)
        save_array(tmp_path, "folds", (np.arange(32) % 2).astype(np.int8)[None])
        DATA[dataset].save(tmp_path)
        return ProcessedDataset(tmp_path)

    return processed


@pytest.fixture
def checkpoints(config, tmp_path):
    return Checkpoints(tmp_path / "checkpoints", "key", config.checkpoints)


def short(config, name, **changes):
    model = config.model(name)
    training = model.training.model_copy(update={"epochs": 2, "batch_size": 4} | changes)
    return model.model_copy(update={"training": training})


@pytest.mark.parametrize(
    ("name", "metric"),
    [("iris_mlp", "accuracy"), ("mnist_autoencoder", "mean_squared_error"), ("imdb_rnn", "accuracy")],
)
def test_cross_validate_scores_each_fold(config, processed, checkpoints, name, metric):
    reported = []
    model = short(config, name)
    found = cross_validate(
        TrainingSetup(build_module, model, config.trainer, processed(model.dataset).info),
        processed(model.dataset),
        lambda *fold: reported.append(fold),
        checkpoints=checkpoints,
    )
    assert [name for name, _ in reported] == ["fold 1.1", "fold 1.2"]
    assert [round(metrics[f"val/{metric}"], 6) for _, metrics in reported] == found["scores"]
    assert found["mean"] == pytest.approx(np.mean(found["scores"]), abs=1e-6)
    assert found["std"] == pytest.approx(np.std(found["scores"], ddof=1), abs=1e-6)


def test_multi_seed_scores_each_seed_on_the_test_split(config, processed, checkpoints):
    reported = []
    data = processed("mnist")
    model = short(config, "mnist_autoencoder")
    first = fit(
        TrainingSetup(build_module, model, config.trainer, data.info), data.split("train"), data.split("validation")
    )
    found = multi_seed(
        TrainingSetup(build_module, model, config.trainer, data.info),
        data,
        3,
        first.weights,
        lambda *seed: reported.append(seed),
        checkpoints=checkpoints,
    )
    assert [name for name, _ in reported] == ["seed 1", "seed 2", "seed 3"]
    assert len(set(found["scores"])) == 3
    # The test rows here are the validation rows.
    assert found["scores"][0] == pytest.approx(first.best.split_metrics("val")["mean_squared_error"], abs=1e-6)
