"""How the files of a dataset are read: `datasets.<name>.source`.

A source gives rows of named columns. `inputs` and `target` say which columns a model reads and which it predicts.
"""

from __future__ import annotations

import codecs
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from penstock.config.base import BaseConfig, mistake

PartName = Literal["all", "train", "validation", "test"]


def complete_parts(parts: dict[PartName, object]) -> dict[PartName, object]:
    """Require `all`, or `train` and `test` with or without `validation`."""
    if set(parts) not in ({"all"}, {"train", "test"}, {"train", "validation", "test"}):
        raise mistake("must be `all`, or `train` and `test`, with or without `validation`", at=[])
    return parts


def one_character(text: str) -> str:
    """Require one ASCII character that does not end a line."""
    if len(text) != 1 or not text.isascii() or text in "\r\n\0":
        raise mistake("must be one ASCII character, other than a line end", at=[])
    return text


def known_encoding(name: str) -> str:
    """Require an encoding of texts that Python knows."""
    try:
        codecs.getincrementaldecoder(name)
        "".encode(name)
    except (LookupError, ValueError):
        raise mistake(f"'{name}' is no encoding that Python knows; such as utf-8, utf-16, cp1252", at=[]) from None
    return name


Character = Annotated[str, AfterValidator(one_character)]
Parts = Annotated[dict[PartName, str], AfterValidator(complete_parts)]
PARTS = "File of each part, by the names of `files`: `all`, or `train` and `test`, with or without `validation`."
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?")


class CsvConfig(BaseConfig):
    """Text files of separated values."""

    kind: Literal["csv"] = Field(description="Text files of separated values (CSV, TSV).")
    parts: Parts = Field(description=PARTS)
    separator: Character = Field(default=",", description='Character between two values; "\\t" for TSV.')
    quote: Character | None = Field(
        default='"', description="Character around values that contain the separator or a line end. None has none."
    )
    decimal: Literal[".", ","] = Field(default=".", description="Decimal mark of numbers.")
    encoding: Annotated[str, AfterValidator(known_encoding)] = Field(
        default="utf-8", description="Encoding, by its Python name. A byte order mark is skipped."
    )
    header: tuple[str, ...] | None = Field(
        default=None, description="Names of the columns of a file without a header. None: they are in the first line."
    )
    missing: tuple[str, ...] = Field(default=MISSING, description="Texts that stand for a missing value.")
    images: str | None = Field(
        default=None, description="Archive (.zip, one of `files`) of the images whose paths are in `inputs.column`."
    )

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        if self.separator == self.quote:
            raise mistake("must differ from quote", at=["separator"])
        if self.separator == self.decimal and self.quote is None:
            raise mistake("must differ from decimal, as there are no quotes", at=["separator"])
        return self


class ParquetConfig(BaseConfig):
    """Apache Parquet files."""

    kind: Literal["parquet"] = Field(description="Apache Parquet files.")
    parts: Parts = Field(description=PARTS)


class JsonLinesConfig(BaseConfig):
    """Text files with one JSON object per line."""

    kind: Literal["json_lines"] = Field(description="Text files with one JSON object per line.")
    parts: Parts = Field(description=PARTS)


class FolderConfig(BaseConfig):
    """Archives with one folder per class, which holds a file per row: an image, or a text."""

    kind: Literal["folder"] = Field(
        description="Archives (.zip) with a folder for each class, which holds a file for each row. The columns are "
        "`image` or `text`, `label` (the folder) and `file`."
    )
    parts: Parts = Field(description=PARTS)


class IdxPartConfig(BaseConfig):
    """The two files of a part."""

    images: str = Field(description="File of the images, uint8 [rows, height, width].")
    labels: str = Field(description="File of the labels, uint8 [rows].")


class IdxConfig(BaseConfig):
    """IDX files of unsigned bytes, as those of MNIST."""

    kind: Literal["idx"] = Field(description="IDX files (.gz) of unsigned bytes; the columns are `image` and `label`.")
    parts: Annotated[dict[PartName, IdxPartConfig], AfterValidator(complete_parts)] = Field(
        description="Files of each part: `all`, or `train` and `test`, with or without `validation`."
    )


SourceConfig = Annotated[
    CsvConfig | ParquetConfig | JsonLinesConfig | FolderConfig | IdxConfig, Field(discriminator="kind")
]


def files_of(source: CsvConfig | ParquetConfig | JsonLinesConfig | FolderConfig | IdxConfig) -> list[tuple[str, str]]:
    """Return the files that a source reads: key below `source`, and name."""
    found: list[tuple[str, str]] = []
    for part, file in source.parts.items():
        if isinstance(file, IdxPartConfig):
            found += [(f"parts.{part}.images", file.images), (f"parts.{part}.labels", file.labels)]
        else:
            found.append((f"parts.{part}", file))
    if isinstance(source, CsvConfig) and source.images:
        found.append(("images", source.images))
    return found
