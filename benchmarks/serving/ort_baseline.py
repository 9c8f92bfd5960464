"""Run onnxruntime in a loop, the upper bound of every server.

    python -m benchmarks.serving.ort_baseline MODEL.onnx ROWS.npy

A line on stdin starts a run of S seconds: `rows S` runs single rows on one core, `batches S` batches of 8 on two cores.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from benchmarks.competitors import ours
from benchmarks.serving.load import Figures
from benchmarks.serving.workload import Workload
from penstock.core.paths import Project

BATCH = 8
CORES = 2


class OrtBaseline:
    """The loop in a separate process, which takes turns with the servers."""

    def __init__(self, project: Project, workload: Workload, folder: Path) -> None:
        rows = folder / f"{workload.model}.npy"
        np.save(rows, workload.rows.astype(str) if workload.rows.dtype == object else workload.rows)
        self._process = ours("benchmarks.serving.ort_baseline", workload.path, rows, cwd=project.root)

    def __enter__(self) -> OrtBaseline:
        return self

    def __exit__(self, *reason: object) -> None:
        self._process.__exit__(*reason)

    def figures(self, connections: int, seconds: int) -> Figures:
        """Measure single rows as the baseline of one connection, and batches as that of several."""
        return Figures(**self._process.tell(f"{'rows' if connections == 1 else 'batches'} {seconds}"))


def _time(session: onnxruntime.InferenceSession, batches: Iterator[NDArray[Any]], seconds: float) -> dict[str, float]:
    (name,) = (node.name for node in session.get_inputs())
    outputs = [node.name for node in session.get_outputs()]
    taken, answered, begun = [], 0, time.perf_counter()
    while (since := time.perf_counter()) < begun + seconds:
        batch = next(batches)
        session.run(outputs, {name: batch})
        taken.append(time.perf_counter() - since)
        answered += len(batch)
    p50, p99 = np.percentile(taken, (50, 99)) * 1000
    return {"requests_per_second": answered / (time.perf_counter() - begun), "p50_ms": p50, "p99_ms": p99}


def _session(path: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def main(path: str, rows: str) -> None:
    inputs = np.load(rows)
    inputs = inputs.astype(object) if inputs.dtype.kind == "U" else inputs
    one, batch = ([inputs[first : first + size] for first in range(0, len(inputs), size)] for size in (1, BATCH))
    loops = {"rows": (_session(path, 1), cycle(one)), "batches": (_session(path, CORES), cycle(batch))}
    for line in sys.stdin:
        what, seconds = line.split()
        print(json.dumps(_time(*loops[what], float(seconds))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
