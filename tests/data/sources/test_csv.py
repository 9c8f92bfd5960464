"""Test that text files of separated values are read as the module `csv` reads them, and that errors name the line."""

import csv
import io
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from penstock.config.sources import CsvConfig
from penstock.core.errors import DataFileError
from penstock.data.sources.batch import BATCH_ROWS
from penstock.data.sources.csv import batches
from penstock.data.sources.read import read_dataset
from tests.data.sources.datasets import NUMBER, columns_of, csv_source, dataset

FIRST_ROWS = """
import sys
from pathlib import Path
from penstock.config.sources import CsvConfig
from penstock.data.sources.csv import batches

source = CsvConfig(kind="csv", parts={"all": "a.csv"}, encoding=sys.argv[1])
rows = batches(source, Path("."), "all", ["x", "y"])
print(len(next(rows)))
"""
VALUES = st.text(st.sampled_from("ab1\"';,\t |\n\ré€\\'"), max_size=6)


def read(folder, content, inputs=None, target=None, **source):
    (folder / "a.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    settings = dataset(csv_source(**source), inputs or columns_of("number"), target or NUMBER)
    return read_dataset(settings, folder)["all"]


def error(*arguments, **settings):
    with pytest.raises(DataFileError) as caught:
        read(*arguments, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@st.composite
def dialects(draw):
    return {
        "delimiter": draw(st.sampled_from(",;\t| ")),
        "quotechar": draw(st.sampled_from("\"'")),
        "lineterminator": draw(st.sampled_from(["\n", "\r\n", "\r"])),
        "quoting": draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])),
    }


def written(rows, dialect):
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows(rows)
    return text.getvalue()


def line_ends(text):
    return text.replace("\r\n", "\n").replace("\r", "\n").count("\n")


@settings(deadline=None, max_examples=150)
@given(
    rows=st.integers(1, 3).flatmap(
        lambda width: st.lists(st.lists(VALUES, min_size=width, max_size=width), min_size=1, max_size=5)
    ),
    dialect=dialects(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
)
def test_a_table_of_any_dialect_is_read_back_with_its_lines(tmp_path_factory, rows, dialect, encoding):
    folder = tmp_path_factory.mktemp("csv")
    header = [f"c{number}" for number in range(len(rows[0]))]
    text = written([header, *rows], dialect)
    # Some versions of Python write a carriage return without quotes.
    assume(list(csv.reader(io.StringIO(text, newline=""), **dialect)) == [header, *rows])
    (folder / "a.csv").write_bytes(text.encode(encoding))
    form = {"separator": dialect["delimiter"], "quote": dialect["quotechar"], "encoding": encoding, "missing": []}
    found = list(batches(CsvConfig.model_validate(csv_source(**form)), folder, "all", header))
    assert [[*row] for batch in found for row in zip(*(batch.texts(name) for name in header), strict=True)] == rows
    last_line = line_ends(text) - line_ends(written(rows[-1:], dialect)) + 1
    assert found[-1].place(len(found[-1]) - 1, None) == f"a.csv:{last_line}"


def test_blank_lines_and_missing_texts(tmp_path):
    part = read(tmp_path, "\r\nx,y\r\n\r\n 1 ,2\r\n\r\nNA,3\r\n")
    assert np.array_equal(part.inputs["x"], [1, np.nan], equal_nan=True)
    assert part.labels.tolist() == [[2], [3]]


def test_a_file_without_a_header_has_that_of_the_settings(tmp_path):
    assert read(tmp_path, "1,2\n3,4\n", header=["x", "y"]).labels.tolist() == [[2], [4]]
    assert error(tmp_path, "1,2\n3,z\n", header=["x", "y"]) == "a.csv:2: y: 'z' is not a number of at most 1e+15"


def test_decimal_comma(tmp_path):
    assert read(tmp_path, "x;y\n1,5;2\n", separator=";", decimal=",").inputs["x"].tolist() == [1.5]
    assert error(tmp_path, "x;y\n1.5;2\n", separator=";", decimal=",").startswith("a.csv:2: x: '1.5' is not a number")


@pytest.mark.parametrize("text", ["1e400", "inf", "-Infinity", "1_000", "0x10", "one", "9" * 30, "2e15"])
def test_what_is_no_number_is_named_with_its_line(tmp_path, text):
    assert error(tmp_path, f'x,y\n1,"\n2 "\n{text},2\n') == f"a.csv:4: x: '{text}' is not a number of at most 1e+15"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.csv: the file is empty"),
        (b"\n\n", "a.csv: the file is empty"),
        (b"x,y\n", "a.csv: the file has no rows"),
        (b"x,x\n1,2\n", "a.csv:1: the column 'x' is there more than once"),
        (b"x,z\n1,2\n", "a.csv: no column 'y'; valid are x, z"),
        (b'x,y\n1,2\n"1\n",2\n1,2,3\n', "a.csv:5: 3 values, the header has 2"),
        (b"x,y\n\n1\n", "a.csv:3: 1 value, the header has 2"),
        (b"x,y\n1,\n", "a.csv:2: y: the value is missing"),
        (b'x,y\n1,2\n1,"2\n1,2\n', "a.csv:3: y: "),
        (b"x,y\n1,2\n\xff,2\n", "a.csv:3: byte 0xff is not utf-8; set `source.encoding`, such as cp1252"),
        ("x,y\n1,2\n".encode("utf-16"), "a.csv:1: byte 0xff is not utf-8; set `source.encoding`, such as utf-16"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path, content, message):
    assert error(tmp_path, content).startswith(message)


def test_a_quote_that_is_not_closed_is_found_in_a_text(tmp_path):
    inputs = {"kind": "text", "column": "x", "vocab_size": 10, "max_length": 5}
    assert error(tmp_path, 'y,x\n1,one\n2,"two\n3,three\n', inputs) == "a.csv:3: a quote is not closed"


def test_a_byte_of_another_encoding_is_found_in_a_column_that_is_not_read(tmp_path):
    content = b"x,y,z\n1,2,\xe9\n"
    assert error(tmp_path, content, quote=None).startswith("a.csv:2: byte 0xe9 is not utf-8")
    assert error(tmp_path, content, encoding="ascii").startswith("a.csv:2: byte 0xe9 is not ascii")


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_process_that_reads_only_the_first_rows_ends_well(tmp_path, encoding):
    """Arrow reads ahead of the rows that are asked for; it must not need Python for it when Python ends."""
    rows = 200 * BATCH_ROWS
    (tmp_path / "a.csv").write_text("x,y\n" + "1234567890,1234567890\n" * rows, encoding)
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", FIRST_ROWS, encoding],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{BATCH_ROWS}\n", "")


