"""Check the recorded metrics, the kept weights, and the errors of a training."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from penstock.config.training import AdamConfig, OneCycleScheduleConfig
from penstock.core.errors import ConfigError, TrainingError, WrongSettingError
from penstock.io.dataset_info import DatasetInfo
from penstock.io.processed_dataset import ArraySplit
from penstock.models.common.build import build_network
from penstock.tasks.build import build_module
from penstock.tasks.classification.module import loss_of
from penstock.training.fit import TrainingSetup, fit, score_split
from penstock.training.history import write_history
from penstock.training.metrics import EpochMean

INFO = DatasetInfo(
    dataset="iris", kind="table", shape=(4,), vocab_size=0, classes=("a", "b", "c"), description="numbers"
)


@pytest.fixture
def splits():
    """Create three clusters that a small network can learn; 70 and 31 rows are not a multiple of the batch size."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 101)
    inputs = (generator.normal(size=(101, 4)) + 2 * labels[:, None]).astype(np.float32)
    rows = np.arange(101)
    whole = ArraySplit(inputs=inputs, labels=labels)
    return whole[rows[:70]], whole[rows[70:]]


@pytest.fixture
def train(config, splits):
    """Train the Iris network with changed settings."""

    def train(epochs=3, on_epoch=lambda epoch, epochs: None, splits=splits, trainer=config.trainer, **changes):
        model = config.model("iris_mlp")
        training = model.training.model_copy(update={"epochs": epochs} | changes)
        changed = model.model_copy(update={"training": training})
        learn, validation = splits
        return fit(TrainingSetup(build_module, changed, trainer, INFO), learn, validation, on_epoch)

    return train


def test_epoch_mean_weights_batches_by_rows():
    mean = EpochMean()
    mean.update(torch.tensor(1.0), 3)
    mean.update(torch.tensor(5.0), 1)
    assert mean.compute() == 2.0


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_losses_equal_those_of_torch(smoothing):
    logits, labels = torch.randn(5, 1), torch.tensor([0, 1, 1, 0, 1])
    targets = torch.tensor([[1 - smoothing / 2, smoothing / 2], [smoothing / 2, 1 - smoothing / 2]])[labels]
    expected = functional.binary_cross_entropy(torch.sigmoid(logits[:, 0]), targets[:, 1])
    assert torch.allclose(loss_of("binary_cross_entropy", logits, labels, smoothing), expected)
    wide = torch.cat([torch.zeros(5, 1), logits], dim=1)
    assert torch.allclose(loss_of("cross_entropy", wide, labels, smoothing), expected)
    error = functional.mse_loss(torch.softmax(wide, dim=1), targets)
    assert torch.allclose(loss_of("mean_squared_error", wide, labels, smoothing), error)


def test_validation_metrics_belong_to_the_kept_weights(config, train, splits):
    fitted = train(epochs=5)
    model = config.model("iris_mlp")
    network = build_network(model, INFO)
    network.load_state_dict(fitted.weights)
    validation = splits[1]
    with torch.no_grad():
        logits = network(torch.from_numpy(validation.inputs))
    labels = torch.from_numpy(validation.labels)
    assert fitted.best.metrics["val/loss"] == pytest.approx(functional.cross_entropy(logits, labels).item(), rel=1e-5)
    assert fitted.best.metrics["val/accuracy"] == pytest.approx((logits.argmax(1) == labels).float().mean().item())
    assert fitted.best.metrics["val/loss"] == min(epoch.metrics["val/loss"] for epoch in fitted.epochs)


def test_scaling_is_fitted_on_training_rows_only(train, splits):
    weights = train(epochs=1).weights
    assert torch.allclose(weights["inputs.mean"], torch.from_numpy(splits[0].inputs.mean(axis=0)))


def test_training_learns(train):
    assert train(epochs=30).best.metrics["val/accuracy"] > 0.9


def test_the_same_seed_gives_the_same_weights(train):
    first, again, other = train(), train(), train(seed=2)
    assert all(torch.equal(first.weights[name], again.weights[name]) for name in first.weights)
    assert any(not torch.equal(first.weights[name], other.weights[name]) for name in first.weights)


def test_on_epoch_is_called_once_per_epoch(train):
    seen = []
    fitted = train(epochs=4, on_epoch=lambda epoch, epochs: seen.append((epoch.epoch, epochs)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [epoch.epoch for epoch in fitted.epochs] == [1, 2, 3, 4]


def test_early_stopping_ends_training_after_patience(train):
    fitted = train(epochs=200, early_stopping=2, optimizer=adam(0.3))
    assert len(fitted.epochs) == fitted.best.epoch + 2 < 200


def test_warmup_shorter_than_a_step_is_rejected(train):
    with pytest.raises(WrongSettingError, match=r"schedule\.warmup_fraction: 0\.1 of 10 steps"):
        train(epochs=2, schedule=one_cycle(0.1))


def test_score_split_scores_the_given_weights(config, train, splits):
    fitted = train(epochs=2)
    found = score_split(
        TrainingSetup(build_module, config.model("iris_mlp"), config.trainer, INFO), fitted.weights, splits[1]
    )
    assert found == pytest.approx({"accuracy": fitted.best.split_metrics("val")["accuracy"]}, abs=1e-5)


def test_loss_that_is_not_finite_raises_with_advice(train, splits):
    broken = ArraySplit(inputs=np.full_like(splits[0].inputs, np.inf), labels=splits[0].labels)
    with pytest.raises(TrainingError, match=r"epoch 1: the loss is no longer a finite number.*learning_rate"):
        train(splits=(broken, splits[1]))


def test_missing_accelerator_is_rejected(config, train):
    missing = config.trainer.model_copy(update={"accelerator": "mps"})
    with pytest.raises(ConfigError, match=r"params\.yaml: trainer: "):
        train(trainer=missing)


def test_history_has_a_row_per_epoch(train, tmp_path):
    path = tmp_path / "history.csv"
    write_history(path, train(epochs=2).epochs)
    header, *rows = path.read_text().splitlines()
    assert header == "epoch,train/loss,train/accuracy,val/loss,val/accuracy,learning_rate"
    assert [row.split(",")[0] for row in rows] == ["1", "2"]


def adam(rate):
    return AdamConfig(kind="adam", learning_rate=rate, betas=(0.9, 0.999), weight_decay=0)


def one_cycle(warmup):
    return OneCycleScheduleConfig(kind="one_cycle", warmup_fraction=warmup)
