"""Encode the reviews with Keras' TextVectorization, once per line on stdin.

    python keras_vectorization.py TEXTS WORDS LENGTH

TEXTS is a JSON file with the texts of train and test. Each run prints the seconds to adapt to train and to encode all
texts. Encoding uses the faster of the two documented ways: a whole split in one call, or `tf.data`, which uses all
cores. The script runs in its own virtual environment and imports nothing of Penstock.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import keras
import tensorflow

TEXTS_AT_ONCE = 512


def main(path: Path, words: int, length: int) -> None:
    texts = json.loads(path.read_text())
    for _ in sys.stdin:
        layer = keras.layers.TextVectorization(max_tokens=words, output_sequence_length=length)
        learning = _seconds(partial(layer.adapt, texts["train"]))
        encoding = min(_seconds(partial(encode, layer, texts)) for encode in (_in_one_call, _in_a_pipeline))
        print(json.dumps({"seconds": learning + encoding}), flush=True)


def _seconds(what: Callable[[], object]) -> float:
    begun = time.perf_counter()
    what()
    return time.perf_counter() - begun


def _in_one_call(layer: keras.layers.TextVectorization, texts: dict[str, list[str]]) -> None:
    for part in texts.values():
        layer(part).numpy()


def _in_a_pipeline(layer: keras.layers.TextVectorization, texts: dict[str, list[str]]) -> None:
    for part in texts.values():
        batches = tensorflow.data.Dataset.from_tensor_slices(part).batch(TEXTS_AT_ONCE)
        for batch in batches.map(layer, num_parallel_calls=tensorflow.data.AUTOTUNE).prefetch(tensorflow.data.AUTOTUNE):
            batch.numpy()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
