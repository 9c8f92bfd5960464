"""Time preprocessing of 50,000 reviews to word IDs: fit the vocabulary on train, and encode train and test."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.competitors import keras
from benchmarks.pairs import Ratio, times_in_turns
from benchmarks.results import Row
from penstock.config.data import TextConfig
from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.data.preprocessing import text
from penstock.data.sources.read import read_dataset

PAIRS = 5
NAME = "imdb"
Texts = dict[str, NDArray[Any]]


def measure(project: Project, config: Config) -> Iterator[Row]:
    dataset = config.dataset(NAME)
    settings = dataset.inputs
    assert isinstance(settings, TextConfig)
    texts = {part: rows.inputs for part, rows in read_dataset(dataset, project.raw(NAME)).items()}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "texts.json"
        path.write_text(json.dumps({part: list(inputs) for part, inputs in texts.items()}))
        arguments = (path, str(settings.vocab_size), str(settings.max_length))
        with keras(project, "keras_vectorization.py", *arguments) as peer:
            times = times_in_turns(
                PAIRS,
                partial(_seconds_of_ours, settings, texts),
                lambda: float(peer.tell("go")["seconds"]),
                partial(_seconds_of_pandas, settings, texts),
            )
    for against, place in (("Keras' TextVectorization", 1), ("pandas and re, as everybody writes it", 2)):
        speed = Ratio.of([seconds[place] / seconds[0] for seconds in times])
        yield Row("speed of preprocessing 50,000 reviews", against, speed.value, speed.iqr_half, 3)


def _seconds_of_ours(settings: TextConfig, texts: Texts) -> float:
    begun = time.perf_counter()
    training = list(text.blocks_of(texts["train"], settings.word_rule))
    encoder = text.fit(settings, training)
    np.concatenate([*encoder.encode_blocks(training)])
    encoder.encode(texts["test"])
    return time.perf_counter() - begun


def _seconds_of_pandas(settings: TextConfig, texts: Texts) -> float:
    begun = time.perf_counter()
    words = {part: pd.Series(inputs).apply(_words) for part, inputs in texts.items()}
    counts: Counter[str] = Counter()
    for row in words["train"]:
        counts.update(row)
    ids = {word: id_ for id_, (word, _) in enumerate(counts.most_common(settings.vocab_size - 2), start=2)}
    for rows in words.values():
        np.array([_ids(row, ids, settings.max_length) for row in rows])
    return time.perf_counter() - begun


def _words(review: str) -> list[str]:
    without_breaks = re.sub(r"<br\s*/?>", " ", review.lower())
    return re.sub(r"[^a-z0-9']+", " ", without_breaks).split()


def _ids(words: list[str], ids: dict[str, int], length: int) -> list[int]:
    kept = [ids.get(word, 1) for word in words][-length:]
    return [0] * (length - len(kept)) + kept
