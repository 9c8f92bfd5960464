"""Test that networks and their layers match the documentation."""

import math

import pytest
import torch

from penstock.config.networks import AttentionConfig
from penstock.core.errors import WrongSettingError
from penstock.models.attention import AttentionNetwork
from penstock.models.common.build import build_network
from penstock.models.common.classifier import predicted, probabilities
from penstock.models.common.inputs import Pixels, Standardize
from penstock.models.common.layers import ACTIVATIONS, Step, masked_max, masked_mean
from tests.models.documented import COUNTS, DATA, documented


def network(config, name, **changes):
    model = config.model(name)
    changed = model.model_copy(update={"network": model.network.model_copy(update=changes)})
    return build_network(changed, DATA[model.dataset])


@pytest.mark.parametrize(("name", "counts"), COUNTS.items())
def test_parameter_counts_match_documentation(config, name, counts):
    count, shape, documented_count = counts
    model = config.model(name)
    assert build_network(model, DATA[model.dataset]).count_parameters() == count
    assert build_network(model, documented(DATA[model.dataset], shape)).count_parameters() == documented_count


def test_all_documented_models_are_configured(config):
    assert set(config.models) == set(COUNTS) | {"imdb_rnn", "imdb_rnn_stacked", "imdb_birnn", "imdb_attention"}


def test_tuned_network_equals_documented_network(config):
    """Only the dropout differs, which has an effect in training only."""
    tuned = config.model("mnist_cnn_tuned").network.model_copy(update={"dropout": 0})
    assert tuned == config.model("mnist_cnn").network


def test_every_network_returns_one_row_per_input(config):
    for name, model in config.every_model.items():
        built = build_network(model, DATA[model.dataset]).eval()
        outputs = built.predict(built.input_spec.example(3))
        assert len(outputs) == len(built.outputs), name
        assert all(len(output) == 3 for output in outputs), name


def test_network_rejects_unsupported_inputs(config):
    def built_on(name, dataset):
        return build_network(config.model(name), DATA[dataset])

    with pytest.raises(WrongSettingError, match="convolutional needs images, iris has table inputs"):
        built_on("mnist_cnn", "iris")
    with pytest.raises(WrongSettingError, match=r"network\.tokens: must be left out: mnist has no texts"):
        built_on("imdb_lstm", "mnist")
    with pytest.raises(WrongSettingError, match=r"network\.tokens: is needed: imdb has texts"):
        built_on("mnist_lstm", "imdb")
    with pytest.raises(WrongSettingError, match="recurrent needs texts or images, iris has table inputs"):
        built_on("mnist_lstm", "iris")
    with pytest.raises(WrongSettingError, match="mlp needs numbers or pixels, imdb has text inputs"):
        built_on("iris_mlp", "imdb")
    with pytest.raises(WrongSettingError, match="autoencoder needs images, iris has table inputs"):
        built_on("mnist_autoencoder", "iris")
    with pytest.raises(WrongSettingError, match="gan needs images, imdb has text inputs"):
        built_on("mnist_gan", "imdb")


def test_binary_cross_entropy_requires_two_classes(config):
    model = config.model("mnist_cnn")
    training = model.training.model_copy(update={"loss": "binary_cross_entropy"})
    with pytest.raises(WrongSettingError, match="needs two classes, mnist has 10"):
        build_network(model.model_copy(update={"training": training}), DATA["mnist"])


def test_max_length_above_preprocessed_length_is_rejected(config):
    tokens = config.model("imdb_lstm").network.tokens
    with pytest.raises(WrongSettingError, match=r"network\.tokens\.max_length: imdb has 500"):
        network(config, "imdb_lstm", tokens=tokens.model_copy(update={"max_length": 501}))


def test_pooling_to_an_empty_image_is_rejected(config):
    blocks = config.model("mnist_cnn").network.blocks
    with pytest.raises(WrongSettingError, match=r"network\.blocks\.2: nothing is left"):
        network(config, "mnist_cnn", blocks=tuple(block.model_copy(update={"pool": 3}) for block in blocks * 2))


def test_text_network_restricts_larger_vocabulary(config):
    """The network sees the last 200 words, and ids from 10,000 on as the unknown word."""
    built = network(config, "imdb_lstm").eval()
    ids = torch.randint(2, 40_000, (3, 500))
    own = torch.where(ids < 10_000, ids, 1)[:, -200:]
    assert torch.equal(built(ids), built(own))


def test_single_logit_gives_two_probabilities():
    logits = torch.tensor([[-2.0], [0.5]])
    likely = probabilities(logits)
    assert torch.allclose(likely.sum(dim=1), torch.ones(2))
    assert torch.allclose(likely[:, 1], torch.sigmoid(logits[:, 0]))
    assert predicted(logits).tolist() == likely.argmax(dim=1).tolist() == [0, 1]


def test_standardize_uses_statistics_of_fitted_rows():
    layer = Standardize(2)
    layer.fit(torch.tensor([[0.0, 5.0], [2.0, 5.0]]), torch.tensor([0, 1]))
    assert layer(torch.tensor([[3.0, 5.0]])).tolist() == [[2.0, 0.0]]
    assert set(layer.state_dict()) == {"mean", "standard_deviation"}


def test_pixels_are_scaled_to_one_channel_in_0_to_1():
    image = torch.tensor([[[0, 255]]], dtype=torch.uint8)
    assert Pixels()(image).tolist() == [[[[0.0, 1.0]]]]


