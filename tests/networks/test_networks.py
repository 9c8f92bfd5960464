"""Networks are the documented ones, and their layers do what the documents say."""

import pytest
import torch
from torch import nn

from penstock.config.networks import Convolutional, Recurrent
from penstock.errors import WrongSettingError
from penstock.manifest import Manifest
from penstock.networks import build_classifier, count_parameters
from penstock.networks.classifier import predicted, probabilities
from penstock.networks.inputs import Pixels, Standardise
from penstock.networks.recurrent import LSTM

DATA = {
    "iris": Manifest(dataset="iris", kind="table", shape=(4,), vocabulary=0, classes=("a", "b", "c"), description=""),
    "mnist": Manifest(
        dataset="mnist", kind="image", shape=(28, 28), vocabulary=0, classes=tuple("0123456789"), description=""
    ),
    "imdb": Manifest(
        dataset="imdb", kind="text", shape=(200,), vocabulary=10_000, classes=("no", "yes"), description=""
    ),
}


def classifier(config, name):
    model = config.model(name)
    return build_classifier(model.network, DATA[model.dataset], model.training.loss)


@pytest.mark.parametrize(("name", "documented"), [("iris_mlp", 83), ("mnist_cnn", 34_826), ("imdb_lstm", 560_901)])
def test_parameter_counts_are_the_documented_ones(config, name, documented):
    assert count_parameters(classifier(config, name)) == documented


def test_logits_have_a_row_per_input(config):
    assert classifier(config, "iris_mlp")(torch.zeros(3, 4)).shape == (3, 3)
    assert classifier(config, "mnist_cnn")(torch.zeros(3, 28, 28, dtype=torch.uint8)).shape == (3, 10)
    assert classifier(config, "imdb_lstm")(torch.zeros(3, 200, dtype=torch.int32)).shape == (3, 1)


def test_a_network_refuses_inputs_that_it_cannot_read(config):
    convolutional, recurrent = config.model("mnist_cnn").network, config.model("imdb_lstm").network
    with pytest.raises(WrongSettingError, match="convolutional needs images, iris has table inputs"):
        build_classifier(convolutional, DATA["iris"], "cross_entropy")
    with pytest.raises(WrongSettingError, match="recurrent needs texts, mnist has image inputs"):
        build_classifier(recurrent, DATA["mnist"], "cross_entropy")
    with pytest.raises(WrongSettingError, match="mlp needs numbers or pixels, imdb has text inputs"):
        build_classifier(config.model("iris_mlp").network, DATA["imdb"], "cross_entropy")
    with pytest.raises(WrongSettingError, match="needs two classes, mnist has 10"):
        build_classifier(convolutional, DATA["mnist"], "binary_cross_entropy")


def test_an_image_that_is_pooled_away_is_a_mistake(config):
    settings = config.model("mnist_cnn").network
    deep = Convolutional.model_validate(settings.model_dump() | {"blocks": [{"filters": 2, "pool": 3}] * 3})
    with pytest.raises(WrongSettingError, match=r"network\.blocks\.2: nothing is left"):
        build_classifier(deep, DATA["mnist"], "cross_entropy")


def test_one_sigmoid_is_two_probabilities():
    logits = torch.tensor([[-2.0], [0.5]])
    likely = probabilities(logits)
    assert torch.allclose(likely.sum(dim=1), torch.ones(2))
    assert torch.allclose(likely[:, 1], torch.sigmoid(logits[:, 0]))
    assert predicted(logits).tolist() == likely.argmax(dim=1).tolist() == [0, 1]


def test_standardising_uses_the_rows_it_was_fitted_on():
    layer = Standardise(2)
    layer.fit(torch.tensor([[0.0, 5.0], [2.0, 5.0]]))
    assert layer(torch.tensor([[3.0, 5.0]])).tolist() == [[2.0, 0.0]]
    assert set(layer.state_dict()) == {"mean", "standard_deviation"}


def test_pixels_become_one_channel_between_0_and_1():
    image = torch.tensor([[[0, 255]]], dtype=torch.uint8)
    assert Pixels()(image).tolist() == [[[[0.0, 1.0]]]]


class TestLSTM:
    def lstm(self, dropout, recurrent_dropout):
        torch.manual_seed(0)
        return LSTM(3, 5, dropout=dropout, recurrent_dropout=recurrent_dropout)

    def test_its_own_loop_equals_torchs_layer_where_nothing_is_dropped(self, monkeypatch):
        lstm, inputs = self.lstm(0.5, 0.5), torch.randn(4, 7, 3)
        monkeypatch.setattr(lstm, "_mask", lambda like, *shape, share: like.new_ones(shape))
        assert torch.allclose(lstm.train()(inputs), lstm.eval()(inputs), atol=1e-6)

    def test_a_sequence_has_one_mask_for_all_its_steps(self, monkeypatch):
        """The state that enters each step is zero in the same places at every step, and others in another row."""
        lstm, entering = self.lstm(0.0, 0.5), []
        plain = torch.addmm

        def watched(step, state, weights):
            entering.append(state)
            return plain(step, state, weights)

        monkeypatch.setattr(torch, "addmm", watched)
        lstm.train()(torch.randn(8, 6, 3))
        dropped = torch.stack(entering[1:]) == 0  # before the first step every state is zero
        assert (dropped == dropped[0]).all()
        assert dropped.any()
        assert not dropped.all()
        assert len({tuple(row.tolist()) for row in dropped[0]}) > 1

    def test_dropping_keeps_the_expected_size(self):
        mask = LSTM._mask(torch.zeros(1), 10_000, share=0.2)
        assert mask.mean().item() == pytest.approx(1, abs=0.02)
        assert set(mask.unique().tolist()) == {0.0, 1.25}

    def test_evaluation_drops_nothing(self):
        lstm, inputs = self.lstm(0.5, 0.5).eval(), torch.randn(2, 4, 3)
        assert torch.equal(lstm(inputs), lstm(inputs))

    def test_forget_gates_begin_open(self):
        bias = self.lstm(0, 0).layer.bias_ih_l0
        assert bias.tolist() == [0.0] * 5 + [1.0] * 5 + [0.0] * 10


def test_recurrent_settings_reach_the_layer(config):
    settings = Recurrent.model_validate(config.model("imdb_lstm").network.model_dump() | {"hidden": 7})
    network = build_classifier(settings, DATA["imdb"], "binary_cross_entropy").network
    assert isinstance(network.output, nn.Linear)
    assert network.output.in_features == 7
