"""Test splits, which are disjoint, stratified and reproducible, and the checks of params.yaml."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.config.data import ChecksConfig, DatasetConfig, RangeConfig, ShareRangeConfig
from penstock.core.errors import ConfigError, DataCheckError, WrongSettingError
from penstock.data.datasets.base import RawSplit, load_dataset
from penstock.data.datasets.iris import official_bytes, read
from penstock.data.preprocessing.preprocess import preprocess, split_rows
from penstock.io.processed_dataset import ProcessedDataset


@pytest.fixture(scope="module")
def iris_raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("iris")
    (folder / "bezdekIris.data").write_bytes(official_bytes("bezdekIris.data"))
    return folder


@pytest.fixture
def iris(config, iris_raw, tmp_path):
    """Preprocess Iris with changed settings; return the report and the arrays."""

    def run(**changes):
        settings = config.dataset("iris").model_copy(update=changes)
        return preprocess("iris", settings, raw=iris_raw, folder=tmp_path), ProcessedDataset(tmp_path)

    return run


def test_iris_equals_scikit_learn(iris_raw):
    from sklearn.datasets import load_iris

    part = read(iris_raw)["all"]
    assert np.array_equal(part.inputs, load_iris().data.astype(np.float32))
    assert np.array_equal(part.labels, load_iris().target)


def test_iris_split_sizes_match_documentation(iris):
    report, processed = iris()
    assert {split: one["rows"] for split, one in report["splits"].items()} == {
        "train": 96,
        "validation": 24,
        "test": 30,
    }
    assert set(np.bincount(processed.split("test").labels)) == {10}
    rows = np.concatenate([processed.rows(split) for split in ("train", "validation", "test")])
    assert sorted(rows) == list(range(150))


def test_arrays_are_memory_mapped_and_match_raw_rows(iris, iris_raw):
    _, processed = iris()
    split = processed.split("validation")
    assert isinstance(split.inputs, np.memmap)
    assert np.array_equal(split.inputs, read(iris_raw)["all"].inputs[processed.rows("validation")])


def test_duplicates_are_counted_in_official_parts_and_splits(iris):
    report, _ = iris()
    assert report["duplicates"]["official"] == {"within": {"all": 1}, "across": {}}
    assert report["duplicates"]["splits"]["within"] == {"train": 1, "validation": 0, "test": 0}
    assert sum(report["duplicates"]["splits"]["across"].values()) == 0


def test_each_fold_repeat_holds_out_every_training_row_once(iris):
    _, processed = iris()
    folds = processed.folds()
    assert folds.shape == (5, 120)
    for repeat in folds:
        assert list(np.bincount(repeat)) == [24] * 5


def test_folds_never_divide_a_group(config, iris):
    split = config.dataset("iris").split.model_copy(update={"group_size": 5})
    _, processed = iris(split=split)
    groups = np.concatenate([processed.rows(name) for name in ("train", "validation")]) // 5
    for repeat in processed.folds():
        assert set(repeat) == set(range(5))
        assert all(len(set(repeat[groups == group])) == 1 for group in groups)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": {"all": 151}}, "datasets.iris.checks.rows: declared {'all': 151}, found {'all': 150}"),
        (
            {"class_share": ShareRangeConfig(min=0.4, max=0.5)},
            "datasets.iris.checks.class_share: declared 0.4 to 0.5, found 0.3333 to 0.3333",
        ),
        ({"values": RangeConfig(min=0.1, max=7.0)}, "datasets.iris.checks.values: declared 0.1 to 7, found 0.1 to 7.9"),
    ],
)
def test_failed_check_raises_and_names_the_setting(config, iris, changes, message):
    checks: ChecksConfig = config.dataset("iris").checks.model_copy(update=changes)
    with pytest.raises(DataCheckError) as raised:
        iris(checks=checks)
    assert str(raised.value) == message


def test_training_row_equal_to_test_row_is_leakage(config, iris):
    """Two flowers have equal measurements; this seed puts one of them into the test split."""
    split = config.dataset("iris").split.model_copy(update={"seed": 0})
    with pytest.raises(DataCheckError, match=r"checks\.leakage: declared at most 0, found 1"):
        iris(split=split)
    report, _ = iris(split=split.model_copy(update={"drop_duplicates": True}))
    assert report["duplicates"]["leaked"] == 0


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    group=st.integers(1, 5),
    texts=st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=60),
)
def test_split_drops_duplicates_and_never_divides_a_group(config, seed, group, texts):
    half = len(texts) // 2
    parts = {name: _part(texts[rows]) for name, rows in (("train", slice(half)), ("test", slice(half, None)))}
    split = config.dataset("imdb").split.model_copy(update={"seed": seed, "group_size": group})
    settings: DatasetConfig = config.dataset("imdb").model_copy(update={"split": split})
    try:
        training, test, rows, dropped = split_rows(parts, settings)
    except WrongSettingError:  # too few rows remain for every class in every split
        return
    kept = [*training.inputs[rows["train"]], *training.inputs[rows["validation"]]]
    assert len(kept) == len(set(kept))
    assert not set(kept) & set(test.inputs)
    assert len(kept) + dropped == half
    assert not set(rows["train"] // group) & set(rows["validation"] // group)


def _part(texts):
    return RawSplit(inputs=np.array(texts, dtype=object), labels=np.arange(len(texts), dtype=np.int64) % 2)


def test_too_few_rows_raise_an_error_about_split(iris, config):
    split = config.dataset("iris").split.model_copy(update={"folds": 30, "max_rows": 30})
    with pytest.raises(WrongSettingError, match=r"^split: too few rows for it: "):
        iris(split=split)


@pytest.mark.parametrize(("parts", "share"), [({"all"}, None), ({"train", "test"}, 0.2)])
def test_split_test_is_required_only_without_official_test_part(config, parts, share):
    split = config.dataset("imdb").split.model_copy(update={"test": share})
    settings = config.dataset("imdb").model_copy(update={"split": split})
    with pytest.raises(WrongSettingError, match=r"^split\.test: "):
        split_rows({name: _part("abcdefgh") for name in parts}, settings)


def test_unknown_dataset_suggests_nearest_name():
    with pytest.raises(ConfigError, match=r"datasets/ has no file mnst\.py; did you mean 'mnist'"):
        load_dataset("mnst")
