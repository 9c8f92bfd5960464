"""Penstock: raw data to validated ONNX models. docs/architecture.md has a tour."""

# The only __init__.py with code: Python runs it before every other module of Penstock, and telemetry has to be disabled
# before the first import of onnxruntime or MLflow.
from penstock.core.telemetry import disable_telemetry

disable_telemetry()
