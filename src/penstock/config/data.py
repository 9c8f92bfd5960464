"""Where data come from and what becomes of them: `download` and `datasets`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from penstock.config.base import (
    BaseConfig,
    Positive,
    PositiveFloat,
    ProperShare,
    Seed,
    Sha256,
    Share,
    WebAddress,
    mistake,
    not_empty,
)


def ascending(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise mistake(f"the smallest comes first, not {list(bounds)}", at=[])
    return bounds


def folder_or_web(mirror: str) -> str:
    scheme, separator, _ = mirror.partition("://")
    if separator and scheme not in {"http", "https"}:
        raise mistake(f"a mirror is a folder or begins with http:// or https://, not '{mirror}'", at=[])
    return mirror


class DownloadConfig(BaseConfig):
    mirrors: tuple[Annotated[str, AfterValidator(folder_or_web)], ...]
    attempts: Positive
    pause_seconds: PositiveFloat
    timeout_seconds: PositiveFloat


class FileConfig(BaseConfig):
    bytes: Positive
    sha256: Sha256


class TableConfig(BaseConfig):
    kind: Literal["table"]


class ImageConfig(BaseConfig):
    kind: Literal["image"]


class TextConfig(BaseConfig):
    kind: Literal["text"]
    vocabulary: Annotated[int, Field(ge=3)]
    length: Positive


InputsConfig = Annotated[TableConfig | ImageConfig | TextConfig, Field(discriminator="kind")]


class SplitConfig(BaseConfig):
    """`block`: rows of the official file, one after the other, that are never divided between two splits or folds."""

    test: ProperShare | None
    validation: ProperShare
    block: Positive
    seed: Seed
    folds: Annotated[int, Field(ge=2, le=100)]
    repeats: Positive
    drop_duplicates: bool


class ChecksConfig(BaseConfig):
    rows: dict[str, Positive]
    class_share: Annotated[tuple[Share, Share], AfterValidator(ascending)]
    values: Annotated[tuple[float, float], AfterValidator(ascending)]
    leakage: Annotated[int, Field(ge=0)]


class DatasetConfig(BaseConfig):
    official: Annotated[tuple[WebAddress, ...], AfterValidator(not_empty)]
    files: Annotated[dict[str, FileConfig], AfterValidator(not_empty)]
    inputs: InputsConfig
    split: SplitConfig
    limit: Annotated[int, Field(ge=30)] | None
    expect: ChecksConfig
