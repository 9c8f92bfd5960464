"""Benchmark Penstock against baselines that run on the same machine: `python -m benchmarks`."""
