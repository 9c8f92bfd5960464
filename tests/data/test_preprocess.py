"""Splits are disjoint, stratified and the same every time; what params.yaml declares is held against the data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.config.data import ChecksConfig, DatasetConfig, RangeConfig, ShareRangeConfig
from penstock.core.errors import ConfigError, ExpectationError, WrongSettingError
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
    """Preprocesses Iris with changed settings; returns the report and the arrays."""

    def run(**changes):
        settings = config.dataset("iris").model_copy(update=changes)
        return preprocess("iris", settings, raw=iris_raw, folder=tmp_path), ProcessedDataset(tmp_path)

    return run


def test_iris_equals_scikit_learns_in_every_value(iris_raw):
    from sklearn.datasets import load_iris

    part = read(iris_raw)["all"]
    assert np.array_equal(part.inputs, load_iris().data.astype(np.float32))
    assert np.array_equal(part.labels, load_iris().target)


def test_iris_is_split_as_documented(iris):
    report, processed = iris()
    assert {split: one["rows"] for split, one in report["splits"].items()} == {
        "train": 96,
        "validation": 24,
        "test": 30,
    }
    assert set(np.bincount(processed.split("test").labels)) == {10}
    rows = np.concatenate([processed.rows(split) for split in ("train", "validation", "test")])
    assert sorted(rows) == list(range(150))


def test_arrays_are_memory_mapped_and_lead_back_to_their_rows(iris, iris_raw):
    _, processed = iris()
    split = processed.split("validation")
    assert isinstance(split.inputs, np.memmap)
    assert np.array_equal(split.inputs, read(iris_raw)["all"].inputs[processed.rows("validation")])


def test_duplicates_are_counted_in_the_official_parts_and_in_the_splits(iris):
    report, _ = iris()
    assert report["duplicates"]["official"] == {"within": {"all": 1}, "across": {}}
    assert report["duplicates"]["splits"]["within"] == {"train": 1, "validation": 0, "test": 0}
    assert sum(report["duplicates"]["splits"]["across"].values()) == 0


def test_every_row_that_is_not_test_is_held_out_once_per_repeat(iris):
    _, processed = iris()
    folds = processed.folds()
    assert folds.shape == (5, 120)
    for repeat in folds:
        assert list(np.bincount(repeat)) == [24] * 5


def test_a_block_is_never_divided_between_two_folds(config, iris):
    split = config.dataset("iris").split.model_copy(update={"group_size": 5})
    _, processed = iris(split=split)
    blocks = np.concatenate([processed.rows(name) for name in ("train", "validation")]) // 5
    for repeat in processed.folds():
        assert set(repeat) == set(range(5))
        assert all(len(set(repeat[blocks == block])) == 1 for block in blocks)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({"rows": {"all": 151}}, "datasets.iris.checks.rows: declared {'all': 151}, found {'all': 150}"),
        (
            {"class_share": ShareRangeConfig(min=0.4, max=0.5)},
            "datasets.iris.checks.class_share: declared 0.4 to 0.5, found 0.3333 to 0.3333",
        ),
        ({"values": RangeConfig(min=0.1, max=7.0)}, "datasets.iris.checks.values: declared 0.1 to 7, found 0.1 to 7.9"),
    ],
)
def test_a_broken_expectation_stops_and_is_named(config, iris, broken, says):
    checks: ChecksConfig = config.dataset("iris").checks.model_copy(update=broken)
    with pytest.raises(ExpectationError) as raised:
        iris(checks=checks)
    assert str(raised.value) == says


def test_a_row_that_is_in_test_too_is_leakage(config, iris):
    """Two flowers that measure the same; this seed puts one of them into test."""
    split = config.dataset("iris").split.model_copy(update={"seed": 0})
    with pytest.raises(ExpectationError, match=r"checks\.leakage: declared at most 0, found 1"):
        iris(split=split)
    report, _ = iris(split=split.model_copy(update={"drop_duplicates": True}))
    assert report["duplicates"]["leaked"] == 0


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    block=st.integers(1, 5),
    texts=st.lists(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), min_size=60),
)
def test_no_training_text_is_in_test_or_seen_before_and_no_block_is_divided(config, seed, block, texts):
    half = len(texts) // 2
    parts = {name: _part(texts[rows]) for name, rows in (("train", slice(half)), ("test", slice(half, None)))}
    split = config.dataset("imdb").split.model_copy(update={"seed": seed, "group_size": block})
    settings: DatasetConfig = config.dataset("imdb").model_copy(update={"split": split})
    try:
        training, test, rows, dropped = split_rows(parts, settings)
    except WrongSettingError:  # too few rows are left to have every class in every split
        return
    kept = [*training.inputs[rows["train"]], *training.inputs[rows["validation"]]]
    assert len(kept) == len(set(kept))
    assert not set(kept) & set(test.inputs)
    assert len(kept) + dropped == half
    assert not set(rows["train"] // block) & set(rows["validation"] // block)


def _part(texts):
    return RawSplit(inputs=np.array(texts, dtype=object), labels=np.arange(len(texts), dtype=np.int64) % 2)


def test_too_few_rows_for_the_split_are_a_mistake_in_params(iris, config):
    split = config.dataset("iris").split.model_copy(update={"folds": 30, "max_rows": 30})
    with pytest.raises(WrongSettingError, match=r"^split: too few rows for it: "):
        iris(split=split)


@pytest.mark.parametrize(("parts", "share"), [({"all"}, None), ({"train", "test"}, 0.2)])
def test_a_share_for_test_goes_with_one_part_and_none_with_an_official_test(config, parts, share):
    split = config.dataset("imdb").split.model_copy(update={"test": share})
    settings = config.dataset("imdb").model_copy(update={"split": split})
    with pytest.raises(WrongSettingError, match=r"^split\.test: "):
        split_rows({name: _part("abcdefgh") for name in parts}, settings)


def test_an_unknown_dataset_gets_the_nearest_file():
    with pytest.raises(ConfigError, match=r"has no file mnst\.py here; did you mean 'mnist'"):
        load_dataset("mnst")
