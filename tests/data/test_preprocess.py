"""Test splits, which are disjoint, stratified and reproducible, and the checks of params.yaml."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from penstock.data.datasets.base import RawDataset, RawSplit, load_dataset
from penstock.data.datasets.iris import official_bytes, read

from penstock.config.data import (
    ChecksConfig,
    DatasetConfig,
    ImageConfig,
    RangeConfig,
    ShareRangeConfig,
    TableConfig,
    TextConfig,
)
from penstock.core.errors import ConfigError, DataCheckError, WrongSettingError
from penstock.data.preprocessing import checks
from penstock.data.preprocessing.preprocess import preprocess, split_rows
from penstock.io.processed_dataset import SPLITS, ArraySplit, ProcessedDataset


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
    changed_checks: ChecksConfig = config.dataset("iris").checks.model_copy(update=changes)
    with pytest.raises(DataCheckError) as raised:
        iris(checks=changed_checks)
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


def table(values=(1.0, 2.0), rows=4, dtype=np.float32):
    return np.array([values] * rows, dtype=dtype)


def images(dtype=np.uint8, shape=(4, 3, 3), value=9):
    return np.full(shape, value, dtype=dtype)


def changed(array, place, value):
    array[place] = value
    return array


def objects(*rows):
    filled = np.empty(len(rows), dtype=object)
    filled[:] = rows
    return filled


LABELS = np.array([0, 1, 0, 1])
DATASET = RawDataset(classes=("no", "yes"), description="rows", read=lambda folder: {})
TABLE, IMAGE = TableConfig(kind="table"), ImageConfig(kind="image")
TEXT = TextConfig(kind="text", vocab_size=10, max_length=3)


@pytest.mark.parametrize(
    ("kind", "inputs", "labels", "problem"),
    [
        (TABLE, changed(table(), (2, 1), np.nan), LABELS, "row 2, column 1: nan is not a number of at most 1e+15; 1"),
        (TABLE, changed(table(), 3, -np.inf), LABELS, "row 3, column 0: -inf is not a numbe"),
        (TABLE, table((1, 1e300), dtype=float), LABELS, "row 0, column 1: 1e+300 is not a number of at most 1e+15; 4"),
        (TABLE, table(("1", "x"), dtype=object), LABELS, "inputs have the dtype object; return numbers, float32"),
        (TABLE, np.ones(4), LABELS, "inputs have the shape [4]; return a table, [rows, features]"),
        (TABLE, np.ones((4, 0)), LABELS, "no inputs: their shape is [4, 0]"),
        (TABLE, [[1.0]], LABELS, "inputs or labels are no NumPy arrays"),
        (TABLE, table(), np.array([0, 1, np.nan, 1]), "labels have the dtype float64; return int64"),
        (TABLE, table(), LABELS.astype(np.uint8), "labels have the dtype uint8; return int64"),
        (TABLE, table(), LABELS[:3], "labels have the shape [3], inputs [4, 2]; return one label for each"),
        (TABLE, table(), np.eye(4, 2, dtype=np.int64), "labels have the shape [4, 2]"),
        (TABLE, table(), LABELS + 1, "row 1: the label 2 is not an index into"),
        (TABLE, table(), LABELS - 1, "row 0: the label -1 is not an index into"),
        (IMAGE, images(np.float32, value=0.5), LABELS, "dtype float32 and values of 0.5 to 0.5; return uint8"),
        (IMAGE, images(np.float64, value=np.nan), LABELS, "dtype float64 and values of nan to nan"),
        (IMAGE, images(bool), LABELS, "dtype bool and values of True to True"),
        (IMAGE, images(np.uint16, value=1023), LABELS, "image 0, pixel [0, 0]: 1023 is not 0 to 255"),
        (IMAGE, changed(images(np.int16), (1, 2, 0), -1), LABELS, "image 1, pixel [2, 0]: -1 is not 0 to 255"),
        (IMAGE, images(shape=(4, 3, 3, 3)), LABELS, "shape [4, 3, 3, 3]; convert colour images to grey"),
        (IMAGE, images(shape=(4, 9)), LABELS, "shape [4, 9]; return grey images, [rows, height, width]"),
        (IMAGE, images(shape=(4, 0, 3)), LABELS, "no inputs: their shape is [4, 0, 3]"),
        (IMAGE, objects(*(np.ones((size, 3)) for size in (1, 2, 3, 4))), LABELS, "the images have different sizes"),
        (TEXT, objects("a", "b", None, "d"), LABELS, "row 2: None is not a text"),
        (TEXT, objects("a", float("nan"), "c", "d"), LABELS, "row 1: nan is not a text"),
        (TEXT, objects("a", "b", "c", "\ud83d"), LABELS, "row 3: half of a surrogate pai"),
        (TEXT, np.array([b"a"] * 4), LABELS, "shape [4] and the dtype |S1; return texts"),
        (TEXT, np.array([], dtype=object), LABELS[:0], "no inputs: their shape is [0]"),
    ],
)
def test_unusable_rows_of_any_part_are_one_line_with_the_file_and_the_row(kind, inputs, labels, problem):
    valid = {"table": table(), "image": images(), "text": objects(*"abcd")}[kind.kind]
    parts = {"train": RawSplit(inputs=valid, labels=LABELS), "test": RawSplit(inputs=inputs, labels=labels)}
    with pytest.raises(DataCheckError, match=re.escape(problem)) as raised:
        checks.require_valid_parts("mine", DATASET, parts, kind)
    assert str(raised.value).startswith("src/penstock/data/datasets/mine.py: read: 'test': ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        (TABLE, table(dtype=np.int64)),
        (TABLE, table(dtype=bool)),
        (IMAGE, images(np.int64)),
        (TEXT, objects("", "\u0434\u043e\u043c", "\U0001f600", "a")),
        (TEXT, np.array(list("abcd"))),
    ],
)
def test_other_dtypes_without_loss_and_empty_texts_are_valid(kind, inputs):
    parts = {"all": RawSplit(inputs=inputs, labels=LABELS)}
    checks.require_valid_parts("mine", DATASET, parts, kind)


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"train": table()}, "the parts are 'train'; return 'all', or 'train' and 'test'"),
        ({"train": table(), "test": table((1.0,))}, r"'test': inputs have the shape \[1\], those of 'train' \[2\]"),
    ],
)
def test_parts_must_be_official_and_of_one_shape(parts, problem):
    read = {name: RawSplit(inputs=inputs, labels=LABELS) for name, inputs in parts.items()}
    with pytest.raises(DataCheckError, match=problem):
        checks.require_valid_parts("mine", DATASET, read, TABLE)


@pytest.mark.parametrize("split", SPLITS)
def test_nan_in_any_split_fails_the_check_of_values(config, split):
    splits = {name: ArraySplit(inputs=table(), labels=LABELS) for name in SPLITS}
    splits[split].inputs[1, 1] = np.nan
    values, _ = checks.of_processed(config.dataset("iris").checks, splits, leaked=0)
    assert not values.passed


def test_nothing_is_written_before_every_check_has_passed(iris, config, tmp_path):
    split = config.dataset("iris").split.model_copy(update={"folds": 99})
    with pytest.raises(WrongSettingError, match=r"^split: too few rows"):
        iris(split=split)
    assert not list(tmp_path.iterdir())
