"""Tests of `penstock check MODEL`; tests/pipeline/test_own_code.py runs it on a network of one's own."""

import pytest

from penstock.config.loading import load_config
from penstock.core.errors import MissingFileError
from penstock.core.paths import Project
from penstock.new.check_model import check_model


@pytest.mark.parametrize(
    ("present", "missing"), [("elsewhere", "data/raw/iris"), ("data/raw/iris", "data/processed/iris")]
)
def test_missing_data_are_named_with_the_command(repository, tmp_path, present, missing):
    (tmp_path / present).mkdir(parents=True)
    with pytest.raises(MissingFileError, match=f"^{missing}: no such folder; run `dvc repro preprocess@iris` first$"):
        check_model(Project(tmp_path), load_config(repository / "params.yaml"), "iris_mlp")
