"""Export the reference classifier of the Frechet distance, and its feature statistics of real images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from penstock.core.errors import WrongSettingError
from penstock.evaluation.frechet import REFERENCE, Statistics, image_quality
from penstock.evaluation.session import onnx_outputs, open_model
from penstock.export.graph import network_graph
from penstock.export.onnx_file import write_model
from penstock.io.processed_dataset import ProcessedDataset
from penstock.models.common.base import ExportableModel
from penstock.models.common.classifier import Classifier, probabilities

OUTPUTS = ("probabilities", "features")
BATCH_SIZE = 256


class ReferenceClassifier(nn.Module):
    """Classifier that also returns the features before its last layer.

    It maps pixels, uint8 [N, height, width], to probabilities, float32 [N, C], and features, float32 [N, D].
    """

    def __init__(self, classifier: ExportableModel) -> None:
        super().__init__()
        if not isinstance(classifier, Classifier) or not isinstance(classifier.network, nn.Sequential):
            raise WrongSettingError("classifier", "must be a convolutional network or an mlp: layers in a row")
        self.inputs = classifier.inputs
        self.body, self.output = classifier.network[:-1], classifier.network[-1]

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(self.inputs(inputs))
        return probabilities(self.output(features)), features


def write_fid_reference(classifier: ExportableModel, processed: ProcessedDataset, folder: Path) -> dict[str, Any]:
    """Write reference.onnx and its feature statistics of all test images.

    Returns:
        Content of baseline.json: accuracy and image quality of the real test images.

    Raises:
        WrongSettingError: The classifier is not a sequence of layers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / REFERENCE
    write_model(path, network_graph(ReferenceClassifier(classifier), classifier.input_spec, OUTPUTS, recurrent=False))
    test = processed.split("test")
    outputs = onnx_outputs(open_model(path), np.asarray(test.inputs), BATCH_SIZE)
    Statistics.of(outputs["features"]).save(folder)
    probabilities_NC = outputs["probabilities"]
    accuracy = float((probabilities_NC.argmax(axis=1) == test.labels).mean())
    return {"accuracy": round(accuracy, 6)} | image_quality(probabilities_NC)
