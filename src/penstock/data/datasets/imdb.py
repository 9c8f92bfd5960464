"""Read IMDB: 50,000 movie reviews, half of them positive.

Source: Maas et al., 2011, https://huggingface.co/datasets/stanfordnlp/imdb.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pyarrow import parquet

from penstock.data.datasets.base import RawDataset, RawSplit


def read(folder: Path) -> dict[str, RawSplit]:
    """Read the official training and test reviews."""
    return {part: _part(folder / f"{part}-00000-of-00001.parquet") for part in ("train", "test")}


def _part(path: Path) -> RawSplit:
    table = parquet.read_table(path, columns=["text", "label"])
    return RawSplit(
        inputs=np.array(table["text"].to_pylist(), dtype=object),
        labels=table["label"].to_numpy().astype(np.int64),
    )


DATASET = RawDataset(
    classes=("negative", "positive"),
    description="an English film review, the text itself",
    read=read,
)
