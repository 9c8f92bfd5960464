"""Keras' TextVectorization over the reviews, once for each line on the standard input:

    python keras_vectorization.py TEXTS WORDS LENGTH

TEXTS is a JSON file with the texts of train and test. Each answer has the seconds to learn the words of train and to
turn all texts into ids. It runs in an environment of its own, so nothing of Penstock is imported.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import keras
import tensorflow

TEXTS_AT_ONCE = 512


def main(path: Path, words: int, length: int) -> None:
    texts = json.loads(path.read_text())
    for _ in sys.stdin:
        begun = time.perf_counter()
        layer = keras.layers.TextVectorization(max_tokens=words, output_sequence_length=length)
        layer.adapt(_in_batches(texts["train"]))
        for part in texts.values():
            for batch in _in_batches(part):
                layer(batch).numpy()
        print(json.dumps({"seconds": time.perf_counter() - begun}), flush=True)


def _in_batches(texts: list[str]) -> tensorflow.data.Dataset:
    return tensorflow.data.Dataset.from_tensor_slices(texts).batch(TEXTS_AT_ONCE)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
