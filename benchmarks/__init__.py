"""Measurements of Penstock as ratios against something that runs beside it: `python -m benchmarks`."""
