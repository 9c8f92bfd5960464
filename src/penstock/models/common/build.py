"""Build the network of a model: one plain torch module per kind, behind an input layer.

Shape suffixes in this package: N rows of a batch, T steps of a sequence, D features of a step, H hidden size,
G gates times H, K latent dimension, C classes. An image is [N, 1, height, width].
"""

from __future__ import annotations

from importlib import import_module

from torch import nn

from penstock.config.models import ClassificationConfig, ModelConfig
from penstock.config.networks import TextNetworkConfig
from penstock.io.dataset_info import DatasetInfo
from penstock.models.common.base import ExportableModel
from penstock.models.common.classifier import Classifier, output_width
from penstock.models.common.inputs import input_layer, input_spec, restrict_to_model


def build_network(model: ModelConfig, info: DatasetInfo) -> ExportableModel:
    """Build the network of a model in params.yaml for a processed dataset.

    Raises:
        WrongSettingError: The network does not support this kind of input, or the loss this number of classes.
    """
    build = import_module(f"penstock.models.{model.network.kind}").build
    if not isinstance(model, ClassificationConfig):
        whole: ExportableModel = build(model.network, info)
        return whole
    network = model.network
    seen = restrict_to_model(network.tokens, info) if isinstance(network, TextNetworkConfig) else info
    body: nn.Module = build(network, seen, output_width(model.training.loss, info))
    return Classifier(input_spec(seen), input_layer(seen), body)
