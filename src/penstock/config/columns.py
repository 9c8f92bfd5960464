"""Columns of a mixed table: `datasets.<name>.inputs.columns`.

Each column is one input of the exported file. A missing value is NaN in a column of numbers, an empty text in others.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from penstock.config.base import BaseConfig, not_empty

UNIT = "Unit, for users."
DESCRIPTION = "Meaning of the column, for users."
REQUIRED = "Whether a row without a value is rejected."


class NumberColumnConfig(BaseConfig):
    """Numbers."""

    kind: Literal["number"] = Field(description="Numbers; input FP32, NaN if missing.")
    required: bool = Field(default=False, description=REQUIRED)
    unit: str = Field(default="", description=UNIT)
    description: str = Field(default="", description=DESCRIPTION)


class CategoryColumnConfig(BaseConfig):
    """Texts of a fixed set."""

    kind: Literal["category"] = Field(
        description="Texts of a fixed set; input BYTES, empty if missing. The model treats every other text alike."
    )
    values: Annotated[tuple[str, ...], AfterValidator(not_empty)] = Field(
        description="The texts. In the files, any other text is an error."
    )
    required: bool = Field(default=False, description=REQUIRED)
    description: str = Field(default="", description=DESCRIPTION)


class BooleanColumnConfig(BaseConfig):
    """True or false."""

    kind: Literal["boolean"] = Field(
        description="true or false (also yes and no, 1 and 0); input BYTES of `true` or `false`, empty if missing."
    )
    required: bool = Field(default=False, description=REQUIRED)
    description: str = Field(default="", description=DESCRIPTION)


class DateColumnConfig(BaseConfig):
    """Dates."""

    kind: Literal["date"] = Field(description="Dates, YYYY-MM-DD; input BYTES, empty if missing. Times are cut off.")
    required: bool = Field(default=False, description=REQUIRED)
    description: str = Field(default="", description=DESCRIPTION)


ColumnConfig = NumberColumnConfig | CategoryColumnConfig | BooleanColumnConfig | DateColumnConfig
ColumnConfigs = Annotated[dict[str, Annotated[ColumnConfig, Field(discriminator="kind")]], AfterValidator(not_empty)]
