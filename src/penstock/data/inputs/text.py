"""Texts: words to ids, the last ones of each text, padded in front.

A word is a longest run of ASCII letters, digits and apostrophes, in lower case; HTML line breaks are dropped.
`penstock.export.text` builds the same rules as an ONNX graph, and the validate stage holds the two equal on every
review. That is why words are ASCII: lower case beyond ASCII depends on the platform that serves the file.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.data import TextInputs
from penstock.files import write_text
from penstock.manifest import FIRST_WORD, PADDING, UNKNOWN

# Both are read by Python's `re` here and by RE2 in the exported graph.
BREAK = "<[bB][rR] */?>"
NO_WORD = "[^A-Za-z0-9']+"

_break = re.compile(BREAK)
# Of texts that are encoded together: their words take some hundred times the memory of their ids.
ROWS_AT_ONCE = 500

# What `NO_WORD` says, as a table from byte to byte: translating takes a fifth of the time of matching.
_no_word = re.compile(NO_WORD)
_lower_or_space = bytes(ord(_no_word.sub(" ", chr(byte)).lower()) for byte in range(128)).ljust(256)


def words(text: str) -> list[str]:
    # Nearly all breaks are these, and need no matching; a space could make another one of what stands around.
    text = text.replace("<br />", "\n")
    text = _break.sub(" ", text) if "<" in text else text
    return text.encode("ascii", "replace").translate(_lower_or_space).decode("ascii").split()


def last_words(text: str, length: int) -> list[str]:
    return words(text)[-length:]


class Ids(dict[str, int]):
    """Word to id, from `FIRST_WORD` on; all other words are unknown."""

    def __missing__(self, word: str) -> int:
        return UNKNOWN


@dataclass(frozen=True)
class TextEncoder:
    """length: words kept of each text; vocabulary: what every id is below, which few texts may leave room under."""

    ids: Ids
    length: int
    vocabulary: int

    @classmethod
    def of_words(cls, known: list[str], length: int, vocabulary: int) -> TextEncoder:
        return cls(Ids((word, id_) for id_, word in enumerate(known, start=FIRST_WORD)), length, vocabulary)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length,)

    def encode(self, inputs: NDArray[Any]) -> NDArray[np.int32]:
        blocks = range(0, len(inputs), ROWS_AT_ONCE)
        encoded = [self._encode(inputs[begin : begin + ROWS_AT_ONCE]) for begin in blocks]
        return np.concatenate([np.empty((0, self.length), dtype=np.int32), *encoded])

    def _encode(self, inputs: NDArray[Any]) -> NDArray[np.int32]:
        texts = [last_words(text, self.length) for text in inputs]
        ids = np.fromiter(map(self.ids.__getitem__, chain.from_iterable(texts)), dtype=np.int32)
        padding = self.length - np.array([len(kept) for kept in texts])
        encoded = np.full((len(texts), self.length), PADDING, dtype=np.int32)
        encoded[np.arange(self.length) >= padding[:, None]] = ids
        return encoded

    def save(self, folder: Path) -> None:
        write_text(folder / "vocabulary.txt", "".join(f"{word}\n" for word in self.ids))

    def describe(self, inputs: NDArray[Any]) -> dict[str, Any]:
        lengths = np.array([len(words(text)) for text in inputs])
        encoded = self.encode(inputs)
        return {
            "words": {
                "shortest": int(lengths.min()),
                "median": float(np.median(lengths)),
                "longest": int(lengths.max()),
            },
            "share_cut": round(float((lengths > self.length).mean()), 4),
            "share_unknown": round(float((encoded == UNKNOWN).sum() / (encoded != PADDING).sum()), 4),
        }


def restricted(ids: NDArray[np.int32], vocabulary: int, length: int) -> NDArray[np.int32]:
    """The ids [rows, T] that a smaller vocabulary and fewer words of each text would have given."""
    kept = ids[:, -length:]
    return np.where(kept < vocabulary, kept, UNKNOWN)


def fit(settings: TextInputs, training: NDArray[Any]) -> TextEncoder:
    """The most frequent words; those of equal count in alphabetical order, so that the same data give the same ids."""
    counts: Counter[str] = Counter()
    for text in training:
        counts.update(words(text))
    frequent = sorted(counts, key=lambda word: (-counts[word], word))
    return TextEncoder.of_words(frequent[: settings.vocabulary - FIRST_WORD], settings.length, settings.vocabulary)
