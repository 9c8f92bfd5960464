"""`penstock predict` with a row of words, and with a CSV file."""

import csv
import io
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from penstock.cli import main
from penstock.core.errors import ConfigError
from penstock.prediction.csv_file import CsvFile, CsvFormat
from penstock.prediction.header import places_of
from penstock.serving.runtime.columns import Column
from tests.serving import table_models, third_party_models, tiny_models

PENGUINS = """bill_length,body_mass,island,sex
39.1,3750,Torgersen,male
48,5200,Biscoe,
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for make in (
        table_models.penguins,
        table_models.body_mass,
        table_models.two_targets,
        table_models.topics,
        table_models.switches,
        table_models.visits,
        third_party_models.detector,
        tiny_models.echo,
        tiny_models.fractions,
        tiny_models.scaled,
        tiny_models.sides,
    ):
        onnx.save(make(), folder / f"{make.__name__}.onnx")
    return folder


@pytest.fixture
def predict(folder, tmp_path, monkeypatch, capsys):
    """Run the command in a folder with one CSV file, and return its rows."""

    def run(model, text, *options, encoding="utf-8"):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "rows.csv").write_bytes(text.encode(encoding))
        capsys.readouterr()
        main(["predict", f"{folder / model}.onnx", "--allow-unvalidated", "--csv", "rows.csv", *options])
        return list(csv.reader(io.StringIO(capsys.readouterr().out)))

    return run


@pytest.fixture
def fail(predict, capsys):
    """Run the command on a file that is wrong, and return the only line of the error."""

    def run(*words, **options):
        with pytest.raises(SystemExit) as ended:
            predict(*words, **options)
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return run


def test_all_columns_and_the_answers_are_printed(predict):
    header, one, other = predict("penguins", PENGUINS)
    classes = [f"probability_{name}" for name in table_models.SPECIES]
    assert header == ["bill_length", "body_mass", "island", "sex", "label", *classes]
    assert one[:5] == ["39.1", "3750", "Torgersen", "male", "Adelie"]
    assert other[3:5] == ["", "Gentoo"]
    assert float(one[5]) == pytest.approx(0.986, abs=1e-3)
    assert sum(map(float, one[5:])) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "options", "encoding"),
    [
        (PENGUINS, [], "utf-8-sig"),
        (PENGUINS.replace("\n", "\r\n"), [], "utf-8"),
        (PENGUINS.replace(",", "\t"), ["--sep", "tab"], "utf-8"),
        (PENGUINS, ["--encoding", "utf-16"], "utf-16"),
        (PENGUINS.replace("male", '"male"') + "\n\n", [], "utf-8"),
        ("Island,SEX,Bill Length (mm),Body-Mass\nTorgersen,male,39.1,3750\nBiscoe,,48,5200", [], "utf-8"),
        (PENGUINS.replace("island", "name,island").replace("0,", "0,é,"), ["--extra-columns"], "utf-8"),
    ],
    ids=["BOM", "CRLF", "TSV", "UTF-16", "quotes", "names", "extra"],
)
def test_files_of_every_form_have_the_same_answers(predict, text, options, encoding):
    separator = "\t" if "--sep" in options else ","
    rows = predict("penguins", text, *options, encoding=encoding)
    rows = [row[0].split(separator) if separator == "\t" else row for row in rows]
    assert [row[-4] for row in rows] == ["label", "Adelie", "Gentoo"]


def test_missing_columns_and_cells_are_those_of_the_metadata(predict):
    explicit = predict("penguins", "bill_length,island,sex,body_mass\n39.1,Dream,unknown,nan\n")
    absent = predict("penguins", "bill_length,island\n39.1,Dream\n")
    assert absent[1][2:] == explicit[1][4:]


def test_a_header_that_names_one_column_stands_for_no_other():
    model: Any = SimpleNamespace(name="letters", columns=[Column(name, name, "FP32", "number") for name in ("x", "X")])
    with pytest.raises(ConfigError, match=r"rows\.csv:1: missing: x; the header has X"):
        places_of(model, CsvFile("rows.csv", io.StringIO("X\n1\n"), CsvFormat()), extra_columns=False)
    assert places_of(model, CsvFile("rows.csv", io.StringIO("X,x\n1,2\n"), CsvFormat()), extra_columns=False) == [1, 0]


def test_utf_16_is_named_where_its_mark_is(fail):
    assert "--encoding utf-16" in fail("penguins", PENGUINS, encoding="utf-16")


def test_columns_of_every_type(predict):
    rows = predict("switches", 'on,count,since,note\nTrue,3,2026-11-29,"a, ""b""\nc"\nno,-4.0,2026-11-30 10:00,\n')
    assert rows[0][4:] == ["same_on", "same_count", "same_since", "same_note"]
    assert rows[1][4:] == ["true", "3", "2026-11-29", 'a, "b"\nc']
    assert rows[2][4:] == ["false", "-4", "2026-11-30", ""]


@pytest.mark.parametrize(
    ("cells", "taken"),
    [
        ("TRUE,2026-11-29,Dream", ["true", "2026-11-29", "Dream"]),
        (" 0 ,2026-11-29T23:59:00Z,dream", ["false", "2026-11-29", "dream"]),
        ("y, 2026-11-29 ,none", ["true", "2026-11-29", "none"]),
        ("?,NA,n/a", ["", "", ""]),
        (",,", ["", "", ""]),
    ],
)
def test_booleans_and_dates_of_a_mixed_table_are_read_as_preprocessing_reads_them(predict, cells, taken):
    """Of texts, the file itself knows only true, false and YYYY-MM-DD; others would be missing values to it."""
    assert predict("visits", f"smoker,since,island\n{cells}\n")[1][3:] == taken


def test_numbers_labels_and_names_that_the_file_has_already(predict):
    header, row = predict("two_targets", "age,bmi,pressure,prediction_width\n1,2,3,9\n", "--extra-columns")
    assert header[4:] == ["prediction_height", "predicted_prediction_width"]
    assert [float(value) for value in row[4:]] == pytest.approx([6, 1], abs=1e-3)
    rows = predict("topics", "x,y\n1,1\n-1,-1\n1,-1\n")  # without names, by position
    assert [row[2] for row in rows] == ["labels", "sport;music", "", "sport"]
    assert predict("echo", "text\nä\n") == [["text", "same"], ["ä", "ä"]]


def test_images_are_read_from_their_paths(predict, tmp_path):
    pixels = np.zeros((28, 28), np.uint8)
    pixels[:, 20:] = 255
    Image.fromarray(pixels).save(tmp_path / "right.png")
    assert predict("sides", "pixels\nright.png\n")[1][:2] == ["right.png", "right"]


def test_rows_of_an_int8_model_run_one_by_one(predict):
    rows = predict("scaled", "a,b\n1,2\n100,200\n")
    assert rows[1][2:] == rows[2][2:] == ["0.5", "1.0"]


@pytest.mark.parametrize(
    ("model", "text", "says"),
    [
        ("penguins", "", "rows.csv: the file is empty; expected a header"),
        ("penguins", PENGUINS + "39.1,3750,Dream\n", "rows.csv:4: 3 fields, and the header has 4"),
        ("penguins", PENGUINS.replace("48,", '"4\n8",'), "rows.csv:3: column 'bill_length': '4\n8' is not a number"),
        ("penguins", PENGUINS.replace("48,", '"48,5",'), "'48,5' is not a number; write it with a point, 48.5"),
        (
            "penguins",
            PENGUINS.replace("48,", "1e39,"),
            "rows.csv:3: column 'bill_length': '1e39' is too large for FP32",
        ),
        ("penguins", PENGUINS.replace("48,", "1_0,"), "rows.csv:3: column 'bill_length': '1_0' is not a number"),
        ("penguins", PENGUINS.replace("48,", "NA,"), "rows.csv:3: column 'bill_length': a value is missing, and"),
        (
            "penguins",
            PENGUINS.replace("mass", "masse"),
            "rows.csv:1: penguins has no column 'body_masse'; did you mean 'bo",
        ),
        ("penguins", PENGUINS.replace("island", "sea"), "rows.csv:1: penguins has no column 'sea'"),
        ("penguins", "1 fish\n2 fish\n", "rows.csv:1: expected a header with the columns of penguins (bill_length, "),
        ("echo", "A great film.\nNot so great.\n", "columns of echo (text), not 'A great film.'"),
        ("penguins", "sex\nmale\n", "rows.csv:1: missing: bill_length, island; the header has sex"),
        ("penguins", PENGUINS.replace("sex", "island"), "rows.csv:1: the header has the column 'island' twice"),
        ("penguins", PENGUINS.replace(",", ";"), "the header is one field, 'bill_length;body_mass;island;sex'; give"),
        ("penguins", "39.1,3750,3,4\n", "rows.csv:1: expected a header, not numbers; the columns are bill_length"),
        ("penguins", PENGUINS + '1,2,"Dream,male\n', "rows.csv:4: unexpected end of data"),
        ("switches", "on,count,since,note\nmaybe,3,,\n", "rows.csv:2: column 'on': 'maybe' is not true or false"),
        ("visits", "smoker,since,island\nmaybe,,\n", "rows.csv:2: column 'smoker': 'maybe' is not true or false"),
        ("visits", "smoker,since,island\n,29.11.26,\n", "column 'since': '29.11.26' is no date; write YYYY-MM-DD"),
        ("switches", "on,count,since,note\n1,3,,\n", "rows.csv:2: column 'since': a value is missing, and the model"),
        ("switches", "on,count,since,note\n1,3.5,,\n", "rows.csv:2: column 'count': '3.5' is not an integer"),
        ("switches", "on,count,since,note\n1,99999999999999999999,,\n", "is too large for INT64"),
        ("fractions", "a,b\n2,1\n0,1\n2,1\n", "rows.csv:3: numbers: the values are so large that the model's output"),
        ("fractions", "a,b\n2,1\n2,9\n", "rows.csv:3: fractions: onnxruntime could not compute these inputs"),
        ("sides", "pixels\nnothing.png\n", "rows.csv:2: column 'pixels': nothing.png: No such file or directory"),
        ("penguins", '"a";"b"\n1;2\n', "rows.csv:1: ',' expected after '\"'; double a quote within a field, or give"),
        ("topics", "a,b,c\n1,2,3\n", "rows.csv:1: topics takes 2 numbers in their order, and the header has 3"),
        ("detector", "scores\n-3\n", "detector: its outputs have not one row per input row"),
    ],
)
def test_an_error_is_one_line_with_file_line_and_column(fail, model, text, says):
    assert says.replace("\n", "\\n") in fail(model, text)


def test_another_kind_of_file_on_standard_input_is_named(folder, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"PAR1\x15\x04"))))
    with pytest.raises(SystemExit, match="2"):
        main(["predict", f"{folder / 'penguins'}.onnx", "--allow-unvalidated", "--csv", "-"])
    assert "stdin: a Parquet file; --csv takes text" in capsys.readouterr().err


def test_a_byte_of_another_encoding_is_named_with_its_line(fail, predict):
    text = PENGUINS.replace("Biscoe", "Bîscoe")
    assert "rows.csv:3: not UTF-8 (byte 0xee); give the encoding" in fail("penguins", text, encoding="latin-1")
    assert predict("penguins", text, "--encoding", "latin-1", encoding="latin-1")[2][2] == "Bîscoe"


def test_the_output_file_appears_only_if_every_row_is_answered(predict, fail, tmp_path):
    predict("penguins", PENGUINS, "--output", "answers.csv")
    assert len((tmp_path / "answers.csv").read_text().splitlines()) == 3
    before = (tmp_path / "answers.csv").read_bytes()
    fail("penguins", PENGUINS + "1,2,3\n", "--output", "answers.csv")
    assert (tmp_path / "answers.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.csv", "rows.csv"]


PROGRAM = """
import resource, sys
from penstock.cli import main
main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def test_memory_does_not_grow_with_the_file(folder):
    def kilobytes(rows):
        command = [sys.executable, "-c", PROGRAM, "predict", f"{folder / 'penguins'}.onnx", "--allow-unvalidated"]
        content = PENGUINS + "39.1,3750,Torgersen,male\n" * rows
        done = subprocess.run([*command, "--csv", "-"], input=content, capture_output=True, text=True, check=True)
        assert len(done.stdout.splitlines()) == rows + 3
        return int(done.stderr.split()[-1])

    assert kilobytes(60_000) < kilobytes(2_000) + 10_000


