"""The documented models as the documents write them, in Keras, one epoch for each line on the standard input:

    python keras_documented.py MODEL FOLDER

It runs in an environment of its own, so nothing of Penstock is imported. FOLDER has <split>_inputs.npy and
<split>_labels.npy for train, validation and test, and settings.json with batch_size and seed. `epoch` answers with its
seconds, validation included as the documents have it, `steps` without; `score` with the score of the test rows.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

WORDS, LENGTH, WIDTH = 10_000, 200, 50
Array = NDArray[Any]
Prepare = Callable[[Array], Array]


def pixels(inputs: Array) -> Array:
    return (inputs / 255).astype("float32")


def images(inputs: Array) -> Array:
    return pixels(inputs)[..., None]


def flat(inputs: Array) -> Array:
    return pixels(inputs).reshape(len(inputs), -1)


def last_words(inputs: Array) -> Array:
    kept = inputs[:, -LENGTH:]
    return np.where(kept < WORDS, kept, 1)


def convolutional(blocks: list[tuple[int, bool]], dense: list[int]) -> keras.Model:
    network = [keras.Input((28, 28, 1))]
    for filters, pool in blocks:
        network.append(layers.Conv2D(filters, 3, activation="relu"))
        if pool:
            network.append(layers.MaxPooling2D(2))
    network.append(layers.Flatten())
    network += [layers.Dense(units, activation="relu") for units in dense]
    return keras.Sequential([*network, layers.Dense(10, activation="softmax")])


def recurrent(*parts: layers.Layer, dropout: float = 0) -> keras.Model:
    head = [layers.Dropout(dropout)] if dropout else []
    embedding = layers.Embedding(WORDS, WIDTH, mask_zero=True)
    return keras.Sequential(
        [keras.Input((LENGTH,), dtype="int32"), embedding, *parts, *head, layers.Dense(1, activation="sigmoid")]
    )


def rows(*parts: layers.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((28, 28)), *parts, layers.Dense(10, activation="softmax")])


def autoencoder() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((784,)),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(784, activation="sigmoid"),
        ]
    )


def mlp() -> keras.Model:
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(10, activation="relu"), layers.Dense(3, activation="softmax")]
    )


def both_directions() -> layers.Layer:
    return layers.Bidirectional(layers.SimpleRNN(32, return_sequences=True), merge_mode="mul")


CLASSES, BITS = "sparse_categorical_crossentropy", "binary_crossentropy"
# What a row is made of, the network, the loss.
MODELS: dict[str, tuple[Prepare, Callable[[], keras.Model], str]] = {
    "iris_mlp": (lambda inputs: inputs, mlp, CLASSES),
    "mnist_cnn": (images, lambda: convolutional([(32, True), (64, True)], []), CLASSES),
    "mnist_cnn_small": (images, lambda: convolutional([(32, True)], [128]), CLASSES),
    "mnist_cnn_deep": (images, lambda: convolutional([(32, True), (64, True), (64, False)], [64]), CLASSES),
    "mnist_lstm": (pixels, lambda: rows(layers.LSTM(256, return_sequences=True), layers.LSTM(256)), CLASSES),
    "mnist_lstm_stacked": (pixels, lambda: rows(layers.LSTM(64, return_sequences=True), layers.LSTM(64)), CLASSES),
    "mnist_autoencoder": (flat, autoencoder, BITS),
    "imdb_lstm": (last_words, lambda: recurrent(layers.LSTM(100, dropout=0.2, recurrent_dropout=0.2)), BITS),
    "imdb_rnn": (last_words, lambda: recurrent(layers.SimpleRNN(32), dropout=0.5), BITS),
    "imdb_rnn_stacked": (
        last_words,
        lambda: recurrent(layers.SimpleRNN(32, return_sequences=True), layers.SimpleRNN(32), dropout=0.5),
        BITS,
    ),
    "imdb_birnn": (
        last_words,
        lambda: recurrent(both_directions(), layers.GlobalAveragePooling1D(), dropout=0.5),
        BITS,
    ),
}


def main(name: str, folder: Path) -> None:
    settings = json.loads((folder / "settings.json").read_text())
    keras.utils.set_random_seed(settings["seed"])
    prepare, build, loss = MODELS[name]
    network = build()
    # The documents say Adam, and leave its rate to Keras.
    network.compile(optimizer="adam", loss=loss, metrics=["mse" if name == "mnist_autoencoder" else "accuracy"])
    data = {split: _rows(folder, split, prepare, name) for split in ("train", "validation", "test")}
    for line in sys.stdin:
        begun = time.perf_counter()
        if line.strip() in ("epoch", "steps"):
            validation = data["validation"] if line.strip() == "epoch" else None
            batch = settings["batch_size"]
            network.fit(*data["train"], batch_size=batch, epochs=1, validation_data=validation, verbose=0)
            answer = {"seconds": time.perf_counter() - begun}
        else:
            answer = {"score": network.evaluate(*data["test"], verbose=0)[1]}
        print(json.dumps(answer), flush=True)


def _rows(folder: Path, split: str, prepare: Prepare, name: str) -> tuple[Array, Array]:
    inputs = prepare(np.load(folder / f"{split}_inputs.npy"))
    if name == "iris_mlp":
        learnt = np.load(folder / "train_inputs.npy")
        inputs = (inputs - learnt.mean(0)) / learnt.std(0)
    labels = inputs if name == "mnist_autoencoder" else np.load(folder / f"{split}_labels.npy")
    return inputs, labels


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
