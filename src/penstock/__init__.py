"""Penstock: raw data to validated ONNX models. docs/architecture.md has a tour."""