def test_an_empty_text_is_found(tmp_path):
    inputs = {"kind": "text", "column": "x", "vocab_size": 10, "max_length": 5}
    assert error(tmp_path, 'x,y\n"a\nb",1\n" ",1\n', inputs) == "a.csv:4: x: the text is empty"


def test_categories_booleans_and_dates(tmp_path):
    target = {"kind": "class", "column": "y", "classes": ["no", "yes"]}
    colours = columns_of("category", values=["red", "blue"])
    assert read(tmp_path, "x,y\nred,no\n,yes\n", colours, target).inputs["x"].tolist() == ["red", ""]
    assert "a.csv:3: x: 'rad' is no category; did you mean 'red'?" in error(
        tmp_path, "x,y\nred,no\nrad,yes\n", colours, target
    )
    assert error(tmp_path, "x,y\nred,no\nred,\n", colours, target) == "a.csv:3: y: the label is missing"
    assert "a.csv:3: y: 'yess' is no class" in error(tmp_path, "x,y\nred,no\nred,yess\n", colours, target)
    assert read(tmp_path, "x,y\n Yes,1\n0,1\n,1\n", columns_of("boolean")).inputs["x"].tolist() == ["true", "false", ""]
    assert "a.csv:2: x: '2' is neither" in error(tmp_path, "x,y\n2,1\n", columns_of("boolean"))
    dates = "x,y\n2024-02-29,1\n2024-03-01T10:00:00.5+01:00,1\n,1\n"
    assert read(tmp_path, dates, columns_of("date")).inputs["x"].tolist() == ["2024-02-29", "2024-03-01", ""]
    for wrong in ("2023-02-29", "2024-01-01x", "1.2.2024"):
        assert f"a.csv:2: x: '{wrong}' is no date" in error(tmp_path, f"x,y\n{wrong},1\n", columns_of("date"))


def test_lists_of_labels(tmp_path):
    target = {"kind": "labels", "columns": ["y"], "classes": ["a", "b"], "separator": ";"}
    assert read(tmp_path, "x,y\n1,a; b\n1,\n1,b\n", target=target).labels.tolist() == [[1, 1], [0, 0], [0, 1]]
    assert error(tmp_path, "x,y\n1,a\n1,b;q\n", target=target).startswith("a.csv:3: y: 'q' is no label")


def test_rows_of_many_blocks_keep_their_order_and_their_lines(tmp_path):
    rows = 40_000
    content = "x,y,z\n" + "".join(f"{row},{row},{'z' * 300}\n" for row in range(rows))
    assert np.array_equal(read(tmp_path, content).labels[:, 0], np.arange(rows, dtype=np.float32))
    assert error(tmp_path, content + "1,2\n") == f"a.csv:{rows + 2}: 2 values, the header has 3"
