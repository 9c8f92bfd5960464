"""How fast Penstock is, as ratios against something that runs beside it: `python -m benchmarks`."""
