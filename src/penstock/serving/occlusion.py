"""Versions of an input in each of which one part is missing, for asking a model what that part was worth.

Images: a square patch of background slides over the image (Zeiler and Fergus, 2014, arXiv:1311.2901). Texts: one word
after the other is left out (Li, Monroe and Jurafsky, 2016, arXiv:1612.08220). A part's weight is what the log-odds of
the answer lose without it, natural logarithm (the weight of evidence of Robnik-Sikonja and Kononenko, 2008,
doi:10.1109/TKDE.2007.190734): at 0.69 they were twice as good with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.serving.refusals import InputError

# An edge is so many steps long and a patch two of them, so that each lies half over its neighbours: at most 13 x 13
# patches, whatever the image's size.
STEPS_ALONG_EDGE = 14
# Words are left out one by one, and in longer texts as many neighbours at a time as this number asks for.
PARTS_OF_TEXT = 256
LONGEST_TEXT = 20_000
# Words as the models read them (penstock.data.preprocessing.text): a line break in HTML is none.
_WORD = re.compile(r"<[bB][rR] */?>|([A-Za-z0-9']+)")
# A probability of 0 has no logarithm; what is below this is rounding.
_LEAST = 1e-12


@dataclass(frozen=True)
class Span:
    """Characters start..end of a text, as Python counts them."""

    start: int
    end: int


@dataclass(frozen=True)
class ImageParts:
    """An image and its versions with a patch missing; patches that would cover nothing are not asked about.

    rows: uint8 [1 + patches, height, width], the whole image first.
    """

    rows: NDArray[np.uint8]
    patches: list[tuple[slice, slice]]

    @classmethod
    def of(cls, image: NDArray[np.uint8]) -> ImageParts:
        """`image` is [height, width]; its background is its median grey level."""
        background = np.uint8(np.median(image))
        patches = [patch for patch in _patches(*image.shape) if (image[patch] != background).any()]
        rows = np.repeat(image[None], 1 + len(patches), axis=0)
        for row, patch in zip(rows[1:], patches, strict=True):
            row[patch] = background
        return cls(rows, patches)

    def weights(self, losses: NDArray[np.float64]) -> NDArray[np.float64]:
        """Losses [patches] to a weight of each pixel [height, width]: the mean of the patches over it."""
        height, width = self.rows.shape[1:]
        sums, covered = np.zeros((height, width)), np.zeros((height, width))
        for patch in _patches(height, width):
            covered[patch] += 1
        for patch, loss in zip(self.patches, losses, strict=True):
            sums[patch] += loss
        return sums / covered


def _patches(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    edges = [_along(height), _along(width)]
    return ((row, column) for row in edges[0] for column in edges[1])


def _along(size: int) -> list[slice]:
    step = -(-size // STEPS_ALONG_EDGE)
    starts = range(0, max(1, size - step), step)
    return [slice(start, min(start + 2 * step, size)) for start in starts]


@dataclass(frozen=True)
class TextParts:
    """A text and its versions without one span of words each.

    rows: str objects [1 + spans], the whole text first.
    """

    rows: NDArray[Any]
    spans: list[Span]

    @classmethod
    def of(cls, text: str) -> TextParts:
        """Raises `InputError` for a text of more than `LONGEST_TEXT` characters."""
        if len(text) > LONGEST_TEXT:
            raise InputError(f"only texts of up to {LONGEST_TEXT} characters are explained, not of {len(text)}")
        spans = _spans(text)
        versions = [text, *(text[: span.start] + text[span.end :] for span in spans)]
        return cls(np.array(versions, dtype=object), spans)


def _spans(text: str) -> list[Span]:
    words = [match.span(1) for match in _WORD.finditer(text) if match[1]]
    together = max(1, -(-len(words) // PARTS_OF_TEXT))
    groups = [words[first : first + together] for first in range(0, len(words), together)]
    return [Span(group[0][0], group[-1][1]) for group in groups]


def losses(probabilities: NDArray[Any], label: int) -> NDArray[np.float64]:
    """What the log-odds of `label` lose in each row after the first: [1 + parts, classes] to [parts]."""
    likely = probabilities.astype(np.float64)
    others = np.delete(likely, label, axis=1).sum(axis=1)
    odds = np.log(np.maximum(likely[:, label], _LEAST)) - np.log(np.maximum(others, _LEAST))
    lost: NDArray[np.float64] = odds[0] - odds[1:]
    return lost
