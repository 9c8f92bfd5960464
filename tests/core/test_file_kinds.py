"""Tests of the kinds of binary files."""

import gzip
import io
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from penstock.core.file_kinds import FIRST_BYTES, binary_kind


def written(write):
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def image(kind):
    return written(lambda file: Image.new("L", (300, 200)).save(file, kind))


def archive(members):
    def write(file):
        with zipfile.ZipFile(file, "w") as opened:
            for name in members:
                opened.writestr(name, "a,b\n")

    return written(write)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (written(lambda file: pq.write_table(pa.table({"a": [1]}), file)), "a Parquet file"),
        (archive(["a.csv"]), "a zip or Excel file"),
        (archive([]), "a zip or Excel file"),
        (gzip.compress(b"a,b\n"), "a gzip file"),
        *((image(kind), f"a {kind} image") for kind in ("PNG", "JPEG", "GIF", "WebP", "BMP", "TIFF")),
        (image("PDF"), "a PDF file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "file",  # the bytes of some have the time
)
def test_a_real_file_is_known_by_its_first_bytes(content, kind):
    assert binary_kind(content[:FIRST_BYTES]) == kind


@pytest.mark.parametrize(
    "text", ["", "PAR1,y\n", "PK,y\n1,2\n", "BM,size\n1,2\n", "%PDF-pages,y\n", "RIFF,WEBP\n", "II*,a\n"]
)
def test_a_text_that_begins_alike_is_none(text):
    assert binary_kind(text.encode()) is None
    assert binary_kind(("\ufeff" + text).encode()) is None
