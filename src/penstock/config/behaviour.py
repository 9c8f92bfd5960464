"""Behaviour tests of a dataset's classifiers: perturbations of test inputs, and what must hold for the answers.

Ribeiro et al., 2020, "Beyond accuracy: behavioral testing of NLP models with CheckList", arXiv:2005.04118.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from penstock.config.base import BaseConfig, Name, Positive, PositiveFloat, ProperShare, mistake, not_empty


def _as_tuple(words: object) -> object:
    """Convert the list that YAML has inside a mapping; `BaseConfig` converts those of its own keys."""
    return tuple(words) if isinstance(words, list) else words


def _no_blank(words: tuple[str, ...]) -> tuple[str, ...]:
    for number, word in enumerate(words):
        if not word.strip():
            raise mistake("is empty", at=[str(number)])
    return words


Words = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), AfterValidator(not_empty), AfterValidator(_no_blank)]


def _at_least_two(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < 2:
        raise mistake("needs at least two different names", at=[])
    return names


class _BehaviourTestConfig(BaseConfig):
    """What every behaviour test has. The rows are drawn from the test split with a fixed seed."""

    rows: Positive = Field(
        default=1000,
        description="Most test rows, at least 1. Rows that the test does not change do not count.",
    )


class ShiftTestConfig(_BehaviourTestConfig):
    """Images moved in one of eight directions keep their label."""

    kind: Literal["shift"] = Field(description="Move images in one of eight directions; the label must stay.")
    pixels: Positive = Field(description="Distance along each axis, in pixels.")


class RotationTestConfig(_BehaviourTestConfig):
    """Rotated images keep their label."""

    kind: Literal["rotation"] = Field(description="Rotate images to either side; the label must stay.")
    degrees: Annotated[float, Field(gt=0, le=180)] = Field(description="Angle, above 0 and at most 180 degrees.")


class NoiseTestConfig(_BehaviourTestConfig):
    """Images or numbers with normal noise keep their label."""

    kind: Literal["noise"] = Field(description="Add normal noise to images or numbers; the label must stay.")
    std: PositiveFloat = Field(description="Standard deviation: grey levels of 0..255, or the unit of the table.")


class InversionTestConfig(_BehaviourTestConfig):
    """Images with inverted colours keep their label."""

    kind: Literal["inversion"] = Field(description="Invert the colours of images; the label must stay.")


class OutOfRangeTestConfig(_BehaviourTestConfig):
    """Numbers far outside the training data get valid probabilities."""

    kind: Literal["out_of_range"] = Field(
        description="Multiply numbers by the factor, with either sign; probabilities must be finite and sum to 1."
    )
    factor: PositiveFloat = Field(description="Factor, above 0.")


class TyposTestConfig(_BehaviourTestConfig):
    """Texts with typing errors keep their label."""

    kind: Literal["typos"] = Field(description="Swap two neighbouring letters inside words; the label must stay.")
    share: ProperShare = Field(description="Share of the words of at least four letters that get an error, 0..1.")


class CaseTestConfig(_BehaviourTestConfig):
    """Texts in capital or small letters keep their label."""

    kind: Literal["case"] = Field(description="Change the case of all letters; the label must stay.")
    to: Literal["upper", "lower"] = Field(description="upper or lower.")


class NameSwapTestConfig(_BehaviourTestConfig):
    """Texts in which names of people are exchanged keep their label."""

    kind: Literal["name_swap"] = Field(description="Exchange names in the list for one another; the label must stay.")
    names: Annotated[tuple[str, ...], AfterValidator(_at_least_two), AfterValidator(_no_blank)] = Field(
        description="Names that say nothing about the class, at least two."
    )


class NegationTestConfig(_BehaviourTestConfig):
    """Texts that say the opposite become less probable in their class."""

    kind: Literal["negation"] = Field(
        description="Insert `not` before words that speak for the true class; its probability must fall."
    )
    last_words: Positive = Field(description="Number of words at the end of a text in which words are negated.")
    opinions: Annotated[dict[str, Words], AfterValidator(not_empty)] = Field(
        description="Words that speak for a class, by the name of the class."
    )


class SentenceTestConfig(_BehaviourTestConfig):
    """Texts with a neutral sentence at the end keep their label."""

    kind: Literal["sentence"] = Field(description="Append a neutral sentence; the label must stay.")
    sentences: Words = Field(description="Sentences that say nothing about the class. Each text gets one of them.")


TableTestConfig = NoiseTestConfig | OutOfRangeTestConfig
ImageTestConfig = ShiftTestConfig | RotationTestConfig | NoiseTestConfig | InversionTestConfig
TextTestConfig = TyposTestConfig | CaseTestConfig | NameSwapTestConfig | NegationTestConfig | SentenceTestConfig
BehaviourTestConfig = TableTestConfig | ImageTestConfig | TextTestConfig
BehaviourConfig = dict[Name, Annotated[BehaviourTestConfig, Field(discriminator="kind")]]

# Kinds of behaviour tests by the kind of inputs.
BEHAVIOUR_KINDS = {
    "table": ("noise", "out_of_range"),
    "columns": (),
    "image": ("shift", "rotation", "noise", "inversion"),
    "text": ("typos", "case", "name_swap", "negation", "sentence"),
}
