"""Test baselines on data with known results."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from penstock.baselines import linear, pca
from penstock.baselines.linear import _features
from penstock.config.models import LinearBaselineConfig, PcaBaselineConfig
from penstock.core.errors import WrongSettingError
from penstock.data.sources.offline import iris_bytes
from penstock.evaluation.fid_reference import ReferenceClassifier
from penstock.io.processed_dataset import ProcessedDataset, save_array
from penstock.models.common.build import build_network
from penstock.models.common.classifier import probabilities
from tests.models.documented import DATA


@pytest.fixture
def processed(tmp_path):
    """Return images that are sums of two patterns and therefore have two components."""
    patterns = np.random.default_rng(0).integers(0, 60, (2, 28, 28))
    for split, seed in (("train", 1), ("test", 2)):
        shares = np.random.default_rng(seed).integers(0, 3, (50, 2))
        images = np.einsum("np,phw->nhw", shares, patterns).astype(np.uint8)
        save_array(tmp_path, f"{split}/inputs", images)
        save_array(tmp_path, f"{split}/labels", np.zeros(50, dtype=np.int64))
    return ProcessedDataset(tmp_path)


@pytest.mark.parametrize(("components", "has_error"), [(1, True), (2, False)])
def test_pca_with_all_components_has_no_reconstruction_error(config, processed, tmp_path, components, has_error):
    settings = PcaBaselineConfig(kind="pca", dataset="mnist", components=components)
    error = pca.measure(settings, config.dataset("mnist"), processed, tmp_path)["mean_squared_error"]
    assert (error > 1e-4) == has_error


def test_pca_rejects_more_components_than_training_rows(config, processed, tmp_path):
    settings = PcaBaselineConfig(kind="pca", dataset="mnist", components=51)
    with pytest.raises(WrongSettingError, match="components: 51; must be at most 50, the number of training rows"):
        pca.measure(settings, config.dataset("mnist"), processed, tmp_path)


def test_reference_returns_predictions_and_last_layer_features(config):
    classifier: Any = build_network(config.model("mnist_cnn_deep"), DATA["mnist"]).eval()
    images = torch.randint(0, 256, (3, 28, 28), dtype=torch.uint8)
    predicted, features = ReferenceClassifier(classifier)(images)
    assert torch.allclose(predicted, probabilities(classifier(images)))
    assert features.shape == (3, 64)
    assert torch.allclose(classifier.network[-1](features), classifier(images))


def test_reference_rejects_recurrent_network(config):
    with pytest.raises(WrongSettingError, match="classifier: must be a convolutional network or an mlp"):
        ReferenceClassifier(build_network(config.model("mnist_lstm"), DATA["mnist"]))


def test_words_of_any_script_are_features_of_the_linear_baseline():
    info = replace(DATA["imdb"], word_rule="unicode")
    texts = np.array(["Хорошо хорошо", "плохо", "ХОРОШО 好", "плохо"], dtype=object)
    features = _features(info).fit(texts)
    assert features[-1].get_feature_names_out().tolist() == ["плохо", "хорошо"]


def test_rows_that_scikit_learn_cannot_fit_are_an_error_about_the_dataset(config, tmp_path):
    """Two flowers of one class; texts without a common word end likewise."""
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "bezdekIris.data").write_bytes(iris_bytes())
    for split, rows in (("train", [0, 1]), ("test", [2])):
        save_array(tmp_path, f"{split}/rows", np.array(rows))
    DATA["iris"].save(tmp_path)
    settings = LinearBaselineConfig(kind="linear", dataset="iris")
    with pytest.raises(WrongSettingError, match=r"^dataset: scikit-learn cannot fit iris: .* at least 2 classes"):
        linear.measure(settings, config.dataset("iris"), ProcessedDataset(tmp_path), folder)
