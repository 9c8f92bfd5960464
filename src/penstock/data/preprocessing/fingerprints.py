"""Find equal inputs by hashes, and count duplicates within and across parts and splits."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from penstock.data.sources.rows import RawSplit


def fingerprints(inputs: NDArray[Any]) -> list[bytes]:
    """Return a 128-bit BLAKE2b hash of each input."""
    if inputs.dtype.names:
        return [_hash(repr(row).encode()) for row in inputs.tolist()]
    return [_hash(row.encode() if isinstance(row, str) else row.tobytes()) for row in inputs]


def _hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def count_duplicates(parts: Mapping[Any, RawSplit]) -> dict[str, Any]:
    """Count duplicates.

    Returns:
        `within`: number of rows that repeat an earlier row of the same part. `across`: number of distinct inputs that
        two parts share.
    """
    names = {part: Counter(fingerprints(content.inputs)) for part, content in parts.items()}
    pairs = itertools.combinations(names, 2)
    return {
        "within": {part: sum(counts.values()) - len(counts) for part, counts in names.items()},
        "across": {f"{a}_and_{b}": len(names[a].keys() & names[b].keys()) for a, b in pairs},
    }


def count_leaked(splits: Mapping[Any, RawSplit]) -> int:
    """Return the number of training and validation rows whose inputs are also in test."""
    in_test = set(fingerprints(splits["test"].inputs))
    return sum(
        fingerprint in in_test
        for split in ("train", "validation")
        for fingerprint in fingerprints(splits[split].inputs)
    )
