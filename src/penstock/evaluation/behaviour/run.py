"""Run the behaviour tests of params.yaml on an exported classifier.

A test perturbs raw test inputs with a fixed seed. It counts the rows for which an expectation holds: the label stays,
the probability of the true class falls, or the probabilities are valid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from penstock.config.behaviour import BehaviourTestConfig, TextTestConfig
from penstock.evaluation.behaviour.images import perturbed_images
from penstock.evaluation.behaviour.tables import perturbed_numbers
from penstock.evaluation.behaviour.texts import perturbed_text
from penstock.evaluation.results import Predictions
from penstock.evaluation.session import BATCH_SIZES, Outputs, onnx_outputs

Expectation = Literal["same label", "lower probability", "valid probabilities"]
EXPECTATIONS: dict[str, Expectation] = {"negation": "lower probability", "out_of_range": "valid probabilities"}
SEED = 0
SHOWN_FAILURES = 6
EXCERPT = (60, 240)  # characters before and after the first change of a text
LARGEST_ERROR_OF_SUM = 1e-4  # of the probabilities of a row


@dataclass(frozen=True)
class BehaviourResult:
    """Result of one behaviour test."""

    report: dict[str, Any]
    """Entry of `behaviour` in validation.json."""
    images: NDArray[np.uint8] | None
    """Perturbed images of the rows in `examples` of the report [shown, height, width]; None for other inputs."""


@dataclass(frozen=True)
class _Answers:
    """Outputs for the same rows before and after the perturbation."""

    labels: NDArray[np.int64]
    before: Outputs
    after: Outputs

    def probability_of_true_class(self, outputs: Outputs) -> NDArray[np.float64]:
        found = outputs["probabilities"][np.arange(len(self.labels)), self.labels]
        return np.nan_to_num(found.astype(np.float64), posinf=0.0, neginf=0.0)

    def passed(self, expectation: Expectation) -> NDArray[np.bool_]:
        match expectation:
            case "same label":
                return np.asarray(self.before["label"] == self.after["label"])
            case "lower probability":
                one, other = map(self.probability_of_true_class, (self.before, self.after))
                return np.asarray(other < one)
            case "valid probabilities":
                shares = self.after["probabilities"].astype(np.float64)
                error = np.maximum(np.abs(shares.sum(axis=1) - 1), -shares.min(axis=1))
                return np.asarray(error <= LARGEST_ERROR_OF_SUM)  # false for NaN and infinity


def run_behaviour_tests(
    tests: Mapping[str, BehaviourTestConfig], predictions: Predictions
) -> dict[str, BehaviourResult]:
    """Run behaviour tests on a classifier.

    Args:
        tests: Settings by name, `datasets.<name>.behaviour` in params.yaml.
        predictions: The exported file and its outputs for the test inputs.

    Returns:
        Results by name, without tests that change no test row.
    """
    results = {}
    for name, test in tests.items():
        rows, inputs = _perturbed(test, predictions)
        if len(rows):
            results[name] = _result(test, predictions, rows, inputs)
    return results


def _result(
    test: BehaviourTestConfig, predictions: Predictions, rows: NDArray[np.int64], inputs: NDArray[Any]
) -> BehaviourResult:
    answers = _Answers(
        labels=predictions.test.labels[rows],
        before={output: values[rows] for output, values in predictions.outputs.items()},
        after=onnx_outputs(predictions.session, inputs, BATCH_SIZES[-1]),
    )
    expectation = EXPECTATIONS.get(test.kind, "same label")
    passed = answers.passed(expectation)
    shown = np.flatnonzero(~passed)[:SHOWN_FAILURES]
    report = {
        "kind": test.kind,
        "expectation": expectation,
        "rows": len(rows),
        "passed": round(float(passed.mean()), 6),
        "failed_rows": int((~passed).sum()),
        "accuracy": _accuracy(answers.after, answers.labels),
        "unperturbed_accuracy": _accuracy(answers.before, answers.labels),
        "examples": [_example(predictions, answers, rows, inputs, int(place)) for place in shown],
    }
    return BehaviourResult(report, inputs[shown] if predictions.info.kind == "image" else None)


def _perturbed(test: BehaviourTestConfig, predictions: Predictions) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the rows of the test split that a test perturbs, and their perturbed inputs."""
    generator = np.random.default_rng(SEED)
    order = generator.permutation(len(predictions.inputs))
    if predictions.info.kind == "text":
        changed = list(islice(_changed_texts(cast(TextTestConfig, test), predictions, order, generator), test.rows))
        return np.array([row for row, _ in changed], np.int64), np.array([text for _, text in changed], object)
    rows = order[: test.rows]
    perturb = perturbed_images if predictions.info.kind == "image" else perturbed_numbers
    return rows, perturb(cast(Any, test), predictions.inputs[rows], generator)


def _changed_texts(
    test: TextTestConfig, predictions: Predictions, order: NDArray[np.int64], generator: np.random.Generator
) -> Iterator[tuple[int, str]]:
    classes, labels = predictions.info.classes, predictions.test.labels
    for row in order.tolist():
        text = perturbed_text(test, predictions.inputs[row], classes[labels[row]], generator)
        if text != predictions.inputs[row]:
            yield row, text


def _accuracy(outputs: Outputs, labels: NDArray[np.int64]) -> float:
    return round(float((outputs["label"] == labels).mean()), 6)


def _example(
    predictions: Predictions, answers: _Answers, rows: NDArray[np.int64], inputs: NDArray[Any], place: int
) -> dict[str, Any]:
    """Describe a row that failed: its labels, the probability of its true class, and its input if it is readable."""
    classes = predictions.info.classes
    example: dict[str, Any] = {
        "row": int(rows[place]),
        "actual": classes[answers.labels[place]],
        "before": classes[answers.before["label"][place]],
        "after": classes[answers.after["label"][place]],
        "probability_before": round(float(answers.probability_of_true_class(answers.before)[place]), 6),
        "probability_after": round(float(answers.probability_of_true_class(answers.after)[place]), 6),
    }
    if predictions.info.kind == "text":
        example["text"] = _excerpt(predictions.inputs[rows[place]], inputs[place])
    elif predictions.info.kind == "table":
        example["input"] = [round(float(number), 6) for number in inputs[place]]
    return example


def _excerpt(before: str, after: str) -> str:
    """Return the part of a changed text around its first change."""
    pairs = enumerate(zip(before, after, strict=False))
    change = next((place for place, (one, other) in pairs if one != other), len(before))
    start = max(0, change - EXCERPT[0])
    return after[start : change + EXCERPT[1]]
