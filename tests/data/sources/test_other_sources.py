"""Test the readers of Parquet, JSON Lines, folders of files, and images that a CSV file names."""

import datetime
import decimal

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from penstock.core.errors import DataFileError
from penstock.data.sources.read import read_dataset
from tests.data.sources.datasets import NUMBER, archive, columns_of, csv_source, dataset, png

TEXT = {"kind": "text", "vocab_size": 10, "max_length": 5}
PETS = {"kind": "class", "classes": ["cat", "dog"]}
BLACK, GREY = np.zeros((2, 3), np.uint8), np.full((2, 3), 100, np.uint8)


def read(folder, source, inputs, target, **contents):
    for ending, content in contents.items():
        (folder / f"a.{ending}").write_bytes(content)
    return read_dataset(dataset(source, inputs, target), folder)["all"]


def error(*arguments, **contents):
    with pytest.raises(DataFileError) as caught:
        read(*arguments, **contents)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def of(kind, ending):
    return {"kind": kind, "parts": {"all": f"a.{ending}"}}


def table(folder, values):
    parquet.write_table(pa.table({"x": values, "y": pa.array([1.0] * len(values))}), folder / "a.parquet")


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (pa.array([1, None, 2**60 >> 20], pa.int64()), "number", [1, np.nan, 2**40]),
        (pa.array([1.5, np.nan, None]), "number", [1.5, np.nan, np.nan]),
        (pa.array([decimal.Decimal("1.25"), None]), "number", [1.25, np.nan]),
        (pa.array([True, False, None]), "boolean", ["true", "false", ""]),
        (pa.array([datetime.date(2024, 1, 2), None]), "date", ["2024-01-02", ""]),
        (pa.array([datetime.datetime(2024, 1, 2, 23, 59), None]), "date", ["2024-01-02", ""]),
        (pa.array(["a", None, "b"]).dictionary_encode(), "category", ["a", "", "b"]),
    ],
)
def test_parquet_columns_of_any_type(tmp_path, values, kind, expected):
    table(tmp_path, values)
    inputs = columns_of(kind, **({"values": ["a", "b"]} if kind == "category" else {}))
    found = read(tmp_path, of("parquet", "parquet"), inputs, NUMBER).inputs["x"]
    assert np.array_equal(found, np.array(expected, dtype=found.dtype), equal_nan=kind == "number")


def test_parquet_files_with_mistakes(tmp_path):
    source = of("parquet", "parquet")
    assert error(tmp_path, source, columns_of("number"), NUMBER, parquet=b"PAR1 none").startswith("a.parquet: the file")
    table(tmp_path, pa.array([datetime.date(2024, 1, 2)]))
    assert "expected numbers" in error(tmp_path, source, columns_of("number"), NUMBER)
    table(tmp_path, pa.array([1.0, 1e30]))
    assert error(tmp_path, source, columns_of("number"), NUMBER).startswith("a.parquet: row 1: x: '1e+30'")
    table(tmp_path, pa.array([[1]]))
    assert "expected texts" in error(tmp_path, source, columns_of("category", values=["a"]), NUMBER)


def test_json_lines(tmp_path):
    source = of("json_lines", "jsonl")
    content = b'{"x": 1.5, "y": 1}\n\n{"y": 2, "z": []}\n'
    found = read(tmp_path, source, columns_of("number"), NUMBER, jsonl=content)
    assert np.array_equal(found.inputs["x"], [1.5, np.nan], equal_nan=True)
    good = b'{"x": true, "y": 1}\n'
    assert read(tmp_path, source, columns_of("boolean"), NUMBER, jsonl=good).inputs["x"].tolist() == ["true"]
    for wrong, message in {
        b'{"x": [1], "y": 1}': "a.jsonl:2: x: expected one value",
        b'{"x": 1': "a.jsonl:2: not JSON",
        b'{"x": NaN, "y": 1}': "a.jsonl:2: not JSON: NaN is no value; write null",
        b"[1]": "a.jsonl:2: expected an object",
        b'"\xff"': "a.jsonl:2: byte 0xff is not utf-8",
        b'{"x": "q", "y": 1}': "a.jsonl:2: x: 'q' is neither true nor false",
    }.items():
        assert error(tmp_path, source, columns_of("boolean"), NUMBER, jsonl=good + wrong).startswith(message)
    assert "no column 'x'" in error(tmp_path, source, columns_of("boolean"), NUMBER, jsonl=b'{"y": 1}\n')


