"""Read IDX files of unsigned bytes, as those of MNIST (LeCun, Cortes and Burges, 1998)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.sources import IdxConfig
from penstock.core.errors import DataFileError
from penstock.data.sources.batch import SourceBatch


def batches(source: IdxConfig, folder: Path, part: str, _columns: Sequence[str]) -> Iterator[SourceBatch]:
    """Yield all rows of a part: the columns `image` and `label`.

    Raises:
        DataFileError: A file is damaged, or the two have not the same number of rows.
    """
    files = source.parts[part]  # type: ignore[index]
    images, labels = _read(folder / files.images), _read(folder / files.labels)
    if len(images) != len(labels):
        raise DataFileError(f"{files.labels}: {len(labels)} labels for the {len(images)} images of {files.images}")
    yield SourceBatch({"image": images, "label": labels}, lambda row, _column: f"{files.images}: image {row}")


def _read(path: Path) -> NDArray[Any]:
    """Read one file.

    Byte 3 is the number of dimensions. The size of each dimension follows as big-endian uint32.

    Raises:
        DataFileError: It is damaged.
    """
    try:
        content = gzip.decompress(path.read_bytes())
        dimensions = content[3]
        shape = np.frombuffer(content, dtype=">u4", count=dimensions, offset=4)
        return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    except (OSError, EOFError, zlib.error, IndexError, ValueError) as error:
        raise DataFileError(f"{path.name}: the file is damaged: {error}") from None
