"""List the limitations of a model that its reports and data show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from penstock.core.plurals import counted
from penstock.reporting.measures import UP, measure
from penstock.reporting.results import Result
from penstock.reporting.views import ModelView

FRAGILE = 0.95  # a behaviour test that fewer rows pass is a limitation
UNCALIBRATED = 0.05  # expected calibration error that is a limitation
FEW_ROWS = 1000


def limitations_of(result: Result, view: ModelView, data: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the reports say against a model, one sentence each.

    Args:
        result: Results of the model.
        view: The same for readers.
        data: Content of data.json of its dataset.
    """
    tokens = getattr(result.model.network, "tokens", None)
    if tokens is not None:
        yield f"It reads the last {tokens.max_length} words of a text, and knows {tokens.vocab_size:,} word ids."
    yield from _of_data(data)
    yield from _of_answers(result, view)
    if not result.passed:
        failed = ", ".join(gate for gate, check in result.checks.items() if not check.passed)
        yield f"It does not pass its gates ({failed}), so it is neither registered nor served."
    primary, baseline = measure(result.primary_metric), result.validation["baseline"].get(result.primary_metric)
    if baseline is not None and (baseline > result.score if primary.direction == UP else baseline < result.score):
        yield f"The baseline {result.validation['baseline']['name']} has a better {primary.label}."


def _of_data(data: Mapping[str, Any]) -> Iterator[str]:
    inputs, rows = data["training_inputs"], data["splits"]["test"]["rows"]
    if data["kind"] == "text":
        cut, length = 100 * inputs["share_cut"], data["shape"][0]
        yield f"Of the training texts, {cut:.1f} % are longer than {length} words and were cut."
        yield "Texts in other languages and of other kinds are not like the training data."
    if data["kind"] == "columns":
        yield "Every text that no training row has in a column is the same to it."
    if data["kind"] == "image":
        yield "Images must have the size and polarity of the training images: 0 is the background."
    if rows < FEW_ROWS:
        yield f"The test split has only {counted(rows, 'row')}, so its scores are uncertain."


def _of_answers(result: Result, view: ModelView) -> Iterator[str]:
    for test in view.behaviour:
        if test.passed < FRAGILE:
            yield f"In the behaviour test `{test.name}`, only {100 * test.passed:.1f} % of the rows pass."
    if view.class_scores:
        worst = min(view.class_scores, key=lambda one: one.recall)
        yield f"The class with the lowest recall is `{worst.name}`: {worst.recall:.4f}."
    slices = result.validation.get("slices", {})
    if slices.get("label"):
        worst_label = min(slices["label"], key=lambda one: one["f1"])
        yield f"The label with the lowest F1 score is `{worst_label['slice']}`: {worst_label['f1']:.4f}."
    for one in slices.get("target", ()):
        yield f"One of ten test rows has an error of more than {one['absolute_error_90']:g} in `{one['slice']}`."
    error = result.validation["test"].get("expected_calibration_error", 0)
    if error > UNCALIBRATED:
        yield f"Its probabilities are not calibrated: the expected calibration error is {error:.3f}."
