"""Texts: words to ids, the last ones of each text, padded in front.

A word is a longest run of ASCII letters, digits and apostrophes, in lower case; HTML line breaks are dropped.
`penstock.export.text` builds the same rules as an ONNX graph, and the validate stage holds the two equal on every
review. That is why words are ASCII: lower case beyond ASCII depends on the platform that serves the file.

Words never become Python's own strings: they are counted and looked up in Arrow's memory, where the text stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from penstock.config.data import TextInputs
from penstock.files import write_text
from penstock.manifest import FIRST_WORD, PADDING, UNKNOWN

# Both are read by RE2, here and in the exported graph.
BREAK = "<[bB][rR] */?>"
NO_WORD = "[^A-Za-z0-9']+"

# Of texts that are taken together: few enough for the processor's caches, and for the memory of 32-bit offsets.
ROWS_AT_ONCE = 1000

# What `NO_WORD` says, as a table from byte to byte: translating takes a twentieth of the time of matching. All bytes of
# a character beyond ASCII become spaces.
_no_word = re.compile(NO_WORD)
_lower_or_space = bytes(ord(_no_word.sub(" ", chr(byte)).lower()) for byte in range(128)).ljust(256)
_space = ord(" ")


def words(texts: NDArray[Any]) -> Iterator[list[str]]:
    """The words of each text, one text after the other."""
    for block in _spaced(texts):
        yield from (text.split() for text in block.to_pylist())


def _spaced(texts: NDArray[Any]) -> Iterator[pa.StringArray]:
    """Texts as words in lower case with spaces between them, and a space at the end; `ROWS_AT_ONCE` at once."""
    for begin in range(0, len(texts), ROWS_AT_ONCE):
        block = pa.array(texts[begin : begin + ROWS_AT_ONCE], type=pa.string())
        ended = compute.binary_join_element_wise(compute.replace_substring_regex(block, BREAK, " "), " ", "")
        _, offsets, content = ended.buffers()
        translated = content.to_pybytes().translate(_lower_or_space)
        yield pa.StringArray.from_buffers(len(ended), offsets, pa.py_buffer(translated))


@dataclass(frozen=True)
class _Tokens:
    """Spaced texts cut behind every space, which takes no copy of a word.

    tokens: a word and a space, or a space that follows another one; is_word: bool [tokens]; lengths: int32 [texts],
    words of each text.
    """

    tokens: pa.StringArray
    is_word: NDArray[np.bool_]
    lengths: NDArray[np.int32]

    @classmethod
    def of(cls, spaced: pa.StringArray) -> _Tokens:
        _, text_offsets, content = spaced.buffers()
        *begins, end = np.frombuffer(text_offsets, dtype=np.int32)[: len(spaced) + 1]
        behind_spaces = np.flatnonzero(np.frombuffer(content, dtype=np.uint8)[:end] == _space) + 1
        offsets = np.append(0, behind_spaces).astype(np.int32)
        is_word = np.diff(offsets) > 1
        first_tokens = np.searchsorted(offsets, begins)
        return cls(
            tokens=pa.StringArray.from_buffers(len(is_word), pa.py_buffer(offsets), content),
            is_word=is_word,
            lengths=np.add.reduceat(is_word, first_tokens, dtype=np.int32),
        )


def _tokens(texts: NDArray[Any]) -> Iterator[_Tokens]:
    return map(_Tokens.of, _spaced(texts))


@dataclass(frozen=True)
class TextEncoder:
    """words: known ones, in the order of their ids from `FIRST_WORD` on. length: words kept of each text. vocabulary:
    what every id is below, which few texts may leave room under."""

    words: list[str]
    length: int
    vocabulary: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length,)

    def encode(self, inputs: NDArray[Any]) -> NDArray[np.int32]:
        known = pa.array([f"{word} " for word in self.words], type=pa.string())
        encoded = [self._last_ids(block, known) for block in _tokens(inputs)]
        return np.concatenate([np.empty((0, self.length), dtype=np.int32), *encoded])

    def _last_ids(self, block: _Tokens, known: pa.StringArray) -> NDArray[np.int32]:
        places = compute.fill_null(compute.index_in(block.tokens, value_set=known), UNKNOWN - FIRST_WORD)
        ids: NDArray[np.int32] = places.to_numpy()[block.is_word] + np.int32(FIRST_WORD)
        ids = np.append(ids, np.int32(UNKNOWN))  # a block without a word has something to take from, too
        ends = np.cumsum(block.lengths, dtype=np.int32)[:, None]
        sources = ends + np.arange(-self.length, 0, dtype=np.int32)
        is_there = sources >= ends - block.lengths[:, None]
        return np.where(is_there, ids[np.maximum(sources, 0)], np.int32(PADDING))

    def save(self, folder: Path) -> None:
        write_text(folder / "vocabulary.txt", "".join(f"{word}\n" for word in self.words))

    def describe(self, inputs: NDArray[Any]) -> dict[str, Any]:
        lengths = np.concatenate([block.lengths for block in _tokens(inputs)])
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
    counted = pa.chunked_array([block.tokens.value_counts() for block in _tokens(training)])
    counts = pa.Table.from_struct_array(counted).group_by("values", use_threads=False).aggregate([("counts", "sum")])
    counts_of_words = counts.filter(compute.not_equal(counts["values"], " "))
    frequent = counts_of_words.sort_by([("counts_sum", "descending"), ("values", "ascending")])["values"]
    kept = frequent.slice(0, settings.vocabulary - FIRST_WORD).to_pylist()
    return TextEncoder([word.rstrip() for word in kept], settings.length, settings.vocabulary)
