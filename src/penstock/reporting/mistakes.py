"""List the worst errors of a model, and the rows that failed its behaviour tests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.reporting import pixels
from penstock.reporting.pixels import data_uri, to_bytes
from penstock.reporting.results import Result

WORST = "worst_errors"  # section of validation.json
ARROW = "\N{RIGHTWARDS ARROW}"
LINE_BREAK = re.compile(r"(<br\s*/?>\s*)+")  # reviews of IMDB have them

Row = Mapping[str, Any]
# Figures of an error, and digits behind the point.
FIGURES = {"probability": 3, "mean_squared_error": 4, "error": 4}


class Mistake(NamedTuple):
    """One of the worst errors."""

    row: int
    """Row of the test split."""
    title: str
    """Actual and predicted class, or the actual class alone."""
    figure: str
    """Confidence, or the error."""
    image: str
    """Address of the image; empty for other inputs."""
    text: str
    """The input, or an excerpt; empty if it is not in the reports."""


class BehaviourTest(NamedTuple):
    """Result of one behaviour test."""

    name: str
    expectation: str
    rows: int
    passed: float
    """Share of the rows for which the expectation holds."""
    before: float
    """Accuracy on the same rows without the perturbation."""
    after: float
    """Accuracy on the perturbed rows."""
    limit: float | None
    """Gate on `passed`; None if there is none."""
    failures: Sequence[Mistake]
    """Some of the rows for which it does not hold."""

    @property
    def is_passed(self) -> bool:
        return self.limit is None or self.passed >= self.limit


def behaviour_tests(result: Result, examples: Mapping[str, Any]) -> list[BehaviourTest]:
    """Return the behaviour tests of a report, with the gates of params.yaml."""
    checks = result.checks
    return [
        BehaviourTest(
            name=name.replace("_", " "),
            expectation=found["expectation"],
            rows=found["rows"],
            passed=found["passed"],
            before=found["unperturbed_accuracy"],
            after=found["accuracy"],
            limit=checks[gate].limit if (gate := f"behaviour.{name}") in checks else None,
            failures=_failures(found["examples"], examples.get(f"behaviour_{name}")),
        )
        for name, found in result.validation.get("behaviour", {}).items()
    ]


def _failures(rows: Sequence[Row], images: np.ndarray[Any, Any] | None) -> list[Mistake]:
    return [
        Mistake(
            row=row["row"],
            title=f"{row['before']} {ARROW} {row['after']}",
            figure=f"{row['probability_before']:.3f} {ARROW} {row['probability_after']:.3f}",
            image=_image(images, number),
            text=_text(row),
        )
        for number, row in enumerate(rows)
    ]


def _image(images: np.ndarray[Any, Any] | None, number: int) -> str:
    return data_uri(pixels.shown(images[number])) if images is not None and number < len(images) else ""


def worst_errors(validation: Row, examples: Mapping[str, Any], classes: Sequence[str]) -> list[Mistake]:
    """Return the worst errors of the report, or those of the examples of an older version."""
    rows = validation.get(WORST) or _mistakes_of_examples(examples, classes)
    images = examples.get("images") if "predicted" in examples else examples.get("worst_images")
    if "worst_reconstructions" in examples:
        images = np.concatenate(
            with_reconstructions(examples["worst_images"], examples["worst_reconstructions"]), axis=1
        )
    return [
        Mistake(
            row=row["row"],
            title=f"{row['actual']} {ARROW} {row['predicted']}" if "predicted" in row else row["actual"],
            figure=next(f"{row[name]:.{places}f}" for name, places in FIGURES.items() if name in row),
            image=_image(images, number),
            text=_text(row),
        )
        for number, row in enumerate(rows)
    ]


def _mistakes_of_examples(examples: Mapping[str, Any], classes: Sequence[str]) -> list[Row]:
    if "predicted" not in examples:
        return []
    columns = (examples[name].tolist() for name in ("rows", "labels", "predicted", "confidence"))
    return [
        {"row": row, "actual": classes[label], "predicted": classes[predicted], "probability": confidence}
        for row, label, predicted, confidence in zip(*columns, strict=True)
    ]


def _text(row: Row) -> str:
    """Return the input of a row, if the report has it."""
    if "columns" in row:
        return ", ".join(
            f"{name} {value if isinstance(value, str) else f'{value:g}'}"
            for name, value in row["columns"].items()
            if value is not None
        )
    if "input" in row:
        return ", ".join(f"{number:g}" for number in row["input"])
    return LINE_BREAK.sub(" ", row.get("text", ""))


def with_reconstructions(images: np.ndarray[Any, Any], reconstructions: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return images and reconstructions, uint8 [2, count, height, width]."""
    return np.stack([images, to_bytes(reconstructions)])
