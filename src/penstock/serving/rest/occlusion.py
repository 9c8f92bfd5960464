"""Occlusion: versions of an input without one part each, to measure what the part contributes to the prediction.

Images: a square patch of background slides over the image (Zeiler and Fergus, 2014, arXiv:1311.2901). Texts: one word
after the other is left out (Li, Monroe and Jurafsky, 2016, arXiv:1612.08220). The weight of a part is the drop of the
label's log-odds without it, in natural logarithm (the weight of evidence of Robnik-Sikonja and Kononenko, 2008,
doi:10.1109/TKDE.2007.190734): at 0.69, the part doubles the odds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.io.text_rules import ASCII_WORD, LINE_BREAK, UNICODE_WORD, WordRule
from penstock.serving.errors import InputError

# A patch is two steps wide and overlaps its neighbours by half: at most 13 x 13 patches for any image size.
STEPS_PER_EDGE = 14
# Words are left out one by one; in longer texts, neighbours are left out group_size.
MAX_TEXT_PARTS = 256
MAX_TEXT_LENGTH = 20_000
# The group is a word; an HTML line break is none.
_WORD = {
    rule: re.compile(f"{LINE_BREAK}|({word})") for rule, word in (("ascii", ASCII_WORD), ("unicode", UNICODE_WORD))
}
# A probability of 0 has no logarithm.
_EPSILON = 1e-12


@dataclass(frozen=True)
class Span:
    """Characters `start` to `end` of a text, as Python counts them."""

    start: int
    end: int


@dataclass(frozen=True)
class ImageParts:
    """An image and its versions with one patch covered; patches that cover only background are left out."""

    rows: NDArray[np.uint8]
    """uint8 [1 + patches, height, width]; the whole image is the first."""
    patches: list[tuple[slice, slice]]

    @classmethod
    def of(cls, image: NDArray[np.uint8]) -> ImageParts:
        """Cover an image [height, width] with patches of its median grey level."""
        background = np.uint8(np.median(image))
        patches = [patch for patch in _patches(*image.shape) if (image[patch] != background).any()]
        rows = np.repeat(image[None], 1 + len(patches), axis=0)
        for row, patch in zip(rows[1:], patches, strict=True):
            row[patch] = background
        return cls(rows, patches)

    def weights(self, drops: NDArray[np.float64]) -> NDArray[np.float64]:
        """Average the drops [patches] over the patches that cover each pixel, to [height, width]."""
        height, width = self.rows.shape[1:]
        sums, covered = np.zeros((height, width)), np.zeros((height, width))
        for patch in _patches(height, width):
            covered[patch] += 1
        for patch, drop in zip(self.patches, drops, strict=True):
            sums[patch] += drop
        return sums / covered


def _patches(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    edges = [_slices(height), _slices(width)]
    return ((row, column) for row in edges[0] for column in edges[1])


def _slices(size: int) -> list[slice]:
    step = -(-size // STEPS_PER_EDGE)
    starts = range(0, max(1, size - step), step)
    return [slice(start, min(start + 2 * step, size)) for start in starts]


@dataclass(frozen=True)
class TextParts:
    """A text and its versions without one span of words each."""

    rows: NDArray[Any]
    """`str` objects [1 + spans]; the whole text is the first."""
    spans: list[Span]

    @classmethod
    def of(cls, text: str, rule: WordRule) -> TextParts:
        """Split a text by the word rule of the model.

        Raises:
            InputError: It has more than `MAX_TEXT_LENGTH` characters.
        """
        if len(text) > MAX_TEXT_LENGTH:
            raise InputError(f"the text has {len(text)} characters; at most {MAX_TEXT_LENGTH} can be explained")
        spans = _spans(text, rule)
        # The line feed keeps the words on both sides apart; a space would make an HTML line break of `<br` and `>`.
        versions = [text, *(f"{text[: span.start]}\n{text[span.end :]}" for span in spans)]
        return cls(np.array(versions, dtype=object), spans)


def _spans(text: str, rule: WordRule) -> list[Span]:
    words = [match.span(1) for match in _WORD[rule].finditer(text) if match[1]]
    group_size = max(1, -(-len(words) // MAX_TEXT_PARTS))
    groups = [words[first : first + group_size] for first in range(0, len(words), group_size)]
    return [Span(group[0][0], group[-1][1]) for group in groups]


def log_odds_drops(probabilities: NDArray[Any], label: int) -> NDArray[np.float64]:
    """Return the drop of the label's log-odds in each row after the first.

    Args:
        probabilities: Float [1 + parts, classes].
        label: Index of the class.

    Returns:
        Float64 [parts].
    """
    scores = probabilities.astype(np.float64)
    others = np.delete(scores, label, axis=1).sum(axis=1)
    odds = np.log(np.maximum(scores[:, label], _EPSILON)) - np.log(np.maximum(others, _EPSILON))
    drops: NDArray[np.float64] = odds[0] - odds[1:]
    return drops
