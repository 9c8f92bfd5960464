"""Simple models without a network that scores are compared with.

Each module has `measure(settings, processed, raw)`. It returns the content of baseline.json: metrics on the test split.
"""
