"""Read Iris: 150 flowers of three species, with four lengths in cm each.

Source: Fisher, 1936, https://archive.ics.uci.edu/dataset/53/iris. `bezdekIris.data` is the corrected file. Its values
equal those of scikit-learn's `load_iris`, the fallback source.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from penstock.data.datasets.base import FallbackSource, RawDataset, RawSplit

FILE = "bezdekIris.data"
CLASSES = ("setosa", "versicolor", "virginica")


def read(folder: Path) -> dict[str, RawSplit]:
    """Read all flowers."""
    lines = (folder / FILE).read_text(encoding="ascii").split()
    values = [line.split(",") for line in lines]
    return {
        "all": RawSplit(
            inputs=np.array([row[:4] for row in values], dtype=np.float32),
            labels=np.array([CLASSES.index(row[4].removeprefix("Iris-")) for row in values], dtype=np.int64),
        )
    }


def official_bytes(_file_name: str) -> bytes:
    """Return the official file, rebuilt from the values in scikit-learn."""
    from sklearn.datasets import load_iris

    iris = load_iris()
    rows = zip(iris.data, iris.target, strict=True)
    lines = [",".join(f"{value:.1f}" for value in row) + f",Iris-{CLASSES[label]}\n" for row, label in rows]
    return "".join([*lines, "\n"]).encode("ascii")


DATASET = RawDataset(
    classes=CLASSES,
    description="sepal length, sepal width, petal length, petal width in cm",
    read=read,
    offline=FallbackSource("scikit-learn's load_iris", official_bytes),
)
