"""Measure baselines: simple models without a neural network.

Each module has `measure(settings, processed, raw)`. It returns the content of baseline.json: metrics on the test split.
"""
