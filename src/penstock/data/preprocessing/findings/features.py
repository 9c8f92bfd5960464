"""What rows are judged by: columns, pixels, or how often each word is in a text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from penstock.io.dataset_info import FIRST_WORD, DatasetInfo

LONGEST_EDGE = 32
"""Pixels; larger images are shrunk."""
IMAGES_AT_ONCE = 64
TEXTS_AT_ONCE = 500

Rows = tuple[NDArray[Any], NDArray[np.int64]]
"""Processed inputs, memory-mapped, and the rows to take from them."""


def features(info: DatasetInfo, parts: Sequence[Rows]) -> Any:  # noqa: ANN401  (scipy is untyped)
    """Return the features of rows, [rows, features].

    Tables: float32. Images: the pixels of the shrunk image, uint8. Texts: counts of the words by their ids, a sparse
    matrix; padding and unknown words are never counted.
    """
    match info.kind:
        case "image":
            return np.concatenate([_pixels(inputs, rows) for inputs, rows in parts])
        case "text":
            counts = [
                _word_counts(chunk, info.vocab_size)
                for inputs, rows in parts
                for chunk in _chunks(inputs, rows, TEXTS_AT_ONCE)
            ]
            return scipy.sparse.vstack(counts, "csr")
        case _:
            return np.concatenate([inputs[rows] for inputs, rows in parts])


def _pixels(inputs: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.uint8]:
    images = np.concatenate([_shrunk(chunk) for chunk in _chunks(inputs, rows, IMAGES_AT_ONCE)])
    return images.reshape(len(images), math.prod(images.shape[1:]))


def _chunks(inputs: NDArray[Any], rows: NDArray[np.int64], size: int) -> Iterator[NDArray[Any]]:
    # One chunk at least, so that no rows have a width too.
    return (inputs[rows[first : first + size]] for first in range(0, max(len(rows), 1), size))


def pixels(shape: Sequence[int]) -> int:
    """Return the number of features of an image [height, width] or [height, width, 3]."""
    edge = block_edge(shape)
    return -(-shape[0] // edge) * -(-shape[1] // edge) * math.prod(shape[2:])


def block_edge(shape: Sequence[int]) -> int:
    """Return the edge of the square of pixels that becomes one, for images [height, width] or [height, width, 3]."""
    return -(-max(shape[:2]) // LONGEST_EDGE)


def _shrunk(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the means of blocks of pixels, uint8; at the right and lower edges, blocks may be smaller."""
    edge = block_edge(images.shape[1:])
    if edge == 1:
        return images
    return (_block_sums(images, edge) // _block_sums(np.ones_like(images[:1]), edge)).astype(np.uint8)


def _block_sums(images: NDArray[np.uint8], edge: int) -> NDArray[np.uint32]:
    of_rows = np.add.reduceat(images, np.arange(0, images.shape[1], edge), axis=1, dtype=np.uint32)
    return np.add.reduceat(of_rows, np.arange(0, images.shape[2], edge), axis=2)


def _word_counts(ids: NDArray[np.int32], vocab_size: int) -> Any:  # noqa: ANN401
    known = ids >= FIRST_WORD
    starts = np.concatenate([[0], np.cumsum(known.sum(axis=1))])
    words = ids[known]
    counts = scipy.sparse.csr_matrix((np.ones(len(words), np.float32), words, starts), (len(ids), vocab_size))
    counts.sum_duplicates()
    return counts


def pixel_name(number: int, shape: Sequence[int]) -> str:
    """Return the place of a feature of an image, in the image as it is processed, from 0."""
    edge = block_edge(shape)
    colours = shape[2] if len(shape) > 2 else 1
    row, column = divmod(number // colours, -(-shape[1] // edge))
    colour = f" ({('red', 'green', 'blue')[number % colours]})" if colours > 1 else ""
    size = f"{edge} x {edge} pixels" if edge > 1 else "pixel"
    return f"{size} at row {row * edge}, column {column * edge}{colour}"
