"""Read MNIST: 70,000 grayscale images of handwritten digits, 28 x 28 pixels (LeCun, Cortes and Burges, 1998)."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.data.datasets.base import RawDataset, RawSplit


def read(folder: Path) -> dict[str, RawSplit]:
    """Read the official training and test images."""
    return {"train": _part(folder, "train"), "test": _part(folder, "t10k")}


def _part(folder: Path, prefix: str) -> RawSplit:
    return RawSplit(
        inputs=_idx(folder / f"{prefix}-images-idx3-ubyte.gz"),
        labels=_idx(folder / f"{prefix}-labels-idx1-ubyte.gz").astype(np.int64),
    )


def _idx(path: Path) -> NDArray[Any]:
    """Read an IDX file of unsigned bytes.

    Byte 3 is the number of dimensions. The size of each dimension follows as big-endian uint32.
    """
    content = gzip.decompress(path.read_bytes())
    dimensions = content[3]
    shape = np.frombuffer(content, dtype=">u4", count=dimensions, offset=4)
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions).reshape(shape)


DATASET = RawDataset(
    classes=tuple("0123456789"),
    description="grey pixels of a digit, 28 rows of 28, 0 (background) to 255 (ink)",
    read=read,
)
