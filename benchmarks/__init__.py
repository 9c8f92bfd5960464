"""Benchmark Penstock against baselines that run on the same machine: `python -m benchmarks`."""

import penstock  # noqa: F401  (disables telemetry before a benchmark imports onnxruntime)
