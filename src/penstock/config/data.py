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
from penstock.config.behaviour import BEHAVIOUR_KINDS, BehaviourConfig, NegationTestConfig
from penstock.config.columns import ColumnConfigs
from penstock.config.sources import CsvConfig, SourceConfig, files_of
from penstock.config.targets import OUTPUTS, ClassTargetConfig, TargetConfig
from penstock.core.errors import nearest


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

    kind: Literal["table"] = Field(description="Rows of numbers: one input of the exported file, `features`.")
    columns: Annotated[tuple[str, ...], AfterValidator(not_empty)] = Field(
        description="Columns of the source, in the order of the features."
    )


class ColumnsConfig(BaseConfig):
    """Inputs are rows of a mixed table."""

    kind: Literal["columns"] = Field(
        description="Rows of a mixed table (numbers, categories, booleans, dates): one input of the exported file for "
        "each column. Values may be missing."
    )
    columns: ColumnConfigs = Field(description="Columns of the source that the model reads, by name, in order.")


class ImageConfig(BaseConfig):
    """Inputs are images of uint8 pixels."""

    kind: Literal["image"] = Field(description="Images of uint8 pixels.")
    column: str = Field(default="image", description="Column of the source that has the images.")
    mode: Literal["grey", "rgb"] = Field(
        default="grey",
        description="grey: [height, width]; rgb: [height, width, 3]. Other images are converted; "
        "transparent pixels are shown on white.",
    )
    size: tuple[Positive, Positive] | None = Field(
        default=None,
        description="[height, width] that images of files are resized to (bilinear, antialiased). None: all must have "
        "the same size.",
    )


class TextConfig(BaseConfig):
    """Inputs are texts, stored as word ids. A network reads at most this much (`network.tokens`)."""

    kind: Literal["text"] = Field(description="Texts, stored as word ids.")
    column: str = Field(default="text", description="Column of the source that has the texts.")
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


KINDS = ("table", "columns", "image", "text")
NOT_IMAGES = ("table", "columns", "text")
InputsConfig = TableConfig | ColumnsConfig | ImageConfig | TextConfig


class SplitConfig(BaseConfig):
    """How rows are divided into train, validation and test, and into folds."""

    test: ProperShare | None = Field(
        default=None, description="Share of all rows for test, 0..1. None uses the part `test` of the files."
    )
    validation: ProperShare | None = Field(
        default=None,
        description="Share of the remaining rows (or groups) for validation, 0..1, stratified by class. None uses the "
        "part `validation` of the files.",
    )
    group_size: Positive = Field(
        default=1,
        description="Consecutive rows of the official file that are never split (scikit-learn's groups). A group "
        "counts as the class of its first row. 1 splits row by row.",
    )
    group: str | None = Field(
        default=None,
        description="Column whose value is on one side of every split only, such as a patient. The split is not "
        "stratified then.",
    )
    time: str | None = Field(
        default=None,
        description="Column that orders the rows, a number or a date: the last rows are test, those before them "
        "validation. Rows of equal time stay together. Folds are blocks of consecutive times.",
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


class ColumnCheckConfig(BaseConfig):
    """What must be true of a column."""

    range: RangeConfig | None = Field(default=None, description="Smallest and largest number. None checks none.")
    missing: Share = Field(default=0.0, description="Largest share of rows without a value, 0..1.")


class ChecksConfig(BaseConfig):
    """What must be true of the data. The preprocess stage fails where one check does not hold."""

    rows: dict[str, Positive] = Field(description="Number of rows of each part of the files.")
    class_share: ShareRangeConfig | None = Field(
        default=None,
        description="Range of the share of every class (or label) in every part. None checks none.",
    )
    values: RangeConfig | None = Field(
        default=None, description="Smallest and largest value of the processed inputs. None checks none."
    )
    columns: dict[str, ColumnCheckConfig] = Field(
        default={}, description="Of the columns of a table or mixed table, and of a target of numbers, by name."
    )
    leakage: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Most training or validation rows that may also be in test."
    )


