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
# Words of blocks, with repetitions between them, that are counted before they are merged.
WORDS_AT_ONCE = 500_000

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
class Block:
    """Block of texts as numbers of its distinct words, in order of first occurrence."""

    words: pa.StringArray
    """Distinct words, each with a trailing space. A word may have no occurrence; a single space is no word."""
    numbers: NDArray[np.int32]
    """int32 [occurrences], the words of all texts, text after text, as indices into `words`."""
    lengths: NDArray[np.int32]
    """int32 [texts], number of words in each text."""

    @classmethod
    def of(cls, spaced: pa.StringArray) -> Block:
        """Number the words of a block of texts from `_spaced`. Splits after every space, without a copy."""
        _, text_offsets, content = spaced.buffers()
        *begins, end = np.frombuffer(text_offsets, dtype=np.int32)[: len(spaced) + 1]
        behind_spaces = np.flatnonzero(np.frombuffer(content, dtype=np.uint8)[:end] == _space) + 1
        offsets = np.append(0, behind_spaces).astype(np.int32)
        tokens = pa.StringArray.from_buffers(len(behind_spaces), pa.py_buffer(offsets), content).dictionary_encode()
        is_word = np.diff(offsets) > 1
        lengths = np.add.reduceat(is_word, np.searchsorted(offsets, begins), dtype=np.int32)
        return cls(tokens.dictionary, tokens.indices.to_numpy()[is_word], lengths)

    def only(self, kept: NDArray[np.bool_]) -> Block:
        """Return some of the texts; `kept` is bool [texts]."""
        return Block(self.words, self.numbers[np.repeat(kept, self.lengths)], self.lengths[kept])

    def counts(self) -> NDArray[np.int64]:
        """Return the number of occurrences of each word, int64 [words]."""
        return np.bincount(self.numbers, minlength=len(self.words))

    def last(self, max_length: int) -> NDArray[np.int32]:
        """Return the last words of each text, int32 [texts, max_length]; -1 is padding on the left."""
        ends = np.cumsum(self.lengths, dtype=np.int32)[:, None]
        sources = ends + np.arange(-max_length, 0, dtype=np.int32)
        is_there = sources >= ends - self.lengths[:, None]
        return np.append(self.numbers, np.int32(-1))[np.where(is_there, sources, -1)]


def blocks_of(texts: NDArray[Any], rule: WordRule) -> Iterator[Block]:
    """Yield texts, object [rows] of str, as blocks of at most `ROWS_AT_ONCE`."""
    return map(Block.of, _spaced(texts, rule))


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

    def encode(self, texts: NDArray[Any]) -> NDArray[np.int32]:
        """Encode texts, object [rows] of str, as int32 [rows, max_length]."""
        nothing = np.empty((0, self.max_length), dtype=np.int32)
        return np.concatenate([nothing, *self.encode_blocks(blocks_of(texts, self.rule))])

    def encode_blocks(self, blocks: Iterable[Block]) -> Iterator[NDArray[np.int32]]:
        """Yield the encoded texts of each block, int32 [texts, max_length]."""
        known = pa.array([f"{word} " for word in self.words], type=pa.string())
        return (_ids(block.words, known)[block.last(self.max_length)] for block in blocks)

    def save(self, folder: Path) -> None:
        write_text(folder / "vocabulary.txt", "".join(f"{word}\n" for word in self.words))

    def describe(self, lengths: NDArray[np.int32], encoded: Iterable[NDArray[np.int32]]) -> dict[str, Any]:
        """Return statistics of texts for data.json.

        Args:
            lengths: int32 [rows], number of words in each text.
            encoded: The encoded texts in chunks, int32 [any number of rows, max_length].
        """
        unknown = words = 0
        for ids in encoded:
            unknown += int((ids == UNKNOWN).sum())
            words += int((ids != PADDING).sum())
        return {
            "words": {
                "shortest": int(lengths.min()),
                "median": float(np.median(lengths)),
                "longest": int(lengths.max()),
            },
            "share_cut": round(float((lengths > self.max_length).mean()), 4),
            "share_unknown": round(unknown / words, 4),
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


def fit(settings: TextConfig, training: Iterable[Block]) -> TextEncoder:
    """Fit the vocabulary: the most frequent words, ties in alphabetical order.

    Memory holds the distinct words of all texts, not the texts.

    Raises:
        WrongSettingError: The texts have no word.
    """
    words = _frequent(training, settings.vocab_size - FIRST_WORD)
    if not words:
        raise WrongSettingError("inputs.word_rule", f"no training text has a word by the rule {settings.word_rule}")
    return TextEncoder(words, settings.max_length, settings.vocab_size, settings.word_rule)


def _frequent(blocks: Iterable[Block], most: int) -> list[str]:
    counts = _counts(blocks)
    present = counts.filter(compute.greater(counts["count"], 0))
    frequent = present.sort_by([("count", "descending"), ("word", "ascending")])["word"]
    return [word.rstrip() for word in frequent.slice(0, most).to_pylist()]


def _counts(blocks: Iterable[Block]) -> pa.Table:
    """Return the distinct words and their counts. Blocks are merged before they outgrow the distinct words so far."""
    tables: list[pa.Table] = []
    added = 0
    for block in blocks:
        tables.append(pa.table({"word": block.words, "count": block.counts()}))
        added += len(block.words)
        if added > max(WORDS_AT_ONCE, len(tables[0])):
            tables, added = [_merged(tables)], 0
    return _merged(tables)


def _merged(tables: Sequence[pa.Table]) -> pa.Table:
    summed = pa.concat_tables(tables).group_by("word", use_threads=False).aggregate([("count", "sum")])
    return pa.table({"word": summed["word"], "count": summed["count_sum"]})
