"""Name the images that Penstock logs to runs."""

from __future__ import annotations

CONFUSION_MATRIX = "confusion_matrix"
PREDICTIONS = "predictions"  # predicted against actual numbers, and residuals
LABEL_SCORES = "label_scores"
WORST_ERRORS = "worst_errors"
RECONSTRUCTIONS = "reconstructions"
GENERATED = "generated_images"  # by the ONNX file
SAMPLES = "samples"  # after each epoch, from the same noise
IMAGES = (CONFUSION_MATRIX, PREDICTIONS, LABEL_SCORES, WORST_ERRORS, RECONSTRUCTIONS, GENERATED, SAMPLES)
