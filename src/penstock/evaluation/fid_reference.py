"""A trained classifier as the judge of generated images: what it sees in the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from penstock.core.errors import WrongSettingError
from penstock.evaluation.frechet import Statistics, impression
from penstock.evaluation.parity import exported_answers
from penstock.evaluation.session import open_model
from penstock.export.graph import network_graph, write_model
from penstock.io.processed_dataset import ProcessedDataset
from penstock.models.common.base import ExportableModel
from penstock.models.common.classifier import Classifier, probabilities

OUTPUTS = ("probabilities", "features")
AT_ONCE = 256


class ReferenceClassifier(nn.Module):
    """Pixels uint8 [N, height, width] to probabilities [N, C] and what the last layer sees, [N, D]."""

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
    """Writes judge.onnx and the statistics of its features of all test images; returns what it says of these.

    Raises:
        WrongSettingError: the classifier has no last layer but one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "judge.onnx"
    write_model(path, network_graph(ReferenceClassifier(classifier), classifier.input_spec, OUTPUTS, recurrent=False))
    test = processed.split("test")
    seen = exported_answers(open_model(path), np.asarray(test.inputs), AT_ONCE)
    Statistics.of(seen["features"]).save(folder)
    likely = seen["probabilities"]
    accuracy = float((likely.argmax(axis=1) == test.labels).mean())
    return {"accuracy": round(accuracy, 6)} | impression(likely)
