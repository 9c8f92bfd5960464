"""Load the test rows that several models are compared on, and refuse models of other rows.

A model file names the hash of its processed dataset. Two datasets with other hashes, such as other vocabularies, may
still have the same test rows: the files of row numbers and labels are then the same.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.comparison.candidate import Candidate
from penstock.config.params import Config
from penstock.core.errors import ComparisonError
from penstock.core.paths import Project
from penstock.data.sources.read import read_dataset
from penstock.data.sources.rows import RawSplit, part_for
from penstock.io.dataset_info import DatasetInfo
from penstock.io.files import dvc_directory_hash

ROWS, LABELS = "test/rows.npy", "test/labels.npy"
Listing = dict[str, str]
"""md5 by path in a folder, as DVC's cache has it."""


@dataclass(frozen=True, kw_only=True)
class TestRows:
    """Raw test rows of a dataset."""

    __test__ = False  # no class of tests

    dataset: str
    kind: str
    """table, columns, image or text."""
    classes: Sequence[str]
    """Names of the classes, or of the labels; empty if the target is numbers."""
    targets: Sequence[str] = ()
    """Names of the numbers that are predicted."""
    inputs: NDArray[Any]
    """Raw inputs."""
    labels: NDArray[Any]
    """As `RawSplit.labels`."""
    source_rows: NDArray[np.int64]
    """Row of the official file, int64 [rows]."""

    def __len__(self) -> int:
        return len(self.labels)

    def described(self, values: Any) -> str:  # noqa: ANN401  (a row of labels, or one label)
        """Return the class, the labels or the numbers of one row as a text, from its label or a prediction."""
        if np.ndim(values) == 0:
            return self.classes[int(values)]
        if self.targets:
            return ", ".join(f"{value:g}" for value in values)
        return ", ".join(name for name, is_there in zip(self.classes, values, strict=True) if is_there) or "none"


def load_test_rows(project: Project, config: Config, candidates: Sequence[Candidate]) -> TestRows:
    """Return the test rows that all models have in common.

    Raises:
        ComparisonError: The models are of different datasets or test rows, or their data are not here.
    """
    first = candidates[0]
    for other in candidates[1:]:
        _require_same(first, other, "dataset", first.dataset, other.dataset)
        _require_same(first, other, "task", first.task, other.task)
        _require_same(first, other, "classes", ", ".join(first.classes), ", ".join(other.classes))
    data = _Data(project, config, first.dataset)
    for other in candidates[1:]:
        data.require_same_test_rows(first, other)
    return data.load(first)


def _require_same(first: Candidate, other: Candidate, what: str, one: str, another: str) -> None:
    if one != another:
        raise ComparisonError(
            f"{other.reference}: has the {what} {another or 'none'}, and {first.reference} has {one or 'none'}; "
            "only models of the same test rows are compared"
        )


class _Data:
    """Versions of a processed dataset: the one in the project, and those in DVC's cache.

    Args:
        project: The project.
        config: Content of params.yaml.
        dataset: Name of the dataset.
    """

    def __init__(self, project: Project, config: Config, dataset: str) -> None:
        self._project = project
        self._settings = config.dataset(dataset)
        self._dataset = dataset
        self._processed = project.processed(dataset)
        for folder in (self._processed, project.raw(dataset)):
            if not folder.is_dir():
                shown = project.shown(folder)
                raise ComparisonError(f"{shown}: no such folder; `dvc pull {shown}` or `dvc repro` brings it")
        self._present = dvc_directory_hash(self._processed)
        self._cache = _dvc_cache(project)

    def require_same_test_rows(self, first: Candidate, other: Candidate) -> None:
        """Raise a ComparisonError unless both models were made for the same test rows."""
        one, another = first.provenance.data, other.provenance.data
        if one == another:
            return
        for name in (ROWS, LABELS):
            if self._read(first, name) != self._read(other, name):
                raise ComparisonError(
                    f"{other.reference}: its test rows of {self._dataset} are not those of {first.reference} "
                    f"(processed data {another[:8]} and {one[:8]}); train both on the same split to compare them"
                )

    def load(self, candidate: Candidate) -> TestRows:
        """Return the test rows of a model, with the raw inputs of the project."""
        rows = np.load(io.BytesIO(self._read(candidate, ROWS)), allow_pickle=False)
        info = DatasetInfo.load(self._processed)
        split = part_for(read_dataset(self._settings, self._project.raw(self._dataset)), "test")
        chosen: RawSplit = split[rows]
        return TestRows(
            dataset=self._dataset,
            kind=info.kind,
            classes=info.classes,
            targets=[target.name for target in info.targets],
            inputs=chosen.inputs,
            labels=chosen.labels,
            source_rows=rows,
        )

    def _read(self, candidate: Candidate, name: str) -> bytes:
        """Return the content of a file of the processed dataset that a model was made from."""
        digest = candidate.provenance.data
        if digest == self._present:
            return (self._processed / name).read_bytes()
        listing = self._listing(digest)
        path = self._object(listing[name]) if name in listing else None
        if path is None:
            raise ComparisonError(
                f"{candidate.reference}: made from other processed data of {self._dataset} ({digest[:8]}) than those "
                f"here ({self._present[:8]}), and DVC's cache does not have them, so its test rows are not known; "
                "`dvc fetch` may bring them"
            )
        return path.read_bytes()

    def _listing(self, digest: str) -> Listing:
        path = self._object(digest)
        entries = json.loads(path.read_text(encoding="utf-8")) if path else []
        return {entry["relpath"]: entry["md5"] for entry in entries}

    def _object(self, digest: str) -> Path | None:
        path = self._cache / digest[:2] / digest[2:] if self._cache else None
        return path if path and path.is_file() else None


def _dvc_cache(project: Project) -> Path | None:
    """Return the folder of DVC's cache; None if the project has no DVC."""
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo

    try:
        with Repo(str(project.root)) as repo:
            return Path(repo.cache.local.path)
    except NotDvcRepoError:
        return None
