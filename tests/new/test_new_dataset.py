"""`penstock new dataset` sees what a file contains, writes it, and writes nothing if something is wrong."""

import csv
import io
import json
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from sklearn.datasets import load_diabetes, load_wine

from benchmarks.own_data import EMPTY
from benchmarks.own_sets import write_csv
from penstock.config.loading import load_config
from penstock.core.errors import ConfigError, DataFileError, PenstockError
from penstock.core.paths import Project
from penstock.new.dataset import Request, new_dataset
from penstock.new.model import new_model


@pytest.fixture
def project(tmp_path):
    (tmp_path / "params.yaml").write_text(f"# A comment that stays.\n{EMPTY}")
    return Project(tmp_path)


def table(project, rows, name="t.csv", separator=",", encoding="utf-8"):
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows(rows)
    (project.root / name).write_bytes(text.getvalue().encode(encoding))
    return str(project.root / name)


def made(project, source, **options):
    new_dataset(project, Request("t", source, **options))
    config = load_config(project.params)
    return config.dataset("t"), next(iter(config.models.values()))


def mixed_rows(number=str):
    rows: list[list[object]] = [["id", "mass", "island", "smokes", "joined", "same", "kind"]]
    for place in range(60):
        mass = "" if place % 10 == 0 else number(3.5 + place / 4)
        island = ["Biscoe", "Dream", ""][place % 3]
        rows.append(
            [place, mass, island, ["yes", "no"][place % 2], f"2020-01-{place % 28 + 1:02}", "x", "AB"[place % 2]]
        )
    return rows


def test_a_mixed_table_is_seen_column_by_column(project, capsys):
    dataset, model = made(project, table(project, mixed_rows()))
    kinds = {name: column.kind for name, column in dataset.inputs.columns.items()}
    assert kinds == {"mass": "number", "island": "category", "smokes": "boolean", "joined": "date"}
    assert dataset.inputs.columns["island"].values == ("Biscoe", "Dream")
    assert dataset.target.classes == ("A", "B")
    assert dataset.checks.rows == {"all": 60}
    assert dataset.checks.columns["mass"].missing == pytest.approx(0.1)
    assert dataset.checks.columns["mass"].range.max == 18.25
    assert (model.task, model.network.kind, model.gates.accuracy) == ("classification", "tabular", 0.5)
    shown = capsys.readouterr().out
    assert "'id' is left out: it numbers or names the rows" in shown
    assert "'same' is left out: all rows have the same value" in shown
    assert project.params.read_text().startswith("# A comment that stays.\n")
    assert "| mass | number | 3.75 to 18.25 | 10.0 % |" in (project.root / "data/own/t.md").read_text()


@pytest.mark.parametrize(
    ("separator", "encoding", "number"),
    [
        (",", "utf-8", str),
        (";", "utf-8-sig", lambda value: str(value).replace(".", ",")),
        ("\t", "utf-16", str),
        ("|", "cp1252", str),
    ],
)
def test_separator_encoding_and_decimal_mark_are_seen(project, separator, encoding, number):
    rows = [[*row[:2], row[2].replace("Biscoe", "Grönland"), *row[3:]] for row in mixed_rows(number)]
    dataset, _ = made(project, table(project, rows, separator=separator, encoding=encoding))
    assert dataset.source.separator == separator
    assert dataset.inputs.columns["mass"].kind == "number"
    assert "Grönland" in dataset.inputs.columns["island"].values


def test_parquet_and_json_lines_give_the_columns_of_csv(project):
    rows = mixed_rows()
    columns = {name: [row[place] or None for row in rows[1:]] for place, name in enumerate(rows[0]) if name != "id"}
    columns["mass"] = [None if value is None else float(value) for value in columns["mass"]]
    parquet.write_table(pa.table(columns), project.root / "t.parquet")
    dataset, _ = made(project, str(project.root / "t.parquet"))
    assert list(dataset.inputs.columns) == ["mass", "island", "smokes", "joined"]


def test_integers_are_classes_if_few_and_numbers_otherwise(project):
    write_csv(project.root / "t.csv", load_diabetes())
    dataset, model = made(project, str(project.root / "t.csv"))
    assert dataset.target.kind == "number"
    assert (model.task, model.gates.r2) == ("regression", 0.0)


