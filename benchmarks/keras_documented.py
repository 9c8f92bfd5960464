"""Train a documented model with its documented Keras code, one epoch per line on stdin.

    python keras_documented.py MODEL FOLDER

The script runs in its own virtual environment and imports nothing of Penstock. FOLDER contains <split>_inputs.npy and
<split>_labels.npy for train, validation and test, and settings.json with batch_size and seed. `epoch` prints the
seconds of an epoch, including validation. `score` prints the test score. If the first line is `steps`, there is no
validation. All epochs run in one call of `fit`.
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
MOST_EPOCHS = 1000  # an upper limit: the calling process ends the training earlier
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


def recurrent(*parts: layers.Layer) -> keras.Model:
    embedding = layers.Embedding(WORDS, WIDTH)
    return keras.Sequential(
        [keras.Input((LENGTH,), dtype="int32"), embedding, *parts, layers.Dense(1, activation="sigmoid")]
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


def rnn(*, every_state: bool = False) -> layers.Layer:
    return layers.SimpleRNN(32, dropout=0.5, return_sequences=every_state)


def both_directions() -> layers.Layer:
    return layers.Bidirectional(rnn(every_state=True), merge_mode="mul")


def optimizer(name: str, steps_of_epoch: int) -> keras.optimizers.Optimizer:
    """Return the documented optimizer: Adam with the default learning rate of Keras.

    Simple RNNs use exponential decay of the learning rate, and gradient clipping by norm.
    """
    if "rnn" not in name:
        return keras.optimizers.Adam()
    rate = keras.optimizers.schedules.ExponentialDecay(0.001, steps_of_epoch, 0.9)
    return keras.optimizers.Adam(rate, clipnorm=1.0)


CLASSES, BITS = "sparse_categorical_crossentropy", "binary_crossentropy"
# Preprocessing, network and loss of each model.
MODELS: dict[str, tuple[Prepare, Callable[[], keras.Model], str]] = {
    "iris_mlp": (lambda inputs: inputs, mlp, CLASSES),
    "mnist_cnn": (images, lambda: convolutional([(32, True), (64, True)], []), CLASSES),
    "mnist_cnn_small": (images, lambda: convolutional([(32, True)], [128]), CLASSES),
    "mnist_cnn_deep": (images, lambda: convolutional([(32, True), (64, True), (64, False)], [64]), CLASSES),
    "mnist_lstm": (pixels, lambda: rows(layers.LSTM(256, return_sequences=True), layers.LSTM(256)), CLASSES),
    "mnist_lstm_stacked": (pixels, lambda: rows(layers.LSTM(64, return_sequences=True), layers.LSTM(64)), CLASSES),
    "mnist_autoencoder": (flat, autoencoder, BITS),
    "imdb_lstm": (last_words, lambda: recurrent(layers.LSTM(100, dropout=0.2, recurrent_dropout=0.2)), BITS),
    "imdb_rnn": (last_words, lambda: recurrent(rnn()), BITS),
    "imdb_rnn_stacked": (last_words, lambda: recurrent(rnn(every_state=True), rnn()), BITS),
    "imdb_birnn": (last_words, lambda: recurrent(both_directions(), layers.GlobalAveragePooling1D()), BITS),
}


class TakesTurns(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no type information here
    """Answer each line on stdin; wait for the next line after each epoch."""

    def __init__(self, test: tuple[Array, Array]) -> None:
        super().__init__()
        self.test = test
        self.begun = 0.0

    def on_train_begin(self, logs: object = None) -> None:
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        answer({"seconds": time.perf_counter() - self.begun})
        for line in sys.stdin:
            if line.strip() == "score":
                answer({"score": self.model.evaluate(*self.test, verbose=0)[1]})
            else:
                self.begun = time.perf_counter()
                return
        self.model.stop_training = True


def answer(content: dict[str, float]) -> None:
    print(json.dumps(content), flush=True)


def main(name: str, folder: Path) -> None:
    settings = json.loads((folder / "settings.json").read_text())
    keras.utils.set_random_seed(settings["seed"])
    prepare, build, loss = MODELS[name]
    data = {split: _rows(folder, split, prepare, name) for split in ("train", "validation", "test")}
    batch = settings["batch_size"]
    network = build()
    network.compile(
        optimizer=optimizer(name, len(data["train"][0]) // batch),
        loss=loss,
        metrics=["mse" if name == "mnist_autoencoder" else "accuracy"],
    )
    network.fit(
        *data["train"],
        batch_size=batch,
        epochs=MOST_EPOCHS,
        validation_data=data["validation"] if sys.stdin.readline().strip() == "epoch" else None,
        callbacks=[TakesTurns(data["test"])],
        verbose=0,
    )


def _rows(folder: Path, split: str, prepare: Prepare, name: str) -> tuple[Array, Array]:
    inputs = prepare(np.load(folder / f"{split}_inputs.npy"))
    if name == "iris_mlp":
        learnt = np.load(folder / "train_inputs.npy")
        inputs = (inputs - learnt.mean(0)) / learnt.std(0)
    labels = inputs if name == "mnist_autoencoder" else np.load(folder / f"{split}_labels.npy")
    return inputs, labels


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
