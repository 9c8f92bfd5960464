"""The rules of every block of params.yaml, and the kinds of numbers in it."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from penstock.core.errors import nearest

Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Share = Annotated[float, Field(ge=0, le=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
ProperShare = Annotated[float, Field(gt=0, lt=1)]
PositiveFloat = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
NAME_PATTERN = r"^[a-z][a-z0-9_]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
WebAddress = Annotated[str, Field(pattern=r"^https?://[^/\s]+(/\S*)?$")]
Entries = TypeVar("Entries", bound=Sized)
Document = Any  # whatever a YAML file holds; ruamel's nodes know their lines


class BaseConfig(BaseModel):
    """A block of params.yaml: no unknown keys, no silent conversions, no changes after loading."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, block: Document) -> Document:
        if not isinstance(block, Mapping):
            return block
        for key in block:
            if key not in cls.model_fields:
                raise mistake(f"unknown key{nearest(str(key), cls.model_fields)}", at=[key])
        # YAML writes a tuple as a list, which the strict rules reject.
        return {key: tuple(value) if isinstance(value, list) else value for key, value in block.items()}


def mistake(message: str, at: list[str]) -> PydanticCustomError:
    """Return an error with a message of ours.

    Args:
        message: What is wrong and what to do.
        at: The keys of the wrong setting, below the block that is validated.
    """
    return PydanticCustomError("mistake", "{message}", {"message": message, "at": at})


def not_empty(entries: Entries) -> Entries:
    """Require at least one entry."""
    if not entries:
        raise mistake("needs at least one entry", at=[])
    return entries
