"""Read the parts of a dataset by batches, and keep of each row what the split, the checks and the arrays need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.config.data import DatasetConfig
from penstock.core.errors import DataCheckError, WrongSettingError
from penstock.data.preprocessing.encoder import batch_encoder
from penstock.data.preprocessing.fingerprints import Fingerprints, fingerprints
from penstock.data.preprocessing.row_store import RowStore
from penstock.data.preprocessing.text_store import TextStore
from penstock.data.sources.read import read_batches


@dataclass(frozen=True, kw_only=True)
class PartRows:
    """All rows of one part of the files."""

    inputs: NDArray[Any]
    """Encoded rows [rows, *shape], memory-mapped if there are many. Texts: number of words in each, int32 [rows]."""
    labels: NDArray[Any]
    """As in `RawSplit`."""
    fingerprints: Fingerprints
    """Hashes of the inputs, uint64 [rows]."""
    groups: NDArray[Any] | None = None
    """With `split.group`: the number of each row's group, int64 [rows], the same in all parts; a row without a group is
    one of its own. With `split.time`: float64 or datetime64 [rows]. Otherwise None."""
    texts: TextStore | None = None
    """Words of the texts; None for other kinds."""

    def __len__(self) -> int:
        return len(self.labels)


def read_parts(name: str, settings: DatasetConfig, raw: Path, scratch: Path) -> dict[str, PartRows]:
    """Read all rows of every part. Memory holds one batch, and a few numbers of every row.

    Args:
        name: Name of the dataset.
        settings: Entry of the dataset in params.yaml.
        raw: Folder of the files.
        scratch: Folder of the files with the rows, which must remain while the rows are used.

    Raises:
        DataFileError: A file is not as declared.
        DataCheckError: Rows of two parts have different shapes.
        WrongSettingError: The column of `split.time` has numbers and dates, or the parts are not in its order. A group
            is in two parts.
    """
    reader = _Reader(name, settings, raw, scratch)
    parts: dict[str, PartRows] = {part: reader.read(part) for part in settings.source.parts}
    if settings.split.group is not None:
        reader.require_one_part_of_each_group(parts)
    if settings.split.time is not None:
        _require_in_order(parts)
    return parts


class _Reader:
    def __init__(self, name: str, settings: DatasetConfig, raw: Path, scratch: Path) -> None:
        self._name, self._settings, self._raw, self._scratch = name, settings, raw, scratch
        self._shapes: dict[tuple[int, ...], str] = {}
        self._groups: dict[str | int, int] = {}

    def read(self, part: str) -> PartRows:
        inputs_of = self._settings.inputs
        texts = TextStore(self._scratch / f"{part}.texts", inputs_of.word_rule) if inputs_of.kind == "text" else None
        encode = texts.append if texts else batch_encoder(inputs_of)
        store = RowStore(self._scratch / part)
        labels: list[NDArray[Any]] = []
        found: list[Fingerprints] = []
        groups: list[NDArray[Any]] = []
        for batch in read_batches(self._settings, self._raw, part):
            inputs = encode(batch.inputs)
            self._require_shape(part, inputs.shape[1:])
            store.append(inputs)
            labels.append(batch.labels)
            found.append(fingerprints(batch.inputs if texts else inputs))
            if batch.groups is not None:
                groups.append(self._numbered(batch.groups))
        return PartRows(
            inputs=store.rows(),
            labels=np.concatenate(labels),
            fingerprints=np.concatenate(found),
            groups=_joined(groups) if groups else None,
            texts=texts,
        )

    def _require_shape(self, part: str, shape: tuple[int, ...]) -> None:
        self._shapes.setdefault(shape, part)
        if len(self._shapes) > 1:
            (first, of_first), *_ = self._shapes.items()
            raise DataCheckError(
                f"datasets.{self._name}: inputs of {part} have the shape {list(shape)}, others of {of_first} "
                f"{list(first)}"
            )

    def require_one_part_of_each_group(self, parts: Mapping[str, PartRows]) -> None:
        for (one, rows), (other, other_rows) in combinations(parts.items(), 2):
            shared = np.intersect1d(_groups(rows), _groups(other_rows))
            if len(shared):
                name = list(self._groups)[shared[0]]
                problem = f"'{name}' is in the parts {one} and {other}; leave the key out, or divide the files by it"
                raise WrongSettingError("split.group", problem)

    def _numbered(self, groups: NDArray[Any]) -> NDArray[Any]:
        """Return the numbers of the groups, in the order in which they come; times are as they are."""
        if groups.dtype != object:
            return groups
        known = self._groups
        # No text is an int, so rows without a group never meet the name of one.
        names = (len(known) if name is None else name for name in groups)
        return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


def _groups(part: PartRows) -> NDArray[Any]:
    assert part.groups is not None
    return part.groups


def _require_in_order(parts: Mapping[str, PartRows]) -> None:
    """Require that every part ends before the next one begins, in the order train, validation, test."""
    names = [part for part in ("train", "validation", "test") if part in parts]
    for part, following in pairwise(names):
        last, first = _groups(parts[part]).max(), _groups(parts[following]).min()
        if last >= first:
            problem = (
                f"the part {following} begins at {first}, but {part} ends at {last}; leave the key out, or divide "
            )
            raise WrongSettingError("split.time", problem + "the files by it")


def _joined(groups: list[NDArray[Any]]) -> NDArray[Any]:
    if len({batch.dtype for batch in groups}) > 1:
        raise WrongSettingError("split.time", "the column has numbers and dates; use one of them")
    return np.concatenate(groups)
