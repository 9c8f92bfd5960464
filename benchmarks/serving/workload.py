"""Prepare the requests for all servers: raw test rows, and the outputs of onnxruntime for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from penstock.config.models import AdversarialConfig
from penstock.config.params import Config
from penstock.core.paths import Project
from penstock.data.sources.read import read_dataset
from penstock.data.sources.rows import part_for

ROWS = 64
# Outputs of onnxruntime itself differ by as much between batch sizes and numbers of threads.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Workload:
    """Requests for one model."""

    model: str
    path: Path
    """The ONNX file."""
    rows: NDArray[Any]
    """Raw input rows, [rows, ...]."""

    @cached_property
    def session(self) -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # errors
        return onnxruntime.InferenceSession(self.path, options, providers=["CPUExecutionProvider"])

    @property
    def input(self) -> str:
        name: str = self.session.get_inputs()[0].name
        return name

    @cached_property
    def right(self) -> NDArray[np.float32]:
        """Expected first output, float32 [rows, values]; the probabilities of a classifier."""
        first = self.session.get_outputs()[0].name
        answers = [self.session.run([first], {self.input: row[None]})[0] for row in self.each()]
        return np.concatenate(answers).astype(np.float32).reshape(ROWS, -1)

    def each(self) -> list[NDArray[Any]]:
        return [self.rows[place] if self.rows.ndim > 1 else np.asarray(self.rows[place]) for place in range(ROWS)]

    def is_right(self, row: int, first_output: object) -> bool:
        answered = np.asarray(first_output, dtype=np.float32)
        return answered.shape == self.right[row].shape and bool(np.abs(answered - self.right[row]).max() <= TOLERANCE)


def workload_of(project: Project, config: Config, model: str, path: Path) -> Workload:
    """Select test rows, or draw noise for a generator, with a fixed seed."""
    settings, random = config.model(model), np.random.default_rng(0)
    if isinstance(settings, AdversarialConfig):
        return Workload(model, path, random.standard_normal((ROWS, settings.network.latent_dim), dtype=np.float32))
    dataset = settings.dataset
    test = part_for(read_dataset(config.dataset(dataset), project.raw(dataset)), "test").inputs
    return Workload(model, path, test[random.choice(len(test), ROWS, replace=len(test) < ROWS)])
