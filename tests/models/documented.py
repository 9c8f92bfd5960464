"""Datasets and parameter counts of the documented networks, and settings of a small network."""

from dataclasses import replace

from penstock.config.networks import RecurrentConfig
from penstock.io.dataset_info import DatasetInfo

DATA = {
    "iris": DatasetInfo(
        dataset="iris", kind="table", shape=(4,), vocab_size=0, classes=("a", "b", "c"), description=""
    ),
    "mnist": DatasetInfo(
        dataset="mnist", kind="image", shape=(28, 28), vocab_size=0, classes=tuple("0123456789"), description=""
    ),
    "imdb": DatasetInfo(
        dataset="imdb", kind="text", shape=(500,), vocab_size=40_000, classes=("no", "yes"), description=""
    ),
}

# Name: (parameters in the pipeline, documented input shape, parameters for that shape).
COUNTS = {
    "iris_mlp": (83, (4,), 83),
    "mnist_cnn": (34_826, (28, 28), 34_826),
    "mnist_cnn_small": (693_962, (28, 28), 693_962),
    "mnist_cnn_deep": (93_322, (28, 28), 93_322),
    "mnist_lstm": (821_770, (28, 100), 895_498),
    "mnist_lstm_stacked": (57_994, (100, 10), 53_386),
    "mnist_autoencoder": (50_992, (10, 10), 6_532),
    "mnist_gan": (1_503_744, (10, 10), 803_328),
    "imdb_lstm": (560_901, (500,), 560_901),
}


def documented(info: DatasetInfo, shape: tuple[int, ...]) -> DatasetInfo:
    return replace(info, shape=shape)


def recurrent_settings(**changes) -> RecurrentConfig:
    """Return the settings of a small recurrent network over the rows of an image."""
    settings = {
        "kind": "recurrent",
        "cell": "lstm",
        "tokens": None,
        "hidden_size": 5,
        "num_layers": 2,
        "bidirectional": None,
        "pooling": "last",
        "dropout": 0,
        "recurrent_dropout": 0,
        "output_dropout": 0,
    }
    return RecurrentConfig.model_validate(settings | changes)
