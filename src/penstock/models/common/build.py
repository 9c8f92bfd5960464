"""Build the network of a model: one plain torch module per kind, behind an input layer.

Shape suffixes in this package: N rows of a batch, T steps of a sequence, D features of a step, H hidden size,
G gates times H, K latent dimension, C classes. An image is [N, 1, height, width].
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from torch import nn

from penstock.config.models import (
    ClassificationConfig,
    ModelConfig,
    MultilabelConfig,
    PredictorConfig,
    RegressionConfig,
)
from penstock.config.networks import TabularConfig, TextNetworkConfig
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.base import ExportableModel
from penstock.models.common.classifier import Classifier, output_width
from penstock.models.common.columns import ColumnFeatures
from penstock.models.common.inputs import input_layer, input_spec, restrict_to_model
from penstock.models.common.multilabel import MultilabelClassifier
from penstock.models.common.regressor import Regressor


def build_network(model: ModelConfig, info: DatasetInfo) -> ExportableModel:
    """Build the network of a model in params.yaml for a processed dataset.

    Raises:
        WrongSettingError: The network does not support this kind of input, or the loss this number of classes.
    """
    build = import_module(f"penstock.models.{model.network.kind}").build
    if not isinstance(model, PredictorConfig):
        whole: ExportableModel = build(model.network, info)
        return whole
    network = model.network
    seen = restrict_to_model(network.tokens, info) if isinstance(network, TextNetworkConfig) else info
    # The tabular network has its own: it needs the numbers as they are.
    inputs = nn.Identity() if isinstance(network, TabularConfig) else input_layer(seen)
    features = replace(seen, shape=(inputs.width,)) if isinstance(inputs, ColumnFeatures) else seen
    match model:
        case ClassificationConfig():
            return Classifier(
                input_spec(seen), inputs, build(network, features, output_width(model.training.loss, info))
            )
        case RegressionConfig():
            return Regressor(input_spec(seen), inputs, build(network, features, len(info.targets)), len(info.targets))
        case MultilabelConfig():
            return MultilabelClassifier(input_spec(seen), inputs, build(network, features, len(info.classes)))