def test_texts_of_folders(tmp_path):
    members = {"top/cat/1.txt": "\ufeffmiaow", "top/dog/1.txt": "woof", "top/.DS_Store": "", "__MACOSX/top/x": ""}
    part = read(tmp_path, of("folder", "zip"), TEXT, PETS, zip=archive(members))
    assert part.inputs.tolist() == ["miaow", "woof"]
    assert part.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"cat/1": "", "dog/1": "w"}, "a.zip: cat/1: the text is empty"),
        ({"cat/1": b"a\xff", "dog/1": "w"}, "a.zip: cat/1: byte 0xff at 1 is not utf-8"),
        ({"cat/1": "m", "cow/1": "w"}, "a.zip: cow/1: 'cow' is no class"),
        ({"cat/1": "m", "1": "w"}, "a.zip: 1: expected CLASS/FILE"),
        ({"cat/../../1": "m"}, "a.zip: cat/../../1: a path must stay"),
        ({"/cat/1": "m"}, "a.zip: /cat/1: a path must stay"),
        ({}, "a.zip: the file has no rows"),
    ],
)
def test_archives_with_mistakes(tmp_path, members, message):
    assert error(tmp_path, of("folder", "zip"), TEXT, PETS, zip=archive(members)).startswith(message)
    assert error(tmp_path, of("folder", "zip"), TEXT, PETS, zip=b"none").startswith("a.zip: not a .zip archive")


def test_images_of_folders_grey_and_rgb(tmp_path):
    content = archive({"cat/1.png": png(BLACK), "dog/1.png": png(GREY)})
    grey = read(tmp_path, of("folder", "zip"), {"kind": "image"}, PETS, zip=content)
    assert np.array_equal(grey.inputs, [BLACK, GREY])
    rgb = read(tmp_path, of("folder", "zip"), {"kind": "image", "mode": "rgb", "size": [4, 5]}, PETS, zip=content)
    assert rgb.inputs.shape == (2, 4, 5, 3)
    assert rgb.inputs.dtype == np.uint8


def test_images_are_turned_scaled_to_8_bits_and_put_on_white(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    images = {
        "cat/1.png": png(BLACK.T.copy(), exif=turned),
        "cat/2.png": png(Image.new("RGBA", (3, 2), (0, 0, 0, 0))),
        "dog/1.png": png(np.full((2, 3), 257 * 100, np.uint16)),
        "dog/2.png": png(Image.fromarray(GREY).convert("P")),
    }
    part = read(tmp_path, of("folder", "zip"), {"kind": "image"}, PETS, zip=archive(images))
    assert part.inputs[:, 0, 0].tolist() == [0, 255, 100, 100]


def test_images_with_mistakes_are_named(tmp_path):
    source = of("folder", "zip")
    damaged = archive({"cat/1.png": png(BLACK), "dog/1.png": b"no image"})
    assert error(tmp_path, source, {"kind": "image"}, PETS, zip=damaged) == (
        "a.zip: dog/1.png: the image cannot be decoded: of no known format"
    )
    other = archive({"cat/1.png": png(BLACK), "dog/1.png": png(GREY.T.copy())})
    assert "a.zip: dog/1.png: the image has 3 x 2 pixels" in error(tmp_path, source, {"kind": "image"}, PETS, zip=other)


def test_images_that_a_csv_file_names(tmp_path):
    source = csv_source(images="a.zip")
    images = archive({"p/1.png": png(BLACK), "p/2.png": png(GREY), "p/3.png": b"no image"})
    part = read(tmp_path, source, {"kind": "image"}, PETS, zip=images, csv=b"image,label\np/2.png,dog\np/1.png,cat\n")
    assert np.array_equal(part.inputs, [GREY, BLACK])
    assert part.labels.tolist() == [1, 0]
    missing = error(tmp_path, source, {"kind": "image"}, PETS, csv=b"image,label\np/9.png,dog\n")
    assert missing == "a.csv:2: image: 'p/9.png' is not in a.zip"
    damaged = error(tmp_path, source, {"kind": "image"}, PETS, csv=b"image,label\np/3.png,dog\n")
    assert damaged.startswith("a.csv:2: image: p/3.png: the image cannot be decoded")
