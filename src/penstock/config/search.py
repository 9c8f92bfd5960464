"""What `penstock sweep` varies in a model: `search`. No stage depends on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, PlainValidator, Tag, model_validator

from penstock.config.base import BaseConfig, Document, Positive, Seed, mistake, not_empty


def _number(value: object) -> object:
    """Require a number, and leave an integer one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise mistake(f"must be a number, not {value!r}", at=[])
    return value


Number = Annotated[int | float, PlainValidator(_number, json_schema_input_type=float)]
Choice = bool | int | float | str | None | list[Any] | dict[str, Any]


class NumberRangeConfig(BaseConfig):
    """The numbers between two bounds, both included."""

    low: Number = Field(description="Smallest value.")
    high: Number = Field(description="Largest value.")
    log: bool = Field(default=False, description="Draw uniformly on a logarithmic scale.")
    step: Number | None = Field(default=None, description="Distance of two values. None: 1, or any fraction.")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.low >= self.high:
            raise mistake(f"must be below high: {self.low:g} >= {self.high:g}", at=["low"])
        if self.log and self.low <= 0:
            raise mistake("must be above 0 with log: true", at=["low"])
        return self

    @model_validator(mode="after")
    def _step_fits(self) -> Self:
        if self.step is None:
            return self
        if self.log:
            raise mistake("only without log: true", at=["step"])
        if self.step <= 0:
            raise mistake("must be above 0", at=["step"])
        steps = (self.high - self.low) / self.step
        if abs(steps - round(steps)) > 1e-6:
            raise mistake(f"must divide high - low, {self.high - self.low:g}, without remainder", at=["step"])
        return self


def _form(values: Document) -> str:
    """Return which of the three forms the values of a setting have."""
    if isinstance(values, Mapping | BaseConfig):
        return "block" if "choices" in dict(values) else "range"
    return "list"


def _as_tuple(values: Document) -> Document:
    """YAML writes a tuple as a list, which the strict rules reject."""
    if not isinstance(values, list | tuple):
        raise mistake("list the values, or set {choices} or {low, high}", at=[])
    return tuple(values)


def _different(choices: tuple[Choice, ...]) -> tuple[Choice, ...]:
    texts = [repr(choice) for choice in choices]
    for position, text in enumerate(texts):
        if text in texts[:position]:
            raise mistake("is listed twice", at=[str(position)])
    return choices


Choices = Annotated[
    tuple[Choice, ...], BeforeValidator(_as_tuple), AfterValidator(not_empty), AfterValidator(_different)
]


class ChoicesConfig(BaseConfig):
    """Values of any type."""

    choices: Choices = Field(description="The values.")


# A list alone means the same as {choices: [...]}, which `dvc exp run -S` leaves on one line.
Dimension = Annotated[
    Annotated[NumberRangeConfig, Tag("range")]
    | Annotated[ChoicesConfig, AfterValidator(lambda block: block.choices), Tag("block")]
    | Annotated[Choices, Tag("list")],
    Discriminator(_form),
]
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$")]
Dimensions = Annotated[dict[Key, Dimension], AfterValidator(not_empty)]


class SearchConfig(BaseConfig):
    """The search for better settings of one model."""

    space: Dimensions = Field(
        description="Values to try, by the dotted key of the setting below the model (`training.batch_size`): "
        "{choices}, {low, high, log} or {low, high, step}."
    )
    trials: Positive = Field(default=20, description="Finished trials of a study; `--trials` takes precedence.")
    pruner: Literal["median", "hyperband", "none"] = Field(
        default="median",
        description="What ends a poor trial early: Optuna's MedianPruner or HyperbandPruner, by epoch, or nothing.",
    )
    seed: Seed = Field(default=1, description="Seed of the sampler (Optuna's TPE), 0 or more.")
    winner_seeds: Annotated[int, Field(ge=0)] = Field(
        default=3, description="Further seeds that the best settings are trained with before they are believed."
    )
