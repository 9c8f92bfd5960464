"""Keep the texts of a part in a file while it is read, as numbers of words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.data.preprocessing.text import Block, blocks_of
from penstock.io.text_rules import WordRule


class TextStore:
    """Texts in the order in which they are appended.

    Which words are in the vocabulary is known once the training rows are. Therefore the file has all words, so that a
    text is taken apart only once.

    Args:
        path: The file.
        rule: What a word is.
    """

    def __init__(self, path: Path, rule: WordRule) -> None:
        self._path = path
        self._rule = rule
        self._texts = 0

    def append(self, texts: NDArray[Any]) -> NDArray[np.int32]:
        """Append texts, object [rows] of str; return the number of words in each, int32 [rows]."""
        lengths = []
        with self._path.open("ab") as file:
            for block in blocks_of(texts, self._rule):
                _write(file, block)
                lengths.append(block.lengths)
        self._texts += len(texts)
        return np.concatenate(lengths)

    def blocks(self, rows: NDArray[np.int64]) -> Iterator[Block]:
        """Yield some of the texts; `rows` is int64 [rows] in ascending order."""
        kept = np.zeros(self._texts, dtype=bool)
        kept[rows] = True
        with self._path.open("rb") as file:
            first = 0
            while first < self._texts:
                block = _read(file)
                of_block = kept[first : first + len(block.lengths)]
                first += len(of_block)
                if of_block.any():
                    yield block.only(of_block)


def _write(file: BinaryIO, block: Block) -> None:
    _, offsets, content = block.words.buffers()
    of_words = np.frombuffer(offsets, dtype=np.int32)[: len(block.words) + 1]
    characters = np.frombuffer(content, dtype=np.uint8)[: of_words[-1]]
    for array in (of_words, characters, block.numbers, block.lengths):
        np.save(file, array)


def _read(file: BinaryIO) -> Block:
    of_words, characters, numbers, lengths = (np.load(file) for _ in range(4))
    words = pa.StringArray.from_buffers(len(of_words) - 1, pa.py_buffer(of_words), pa.py_buffer(characters))
    return Block(words, numbers, lengths)