def test_one_row_by_name_or_by_place(folder, capsys):
    for words in (
        ["39.1", "3750", "Torgersen", "male"],
        ["island=Torgersen", "sex=male", "bill_length=39.1", "body_mass=3750"],
    ):
        main(["predict", f"{folder / 'penguins'}.onnx", *words, "--allow-unvalidated"])
        assert capsys.readouterr().out.splitlines()[:2] == ["Adelie", "  Adelie       0.9863"]


@pytest.mark.parametrize("place", range(6))
def test_an_option_may_stand_anywhere(folder, capsys, place):
    words = [f"{folder / 'penguins'}.onnx", "39.1", "3750", "Torgersen", "male"]
    main(["predict", *words[:place], "--allow-unvalidated", *words[place:]])
    assert capsys.readouterr().out.startswith("Adelie")


def test_a_text_that_looks_like_an_option_follows_two_dashes(folder, capsys):
    main(["predict", f"{folder / 'echo'}.onnx", "--allow-unvalidated", "--", "--csv"])
    assert "--csv" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["39.1"], "penguins: expected 4 values, not 1: bill_length, body_mass, island, sex"),
        (["islan=Dream"], "penguins: no column 'islan'; did you mean 'island'?"),
        (["sex=male"], "penguins: missing: bill_length, island; write COLUMN=VALUE"),
        (["x", "1", "Dream", "male"], "penguins: column 'bill_length': 'x' is not a number"),
        (["1", "--csv", "rows.csv"], "give either one row, or --csv FILE"),
        ([], "give either one row, or --csv FILE"),
        (["--csv", "rows.csv", "--sep", "ab"], "'ab' is not one character"),
        (["--csv", "rows.csv", "--encoding", "latin-7000"], "'latin-7000' is no encoding"),
        (["--csv", "rows.jsonl"], "rows.jsonl: JSON; --csv takes text with a header and separated columns; convert it"),
        (["--csv", "rows.parquet"], "rows.parquet: a Parquet file; --csv takes text with a header"),
        (
            ["--csv", "left.png"],
            "left.png: a PNG image; --csv takes text with a header and separated columns; give one",
        ),
        (["--csv", "missing.csv"], "missing.csv: No such file or directory"),
    ],
)
def test_a_wrong_command_line_is_an_error(folder, tmp_path, monkeypatch, capsys, words, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text('{"island": "Dream"}\n')
    (tmp_path / "rows.parquet").write_bytes(b"PAR1\x15\x04")
    Image.new("L", (28, 28)).save(tmp_path / "left.png")
    with pytest.raises(SystemExit) as ended:
        main(["predict", f"{folder / 'penguins'}.onnx", *words, "--allow-unvalidated"])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_several_images_are_answered_with_the_way_to_give_many(folder, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["predict", f"{folder / 'sides'}.onnx", "a.png", "b.png", "--allow-unvalidated"])
    says = "sides: expected one image, not 2; --csv FILE takes many: a CSV file with the column `pixels`, their paths"
    assert says in capsys.readouterr().err


def test_a_file_that_is_not_validated_needs_the_option(folder, capsys):
    with pytest.raises(SystemExit):
        main(["predict", f"{folder / 'echo'}.onnx", "a"])
    assert "not validated; run `penstock validate-onnx" in capsys.readouterr().err
