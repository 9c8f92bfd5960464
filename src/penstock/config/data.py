"""Where data come from and how they are preprocessed: `download` and `datasets`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

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
from penstock.config.behaviour import BEHAVIOUR_KINDS, BehaviourConfig


def folder_or_web(mirror: str) -> str:
    """Require a folder or an address of http."""
    scheme, separator, _ = mirror.partition("://")
    if separator and scheme not in {"http", "https"}:
        raise mistake(f"a mirror is a folder or begins with http:// or https://, not '{mirror}'", at=[])
    return mirror


class DownloadConfig(BaseConfig):
    """How files are downloaded. No stage depends on it: another mirror makes nothing stale."""

    mirrors: tuple[Annotated[str, AfterValidator(folder_or_web)], ...] = Field(
        default=(),
        description="Sources that are tried in order before `datasets.<name>.urls`: folders (relative to params.yaml) "
        "or URLs, each holding <dataset>/<file>. Missing folders are skipped.",
    )
    attempts: Positive = Field(default=3, description="Attempts for each source; at least 1.")
    pause_seconds: PositiveFloat = Field(
        default=1.0,
        description="Longest pause before the second attempt, in seconds; it doubles before each further attempt.",
    )
    timeout_seconds: PositiveFloat = Field(
        default=10.0, description="Timeout for connecting and between two chunks of the body, in seconds."
    )


class FileConfig(BaseConfig):
    """One file of the official source. A file with another size or hash is rejected."""

    bytes: Positive = Field(description="Size in bytes.")
    sha256: Sha256 = Field(description="SHA-256 of the content, 64 hexadecimal digits.")


class TableConfig(BaseConfig):
    """Inputs are rows of numbers."""

    kind: Literal["table"] = Field(description="Rows of numbers.")


class ImageConfig(BaseConfig):
    """Inputs are greyscale images of uint8 pixels."""

    kind: Literal["image"] = Field(description="Greyscale images of uint8 pixels.")


class TextConfig(BaseConfig):
    """Inputs are texts, stored as word ids. A network reads at most this much (`network.tokens`)."""

    kind: Literal["text"] = Field(description="Texts, stored as word ids.")
    vocab_size: Annotated[int, Field(ge=3)] = Field(
        description="Number of word ids: padding, unknown, and the most frequent words of the training texts."
    )
    max_length: Positive = Field(description="Words kept of each text: the last ones, padded in front.")
    word_rule: Literal["ascii", "unicode"] = Field(
        default="unicode",
        description="What a word is. unicode: letters, digits, combining marks and apostrophes of any script; in "
        "scripts without spaces (such as Chinese, Thai) each letter is a word. ascii: ASCII letters, digits and "
        "apostrophes. Words are lowercased, and HTML line breaks separate them.",
    )


InputsConfig = Annotated[TableConfig | ImageConfig | TextConfig, Field(discriminator="kind")]


class SplitConfig(BaseConfig):
    """How rows are divided into train, validation and test, and into folds."""

    test: ProperShare | None = Field(
        default=None, description="Share of all rows for test, 0..1. None uses the official test set."
    )
    validation: ProperShare = Field(
        description="Share of the remaining rows (or groups) for validation, 0..1, stratified by class."
    )
    group_size: Positive = Field(
        default=1,
        description="Consecutive rows of the official file that are never split (scikit-learn's groups). A group "
        "counts as the class of its first row. 1 splits row by row.",
    )
    seed: Seed = Field(description="Seed of the split and of `max_rows`, 0 or more.")
    folds: Annotated[int, Field(ge=2, le=100)] = Field(
        default=5, description="Folds of the stratified cross-validation over all rows outside test; 2..100."
    )
    repeats: Positive = Field(default=1, description="Repeats of the cross-validation, each with other folds.")
    drop_duplicates: bool = Field(
        default=True, description="Drop training rows that are also in test or that were seen before."
    )
    max_rows: Annotated[int, Field(ge=30)] | None = Field(
        default=None, description="Rows drawn of each official file, 30 or more, for a quick run. None uses all rows."
    )


class RangeConfig(BaseConfig):
    """A closed range of numbers."""

    min: float = Field(description="Smallest allowed value.")
    max: float = Field(description="Largest allowed value.")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.min > self.max:
            raise mistake(f"min is larger than max: {self.min:g} > {self.max:g}", at=["min"])
        return self


class ShareRangeConfig(RangeConfig):
    """A closed range of shares."""

    min: Share = Field(description="Smallest allowed share, 0..1.")
    max: Share = Field(description="Largest allowed share, 0..1.")


class ChecksConfig(BaseConfig):
    """What must be true of the data. The preprocess stage fails where one check does not hold."""

    rows: dict[str, Positive] = Field(description="Number of rows of each official file.")
    class_share: ShareRangeConfig = Field(description="Range of the share of every class in every official file.")
    values: RangeConfig = Field(description="Smallest and largest value of the processed inputs.")
    leakage: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Most training or validation rows that may also be in test."
    )


class DatasetConfig(BaseConfig):
    """One entry of `datasets`."""

    urls: Annotated[tuple[WebAddress, ...], AfterValidator(not_empty)] = Field(
        description="Addresses of the official source; the file names are appended. Tried in order, after the mirrors."
    )
    files: Annotated[dict[str, FileConfig], AfterValidator(not_empty)] = Field(
        description="Size and hash of each file, by file name."
    )
    inputs: InputsConfig = Field(description="Kind of inputs: table, image or text.")
    split: SplitConfig = Field(description="Division into train, validation, test and folds.")
    checks: ChecksConfig = Field(description="What must be true of the data.")
    behaviour: BehaviourConfig = Field(
        description="Behaviour tests of the dataset's classifiers, by name; {} has none. `gates.behaviour` of a model "
        "sets the share of rows that must pass."
    )

    @model_validator(mode="after")
    def _behaviour_of_the_inputs(self) -> Self:
        known = BEHAVIOUR_KINDS[self.inputs.kind]
        for name, test in self.behaviour.items():
            if test.kind not in known:
                message = f"{test.kind} is not for inputs of kind {self.inputs.kind}, but {', '.join(known)} are"
                raise mistake(message, at=["behaviour", name, "kind"])
        return self
