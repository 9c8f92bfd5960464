"""Find equal inputs by hashes, and count duplicates within and across parts and splits.

A hash has 64 bits, so that 10 million rows take 80 MB. That any two different rows among them have the same hash has a
probability of 3e-6.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Fingerprints = NDArray[np.uint64]


def fingerprints(inputs: NDArray[Any]) -> Fingerprints:
    """Return a BLAKE2b hash of each input, uint64 [rows].

    Args:
        inputs: Encoded rows [rows, ...], or texts, object [rows] of str.
    """
    content = b"".join(_hash(row.encode() if isinstance(row, str) else row.tobytes()) for row in inputs)
    return np.frombuffer(content, dtype=np.uint64)


def _hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=8).digest()


def is_new(found: Fingerprints, known: Fingerprints) -> NDArray[np.bool_]:
    """Return which of the rows are neither among `known` nor equal to an earlier row, bool [rows]."""
    _, first = np.unique(found, return_index=True)
    new = np.zeros(len(found), dtype=bool)
    new[first] = True
    return new & ~np.isin(found, known)


def count_duplicates(rows: Mapping[Any, Fingerprints]) -> dict[str, Any]:
    """Count duplicates.

    Args:
        rows: Fingerprints of each part, or of each split.

    Returns:
        `within`: number of rows that repeat an earlier row of the same part. `across`: number of distinct inputs that
        two parts share.
    """
    distinct = {part: np.unique(found) for part, found in rows.items()}
    pairs = itertools.combinations(distinct, 2)
    return {
        "within": {part: len(found) - len(distinct[part]) for part, found in rows.items()},
        "across": {f"{a}_and_{b}": len(np.intersect1d(distinct[a], distinct[b], assume_unique=True)) for a, b in pairs},
    }


def count_leaked(splits: Mapping[Any, Fingerprints]) -> int:
    """Return the number of training and validation rows whose inputs are also in test."""
    return sum(int(np.isin(splits[split], splits["test"]).sum()) for split in ("train", "validation"))
