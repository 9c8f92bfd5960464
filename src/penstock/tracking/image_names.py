"""Name the images that Penstock logs to runs."""

from __future__ import annotations

CONFUSION_MATRIX = "confusion_matrix"
WORST_ERRORS = "worst_errors"
RECONSTRUCTIONS = "reconstructions"
GENERATED = "generated_images"  # by the ONNX file
SAMPLES = "samples"  # after each epoch, from the same noise
IMAGES = (CONFUSION_MATRIX, WORST_ERRORS, RECONSTRUCTIONS, GENERATED, SAMPLES)
