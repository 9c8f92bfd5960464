"""Fixture of the tests of findings."""

import pytest

from penstock.data.preprocessing.preprocess import preprocess
from penstock.io.processed_dataset import ProcessedDataset
from tests.data.sources.datasets import dataset


@pytest.fixture
def look_at_file(tmp_path):
    """Preprocess a file in `tmp_path`; return the findings, and the rows of the file that are not in test."""

    def look_at_file(file, kind, inputs, target, rows, **split):
        source = {"kind": kind, "parts": {"all": file}}
        settings = dataset(
            source,
            inputs,
            target,
            split={"drop_duplicates": False, **split},
            checks={"rows": {"all": rows}, "leakage": rows},
        )
        found = preprocess("own", settings, raw=tmp_path, folder=tmp_path / "own")["findings"]
        return found, set(range(rows)) - set(ProcessedDataset(tmp_path / "own").rows("test").tolist())

    return look_at_file
