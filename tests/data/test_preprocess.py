"""Test splits, which are disjoint and reproducible, the checks of params.yaml, and the processed folder."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from penstock.config.data import DatasetConfig, RangeConfig, ShareRangeConfig
from penstock.core.errors import DataCheckError, DataFileError, WrongSettingError
from penstock.data.preprocessing import parts as reading
from penstock.data.preprocessing.fingerprints import fingerprints
from penstock.data.preprocessing.parts import PartRows
from penstock.data.preprocessing.preprocess import preprocess
from penstock.data.preprocessing.split import Rows, fold_numbers, split_rows
from penstock.data.sources import csv as csv_reader
from penstock.data.sources.offline import iris_bytes
from penstock.data.sources.read import read_dataset
from penstock.io.processed_dataset import SPLITS, ProcessedDataset


@pytest.fixture(scope="module")
def iris_raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("iris")
    (folder / "bezdekIris.data").write_bytes(iris_bytes())
    return folder


@pytest.fixture
def iris(config, iris_raw, tmp_path):
    """Preprocess Iris with changed settings; return the report and the arrays."""

    def run(**changes):
        settings = config.dataset("iris").model_copy(update=changes)
        return preprocess("iris", settings, raw=iris_raw, folder=tmp_path / "iris"), ProcessedDataset(tmp_path / "iris")

    return run


def test_iris_split_sizes_match_documentation(iris):
    report, processed = iris()
    sizes = {split: one["rows"] for split, one in report["splits"].items()}
    assert sizes == {"train": 96, "validation": 24, "test": 30}
    assert set(np.bincount(processed.split("test").labels)) == {10}
    rows = np.concatenate([processed.rows(split) for split in SPLITS])
    assert sorted(rows) == list(range(150))


def test_arrays_are_memory_mapped_and_match_raw_rows(iris, iris_raw, config):
    _, processed = iris()
    split, raw = processed.split("validation"), read_dataset(config.dataset("iris"), iris_raw)["all"]
    assert isinstance(split.inputs, np.memmap)
    assert np.array_equal(split.inputs, raw.inputs[processed.rows("validation")])


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


def test_folds_never_divide_a_group_of_consecutive_rows(config, iris):
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
def test_failed_check_names_the_setting_and_leaves_the_folder_as_it_was(config, iris, tmp_path, changes, message):
    (tmp_path / "iris").mkdir()
    (tmp_path / "iris" / "earlier").touch()
    with pytest.raises(DataCheckError) as raised:
        iris(checks=config.dataset("iris").checks.model_copy(update=changes))
    assert str(raised.value) == message
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["iris", "iris/earlier"]


def test_the_folder_is_replaced_as_a_whole(iris, tmp_path):
    (tmp_path / "iris").mkdir()
    (tmp_path / "iris" / "earlier").touch()
    iris()
    assert {path.name for path in (tmp_path / "iris").iterdir()} == {*SPLITS, "folds.npy", "dataset_info.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["iris"]


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
    settings = config.dataset("imdb").model_copy(update={"split": split})
    try:
        found = split_rows(parts, settings)
    except WrongSettingError:  # too few rows remain for every class in every split
        return
    train, validation = found.rows["train"], found.rows["validation"]
    kept = [*parts["train"].inputs[train], *parts["train"].inputs[validation]]
    assert len(kept) == len(set(kept))
    assert not set(kept) & set(parts["test"].inputs)
    assert len(kept) + found.dropped == half
    assert not set(train // group) & set(validation // group)


def _part(texts):
    inputs = np.array(list(texts), dtype=object)
    return PartRows(inputs=inputs, labels=np.arange(len(inputs), dtype=np.int64) % 2, fingerprints=fingerprints(inputs))


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


# A mixed table of visits: each patient has three, on different days.
HEADER = "patient,day,age,ward,weight,ill\n"
INPUTS = {
    "kind": "columns",
    "columns": {"age": {"kind": "number"}, "ward": {"kind": "category", "values": ["a", "b"]}},
}
CLASS = {"kind": "class", "column": "ill", "classes": ["no", "yes"]}
NUMBER = {"kind": "number", "columns": ["weight"]}
# A day has three words: a year and a month that most rows share, and a day of the month.
TEXTS = {"kind": "text", "column": "day", "vocab_size": 20, "max_length": 2}


def visits(rows, *, first=0):
    """Rows of a CSV file. Every tenth age is missing; of two following rows one is ill."""
    lines = []
    for row in range(first, first + rows):
        age = "" if row % 10 == 0 else f"{row / 7:.3f}"
        day = np.datetime64("2024-01-01") + (row * 37) % 101 // 2
        lines.append(f"p{row // 3},{day},{age},{'ab'[row % 2]},{50 + row},{('no', 'yes')[row // 2 % 2]}\n")
    return lines


@pytest.fixture
def table(tmp_path):
    """Preprocess a mixed table of some files; return the settings, the report and the arrays."""

    def run(files, *, inputs=INPUTS, target=CLASS, split=None, checks=None):
        for part, lines in files.items():
            (tmp_path / f"{part}.csv").write_text(HEADER + "".join(lines))
        settings = DatasetConfig.model_validate(
            {
                "folder": "here",
                "description": "a visit",
                "behaviour": {},
                "files": {f"{part}.csv": {"bytes": 1, "sha256": "0" * 64} for part in files},
                "source": {"kind": "csv", "parts": {part: f"{part}.csv" for part in files}},
                "inputs": inputs,
                "target": target,
                "split": {"validation": 0.2, "seed": 1, "folds": 3, "drop_duplicates": False} | (split or {}),
                "checks": {"rows": {part: len(lines) for part, lines in files.items()}, "leakage": 100}
                | (checks or {}),
            }
        )
        report = preprocess("visits", settings, raw=tmp_path, folder=tmp_path / "processed")
        return settings, report, ProcessedDataset(tmp_path / "processed")

    return run


def column(lines, number, rows):
    return np.array([lines[row].strip().split(",")[number] for row in rows])


def test_a_group_is_on_one_side_of_the_split_and_of_every_fold(table):
    lines = visits(90)
    _, _, processed = table({"all": lines}, split={"test": 0.2, "group": "patient", "repeats": 2})
    patients = {split: column(lines, 0, processed.rows(split)) for split in SPLITS}
    assert sum(len(set(found)) for found in patients.values()) == 30
    both = np.concatenate([patients["train"], patients["validation"]])
    for repeat in processed.folds():
        assert set(repeat) == {0, 1, 2}
        assert all(len(set(repeat[both == patient])) == 1 for patient in both)


def test_rows_without_a_group_are_groups_of_their_own(table):
    lines = [line if row < 30 else "," + line.partition(",")[2] for row, line in enumerate(visits(90))]
    _, _, processed = table({"all": lines}, split={"test": 0.3, "group": "patient"})
    without = [int((processed.rows(split) >= 30).sum()) for split in SPLITS]
    assert all(0 < rows < 60 for rows in without)


def test_later_splits_have_later_times_and_folds_are_blocks_of_time(table):
    lines = visits(90)
    _, _, processed = table({"all": lines}, target=NUMBER, split={"test": 0.2, "time": "day"})
    days = {split: column(lines, 1, processed.rows(split)) for split in SPLITS}
    assert max(days["train"]) < min(days["validation"])
    assert max(days["validation"]) < min(days["test"])
    assert 18 <= len(days["test"]) <= 20
    both = np.concatenate([days["train"], days["validation"]])
    (folds,) = processed.folds()
    blocks = [both[folds == fold] for fold in range(3)]
    assert all(max(earlier) < min(later) for earlier, later in pairwise(blocks))
    assert min(map(len, blocks)) >= 20


def test_numbers_order_rows_by_value(table):
    lines = visits(60)  # weights of 50 to 109: as texts, 100 is before 50
    _, _, processed = table({"all": lines}, split={"test": 0.2, "time": "weight"})
    assert list(processed.rows("test")) == list(range(48, 60))


@pytest.mark.parametrize(
    ("times", "folds", "expected"),
    [([1, 2, 3, 4], 2, [0, 0, 1, 1]), ([5, 5, 5, 5, 6, 7], 3, [0, 0, 0, 0, 1, 2]), ([3, 1, 2], 3, [2, 0, 1])],
)
def test_every_fold_by_time_has_rows(table, times, folds, expected):
    settings, *_ = table({"all": visits(60)}, split={"test": 0.2, "time": "day"})
    settings = settings.model_copy(update={"split": settings.split.model_copy(update={"folds": folds})})
    part = PartRows(
        inputs=np.zeros((len(times), 2)),
        labels=np.zeros(len(times), dtype=np.int64),
        fingerprints=np.zeros(len(times), dtype=np.uint64),
        groups=np.array(times, dtype=np.float64),
    )
    rows: Rows = {"train": np.arange(len(times)), "validation": np.arange(0), "test": np.arange(0)}
    assert fold_numbers(rows, {"all": part}, settings).tolist() == [expected]


def test_given_files_are_the_splits(table):
    files = {"train": visits(30), "validation": visits(9, first=30), "test": visits(12, first=39)}
    _, report, processed = table(files, split={"validation": None, "group": "patient"})
    assert [report["splits"][split]["rows"] for split in SPLITS] == [30, 9, 12]
    assert processed.folds().shape == (1, 39)
    assert [len(set(folds)) for folds in (processed.folds()[0, :30], processed.folds()[0, 30:])] == [3, 3]


def same_patient(lines):
    return ["p," + line.partition(",")[2] for line in lines]


@pytest.mark.parametrize(
    ("files", "split", "message"),
    [
        (
            {"all": same_patient(visits(30))},
            {"test": 0.2, "group": "patient"},
            r"^split\.group: all rows have the same",
        ),
        (
            {"all": visits(12)},
            {"test": 0.3, "group": "patient"},
            r"^split\.folds: 3 folds need as many groups; only 2 ",
        ),
        ({"all": visits(3)}, {"test": 0.3, "time": "day"}, r"^split\.(time|folds): "),
        ({"train": visits(30), "test": visits(9, first=28)}, {"group": "patient"}, r"^split\.group: 'p9' is in the pa"),
        (
            {"train": visits(30), "test": visits(9)},
            {"time": "day"},
            r"^split\.time: the part test begins at 2024-01-01",
        ),
    ],
)
def test_a_split_that_is_impossible_is_named_by_its_key(table, files, split, message):
    with pytest.raises(WrongSettingError, match=message):
        table(files, target=NUMBER, split=split)


def test_a_class_of_one_row_is_named(table):
    lines = [line.replace("yes", "no") for line in visits(30)]
    lines[4] = lines[4].replace("no\n", "yes\n")
    with pytest.raises(WrongSettingError, match=r"^target\.classes: 'yes' has one row to divide"):
        table({"all": lines}, split={"test": 0.2})


def test_a_class_that_comes_too_late_to_be_learned_is_named(table):
    lines = sorted((line.replace("yes", "no") for line in visits(30)), key=lambda line: line.split(",")[1])
    lines[-1] = lines[-1].replace("no\n", "yes\n")
    with pytest.raises(WrongSettingError, match=r"^split\.time: no training row has the class 'yes'"):
        table({"all": lines}, split={"test": 0.2, "time": "day"})


@pytest.mark.parametrize("time", ["", "yesterday"])
def test_a_time_that_orders_nothing_is_named_by_file_and_line(table, time):
    lines = visits(30)
    lines[3] = f"p1,{time},1,a,50,no\n"
    with pytest.raises(DataFileError, match=r"all\.csv:5: day: "):
        table({"all": lines}, split={"test": 0.2, "time": "day"})


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"age": {"missing": 0.05}}, "columns.age.missing: declared a share of at most 0.05, found 0.1"),
        (
            {"age": {"missing": 0.1, "range": {"min": 1.0, "max": 2.0}}},
            "columns.age.range: declared 1 to 2, found 0.143 to 4.143",
        ),
        ({"weight": {"range": {"min": 50.0, "max": 70.0}}}, "columns.weight.range: declared 50 to 70, found 50 to 79"),
    ],
)
def test_columns_and_targets_of_numbers_are_checked(table, columns, problem):
    with pytest.raises(DataCheckError) as raised:
        table({"all": visits(30)}, target=NUMBER, split={"test": 0.2}, checks={"columns": columns})
    assert str(raised.value) == f"datasets.visits.checks.{problem}"


def test_columns_that_are_as_declared_pass(table):
    columns = {"age": {"missing": 0.1, "range": {"min": 0.143, "max": 4.143}}, "ward": {}}
    table({"all": visits(30)}, split={"test": 0.2}, checks={"columns": columns})


@pytest.mark.parametrize(
    ("target", "split", "checks", "problem"),
    [
        (CLASS, {}, {"columns": {"weigth": {}}}, "no column of the inputs"),
        (CLASS, {}, {"columns": {"ward": {"range": {"min": 0.0, "max": 1.0}}}}, "only columns of numbers have a range"),
        (NUMBER, {}, {"class_share": {"min": 0.1, "max": 0.9}}, "a target of numbers has no classes"),
        (CLASS, {"time": "day", "repeats": 2}, {}, "folds by time are always the same"),
    ],
)
def test_settings_that_check_nothing_are_rejected(table, target, split, checks, problem):
    with pytest.raises(ValidationError, match=problem):
        table({"all": visits(30)}, target=target, split={"test": 0.2} | split, checks=checks)


@pytest.mark.parametrize("inputs", [INPUTS, TEXTS], ids=["table", "texts"])
def test_rows_of_many_batches_have_the_same_bytes(table, tmp_path, monkeypatch, inputs):
    def contents():
        return {path.name: path.read_bytes() for path in sorted((tmp_path / "processed").rglob("*.*"))}

    _, of_one_batch, _ = table({"all": visits(90)}, inputs=inputs, split={"test": 0.2})
    of_one = contents()
    monkeypatch.setattr(csv_reader, "BATCH_ROWS", 7)
    batches = []

    def counted(rows):
        batches.append(len(rows))
        return fingerprints(rows)

    monkeypatch.setattr(reading, "fingerprints", counted)
    _, of_many_batches, _ = table({"all": visits(90)}, inputs=inputs, split={"test": 0.2})
    assert len(batches) == 13
    assert contents() == of_one
    assert of_many_batches == of_one_batch


def test_missing_values_and_categories_are_described(table):
    _, report, processed = table({"all": visits(90)}, split={"test": 0.2})
    train = processed.split("train").inputs
    age, ward = report["training_inputs"]["age"], report["training_inputs"]["ward"]
    assert age["missing"] == np.isnan(train[:, 0]).sum()
    assert age["mean"] == pytest.approx(np.nanmean(train[:, 0], dtype=np.float64), abs=1e-4)
    assert age["standard_deviation"] == pytest.approx(np.nanstd(train[:, 0], dtype=np.float64), abs=1e-4)
    assert ward["counts"] == {"a": (train[:, 1] == 0).sum(), "b": (train[:, 1] == 1).sum()}
