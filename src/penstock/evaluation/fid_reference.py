"""Export the reference classifier of the Frechet distance, with the statistics of its features of real images."""

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
    """Map pixels uint8 [N, height, width] to probabilities [N, C] and the inputs of the last layer, features [N, D]."""

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
    """Write reference.onnx and the statistics of its features of all test images.

    Returns:
        Accuracy and image quality of the real test images: the content of baseline.json.

    Raises:
        WrongSettingError: The classifier has no last layer behind other layers.
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