def test_several_columns_of_0_and_1_are_labels(project):
    rows = [["x", "red", "round"], *([place * 0.37, place % 2, int(place % 3 == 0)] for place in range(40))]
    dataset, model = made(project, table(project, rows), target=("red", "round"))
    assert dataset.target.names == ("red", "round")
    assert model.task == "multilabel"


def test_texts_of_a_table_are_read_alone(project):
    rows = [["text", "label"], *([f"the film number {place} was not so bad", "pn"[place % 2]] for place in range(40))]
    dataset, model = made(project, table(project, rows))
    assert dataset.inputs.kind == "text"
    assert model.network.kind == "attention"


def picture(colour, size):
    content = io.BytesIO()
    Image.fromarray(np.full((*size, 3), colour, dtype=np.uint8)).save(content, "PNG")
    return content.getvalue()


def test_a_folder_for_each_class_is_packed_and_its_images_are_resized(project):
    for place in range(12):
        file = project.root / "pictures" / ("red" if place % 2 else "blue") / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture((200, 0, place) if place % 2 else (0, place, 200), (10 + place, 20)))
    dataset, model = made(project, str(project.root / "pictures"))
    assert (dataset.inputs.mode, dataset.inputs.size) == ("rgb", (16, 20))
    assert dataset.target.classes == ("blue", "red")
    assert model.network.kind == "convolutional"
    with zipfile.ZipFile(project.root / "data/own/t.zip") as archive:
        assert archive.namelist()[0] == "blue/0.png"


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([["a", "b"], ["1", "x"], ["2"]], {}, r"t\.csv:3: 1 value"),
        (
            [["a", "y"], *([place * 0.5, "xy"[place % 2]] for place in range(20)), [1, "z"]],
            {},
            "the class 'z' has 1 row,",
        ),
        (
            [["a", "y"], *([place * 0.5, "x" if place else ""] for place in range(9))],
            {},
            r"t\.csv:2: y: no target; 1 of 9 rows",
        ),
        ([["a", "y"], *([place * 0.5, "xy"[place % 2]] for place in range(20))], {"target": ("z",)}, "no column 'z'"),
        ([["label", "y"], *([place * 0.5, "xy"[place % 2]] for place in range(20))], {"target": ("y",)}, "rename"),
        ([["a", "y"], *([7, "xy"[place % 2]] for place in range(20))], {}, "no column can be read"),
    ],
)
def test_nothing_is_written_if_something_is_wrong(project, rows, options, message):
    before, source = project.params.read_text(), table(project, rows)
    with pytest.raises(PenstockError, match=message):
        made(project, source, **options)
    assert project.params.read_text() == before
    assert not (project.root / "data").exists()


def test_nothing_is_overwritten(project):
    write_csv(project.root / "t.csv", load_wine())
    made(project, str(project.root / "t.csv"))
    before = project.params.read_text()
    with pytest.raises(ConfigError, match="there is a 't' already"):
        made(project, str(project.root / "t.csv"))
    assert project.params.read_text() == before


def test_a_second_model_has_a_network_of_another_kind(project):
    write_csv(project.root / "t.csv", load_wine())
    made(project, str(project.root / "t.csv"))
    new_model(project, "wine_mlp", "t", "mlp")
    model = load_config(project.params).model("wine_mlp")
    assert (model.network.kind, model.baseline, model.dataset) == ("mlp", "t_boosting", "t")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "a,b,label\n", "t.csv: the file has no rows"),
        ("t.csv", "a,y\n" + "0.5,yes\n1.5,yes\n" * 15, "y: all rows are 'yes'"),
        ("t.csv", "a,y\n1,0.5\n3,1.5\n5,2.5\n", "t.csv: 3 rows; a split .* needs 10"),
        ("t.json", "[]", "write one object per line, as .jsonl"),
        ("t.xlsx", "PK", "save the sheet as .csv"),
    ],
)
def test_a_file_that_cannot_be_a_dataset_says_what_to_do(project, name, content, message):
    (project.root / name).write_text(content)
    with pytest.raises(PenstockError, match=message):
        made(project, str(project.root / name))


def test_numbers_and_dates_that_count_as_texts_are_named(project, capsys):
    rows = [["share", "bought", "price", "y"]]
    rows += [[f"{i % 9}%", f"0{i % 9 + 1}.02.2023", f"1.{100 + i},50", "xy"[i % 2]] for i in range(40)]
    made(project, table(project, rows, separator=";"))
    shown = capsys.readouterr().out
    assert "'share' has 9 categories: numbers are read without units" in shown
    assert "'bought' has 9 categories: dates are read as YYYY-MM-DD" in shown
    assert "'price' is left out: numbers are read without units" in shown


