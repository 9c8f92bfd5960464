"""Test the baselines of mixed tables, for every kind of target."""

import numpy as np
import pytest

from penstock.baselines import boosting, linear
from penstock.config.data import DatasetConfig
from penstock.config.models import BoostingBaselineConfig, LinearBaselineConfig
from penstock.core.errors import WrongSettingError
from penstock.io.processed_dataset import ProcessedDataset, save_array
from tests.models.documented import DATA
from tests.models.test_tabular import COLUMNS, info_of, rows_of

UNUSED = DatasetConfig.model_construct()  # processed rows are read
LABELS = {
    "class": lambda rows: np.where(np.nan_to_num(rows[:, 0]) > 0, 1, 0),
    "number": lambda rows: np.nan_to_num(rows[:, :1]) * 3 + 1,
    "labels": lambda rows: np.stack([np.nan_to_num(rows[:, 0]) > 0, rows[:, 1] == 1], axis=1).astype(np.float32),
}
SCORES = {"class": "accuracy", "number": "r2", "labels": "macro_f1"}


@pytest.mark.parametrize("target", LABELS)
@pytest.mark.parametrize("kind", ["linear", "boosting"])
def test_baselines_learn_mixed_tables(tmp_path, target, kind):
    for seed, split in enumerate(("train", "test")):
        rows = rows_of(300, seed)
        save_array(tmp_path, f"{split}/inputs", rows)
        save_array(tmp_path, f"{split}/labels", LABELS[target](rows))
    info_of(target, (4,), COLUMNS, classes=2).save(tmp_path)
    config = {"linear": LinearBaselineConfig, "boosting": BoostingBaselineConfig}[kind]
    module = {"linear": linear, "boosting": boosting}[kind]
    found = module.measure(config(kind=kind, dataset="own"), UNUSED, ProcessedDataset(tmp_path), tmp_path)
    assert found[SCORES[target]] > 0.85
    errors = {"mean_squared_error", "mean_absolute_error"} if target == "number" else set()
    assert set(found) == {SCORES[target]} | errors


def test_boosting_rejects_images(tmp_path):
    DATA["mnist"].save(tmp_path)
    settings = BoostingBaselineConfig(kind="boosting", dataset="mnist")
    with pytest.raises(WrongSettingError, match="kind: boosting needs a table, mnist has image inputs; use linear"):
        boosting.measure(settings, UNUSED, ProcessedDataset(tmp_path), tmp_path)
