"""What a model predicts: `datasets.<name>.target`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from penstock.config.base import BaseConfig, mistake, not_empty
from penstock.core.plurals import counted

Names = Annotated[tuple[str, ...], AfterValidator(not_empty)]
# Outputs of the exported file by kind of target.
OUTPUTS = {
    "class": ("probabilities", "label"),
    "labels": ("probabilities", "labels"),
    "number": ("prediction",),
}


def _differ(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if names.count(name) > 1:
            raise mistake(f"'{name}' is there more than once", at=[])
    return names


class ClassTargetConfig(BaseConfig):
    """One class of two or more."""

    kind: Literal["class"] = Field(description="One class of two or more.")
    column: str = Field(default="label", description="Column of the class.")
    classes: Annotated[Names, AfterValidator(_differ)] = Field(description="Names of the classes, in order.")
    values: Names | None = Field(
        default=None, description="Value of each class in the column, in the order of `classes`. None: the names."
    )

    @model_validator(mode="after")
    def _a_value_for_each_class(self) -> Self:
        if self.values is not None and len(self.values) != len(self.classes):
            needed = counted(len(self.classes), "class", "classes")
            raise mistake(f"has {counted(len(self.values), 'entry', 'entries')} for {needed}", at=["values"])
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)


class LabelsTargetConfig(BaseConfig):
    """Any number of labels per row (multi-label classification)."""

    kind: Literal["labels"] = Field(description="Any number of labels per row.")
    columns: Annotated[Names, AfterValidator(_differ)] = Field(
        description="Columns of 0 and 1 (or false and true), one for each label; or one column of lists of labels."
    )
    classes: Annotated[Names, AfterValidator(_differ)] | None = Field(
        default=None, description="Names of the labels. None: the names of the columns."
    )
    separator: str | None = Field(
        default=None, description="Text between two labels in a column of lists, such as `;`. None: columns of 0 and 1."
    )

    @model_validator(mode="after")
    def _a_name_for_each_label(self) -> Self:
        if self.separator is not None and (len(self.columns) != 1 or self.classes is None):
            raise mistake("with separator, name one column in `columns`, and the labels in `classes`", at=["separator"])
        if self.separator is None and self.classes is not None and len(self.classes) != len(self.columns):
            needed = counted(len(self.columns), "column")
            raise mistake(f"has {counted(len(self.classes), 'entry', 'entries')} for {needed}", at=["classes"])
        return self

    @property
    def names(self) -> tuple[str, ...]:
        return self.classes or self.columns


class NumberTargetConfig(BaseConfig):
    """One or several numbers (regression)."""

    kind: Literal["number"] = Field(description="One or several numbers.")
    columns: Annotated[Names, AfterValidator(_differ)] = Field(description="Columns of the numbers.")
    unit: str = Field(default="", description="Unit of the numbers, for users.")


TargetConfig = Annotated[ClassTargetConfig | LabelsTargetConfig | NumberTargetConfig, Field(discriminator="kind")]


def class_names(target: ClassTargetConfig | LabelsTargetConfig | NumberTargetConfig) -> tuple[str, ...]:
    """Return the names of the classes, or of the labels; empty if the target is numbers."""
    match target:
        case ClassTargetConfig():
            return target.classes
        case LabelsTargetConfig():
            return target.names
        case NumberTargetConfig():
            return ()