def test_nested_keys_and_files_of_the_system_are_left_out(project, capsys):
    rows = [{"a": i * 0.7, "user": {"age": i}, "y": "pq"[i % 2]} for i in range(30)]
    (project.root / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset, _ = made(project, str(project.root / "t.jsonl"))
    assert list(dataset.inputs.columns) == ["a"]
    assert "'user' is left out: it has objects or arrays" in capsys.readouterr().out
    for name in "pq":
        (project.root / "files" / name).mkdir(parents=True)
        for i in range(20):
            (project.root / "files" / name / f"{i}.png").write_bytes(picture((i, 9, 9), (8, 8)))
    (project.root / "files/Thumbs.db").write_bytes(b"x")
    new_dataset(project, Request("pictures", str(project.root / "files")))
    assert load_config(project.params).dataset("pictures").checks.rows == {"all": 40}


def test_a_wide_table_is_shown_in_part(project, capsys):
    rows: list[list[object]] = [[*(f"gene_{i}" for i in range(60)), "y"]]
    rows += [[*((i * 7 + j) % 11 * 0.3 for j in range(60)), "ab"[i % 2]] for i in range(30)]
    made(project, table(project, rows))
    shown = capsys.readouterr().out
    assert "gene_39 " in shown
    assert "gene_40" not in shown
    assert "20 more columns are in data/own/t.md" in shown


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("t.csv", b"x,y\n1,a\n2,\xc3", r"^t\.csv:3: byte 0xc3 is not utf-8; set `source.encoding`, such as cp1252$"),
        ("t.csv", b"x,y\n" + 300_000 * b"1,ab\n" + b"2,\xe9\n", r"^t\.csv:300002: byte 0xe9 is not utf-8"),
        ("t.csv", "x,y\n1,2\n".encode("utf-16") + b"\0", r"^t\.csv:3: byte 0x00 is not utf-16"),
        ("t.csv", b"PAR1\x15\x04,b\n1,2\n", r"^t\.csv: a Parquet file, not text$"),
        ("t.csv", b"\x1f\x8b\x08\0\x81\x8d\n1", r"^t\.csv: a gzip file, not text$"),
        ("t.jsonl", b'{"x": 1, "y": "a"}\n{"x": 1, "y": "\xe9"}\n', r"^t\.jsonl:2: byte 0xe9 is not utf-8"),
    ],
)
def test_a_text_that_cannot_be_decoded_is_one_line(project, file, content, message):
    (project.root / file).write_bytes(content)
    before = project.params.read_text()
    with pytest.raises(DataFileError, match=message):
        made(project, str(project.root / file), target=["y"])
    assert project.params.read_text() == before


def test_a_separator_is_seen_beside_other_line_ends_of_unicode(project):
    rows = "".join(f"{number % 7}.5;a\u2028b\x0c;{'no' if number % 2 else 'yes'}\n" for number in range(40))
    (project.root / "t.csv").write_text("x;t;y\n" + rows)
    dataset, _ = made(project, str(project.root / "t.csv"), target=["y"], leave_out=["t"])
    assert dataset.source.separator == ";"
    assert dataset.target.classes == ("no", "yes")


def test_params_yaml_keeps_its_line_ends_its_link_and_its_comments(project, tmp_path):
    real = tmp_path / "real.yaml"
    real.write_bytes(b"trainer: {}\r\ndatasets: {}   # by name\r\nbaselines: {}\r\nmodels: {}   # networks\r\n")
    project.params.unlink()
    project.params.symlink_to(real)
    made(project, table(project, mixed_rows()))
    assert project.params.is_symlink()
    written = real.read_bytes()
    assert written.count(b"\r\n") == written.count(b"\n")
    assert b"\r\ndatasets:   # by name\r\n  t:\r\n" in written
    assert b"\r\nmodels:   # networks\r\n  t_tabular:\r\n" in written


def test_the_checks_of_balanced_classes_allow_a_corrected_label(project):
    dataset, _ = made(project, table(project, mixed_rows()))
    assert (dataset.checks.class_share.min, dataset.checks.class_share.max) == (0.45, 0.55)
