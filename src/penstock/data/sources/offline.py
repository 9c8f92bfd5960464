"""Files that an installed library can rebuild, for a download without a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

CLASSES = ("setosa", "versicolor", "virginica")


@dataclass(frozen=True)
class OfflineFile:
    """A file that an installed library contains."""

    library: str
    """Name of the library, for messages."""
    read: Callable[[], bytes]
    """Function that returns the official bytes."""


def iris_bytes() -> bytes:
    """Return `bezdekIris.data`, the corrected file of Iris, rebuilt from the values in scikit-learn."""
    from sklearn.datasets import load_iris

    iris = load_iris()
    rows = zip(iris.data, iris.target, strict=True)
    lines = [",".join(f"{value:.1f}" for value in row) + f",Iris-{CLASSES[label]}\n" for row, label in rows]
    return "".join([*lines, "\n"]).encode("ascii")


# By the sha256 of the file.
OFFLINE_FILES = {
    "0fed2a99db77ec533a62dc66894d3ec6df3b58b6a8f3cf4a6b47e4086b7f97dc": OfflineFile(
        "scikit-learn's load_iris", iris_bytes
    )
}
