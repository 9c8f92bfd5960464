"""Encode texts as word ids: the last words of each text, padded on the left.

`penstock.io.text_rules` defines a word. `penstock.export.tokenizer_graph` implements the same
rule as an ONNX graph, and the validate stage compares both on every text.

Arrow counts and looks up the words in its own memory. Without Python strings, this takes a third of the time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from penstock.config.data import TextConfig
from penstock.core.errors import WrongSettingError
from penstock.io.dataset_info import FIRST_WORD, PADDING, UNKNOWN
from penstock.io.files import write_text
from penstock.io.text_rules import ASCII_NOT_WORD, LINE_BREAK, UNICODE_NOT_WORD, UNSPACED_WORD, WordRule

# Texts per block. A block fits into the CPU caches, and its offsets fit into 32 bits.
ROWS_AT_ONCE = 2000

# `ASCII_NOT_WORD` as a byte translation table: `translate` takes 1/20 of the time of a regex match. Every byte of a
# non-ASCII character becomes a space.
_no_word = re.compile(ASCII_NOT_WORD)
_lower_or_space = bytes(ord(_no_word.sub(" ", chr(byte)).lower()) for byte in range(128)).ljust(256)
_space = ord(" ")


def words(texts: NDArray[Any], rule: WordRule) -> Iterator[list[str]]:
    """Yield the words of each text."""
    for block in _spaced(texts, rule):
        yield from (text.split() for text in block.to_pylist())


def _spaced(texts: NDArray[Any], rule: WordRule) -> Iterator[pa.StringArray]:
    """Yield blocks of lowercase texts, with spaces between words and a trailing space."""
    spaced = _spaced_ascii if rule == "ascii" else _spaced_unicode
    for begin in range(0, len(texts), ROWS_AT_ONCE):
        block = pa.array(texts[begin : begin + ROWS_AT_ONCE], type=pa.string())
        yield spaced(compute.replace_substring_regex(block, LINE_BREAK, " "))


def _spaced_ascii(block: pa.StringArray) -> pa.StringArray:
    ended = compute.binary_join_element_wise(block, " ", "")
    _, offsets, content = ended.buffers()
    translated = content.to_pybytes().translate(_lower_or_space)
    return pa.StringArray.from_buffers(len(ended), offsets, pa.py_buffer(translated))


def _spaced_unicode(block: pa.StringArray) -> pa.StringArray:
    # The space in front ends no word: marks at the start of a text belong to none.
    between = compute.binary_join_element_wise(" ", block, " ", "")
    apart = compute.replace_substring_regex(between, f"({UNSPACED_WORD})", r" \1 ")
    # Unlike `str.lower`, Arrow lowercases character by character, as the exported graph does.
    return compute.utf8_lower(compute.replace_substring_regex(apart, UNICODE_NOT_WORD, " "))


@dataclass(frozen=True)
class _Block:
    """Block of texts with its distinct words, numbered in order of first occurrence."""

    words: pa.StringArray
    """Distinct words, each with a trailing space. A single space can be an entry; it is not a word."""
    counts: NDArray[np.int64]
    """int64 [words], number of occurrences of each word."""
    lengths: NDArray[np.int32]
    """int32 [texts], number of words in each text."""
    last: NDArray[np.int32]
    """int32 [texts, max_length], numbers of the last words of each text; -1 is padding on the left."""

    @classmethod
    def of(cls, spaced: pa.StringArray, max_length: int) -> _Block:
        """Number the words of a block. Splits after every space, without a copy.

        Args:
            spaced: Block of texts from `_spaced`.
            max_length: Number of words to keep from each text.
        """
        _, text_offsets, content = spaced.buffers()
        *begins, end = np.frombuffer(text_offsets, dtype=np.int32)[: len(spaced) + 1]
        behind_spaces = np.flatnonzero(np.frombuffer(content, dtype=np.uint8)[:end] == _space) + 1
        offsets = np.append(0, behind_spaces).astype(np.int32)
        tokens = pa.StringArray.from_buffers(len(behind_spaces), pa.py_buffer(offsets), content).dictionary_encode()
        numbers = tokens.indices.to_numpy()
        is_word = np.diff(offsets) > 1
        lengths = np.add.reduceat(is_word, np.searchsorted(offsets, begins), dtype=np.int32)
        last = _last(numbers[is_word], lengths, max_length)
        return cls(tokens.dictionary, np.bincount(numbers), lengths, last)


def _last(numbers: NDArray[np.int32], lengths: NDArray[np.int32], max_length: int) -> NDArray[np.int32]:
    ends = np.cumsum(lengths, dtype=np.int32)[:, None]
    sources = ends + np.arange(-max_length, 0, dtype=np.int32)
    is_there = sources >= ends - lengths[:, None]
    return np.append(numbers, np.int32(-1))[np.where(is_there, sources, -1)]


def _blocks(texts: NDArray[Any], max_length: int, rule: WordRule) -> Iterator[_Block]:
    return (_Block.of(spaced, max_length) for spaced in _spaced(texts, rule))


@dataclass(frozen=True)
class TextEncoder:
    """An `Encoder` of texts as word ids."""

    words: list[str]
    """Vocabulary, in the order of the ids. The first word has the id `FIRST_WORD`."""
    max_length: int
    """Number of words kept from the end of each text."""
    vocab_size: int
    """Number of ids, an upper bound: a small dataset can have fewer words."""
    rule: WordRule
    """What a word is."""

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.max_length,)

    def encode(self, inputs: NDArray[Any]) -> NDArray[np.int32]:
        return self._encode(_blocks(inputs, self.max_length, self.rule))

    def _encode(self, blocks: Iterable[_Block]) -> NDArray[np.int32]:
        known = pa.array([f"{word} " for word in self.words], type=pa.string())
        nothing = np.empty((0, self.max_length), dtype=np.int32)
        return np.concatenate([nothing, *(_ids(block.words, known)[block.last] for block in blocks)])

    def save(self, folder: Path) -> None:
        write_text(folder / "vocabulary.txt", "".join(f"{word}\n" for word in self.words))

    def describe(self, inputs: NDArray[Any]) -> dict[str, Any]:
        blocks = list(_blocks(inputs, self.max_length, self.rule))
        lengths = np.concatenate([block.lengths for block in blocks])
        encoded = self._encode(blocks)
        return {
            "words": {
                "shortest": int(lengths.min()),
                "median": float(np.median(lengths)),
                "longest": int(lengths.max()),
            },
            "share_cut": round(float((lengths > self.max_length).mean()), 4),
            "share_unknown": round(float((encoded == UNKNOWN).sum() / (encoded != PADDING).sum()), 4),
        }


def restricted(ids: NDArray[np.int32], vocab_size: int, max_length: int) -> NDArray[np.int32]:
    """Convert ids to a smaller vocabulary and a shorter length.

    Args:
        ids: int32 [rows, T].
        vocab_size: Number of ids; larger ids become `UNKNOWN`.
        max_length: Number of words kept from the end of each text, at most T.

    Returns:
        int32 [rows, max_length].
    """
    kept = ids[:, -max_length:]
    return np.where(kept < vocab_size, kept, UNKNOWN)


def _ids(words: pa.StringArray, known: pa.StringArray) -> NDArray[np.int32]:
    """Return the id of each word, int32 [words + 1]. The last element is the padding id, for index -1."""
    places = compute.fill_null(compute.index_in(words, value_set=known), UNKNOWN - FIRST_WORD)
    return np.append(places.to_numpy() + FIRST_WORD, PADDING).astype(np.int32)


def fit(settings: TextConfig, training: NDArray[Any]) -> tuple[TextEncoder, NDArray[np.int32]]:
    """Fit the vocabulary: the most frequent words, ties in alphabetical order.

    Numbering the words takes most of the time. Counting and encoding therefore share one pass.

    Returns:
        The encoder and the encoded training texts, int32 [rows, max_length].

    Raises:
        WrongSettingError: The texts have no word.
    """
    blocks = list(_blocks(training, settings.max_length, settings.word_rule))
    words = _frequent(blocks, settings.vocab_size - FIRST_WORD)
    if not words:
        raise WrongSettingError("inputs.word_rule", f"no training text has a word by the rule {settings.word_rule}")
    encoder = TextEncoder(words, settings.max_length, settings.vocab_size, settings.word_rule)
    return encoder, encoder._encode(blocks)


def _frequent(blocks: Sequence[_Block], most: int) -> list[str]:
    tables = (pa.table({"word": block.words, "count": block.counts}) for block in blocks)
    counts = pa.concat_tables(tables).group_by("word", use_threads=False).aggregate([("count", "sum")])
    counts_of_words = counts.filter(compute.not_equal(counts["word"], " "))
    frequent = counts_of_words.sort_by([("count_sum", "descending"), ("word", "ascending")])["word"]
    return [word.rstrip() for word in frequent.slice(0, most).to_pylist()]


def _is_unicode(text: str) -> bool:
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        return False
    return True
