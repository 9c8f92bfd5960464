import shutil

import pytest


@pytest.fixture
def models(small_run, tmp_path):
    """A folder with copies of two validated models, which a test may change."""
    folder = tmp_path / "models"
    for name in ("iris_mlp", "imdb_lstm"):
        shutil.copytree(small_run.root / "models" / name, folder / name)
    return folder


@pytest.fixture
def package(small_run, models):
    """Run `penstock package` on those models."""

    def run(*arguments, check=True):
        return small_run.run("penstock", "package", "--models", str(models), *map(str, arguments), check=check)

    return run
