"""Scores of an epoch, weights of classes, and exact resume of regressions and multi-label classifiers."""

import signal

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, r2_score

from penstock.core.signals import Interrupted
from penstock.data.datamodule import ShardedBatchSampler
from penstock.io.processed_dataset import ArraySplit
from penstock.tasks.build import build_module
from penstock.tasks.classification.module import ClassWeights
from penstock.tasks.multilabel.module import LabelWeights, counts, macro_f1_of_counts
from penstock.tasks.regression.module import moments, r2_of_moments
from penstock.training.checkpoint_files import Checkpoints
from penstock.training.fit import TrainingSetup, fit
from penstock.training.metrics import EpochMean
from tests.models.test_tabular import first_model, info_of, model_of


def over_batches(metric, values, rows):
    for value, count in zip(values, rows, strict=True):
        metric.update(value, count)
    return float(metric.compute())


def test_r2_of_an_epoch_equals_that_of_scikit_learn():
    generator = torch.Generator().manual_seed(0)
    targets = torch.randn(10, 2, generator=generator)
    predicted = targets + torch.randn(10, 2, generator=generator)
    parts = [slice(0, 8), slice(8, 10)]
    metric = EpochMean((3, 2), r2_of_moments)
    found = over_batches(metric, [moments(predicted[part], targets[part]) for part in parts], [8, 2])
    assert found == pytest.approx(r2_score(targets, predicted), abs=1e-6)
    resumed = EpochMean((3, 2), r2_of_moments)
    resumed.load_sums(metric.sums())
    assert float(resumed.compute()) == found


def test_macro_f1_of_an_epoch_equals_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    labels, logits = generator.integers(0, 2, (10, 3)), generator.normal(size=(10, 3))
    labels[:, 2], logits[:, 2] = 0, -1
    tensors = torch.from_numpy(logits).float(), torch.from_numpy(labels).float()
    parts = [slice(0, 8), slice(8, 10)]
    metric = EpochMean((3, 3), macro_f1_of_counts)
    found = over_batches(metric, [counts(*(tensor[part] for tensor in tensors)) for part in parts], [8, 2])
    assert found == pytest.approx(f1_score(labels, logits >= 0, average="macro", zero_division=0), abs=1e-6)


def test_balanced_weights_give_all_classes_the_same_total():
    weights, labels = ClassWeights(3), torch.tensor([0, 0, 0, 1])
    weights.fit(torch.zeros(4), labels)
    assert weights(labels).tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])
    of_labels, several = LabelWeights(2), torch.tensor([[1.0, 1], [0, 1], [0, 1], [0, 1]])
    of_labels.fit(torch.zeros(4), several)
    assert of_labels(several)[:, 0].tolist() == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3])
    assert of_labels(several)[:, 1].tolist() == [1, 1, 1, 1]


@pytest.fixture
def train(config, tmp_path):
    """Train for two epochs of four steps."""

    def train(target, *, keep):
        generator = np.random.default_rng(0)
        inputs = generator.normal(size=(16, 4)).astype(np.float32)
        labels = inputs[:, :3] if target == "number" else (inputs[:, :3] > 0).astype(np.float32)
        settings = first_model("table", target, 16)
        settings["training"] |= {"epochs": 2, "batch_size": 4}
        if target == "labels":
            settings["training"] |= {"class_weights": "balanced"}
        info = info_of(target, (4,))
        if target == "number":
            info = type(info)(**{**vars(info), "targets": info.targets * 3})
        rows = ArraySplit(inputs=inputs, labels=labels)
        checkpoints = Checkpoints(tmp_path / "checkpoints", "key", config.checkpoints).of("whole") if keep else None
        setup = TrainingSetup(build_module, model_of(target, settings), config.trainer, info)
        return fit(setup, rows, rows, checkpoints=checkpoints)

    return train


@pytest.mark.parametrize("target", ["number", "labels"])
def test_resumed_training_equals_uninterrupted_training(train, monkeypatch, target):
    uninterrupted = train(target, keep=False)
    plain = ShardedBatchSampler.__iter__
    steps = iter(range(1, 100))

    def batches(self):
        for batch in plain(self):
            if self.sampler and next(steps) == 6:
                signal.raise_signal(signal.SIGTERM)
            yield batch

    with monkeypatch.context() as patched, pytest.raises(Interrupted, match="SIGTERM"):
        patched.setattr(ShardedBatchSampler, "__iter__", batches)
        train(target, keep=True)
    resumed = train(target, keep=True)
    assert resumed.epochs == uninterrupted.epochs
    assert all(torch.equal(resumed.weights[name], tensor) for name, tensor in uninterrupted.weights.items())