def test_step_is_binary_in_evaluation_and_sigmoid_in_training():
    layer, inputs = Step(), torch.tensor([-1.0, 0.0, 2.0])
    assert layer.eval()(inputs).tolist() == [0.0, 0.0, 1.0]
    assert torch.equal(layer.train()(inputs), torch.sigmoid(inputs))


@pytest.mark.parametrize(("normalization", "layer"), [("batch", torch.nn.BatchNorm1d), ("layer", torch.nn.LayerNorm)])
def test_dense_layers_support_normalization_and_dropout(config, normalization, layer):
    built = network(config, "iris_mlp", normalization=normalization, dropout=0.5, activation="leaky_relu")
    kinds = [type(part) for part in built.network]
    linear, flatten = torch.nn.Linear, torch.nn.Flatten
    assert kinds == [flatten, linear, layer, torch.nn.LeakyReLU, torch.nn.Dropout, linear]


def test_convolutions_support_normalization_padding_and_dropout(config):
    built = network(
        config, "mnist_cnn", normalization="layer", padding="same", block_dropout=0.1, dropout=0.5, dense=(7,)
    )
    assert [type(part).__name__ for part in built.network] == [
        *["Conv2d", "GroupNorm", "MaxPool2d", "ReLU", "Dropout"] * 2,
        *["Flatten", "Dropout", "Linear", "LayerNorm", "ReLU", "Dropout", "Linear"],
    ]
    assert built(torch.zeros(2, 28, 28, dtype=torch.uint8)).shape == (2, 10)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("training", [True, False])
def test_pooling_commutes_with_every_activation(activation, training):
    layer, pool = ACTIVATIONS[activation]().train(training), torch.nn.MaxPool2d(2)
    inputs = torch.randn(2, 3, 8, 8)
    assert torch.equal(layer(pool(inputs)), pool(layer(inputs)))


def test_masked_pooling_ignores_padding():
    states = torch.tensor([[[9.0], [1.0], [3.0]], [[5.0], [5.0], [5.0]]])
    real = torch.tensor([[False, True, True], [False, False, False]])
    assert masked_mean(states, real).tolist() == [[2.0], [0.0]]
    assert masked_max(states, real).tolist() == [[3.0], [0.0]]


class TestAttention:
    def attention(self, config, **changes):
        torch.manual_seed(0)
        settings = config.model("imdb_attention").network
        tokens = settings.tokens.model_copy(update={"vocab_size": 20, "max_length": 5, "embedding_dim": 4})
        return AttentionNetwork(settings.model_copy(update={"tokens": tokens} | changes), 1).eval()

    def test_attention_equals_formula(self, config):
        net = self.attention(config, residual=False)
        ids = torch.tensor([[3, 4, 5, 6, 7]])
        vectors = net.words(ids) + net.positions
        attention = net.attention
        queries, keys, values = attention.queries(vectors), attention.keys(vectors), attention.values(vectors)
        attended = torch.softmax(queries @ keys.transpose(1, 2) / math.sqrt(4), dim=2) @ values
        assert torch.allclose(net(ids), net.output(attended.mean(dim=1)), atol=1e-6)

    def test_attention_ignores_padding(self, config):
        """Attention and pooling ignore padding; positions are counted from the end."""
        net = self.attention(config)
        short = torch.tensor([[0, 0, 3, 4, 5]])
        vectors = (net.words(short) + net.positions)[:, 2:]
        real = torch.ones(1, 3, dtype=torch.bool)
        expected = net.output(net.pool(vectors + net.attention(vectors, real), real))
        assert torch.allclose(net(short), expected, atol=1e-6)

    def test_empty_text_gives_finite_output(self, config):
        assert torch.isfinite(self.attention(config)(torch.zeros(2, 5, dtype=torch.long))).all()

    def test_num_heads_must_divide_embedding_dim(self, config):
        settings = AttentionConfig.model_validate(
            config.model("imdb_attention").network.model_dump() | {"num_heads": 3}
        )
        model = config.model("imdb_attention").model_copy(update={"network": settings})
        with pytest.raises(WrongSettingError, match=r"network\.num_heads: 3 do not divide 32"):
            build_network(model, DATA["imdb"])


def test_word_dropout_replaces_words_by_unknown_in_training(config):
    words = network(config, "imdb_rnn").network.words
    ids = torch.randint(2, 100, (50, 200))
    ids[:, :50] = 0
    seen = []
    words.embedding.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    words.train()(ids)
    words.eval()(ids)
    dropped, kept = seen
    assert (dropped == 1).float()[:, 50:].mean().item() == pytest.approx(0.2, abs=0.02)
    assert (dropped[:, :50] == 0).all()
    assert torch.equal(kept, ids)


def test_autoencoder_returns_code_and_pixels(config):
    built = network(config, "mnist_autoencoder").eval()
    latent, reconstruction = built.predict(torch.randint(0, 256, (3, 28, 28), dtype=torch.uint8))
    assert latent.shape == (3, 32)
    assert reconstruction.shape == (3, 28, 28)
    assert 0 <= reconstruction.min() <= reconstruction.max() <= 1


def test_generator_returns_uint8_images(config):
    built = network(config, "mnist_gan").eval()
    (images,) = built.predict(torch.randn(3, 100))
    assert images.shape == (3, 28, 28)
    assert images.dtype == torch.uint8
    assert not any(name.endswith("bias") for name in built.state_dict())