class DatasetConfig(BaseConfig):
    """One entry of `datasets`."""

    urls: tuple[WebAddress, ...] = Field(
        default=(),
        description="Addresses of the official source; the file names are appended. Tried in order, after the mirrors.",
    )
    folder: str | None = Field(
        default=None, description="Folder of the files, relative to params.yaml, tried first. None has none."
    )
    files: Annotated[dict[str, FileConfig], AfterValidator(not_empty)] = Field(
        description="Size and hash of each file, by file name."
    )
    description: str = Field(description="What one row is, for users; shown in reports, and by the server.")
    source: SourceConfig = Field(description="How the files are read.")
    inputs: Annotated[InputsConfig, Field(discriminator="kind")] = Field(
        description="What a model reads: table, columns, image or text."
    )
    target: TargetConfig = Field(description="What a model predicts: a class, several labels, or numbers.")
    split: SplitConfig = Field(description="Division into train, validation, test and folds.")
    checks: ChecksConfig = Field(description="What must be true of the data.")
    behaviour: BehaviourConfig = Field(
        description="Behaviour tests of the dataset's classifiers, by name; {} has none. `gates.behaviour` of a model "
        "sets the share of rows that must pass.",
    )

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the source that are read, without duplicates."""
        others = (*self.target.columns, self.split.group, self.split.time)
        return tuple(dict.fromkeys([*self.input_columns, *(name for name in others if name is not None)]))

    @property
    def input_columns(self) -> tuple[str, ...]:
        """Columns of the source that a model reads."""
        if isinstance(self.inputs, TableConfig | ColumnsConfig):
            return tuple(self.inputs.columns)
        return (self.inputs.column,)

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if not self.urls and self.folder is None:
            raise mistake("missing key: urls or folder, where the files are", at=["urls"])
        for key, file in files_of(self.source):
            if file not in self.files:
                raise mistake(f"'{file}' is not in `files`{nearest(file, self.files)}", at=["source", *key.split(".")])
        return self

    @model_validator(mode="after")
    def _source_of_the_inputs(self) -> Self:
        kinds = {"idx": ("image",), "folder": ("image", "text"), "json_lines": NOT_IMAGES}.get(self.source.kind, KINDS)
        if isinstance(self.source, CsvConfig) and (self.source.images is None) == (self.inputs.kind == "image"):
            problem = "names the archive of the images; inputs of kind image need it, and no others do"
            raise mistake(problem, at=["source", "images"])
        if self.inputs.kind not in kinds:
            raise mistake(f"{self.source.kind} has inputs of kind {' or '.join(kinds)}", at=["inputs", "kind"])
        for name in self.target.columns:
            if name in self.input_columns:
                raise mistake(f"'{name}' is the target; a model must not read it", at=["inputs", "columns"])
        return self

    @model_validator(mode="after")
    def _inputs_and_outputs_differ(self) -> Self:
        """Reject a column whose input of the exported file has the name of an output."""
        columns = self.inputs.columns if isinstance(self.inputs, ColumnsConfig) else {}
        for name in OUTPUTS[self.target.kind]:
            if name in columns:
                problem = "an output of the exported file has this name; rename the column, or leave it out"
                raise mistake(problem, at=["inputs", "columns", name])
        return self

    @model_validator(mode="after")
    def _values_are_not_missing(self) -> Self:
        """Reject a category, or the value of a class, that is read as a missing value."""
        missing = self.source.missing if isinstance(self.source, CsvConfig) else ()
        places: dict[tuple[str, ...], tuple[str, ...]] = {}
        if isinstance(self.inputs, ColumnsConfig):
            places |= {
                ("inputs", "columns", name, "values"): column.values
                for name, column in self.inputs.columns.items()
                if column.kind == "category"
            }
        if isinstance(self.target, ClassTargetConfig):
            key = "classes" if self.target.values is None else "values"
            places["target", key] = self.target.values or self.target.classes
        for at, values in places.items():
            for value in values:
                if value in missing:
                    problem = f"'{value}' is read as a missing value; remove it here, or from source.missing"
                    raise mistake(problem, at=[*at])
        return self

    @model_validator(mode="after")
    def _one_way_to_split(self) -> Self:
        if self.split.group is not None and self.split.time is not None:
            raise mistake("only one of group and time", at=["split", "time"])
        if self.split.time is not None and self.split.repeats > 1:
            raise mistake("folds by time are always the same; leave it out", at=["split", "repeats"])
        return self

    @model_validator(mode="after")
    def _checks_of_the_data(self) -> Self:
        if self.target.kind == "number" and self.checks.class_share is not None:
            raise mistake("a target of numbers has no classes; leave it out", at=["checks", "class_share"])
        numbers = set(self.target.columns) if self.target.kind == "number" else set()
        columns = self.input_columns if isinstance(self.inputs, TableConfig | ColumnsConfig) else ()
        if isinstance(self.inputs, TableConfig):
            numbers |= set(columns)
        elif isinstance(self.inputs, ColumnsConfig):
            numbers |= {name for name, column in self.inputs.columns.items() if column.kind == "number"}
        for name, check in self.checks.columns.items():
            if name not in numbers | set(columns):
                problem = f"no column of the inputs, nor a number of the target{nearest(name, numbers | set(columns))}"
                raise mistake(problem, at=["checks", "columns", name])
            if check.range is not None and name not in numbers:
                raise mistake("only columns of numbers have a range", at=["checks", "columns", name, "range"])
        return self

    @model_validator(mode="after")
    def _behaviour_of_the_inputs(self) -> Self:
        known = BEHAVIOUR_KINDS[self.inputs.kind]
        for name, test in self.behaviour.items():
            if test.kind not in known or not isinstance(self.target, ClassTargetConfig):
                message = f"{test.kind} is not for inputs of kind {self.inputs.kind}, but {', '.join(known)} are"
                raise mistake(message, at=["behaviour", name, "kind"])
            for label in test.opinions if isinstance(test, NegationTestConfig) else ():
                if label not in self.target.classes:
                    problem = f"no class of the dataset{nearest(label, self.target.classes)}"
                    raise mistake(problem, at=["behaviour", name, "opinions", label])
        return self
