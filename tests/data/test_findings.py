"""Leaks, constant columns and wrong labels that were put into real tables are found, and named by file and line."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from penstock.data.preprocessing.findings import constants, sample
from penstock.data.preprocessing.findings.report import lines
from tests.data.sources.datasets import csv_source, dataset

KINDS = {"f": "number", "i": "number", "b": "boolean", "M": "date"}


def inputs_of(frame, target):
    read = [name for name in frame if name not in target.get("columns", [target.get("column")])]
    columns: dict[str, dict[str, Any]] = {
        name: {"kind": KINDS.get(frame[name].dtype.kind, "category")} for name in read
    }
    for name, column in columns.items():
        if column["kind"] == "category":
            column["values"] = sorted(frame[name].dropna().unique())
    return {"kind": "columns", "columns": columns}


@pytest.fixture
def look(tmp_path, look_at_file):
    """Preprocess a table; return the findings, and the rows of the table that are not in test."""

    def look(frame, target, **split):
        frame.to_csv(tmp_path / "own.csv", index=False)
        return look_at_file("own.csv", "csv", inputs_of(frame, target), target, len(frame), **split)

    return look


def classes(frame):
    return {"kind": "class", "column": "target", "classes": sorted(frame.target.unique())}


def named(data):
    """Return a table of scikit-learn with the names of its classes."""
    return data.frame.assign(target=np.asarray(data.target_names)[data.target])


def suspects(found):
    return {int(one["place"].removeprefix("own.csv:")) - 2 for one in found["label_suspects"]["most_suspect"]}


def test_flipped_labels_are_found_at_their_lines(look):
    table = named(load_wine(as_frame=True))
    wrong = np.random.default_rng(0).choice(len(table), 10, replace=False)
    right = table.target.to_numpy()
    table.loc[wrong, "target"] = [f"class_{(int(name[-1]) + 1) % 3}" for name in right[wrong]]
    found, looked_at = look(table, classes(table))
    assert len(suspects(found) & set(wrong)) >= 0.8 * len(looked_at & set(wrong))
    assert len(suspects(found) - set(wrong)) <= 1
    assert found["rows"] == len(looked_at) == 142
    first = found["label_suspects"]["most_suspect"][0]
    row = int(first["place"].removeprefix("own.csv:")) - 2
    assert (first["given"], first["suggested"]) == (table.target[row], right[row])
    (line,) = lines(found)
    assert line.startswith(
        f"suspect labels: {found['label_suspects']['count']} in 142 rows; the most suspect one is own."
    )


def test_a_table_without_mistakes_has_no_findings(look):
    table = named(load_wine(as_frame=True))
    found, _ = look(table, classes(table))
    assert found == {
        "rows": 142,
        "constant_columns": [],
        "leak_suspects": [],
        "label_suspects": {"count": 0, "most_suspect": []},
        "skipped": [],
    }
    assert not list(lines(found))


def test_a_column_that_alone_predicts_the_class_and_one_of_one_value_are_named(look):
    table = named(load_breast_cancer(as_frame=True))
    generator = np.random.default_rng(0)
    treated = table.target.map({"malignant": "yes"})
    table = table.assign(unit=1.5, treatment=treated, noise=generator.normal(size=len(table)))
    found, _ = look(table, classes(table))
    assert found["constant_columns"] == ["unit"]
    assert found["leak_suspects"] == [{"input": "treatment", "target": "class", "score": 1.0}]
    assert list(lines(found))[:2] == [
        "constant columns: unit",
        "leak suspects, which alone predict the target: treatment (class: 1.000)",
    ]


def test_numbers_dates_and_missing_values_are_looked_at(look):
    table = load_diabetes(scaled=False, as_frame=True).frame.drop(columns=["s1", "s2", "s3", "s4", "s6"])
    table = table.assign(
        day=pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(len(table)) % 300, unit="D"),
        site=np.where(np.arange(len(table)) % 3 == 0, "north", "south"),
        score=table.target * 1.8 + 32,
        nothing=np.nan,
    )
    table.loc[::7, ["bmi", "site", "day"]] = None
    found, looked_at = look(table, {"kind": "number", "columns": ["target"]})
    assert found["constant_columns"] == ["nothing"]
    assert [one["input"] for one in found["leak_suspects"]] == ["score"]

    wrong = sorted(looked_at)[20]
    table = table.drop(columns=["score"])
    table.loc[wrong, "target"] = 5000.0
    found, _ = look(table, {"kind": "number", "columns": ["target"]})
    assert suspects(found) == {wrong}
    assert found["label_suspects"]["most_suspect"][0]["given"] == 5000
    assert found["label_suspects"]["most_suspect"][0]["deviations"] > 5


def test_a_target_of_tiny_numbers_is_looked_at_as_any_other(look):
    generator = np.random.default_rng(0)
    table = pd.DataFrame({"mass": np.arange(300.0), "noise": generator.normal(size=300)})
    for unit in (1e9, 1e25):
        found, _ = look(table.assign(target=table.mass / unit), {"kind": "number", "columns": ["target"]})
        assert [one["input"] for one in found["leak_suspects"]] == ["mass"]


@pytest.mark.parametrize("columns", [["noise"], ["noise", "constant"], ["noise", "again"]])
def test_one_column_of_noise_makes_few_labels_suspect(look, columns):
    generator = np.random.default_rng(0)
    table = pd.DataFrame({"noise": generator.normal(size=500), "target": generator.choice(["no", "yes"], 500)})
    table = table.assign(constant=1.0, again=table["noise"])[[*columns, "target"]]
    found, _ = look(table, classes(table))
    assert found["label_suspects"]["count"] <= 10


def test_rows_of_one_fold_are_not_looked_at(look, monkeypatch):
    monkeypatch.setattr(sample, "MOST_ROWS", 60)
    generator = np.random.default_rng(0)
    table = pd.DataFrame({"a": generator.normal(size=5_000), "target": generator.normal(size=5_000)})
    table["site"] = ["a"] * 4_994 + [*"bcdefg"]
    found, _ = look(table, {"kind": "number", "columns": ["target"]}, group="site")
    assert found["rows"] == 60
    assert found["skipped"] == ["all rows are of one fold, as where one group has nearly all rows"]


def test_of_many_names_the_first_ten_are_in_a_line(look):
    table = pd.DataFrame({"x": np.arange(100.0), "label": np.arange(100) % 2})
    table = table.assign(**{f"constant{i}": 1.0 for i in range(12)}, **{f"leak{i}": table.label for i in range(11)})
    table = table.assign(**{f"never{i}": 0 for i in range(12)})
    found, _ = look(table, {"kind": "labels", "columns": ["label", *(name for name in table if "never" in name)]})
    assert len(found["constant_columns"]) == 12
    assert len(found["leak_suspects"]) == 11
    constant, leaks, skipped = lines(found)
    assert constant.startswith("constant columns: constant0, constant1, ")
    assert constant.endswith(", constant9 and 2 more")
    assert leaks.endswith(", leak9 (label: 1.000) and 1 more")
    assert skipped.startswith("not looked for suspects: nearly the same: never0, never1, ")
    assert skipped.endswith(", never9 and 2 more")


def test_each_label_is_looked_at_alone(look):
    table = load_diabetes(scaled=False, as_frame=True).frame.drop(columns=["target"])
    table = table.assign(heavy=table.bmi > 28, old=table.age + table.bp > 140, never=False).astype({"never": int})
    flipped = np.argsort(-table.age - table.bp)[:40:10]
    table.loc[flipped, "old"] = ~table.loc[flipped, "old"]
    found, looked_at = look(table, {"kind": "labels", "columns": ["heavy", "old", "never"]})
    assert [(one["input"], one["target"]) for one in found["leak_suspects"]] == [("bmi", "heavy")]
    assert found["skipped"] == ["nearly the same: never"]
    of_old = {one["place"] for one in found["label_suspects"]["most_suspect"] if one["target"] == "old"}
    assert len({f"own.csv:{row + 2}" for row in flipped if row in looked_at} & of_old) >= 2


@pytest.mark.parametrize(
    ("rows", "reasons"),
    [
        (40, ["32 rows outside test; 50 are needed"]),
        (178, ["classes with fewer than 10 of the 110 rows: class_2"]),
    ],
)
def test_where_nothing_can_be_learned_the_reason_is_given(look, rows, reasons):
    table = named(load_wine(as_frame=True)).sample(rows, random_state=0).reset_index(drop=True)
    table = table[(table.target != "class_2") | ((table.target == "class_2").cumsum() < 9)]
    found, _ = look(table, classes(table))
    assert found["skipped"] == reasons
    assert [*lines(found)][-1] == f"not looked for suspects: {reasons[0]}"


def test_labels_that_are_noise_have_no_suspects(look):
    noise = np.random.default_rng(0)
    table = pd.DataFrame(noise.normal(size=(300, 8)).round(6), columns=list("abcdefgh"))
    table["target"] = [f"class_{number:02}" for number in noise.permutation(300) % 24]
    found, _ = look(table, classes(table))
    assert found["label_suspects"]["count"] == 0


def test_of_many_rows_a_sample_is_looked_at_in_which_rows_keep_their_lines(look, monkeypatch):
    monkeypatch.setattr(sample, "MOST_ROWS", 100)
    monkeypatch.setattr(constants, "FIRST_ROWS", 100)
    table = named(load_breast_cancer(as_frame=True))
    table["target"] = np.where(table["mean radius"] > 14, "malignant", "benign")
    table["constant_at_first"] = (np.arange(len(table)) > 400) * 1.0
    wrong = np.flatnonzero(table["mean radius"] > 18)
    table.loc[wrong, "target"] = "benign"
    found, _ = look(table, classes(table))
    assert (found["rows"], found["constant_columns"]) == (100, [])
    for one in found["label_suspects"]["most_suspect"]:
        assert table.target[int(one["place"].removeprefix("own.csv:")) - 2] == one["given"]


@pytest.mark.parametrize(
    ("column", "values", "key"),
    [("site", ["a", "NA"], ("inputs", "columns", "site", "values")), ("target", ["no", "None"], ("target", "classes"))],
)
def test_a_category_that_is_read_as_a_missing_value_is_rejected_by_key(column, values, key):
    table = pd.DataFrame({"site": ["a", "b"], "target": ["no", "yes"]})
    table[column] = values
    with pytest.raises(ValidationError, match=f"'{values[1]}' is read as a missing value; remove it here") as caught:
        dataset(csv_source(), inputs_of(table, classes(table)), classes(table))
    assert caught.value.errors()[0]["ctx"]["at"] == [*key]


def rare(rows):
    """A table of noise in which a twentieth of the rows has the class, and the label, `yes`."""
    generator = np.random.default_rng(0)
    table = pd.DataFrame(generator.normal(size=(rows, 6)).round(6), columns=list("abcdef"))
    return table.assign(target=np.where(generator.permutation(rows) % 20, "no", "yes"))


def test_a_rare_class_is_not_suspect_for_being_rare(look):
    table = rare(1_000)
    found, _ = look(table, classes(table))
    assert found["label_suspects"]["count"] <= 5


def test_a_rare_label_is_not_suspect_for_being_rare(look):
    table = rare(1_000).assign(other=lambda table: (table.a > 0).astype(int))
    table["target"] = (table.target == "yes").astype(int)
    found, _ = look(table, {"kind": "labels", "columns": ["target", "other"]})
    assert sum(one["target"] == "target" for one in found["label_suspects"]["most_suspect"]) <= 5
