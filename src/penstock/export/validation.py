"""The proof: the whole raw test split through onnxruntime, held against what was trained and against the gates."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray

from penstock.config import ImageInputs, Model, TableInputs, TextInputs
from penstock.data.datasets import Part, load_dataset, part_behind
from penstock.data.inputs.text import TextEncoder
from penstock.data.processed import SPLITS, Processed
from penstock.errors import GateError, MissingFileError
from penstock.export.graph import TOKEN_IDS
from penstock.files import sha256
from penstock.networks.classifier import Classifier, probabilities

BATCH_SIZES = (1, 7, 256)
LATENCY_CALLS = 50


@dataclass(frozen=True)
class Answers:
    """probabilities: float32 [rows, classes]; labels: int64 [rows]."""

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Check:
    """A gate: `value` must be at least (or at most) `limit`."""

    value: float
    limit: float
    at_least: bool

    @property
    def passed(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def report(self) -> dict[str, Any]:
        return {"value": self.value, "limit": self.limit, "passed": self.passed}

    def __str__(self) -> str:
        wanted = "at least" if self.at_least else "at most"
        return f"{self.value:g}, {wanted} {self.limit:g}, missed by {abs(self.value - self.limit):.2g}"


@dataclass(frozen=True)
class Validation:
    """What was found. `report` is validation.json; `answers` are of the test split, in its order."""

    report: dict[str, Any]
    checks: Mapping[str, Check]
    test: Part
    answers: Answers

    def require_gates(self) -> None:
        """Raises `GateError` with a line for each gate that was missed, and by how much."""
        name = self.report["model"]
        missed = [f"models.{name}.gates: {gate}: {check}" for gate, check in self.checks.items() if not check.passed]
        if missed:
            raise GateError("\n".join(missed))


def open_model(path: Path) -> onnxruntime.InferenceSession:
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file; `dvc repro` makes it")
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def validate(
    name: str,
    model: Model,
    inputs: TableInputs | ImageInputs | TextInputs,
    classifier: Classifier,
    processed: Processed,
    *,
    raw: Path,
    path: Path,
) -> Validation:
    """Runs the raw test split through `path` at several batch sizes, and compares with `classifier`.

    Args:
        inputs: the dataset's settings, `datasets.<name>.inputs`.
        classifier: with the trained weights in it.
        raw: folder of the dataset's raw files.
    """
    parts = load_dataset(model.dataset).read(raw)
    test = part_behind(parts, "test")[processed.rows("test")]
    trained = _trained_answers(classifier, processed)
    session = open_model(path)
    exported = {size: answers_of(session, test.inputs, size) for size in BATCH_SIZES}
    answers = exported[BATCH_SIZES[-1]]

    difference = max(_difference(one, trained) for one in exported.values())
    agreement = min(float((one.labels == trained.labels).mean()) for one in exported.values())
    accuracy = float((answers.labels == test.labels).mean())
    checks = {
        "accuracy": Check(round(accuracy, 6), model.gates.accuracy, at_least=True),
        "parity": Check(difference, model.gates.parity, at_least=False),
        "agreement": Check(agreement, 1.0, at_least=True),
    }
    report: dict[str, Any] = {
        "model": name,
        "dataset": model.dataset,
        "samples": len(test.labels),
        "test": {"accuracy": round(accuracy, 6), "loss": round(_loss(answers, test.labels), 6)},
        "parity": {"max_abs_diff": difference, "agreement": agreement, "batch_sizes": list(BATCH_SIZES)},
        "onnx": {"bytes": path.stat().st_size, "sha256": sha256(path)},
    }
    if isinstance(inputs, TextInputs):
        share, texts = _equal_token_ids(path, inputs, processed, parts)
        checks["token_ids"] = Check(share, 1.0, at_least=True)
        report["token_ids"] = {"equal": share, "texts": texts}
    report["confusion"] = confusion(test.labels, answers.labels, processed.manifest.classes)
    report["gate"] = {
        "passed": all(check.passed for check in checks.values()),
        "checks": {gate: check.report() for gate, check in checks.items()},
    }
    return Validation(report, checks, test, answers)


def answers_of(session: onnxruntime.InferenceSession, inputs: NDArray[Any], batch_size: int) -> Answers:
    """All rows of raw inputs through the session, `batch_size` at a time."""
    name = session.get_inputs()[0].name
    outputs = [
        session.run(["probabilities", "label"], {name: inputs[start : start + batch_size]})
        for start in range(0, len(inputs), batch_size)
    ]
    likely, labels = zip(*outputs, strict=True)
    return Answers(np.concatenate(likely), np.concatenate(labels))


def measure_latency(session: onnxruntime.InferenceSession, inputs: NDArray[Any]) -> dict[str, float]:
    """Median milliseconds of a call, per batch size; never twice the same."""
    milliseconds = {}
    for size in BATCH_SIZES:
        batch = inputs[:size]
        calls = []
        for _ in range(LATENCY_CALLS):
            started = time.perf_counter()
            answers_of(session, batch, size)
            calls.append((time.perf_counter() - started) * 1000)
        milliseconds[f"batch_{size}"] = round(median(calls), 4)
    return milliseconds


def confusion(labels: NDArray[np.int64], answered: NDArray[np.int64], classes: Sequence[str]) -> list[list[int]]:
    """How often each class (rows) was answered as each class (columns)."""
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (labels, answered), 1)
    table: list[list[int]] = counts.tolist()
    return table


def _trained_answers(classifier: Classifier, processed: Processed) -> Answers:
    inputs = processed.split("test").inputs
    classifier.eval()
    with torch.inference_mode():
        batches = [
            probabilities(classifier(torch.from_numpy(np.array(inputs[start : start + BATCH_SIZES[-1]]))))
            for start in range(0, len(inputs), BATCH_SIZES[-1])
        ]
    likely = torch.cat(batches)
    return Answers(likely.numpy(), likely.argmax(dim=1).numpy())


def _difference(one: Answers, other: Answers) -> float:
    """The largest difference of a probability; one that is no number is as wrong as can be."""
    differences = np.abs(one.probabilities - other.probabilities)
    return float(np.where(np.isfinite(differences), differences, 1).max())


def _loss(answers: Answers, labels: NDArray[np.int64]) -> float:
    """Mean cross-entropy of the probabilities; float32 can give 0, whose logarithm is no number."""
    right = np.nan_to_num(answers.probabilities[np.arange(len(labels)), labels].astype(np.float64))
    return float(-np.log(np.clip(right, np.finfo(np.float32).tiny, 1)).mean())


def _equal_token_ids(
    path: Path, inputs: TextInputs, processed: Processed, parts: Mapping[str, Part]
) -> tuple[float, int]:
    """Share of all texts, of every official part, whose ids in the graph equal those of preprocessing, and how many
    texts there are. The ids on disk are compared as well, not only those that preprocessing would make again."""
    session = onnxruntime.InferenceSession(_up_to(path, TOKEN_IDS), providers=["CPUExecutionProvider"])
    encoder = TextEncoder.of_vocabulary(processed.vocabulary(), inputs.length)
    equal = texts = 0
    in_graph = {}
    for name, part in parts.items():
        batches = [part.inputs[start : start + 256] for start in range(0, len(part.inputs), 256)]
        ids = np.concatenate([session.run([TOKEN_IDS], {"text": batch})[0] for batch in batches])
        equal += int((ids == encoder.encode(part.inputs)).all(axis=1).sum())
        texts += len(part.inputs)
        in_graph[name] = ids
    for split in SPLITS:
        official = "test" if split == "test" else "train"
        ids = in_graph[official if official in parts else "all"][processed.rows(split)]
        equal -= int((ids != processed.split(split).inputs).any(axis=1).sum())
    return equal / texts, texts


def _up_to(path: Path, output: str) -> bytes:
    """The part of the exported graph that computes one inner value."""
    proto = onnx.shape_inference.infer_shapes(onnx.load(path))
    text = [one.name for one in proto.graph.input]
    part: onnx.ModelProto = onnx.utils.Extractor(proto).extract_model(text, [output])
    content: bytes = part.SerializeToString()
    return content
