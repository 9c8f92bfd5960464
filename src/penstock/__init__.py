"""Penstock: raw data in, proven ONNX models out. The tour of the house is in README.md."""
